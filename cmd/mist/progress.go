package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// progress shows how far a long command is: a bar on a terminal, a line every
// ten seconds elsewhere.
type progress struct {
	to       io.Writer
	name     string
	terminal bool
	began    time.Time

	mu    sync.Mutex // guards what follows
	shown time.Time
	drawn bool
}

func newProgress(to io.Writer, name string) *progress {
	p := &progress{to: to, name: name, began: time.Now()}
	p.shown = p.began
	if f, ok := to.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

const barWidth = 40

// show is called with every step; it draws when it is time.
func (p *progress) show(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	pause := 10 * time.Second
	if p.terminal {
		pause = 200 * time.Millisecond
	}
	if now.Sub(p.shown) < pause && (done < total || !p.terminal) {
		return
	}
	p.shown, p.drawn = now, true
	fmt.Fprint(p.to, p.line(done, total, now.Sub(p.began)))
}

// line is one state of the bar.
func (p *progress) line(done, total int, took time.Duration) string {
	rate := float64(done) / max(took.Seconds(), 0.001)
	left := time.Duration(float64(total-done)/max(rate, 0.001)) * time.Second
	text := fmt.Sprintf("%s %3d %%  %d/%d  %.0f/s  %s left", p.name, 100*done/max(total, 1), done, total, rate, left.Round(time.Second))
	if !p.terminal {
		return text + "\n"
	}
	full := barWidth * done / max(total, 1)
	return "\r[" + strings.Repeat("█", full) + strings.Repeat("·", barWidth-full) + "] " + text + "\x1b[K"
}

// end leaves the bar's line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.drawn {
		fmt.Fprintln(p.to)
	}
}

// quietLogger tells warnings only: a command's output is for its operator.
func quietLogger(e env) *slog.Logger {
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
