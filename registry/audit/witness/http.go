package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mist/registry/audit"
)

// maxAnswer bounds a witness's answer in bytes.
const maxAnswer = 8 << 10

// Handler serves POST /add-checkpoint.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, MaxRequest))
		if err != nil {
			http.Error(out, ErrMalformed.Error(), http.StatusBadRequest)
			return
		}
		line, err := w.AddCheckpoint(r.Context(), body)
		if err != nil {
			refuse(out, err)
			return
		}
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(out, line)
	})
	return mux
}

func refuse(out http.ResponseWriter, err error) {
	var size *SizeError
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &size):
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(out, strconv.FormatInt(size.Size, 10)+"\n")
		return
	case errors.Is(err, ErrMalformed):
		status = http.StatusBadRequest
	case errors.Is(err, ErrNotTrusted):
		status = http.StatusForbidden
	case errors.Is(err, ErrUnknownLog):
		status = http.StatusNotFound
	case errors.Is(err, ErrInconsistent):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, ErrForkedHistory):
		status = http.StatusConflict
	}
	http.Error(out, err.Error(), status)
}

// RefusedError tells that a witness will not cosign: the checkpoint contradicts
// what it has seen. People must look at it.
type RefusedError struct {
	Witness string
	Status  int
	Reason  string
}

// Error names the witness and its reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the witness %s refuses the checkpoint (HTTP %d): %s", e.Witness, e.Status, e.Reason)
}

// Client asks one witness for cosignatures of one log. It remembers which tree
// the witness knows; it is not for concurrent use.
type Client struct {
	// URL is the submission prefix.
	URL  string
	Key  *audit.WitnessKey
	HTTP *http.Client

	known int64
}

// Name is the witness's name.
func (c *Client) Name() string { return c.Key.Name() }

// Cosign submits a signed checkpoint and gives the witness's signature line and
// its time. fetch reads the log's tiles for the consistency proof.
//
// Errors: *RefusedError; others mean that the witness could not be asked.
func (c *Client) Cosign(ctx context.Context, fetch audit.Fetch, signed []byte, checkpoint audit.Checkpoint) (line string, at time.Time, err error) {
	// A second try with the size the witness told: after a restart, or when
	// another instance of the log was here first.
	for try := 0; ; try++ {
		if c.known > checkpoint.Size {
			return "", time.Time{}, &RefusedError{c.Key.Name(), http.StatusConflict,
				fmt.Sprintf("it knows a tree of %d entries, this one has %d", c.known, checkpoint.Size)}
		}
		proof, err := audit.ConsistencyProof(ctx, fetch, checkpoint, c.known)
		if err != nil {
			return "", time.Time{}, err
		}
		status, header, body, err := c.post(ctx, request(c.known, proof, signed))
		if err != nil {
			return "", time.Time{}, fmt.Errorf("asking the witness %s: %w", c.Key.Name(), err)
		}
		if status == http.StatusConflict && header == "text/x.tlog.size" && try == 0 {
			size, err := strconv.ParseInt(strings.TrimSuffix(body, "\n"), 10, 64)
			if err != nil || size < 0 {
				return "", time.Time{}, &RefusedError{c.Key.Name(), status, "it names no readable size"}
			}
			c.known = size
			continue
		}
		switch status {
		case http.StatusOK:
		case http.StatusConflict, http.StatusUnprocessableEntity, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest:
			return "", time.Time{}, &RefusedError{c.Key.Name(), status, strings.TrimSpace(body)}
		default:
			return "", time.Time{}, fmt.Errorf("asking the witness %s: HTTP %d", c.Key.Name(), status)
		}
		line, at, err = c.read(signed, body)
		if err == nil {
			c.known = checkpoint.Size
		}
		return line, at, err
	}
}

// read takes this witness's line out of the answer, if it verifies.
func (c *Client) read(signed []byte, body string) (string, time.Time, error) {
	text, err := audit.NoteText(signed)
	if err != nil {
		return "", time.Time{}, err
	}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "— "+c.Key.Name()+" ") {
			continue
		}
		at, ok := c.Key.Check(text, line)
		if ok {
			return line, at, nil
		}
	}
	return "", time.Time{}, fmt.Errorf("the witness %s answered without a valid cosignature of its own", c.Key.Name())
}

func (c *Client) post(ctx context.Context, body []byte) (status int, contentType, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return 0, "", "", err
	}
	if len(b) > maxAnswer {
		return 0, "", "", errors.New("the answer is too long")
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(b), nil
}
