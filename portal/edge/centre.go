package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/jcs"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 8 << 20

// maxRetryAfter bounds how long the centre may have us wait.
const maxRetryAfter = 10 * time.Minute

// answer is a whole answer of the centre to one request.
type answer struct {
	status     int
	body       []byte
	data       map[string]any // the envelope
	retryAfter time.Duration
}

func (a answer) object(name string) map[string]any {
	o, _ := a.data[name].(map[string]any)
	return o
}

// word is a text member of an object of the envelope.
func (a answer) word(object, name string) string {
	s, _ := a.object(object)[name].(string)
	return s
}

// readAnswer takes what came back for an answer of the centre only if it is the
// whole envelope and repeats the id of the request: a captive page, a cut
// answer or one to another request is none.
func readAnswer(status int, contentType, requestID string, body []byte) (answer, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" {
		return answer{}, fmt.Errorf("HTTP %d of another media type than the centre's", status)
	}
	v, err := jcs.Parse(body)
	o, ok := v.(map[string]any)
	if err != nil || !ok {
		return answer{}, fmt.Errorf("HTTP %d with a body that is not whole JSON", status)
	}
	a := answer{status: status, body: body, data: o}
	meta := a.object("meta")
	code, _ := meta["code"].(json.Number)
	if n, err := strconv.Atoi(code.String()); err != nil || n != status {
		return answer{}, fmt.Errorf("HTTP %d that is not the centre's envelope", status)
	}
	if a.word("meta", "request_id") != requestID {
		return answer{}, errors.New("an answer to another request")
	}
	if status >= 400 && a.word("error", "type") == "" || status < 400 && o["data"] == nil {
		return answer{}, fmt.Errorf("HTTP %d without data or error", status)
	}
	return a, nil
}

// requestID is new at every attempt, so that a late answer is known as one.
func (e *Edge) requestID() string {
	for {
		if id := e.Source.NewID().String(); !registry.MayHoldIdentifier(id) {
			return id
		}
	}
}

// ask sends one request. The error says what trouble there was on the way and
// names no person.
func (e *Edge) ask(ctx context.Context, method, path string, employee registry.ID, body []byte) (answer, error) {
	var key string
	if err := e.Vault.State(stateKey, &key); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, e.Centre+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the request cannot be made")
	}
	id := e.requestID()
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("X-Request-ID", id)
	if !employee.IsZero() {
		r.Header.Set("X-Employee-ID", employee.String())
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	began := e.Source.Clock()
	w, err := e.Client.Do(r)
	if err != nil {
		return answer{}, plainly(err)
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", plainly(err))
	}
	if len(text) > maxAnswer {
		return answer{}, fmt.Errorf("HTTP %d with more than %d bytes", w.StatusCode, maxAnswer)
	}
	a, err := readAnswer(w.StatusCode, w.Header.Get("Content-Type"), id, text)
	if err != nil {
		return answer{}, err
	}
	if s, err := strconv.Atoi(w.Header.Get("Retry-After")); err == nil && s > 0 {
		a.retryAfter = min(time.Duration(s)*time.Second, maxRetryAfter)
	}
	e.compareClocks(w.Header.Get("Date"), began)
	return a, nil
}

// plainly is an error of the network without the address, which stands in the
// configuration.
func plainly(err error) error {
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("the centre did not answer in time")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the connection was cut")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return errors.New("the centre cannot be reached")
}

// compareClocks learns how far our clock is from the centre's (RFC 9110, 6.6.1:
// whole seconds).
func (e *Edge) compareClocks(date string, began time.Time) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ended := e.Source.Clock()
	middle := began.Add(ended.Sub(began) / 2)
	offset := theirs.Add(500 * time.Millisecond).Sub(middle)
	e.mu.Lock()
	was := e.line.Offset.Abs() > e.Skew
	e.line.Offset = offset
	e.mu.Unlock()
	if is := offset.Abs() > e.Skew; is && !was {
		e.Log.Warn("the clock here is off the centre's", "seconds", int(offset.Seconds()))
	}
}
