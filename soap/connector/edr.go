package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mist/registry/outbox"
	"mist/registry/verification"
)

// EDR asks the register of legal entities by its REST interface (ЕСОЗ 3.6): a
// search by code gives [{url, id, state, state_text, name, code}].
type EDR struct {
	URL string // of the interface; the search is URL/subjects?code=…
	// Key gives the value of the header Authorization, read anew for each call.
	Key  func() (string, error)
	HTTP *http.Client
}

// maxEDR bounds an answer, in bytes.
const maxEDR = 1 << 20

// Send implements [outbox.Connector].
func (e *EDR) Send(ctx context.Context, m outbox.Message) (outbox.Reply, error) {
	if m.Operation != verification.FindLegalEntity {
		return outbox.Reply{}, outbox.Refused("UnknownService", fmt.Errorf("the register of legal entities has no %s", m.Operation))
	}
	var q verification.EntityQuery
	if err := json.Unmarshal(m.Body, &q); err != nil || q.Code == "" {
		return outbox.Reply{}, outbox.Refused("Unsendable", errors.New("the question cannot be sent: it is not readable"))
	}
	target := strings.TrimRight(e.URL, "/") + "/subjects?code=" + url.QueryEscape(q.Code)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return outbox.Reply{}, outbox.Refused("Unsendable", errors.New("the address of the register is none"))
	}
	key, err := e.Key()
	if err != nil {
		return outbox.Reply{}, errors.New("the key of the register cannot be read")
	}
	r.Header.Set("Authorization", key)
	r.Header.Set("Accept", "application/json")
	// It is a question; the id lets the other side's journal be compared with ours.
	r.Header.Set("X-Request-ID", m.ID.String())
	resp, err := e.HTTP.Do(r)
	if err != nil {
		return outbox.Reply{}, errors.New("the register cannot be reached or broke off")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxEDR+1))
	switch status := resp.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return outbox.Reply{}, fmt.Errorf("HTTP status %d", status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return outbox.Reply{}, outbox.Refused("AccessDenied", fmt.Errorf("the register refuses our key, HTTP status %d", status))
	case status != http.StatusOK:
		return outbox.Reply{}, outbox.Rubbish(fmt.Errorf("HTTP status %d", status))
	case err != nil:
		return outbox.Reply{}, errors.New("the answer broke off")
	}
	found, err := readEDR(body, q.Code)
	if err != nil {
		return outbox.Reply{}, err
	}
	reply := outbox.Reply{Wire: digests([]byte(http.MethodGet+" "+r.URL.RequestURI()), body)}
	reply.Body, err = json.Marshal(found)
	return reply, err
}

// readEDR reads the list: at most one entity of the code is registered.
func readEDR(body []byte, code string) (out verification.Entity, err error) {
	if len(body) > maxEDR {
		return out, outbox.Rubbish(errors.New("the answer is too large"))
	}
	type subject struct {
		State     *int   `json:"state"`
		StateText string `json:"state_text"`
		Name      string `json:"name"`
		Code      string `json:"code"`
	}
	var list []subject
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&list); err != nil || list == nil {
		return out, outbox.Rubbish(errors.New("the answer is no list of legal entities"))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return out, outbox.Rubbish(errors.New("the answer is more than one list"))
	}
	for _, s := range list {
		if s.Code != code || s.State == nil {
			return out, outbox.Rubbish(errors.New("the answer speaks of another code or tells no state"))
		}
		// Of several, the registered one counts, else the last.
		if !out.Found || *s.State == verification.EDRRegistered || out.State != verification.EDRRegistered {
			out = verification.Entity{Found: true, State: *s.State, StateText: text(s.StateText), Name: text(s.Name), Code: s.Code}
		}
	}
	return out, nil
}
