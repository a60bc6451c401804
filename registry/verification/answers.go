package verification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/personlife"
)

// encode makes the sealed form of a question; our own types always encode.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("verification: " + err.Error())
	}
	return b
}

// decode reads what a connector promised.
func decode[T any](b []byte) (v T, err error) {
	if err := json.Unmarshal(b, &v); err != nil {
		return v, outbox.Rubbish(errors.New("the answer is not what the connector promises"))
	}
	return v, nil
}

// Effects are what answers change.
func (s *Service) Effects(to outbox.Effects) {
	number := func(stream Stream) outbox.Effect {
		return outbox.Effect{Answered: outbox.As(func(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
			q, err := decode[NumberQuery](m.Body)
			if err != nil {
				return err
			}
			a, err := decode[Outcome](r.Body)
			if err != nil {
				return err
			}
			return s.word(ctx, tx, m, stream, func(p patient.Person) (Status, string, string, bool) {
				status := NotVerified
				if a.Result == ResultMatch {
					status = Verified
				}
				return status, string(a.Result), "", p.Version == q.Version
			})
		}), Dead: s.dead(stream)}
	}
	to.Add(DRFO, CheckTaxNumber, number(StreamDRFO))
	to.Add(MVS, CheckUNZR, number(StreamUNZR))
	to.Add(DRACS, DeathByName, outbox.Effect{Answered: outbox.As(s.deathByName), Dead: s.dead(StreamDeath)})
	to.Add(DRACS, BirthByName, outbox.Effect{Answered: outbox.As(s.birthByName), Dead: s.dead(StreamBirth)})
	to.Add(DRACS, DeathsByPeriod, outbox.Effect{Answered: outbox.As(func(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
		a, err := decode[DeathList](r.Body)
		if err != nil {
			return err
		}
		return spread(ctx, tx, deathsKind, m.ID, a.Records)
	})})
	to.Add(DRACS, NameChangesByPeriod, outbox.Effect{Answered: outbox.As(func(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
		a, err := decode[NameChanges](r.Body)
		if err != nil {
			return err
		}
		return spread(ctx, tx, namesKind, m.ID, a.Records)
	})})
	to.Add(EDR, FindLegalEntity, outbox.Effect{Answered: outbox.As(s.entityAnswered), Dead: outbox.AsDead(s.entityDead)})
}

// word writes what a register said of a person. judge tells status, result and
// comment, and whether the record is still the one that was asked about.
func (s *Service) word(ctx context.Context, tx Tx, m outbox.Message, stream Stream, judge func(patient.Person) (Status, string, string, bool)) error {
	p, ok, err := s.held(ctx, tx, m.PersonID)
	if err != nil || !ok {
		return err
	}
	status, result, comment, current := judge(p)
	if !current {
		return nil // a newer question is on its way
	}
	now := s.Source.Now()
	return s.set(ctx, tx, s.system(m.ID.String()), p, State{Stream: stream, Status: status, Reason: ReasonAuto, Result: result, Comment: comment,
		Version: p.Version, CheckedAt: now, UpdatedAt: now, DueAt: now.Add(s.Terms.Validity)})
}

// held locks a record that is in use; of others nothing is written.
func (s *Service) held(ctx context.Context, tx Tx, id registry.ID) (p patient.Person, ok bool, err error) {
	if err := tx.LockPerson(ctx, id); err != nil {
		return p, false, err
	}
	if p, err = tx.Person(ctx, id); err != nil {
		return p, false, err
	}
	// Opening a record is a read, and the entry of what follows may not come.
	if p.Version == 0 || p.Status != patient.StatusActive {
		_, err = tx.Audit(ctx, audit.Entry{Kind: "verification.passed", Channel: string(registry.ChannelJob), SubjectID: id})
		return p, false, err
	}
	return p, true, nil
}

// dead leaves a stream as one that has to be asked again.
func (s *Service) dead(stream Stream) func(context.Context, outbox.WorkTx, outbox.Message, outbox.Reason) error {
	return outbox.AsDead(func(ctx context.Context, tx Tx, m outbox.Message, reason outbox.Reason) error {
		p, ok, err := s.held(ctx, tx, m.PersonID)
		if err != nil || !ok {
			return err
		}
		now := s.Source.Now()
		return s.set(ctx, tx, s.system(m.ID.String()), p, State{Stream: stream, Status: Needed, Reason: ReasonAuto, Result: "dead " + string(reason), Version: p.Version,
			UpdatedAt: now, DueAt: now.Add(s.Terms.Retry)})
	})
}

// certain tells that a record of death is this person's beyond doubt: the tax
// number, both names and the day of birth. Namesakes born on one day exist, and
// numbers are mistyped.
func (d DeathRecord) certain(p patient.Person) bool {
	return d.TaxID != "" && d.TaxID == p.TaxID && d.BirthDate == p.BirthDate && !d.DeathDate.IsZero() && !d.DeathDate.Before(p.BirthDate) &&
		patient.NormalizeName(d.LastName) == patient.NormalizeName(p.LastName) && patient.NormalizeName(d.FirstName) == patient.NormalizeName(p.FirstName)
}

// told is what an operator compares: a record's number and days, not its names.
func (d DeathRecord) told() string {
	return fmt.Sprintf("актовий запис про смерть № %s від %s, день смерті %s", d.RegNumber, d.RegDate, d.DeathDate)
}

func (s *Service) deathByName(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
	a, err := decode[DeathList](r.Body)
	if err != nil {
		return err
	}
	q, err := decode[NameQuery](m.Body)
	if err != nil {
		return err
	}
	for _, d := range a.Records {
		if d.BirthDate == q.BirthDate {
			// A record taken out of use by the same steps as one of the daily list.
			if err := spread(ctx, tx, deathsKind, m.ID, []DeathRecord{d}); err != nil {
				return err
			}
		}
	}
	return s.word(ctx, tx, m, StreamDeath, func(p patient.Person) (Status, string, string, bool) {
		if len(a.Records) == 0 {
			return Verified, string(ResultNone), "", true
		}
		return NotVerified, string(ResultMatch), a.Records[0].told(), true
	})
}

func (s *Service) birthByName(ctx context.Context, tx Tx, m outbox.Message, r outbox.Reply) error {
	a, err := decode[Births](r.Body)
	if err != nil {
		return err
	}
	return s.word(ctx, tx, m, StreamBirth, func(p patient.Person) (Status, string, string, bool) {
		want := patient.NormalizeDocumentNumber("BIRTH_CERTIFICATE", certificate(p))
		for _, b := range a.Records {
			for _, number := range b.Certificates {
				if patient.NormalizeDocumentNumber("BIRTH_CERTIFICATE", number) == want {
					return Verified, string(ResultMatch), "", true
				}
			}
		}
		if len(a.Records) == 0 {
			return NotVerified, string(ResultNone), "", true
		}
		return NotVerified, string(ResultOther), "", true
	})
}

// Jobs by which lists of the civil register are worked on, some records each.
const (
	deathsKind job.Kind = "verification.deaths"
	namesKind  job.Kind = "verification.names"
	portion             = 50
)

// spread leaves the records of an answer to jobs: a transaction has a second,
// and a day's list is long.
func spread[R any](ctx context.Context, tx job.Tx, kind job.Kind, message registry.ID, records []R) error {
	n := 0
	for part := range slices.Chunk(records, portion) {
		n++
		if err := tx.Enqueue(ctx, job.Job{Kind: kind, Key: fmt.Sprintf("%s/%d", message, n), Args: encode(part)}); err != nil {
			return err
		}
	}
	return nil
}

// Handlers of the jobs of this room.
func (s *Service) Handlers() job.Handlers {
	return job.Handlers{
		deathsKind: func(ctx context.Context, j job.Job) error { return each(ctx, j, s.death) },
		namesKind:  func(ctx context.Context, j job.Job) error { return each(ctx, j, s.nameChange) },
	}
}

func each[R any](ctx context.Context, j job.Job, f func(context.Context, string, R) error) error {
	list, err := decode[[]R](j.Args)
	if err != nil {
		return job.Permanent(err)
	}
	for _, r := range list {
		if err := f(ctx, j.Key, r); err != nil {
			return err
		}
	}
	return nil
}

// death finds whom a record of death may be about: the person it names beyond
// doubt is taken out of use by the flow there is, another is marked.
func (s *Service) death(ctx context.Context, key string, d DeathRecord) error {
	c := s.system(key)
	var certain registry.ID
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		certain = registry.ID{}
		if d.TaxID == "" {
			return nil // names and a day are no proof, and are asked for each record that enters the index
		}
		found, ok, err := tx.FindPerson(ctx, patient.Query{TaxID: registry.RNOKPP(d.TaxID)})
		if err != nil || !ok {
			return err
		}
		p, ok, err := s.held(ctx, tx, found.ID)
		if err != nil || !ok {
			return err
		}
		if d.certain(p) {
			certain = p.ID
		}
		now := s.Source.Now()
		return s.set(ctx, tx, c, p, State{Stream: StreamDeath, Status: NotVerified, Reason: ReasonAuto, Result: string(ResultMatch), Comment: d.told(), Version: p.Version, CheckedAt: now, UpdatedAt: now})
	})
	if err != nil || certain.IsZero() {
		return err
	}
	_, err = s.deaths.Deactivate(registry.WithReach(ctx, registry.Reach{All: true}), c, certain, personlife.Deactivation{Reason: personlife.ReasonDeath, DeathDate: d.DeathDate, Note: "ДРАЦС: актовий запис про смерть"})
	if code := registry.CodeOf(err); err != nil && (code == registry.CodeConflict || code == registry.CodeInvalid) {
		return nil // it is marked already, and people have to look
	}
	return err
}

// nameChange marks a person whose name the civil register has changed: only
// people change a record.
func (s *Service) nameChange(ctx context.Context, key string, n NameChangeRecord) error {
	if n.TaxID == "" {
		return nil
	}
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		found, ok, err := tx.FindPerson(ctx, patient.Query{TaxID: registry.RNOKPP(n.TaxID)})
		if err != nil || !ok {
			return err
		}
		p, ok, err := s.held(ctx, tx, found.ID)
		if err != nil || !ok {
			return err
		}
		now := s.Source.Now()
		state := State{Stream: StreamNameChange, Status: NotVerified, Reason: ReasonAuto, Result: string(ResultOther), Version: p.Version, CheckedAt: now, UpdatedAt: now,
			Comment: fmt.Sprintf("актовий запис про зміну імені № %s від %s: %s %s %s", n.RegNumber, n.RegDate, n.NewLastName, n.NewFirstName, n.NewSecondName)}
		if patient.NormalizeName(p.LastName) == patient.NormalizeName(n.NewLastName) && patient.NormalizeName(p.FirstName) == patient.NormalizeName(n.NewFirstName) {
			state.Status, state.Result, state.Comment = Verified, string(ResultMatch), ""
		}
		return s.set(ctx, tx, s.system(key), p, state)
	})
}

// Periodic is the work that time demands: the daily lists of the civil
// register, and streams whose word is old.
func (s *Service) Periodic(every time.Duration) []job.Periodic {
	return []job.Periodic{
		{Kind: "verification.feeds", Every: every, Run: s.feeds},
		{Kind: "verification.again", Every: every, Run: s.again},
	}
}

// maxFeedDays bounds how many days one round asks for after a long pause.
const maxFeedDays = 31

// feeds puts one question for each day that ended and was not asked for yet, in
// the order of days: each day once, however many servers look.
func (s *Service) feeds(ctx context.Context) (total int, err error) {
	if !s.Asked(DRACS) {
		return 0, nil
	}
	for _, feed := range []outbox.Operation{DeathsByPeriod, NameChangesByPeriod} {
		n := 0
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			last, err := tx.FeedDay(ctx, feed)
			if err != nil {
				return err
			}
			yesterday := registry.DateOf(s.Source.Now()).AddDate(0, 0, -1)
			if last.IsZero() {
				last = yesterday.AddDate(0, 0, -1)
			}
			for last.Before(yesterday) && n < maxFeedDays {
				last = last.AddDate(0, 0, 1)
				_, err := outbox.Put(ctx, tx, s.Source, s.system("feed"), outbox.Message{Destination: DRACS, Operation: feed, Subject: "feed", Body: encode(Period{last, last}), Deadline: s.Source.Now().Add(14 * 24 * time.Hour)})
				if err != nil {
					return err
				}
				n++
			}
			if n == 0 {
				return nil
			}
			return tx.SetFeedDay(ctx, feed, last)
		})
		if err != nil {
			return total, fmt.Errorf("asking for %s: %w", feed, err)
		}
		total += n
	}
	return total, nil
}

// againBatch is how many people one round asks about anew
// (DRFO_PERSON_VALIDATION_BATCH_SIZE).
const againBatch = 100

func (s *Service) again(ctx context.Context) (n int, err error) {
	var due []registry.ID
	if err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		due, err = tx.DueVerifications(ctx, s.Source.Now(), againBatch)
		return err
	}); err != nil {
		return 0, err
	}
	for _, id := range due {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			p, ok, err := s.held(ctx, tx, id)
			if err != nil || !ok {
				return err
			}
			return s.Begin(ctx, tx, s.system("again"), p, ReasonAuto)
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
