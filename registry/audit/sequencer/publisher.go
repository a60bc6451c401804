package sequencer

import (
	"context"
	"fmt"
	"time"

	"mist/registry/audit"
)

// Witness cosigns checkpoints; registry/audit/witness.Client is one. It is
// asked by one goroutine at a time.
type Witness interface {
	Name() string
	// Cosign gives the witness's signature line over the note and its time.
	// fetch reads tiles of the log.
	Cosign(ctx context.Context, fetch audit.Fetch, signed []byte, c audit.Checkpoint) (line string, at time.Time, err error)
}

// askTime bounds one exchange with the witnesses.
const askTime = 2 * time.Second

// The pause after an exchange that gave no quorum, doubled each time.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// publisher makes stored checkpoints public. The witnesses are asked beside the
// rounds, one exchange at a time, always about the newest checkpoint.
type publisher struct {
	s       *Sequencer
	cancel  context.CancelFunc
	answers chan exchange // nil while no exchange runs
	public  int64         // seq of the newest public checkpoint
	renewed time.Time     // when its note was made
	after   time.Time     // no new exchange before this
	pause   time.Duration // what the next failure costs
}

// exchange is what the witnesses answered about one checkpoint.
type exchange struct {
	seq   int64
	note  []byte
	given int
	skews []string // witnesses whose clock is far from ours
	agree int      // witnesses whose clock is near
}

// step begins an exchange when one is due.
func (p *publisher) step(ctx context.Context, l Leader, last Position) {
	if p.answers != nil {
		return
	}
	now := p.s.cfg.Now()
	if last.Seq == p.public && now.Sub(p.renewed) < p.s.cfg.Renew || now.Before(p.after) {
		return
	}
	if len(p.s.cfg.Witnesses) == 0 {
		p.alone(ctx, l, last, now)
		return
	}
	ctx, p.cancel = context.WithTimeout(ctx, askTime)
	answers := make(chan exchange, 1)
	p.answers = answers
	go func() { answers <- p.s.ask(ctx, last) }()
}

// alone renews the time of a checkpoint that no witness cosigns, so that its age
// tells that the log lives.
func (p *publisher) alone(ctx context.Context, l Leader, last Position, now time.Time) {
	if last.Seq != p.public { // Publish has just made it public
		p.public, p.renewed = last.Seq, last.At
		if now.Sub(last.At) < p.s.cfg.Renew {
			return
		}
	}
	if err := l.Announce(ctx, last.Seq, last.Note, now.UTC().Truncate(time.Microsecond)); err != nil {
		if ctx.Err() == nil {
			p.s.cfg.Log.Warn("the checkpoint's time could not be renewed", "err", err)
		}
		p.after = now.Add(p.s.cfg.Renew)
		return
	}
	p.renewed = now
}

// take makes the checkpoint public when enough have cosigned it.
func (p *publisher) take(ctx context.Context, l Leader, e exchange) error {
	p.cancel()
	p.answers = nil
	now := p.s.cfg.Now()
	p.s.judgeClock(e)
	if e.given < p.s.cfg.Quorum {
		p.pause = min(max(2*p.pause, firstPause), lastPause)
		p.after = now.Add(p.pause)
		p.s.cfg.Log.Warn("a checkpoint waits for witnesses", "seq", e.seq, "cosigned", e.given, "needed", p.s.cfg.Quorum)
		return nil
	}
	if err := l.Announce(ctx, e.seq, e.note, now.UTC().Truncate(time.Microsecond)); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("publishing checkpoint %d: %w", e.seq, err)
	}
	p.public, p.renewed, p.pause = e.seq, now, 0
	return nil
}

func (p *publisher) stop() {
	if p.answers != nil {
		p.cancel()
		<-p.answers
	}
}

// ask asks every witness at once and waits for all of them: one that is slow is
// bounded by the context, and more cosignatures than the quorum are welcome.
func (s *Sequencer) ask(ctx context.Context, last Position) exchange {
	type answer struct {
		line string
		at   time.Time
		err  error
	}
	fetch := audit.TileFetch(s.cfg.Store.LogTile)
	c := audit.Checkpoint{Origin: s.cfg.Signer.Origin(), Size: last.Size, Root: last.Root}
	answers := make([]chan answer, len(s.cfg.Witnesses))
	for i, w := range s.cfg.Witnesses {
		answers[i] = make(chan answer, 1)
		go func() {
			began := time.Now()
			line, at, err := w.Cosign(ctx, fetch, last.Note, c)
			s.cfg.Cosigned(w.Name(), time.Since(began), err)
			answers[i] <- answer{line, at, err}
		}()
	}
	e := exchange{seq: last.Seq, note: append([]byte(nil), last.Note...)}
	for i, w := range s.cfg.Witnesses {
		a := <-answers[i]
		if a.err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.Warn("no cosignature", "witness", w.Name(), "err", a.err)
			}
			continue
		}
		e.given++
		e.note = append(e.note, a.line...)
		if off := s.cfg.Now().Sub(a.at); off > s.cfg.Skew || off < -s.cfg.Skew {
			e.skews = append(e.skews, w.Name())
		} else {
			e.agree++
		}
	}
	return e
}

// judgeClock stops the numbering while most witnesses that answered have
// another time than we do: one false clock is the witness's, most are ours.
func (s *Sequencer) judgeClock(e exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(e.skews) > e.agree:
		s.skewed = fmt.Errorf("the clock differs by more than %v from the witnesses %v: nothing is numbered until they agree", s.cfg.Skew, e.skews)
		s.cfg.Log.Error("numbering paused", "err", s.skewed)
	case e.agree > 0 && s.skewed != nil:
		s.skewed = nil
		s.cfg.Log.Info("numbering resumed: the clocks agree again")
	}
}

// ClockError is set while numbering is paused because our clock differs from an
// authority's or from most of the witnesses'.
func (s *Sequencer) ClockError() error { return s.clockError() }

func (s *Sequencer) clockError() error {
	if err := s.authorityError(s.cfg.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skewed
}
