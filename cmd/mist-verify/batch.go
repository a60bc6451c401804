package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"mist/signature"
	"mist/signature/facts"
)

type batchCommand struct {
	trustFlags
	Input string `arg:"" optional:"" help:"List of work, one JSON object per line: id, file, content, time. Default: standard input." type:"path"`
	Jobs  int    `help:"Verifications at once; 0 is one per core." default:"0"`
}

// task is one line of the input. Content is a path, or an object from
// reference URI or file name to path.
type task struct {
	ID      string          `json:"id"`
	File    string          `json:"file"`
	Content json.RawMessage `json:"content"`
	Time    string          `json:"time"`
}

// maxLine bounds one line of the list.
const maxLine = 1 << 20

// Run answers in the order of the input, so that two runs can be compared.
func (c *batchCommand) Run(e *env) error {
	in := e.in
	if c.Input != "" && c.Input != "-" {
		f, err := os.Open(c.Input)
		if err != nil {
			return &exitError{exitUnreadable, err}
		}
		defer f.Close()
		in = f
	}
	v, p, err := c.verifier()
	if err != nil {
		return err
	}
	jobs := c.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	type slot struct {
		line []byte
		out  chan answer
	}
	order := make(chan slot, jobs*4)
	work := make(chan slot, jobs*4)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for s := range work {
				s.out <- c.one(e, v, p, s.line)
			}
		})
	}
	var readErr error
	go func() {
		defer close(order)
		defer close(work)
		lines := bufio.NewScanner(in)
		lines.Buffer(make([]byte, 64<<10), maxLine)
		for lines.Scan() {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			s := slot{bytes.Clone(line), make(chan answer, 1)}
			order <- s
			work <- s
		}
		readErr = lines.Err()
	}()
	out := bufio.NewWriterSize(e.out, 64<<10)
	progress := newProgress(e.err)
	counts := map[int]int{}
	for s := range order {
		a := <-s.out
		out.Write(a.json)
		out.WriteByte('\n')
		counts[a.exit]++
		e.exit = gravest(e.exit, a.exit)
		progress.step(out)
	}
	wg.Wait()
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	progress.done(counts)
	if readErr != nil {
		return &exitError{exitUnreadable, fmt.Errorf("reading the list: %w", readErr)}
	}
	return nil
}

type answer struct {
	json []byte
	exit int
}

func (c *batchCommand) one(e *env, v *signature.Verifier, p signature.Policy, line []byte) answer {
	var t task
	fail := func(code int, err error) answer {
		b, _ := json.Marshal(failure(t.ID, err))
		return answer{b, code}
	}
	if err := json.Unmarshal(line, &t); err != nil {
		return fail(exitUnreadable, fmt.Errorf("reading the line: %w", err))
	}
	at, err := parseTime(t.Time)
	if err != nil {
		return fail(exitUnreadable, err)
	}
	content, err := t.content()
	if err != nil {
		return fail(exitUnreadable, err)
	}
	doc, err := openPath(t.File)
	if err != nil {
		return fail(exitUnreadable, err)
	}
	r, err := v.Verify(e.ctx, signature.Input{ID: t.ID, Document: doc, Content: content, Time: at}, p)
	if err != nil {
		return fail(exitUnreadable, err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return fail(exitUnreadable, err)
	}
	return answer{bytes.TrimSpace(b.Bytes()), exitOf(r, nil)}
}

func (t task) content() (map[string]facts.Source, error) {
	if len(t.Content) == 0 || string(t.Content) == "null" {
		return nil, nil
	}
	paths := map[string]string{}
	var one string
	if err := json.Unmarshal(t.Content, &one); err == nil {
		if one == "" {
			return nil, nil
		}
		paths[""] = one
	} else if err := json.Unmarshal(t.Content, &paths); err != nil {
		return nil, errors.New("content is neither a path nor an object of paths")
	}
	out := map[string]facts.Source{}
	for name, path := range paths {
		src, err := openPath(path)
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		out[name] = src
	}
	return out, nil
}

// progress writes to a terminal only, once a second at most.
type progress struct {
	w    io.Writer
	on   bool
	n    int
	next time.Time
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, on: terminal(w), next: time.Now().Add(time.Second)}
}

func (p *progress) step(out *bufio.Writer) {
	p.n++
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(time.Second)
		out.Flush()
		if p.on {
			fmt.Fprintf(p.w, "\r%d", p.n)
		}
	}
}

func (p *progress) done(counts map[int]int) {
	if p.on {
		fmt.Fprintf(p.w, "\r%d: %d passed, %d failed, %d undecided, %d without signature, %d unreadable\n", p.n,
			counts[exitPassed], counts[exitFailed], counts[exitUndecided], counts[exitNone], counts[exitUnreadable])
	}
}
