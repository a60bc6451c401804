package simulator

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"mist/registry/outbox"
	"mist/registry/sickleave"
	"mist/soap/xroad"
)

// sickLeaves is the register of sick leaves. A request it knows, whatever
// message it comes in, gets the answer it got, and opens nothing more.
type sickLeaves struct {
	mu      sync.Mutex        // guards what follows
	orders  map[string]string // by surname
	results map[string]int    // by request
	numbers map[string]string // by request
	asked   map[string]int
	held    map[string]SickLeave // by number of the conclusion
}

// SickLeave is what the register holds of a conclusion.
type SickLeave struct {
	Opened    int  `json:"opened"`    // how often
	Cancelled int  `json:"cancelled"` // how often
	Open      bool `json:"open"`
}

// seen tells what the register holds.
func (s *sickLeaves) seen() map[string]SickLeave {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.held)
}

func newSickLeaves() *sickLeaves {
	return &sickLeaves{orders: map[string]string{}, results: map[string]int{}, numbers: map[string]string{}, asked: map[string]int{}, held: map[string]SickLeave{}}
}

func (s *sickLeaves) tell(orders map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, order := range orders {
		s.orders[name] = order
	}
}

func (s *sickLeaves) operations() map[string]xroad.Operation {
	return map[string]xroad.Operation{string(sickleave.PostIncident): s.post, string(sickleave.CancelIncident): s.cancel, string(sickleave.GetIncidentResult): s.result}
}

// Codes of RESULT the simulator uses.
const (
	resultOpened    = 1101
	resultCancelled = 1103
	resultAbsent    = 1104
	resultUnknown   = 1202
)

const laterResult = -1

func (s *sickLeaves) post(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		ID       string `xml:"requestId"`
		Number   string `xml:"NUMBER"`
		Previous string `xml:"PREVIOUS_NUMBER"`
		Person   struct {
			Surname string `xml:"DP_SURNAME"`
		} `xml:"PERSON"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.results[q.ID]; !known {
		result := resultOpened
		switch order := s.orders[q.Person.Surname]; {
		case order == "refused":
			return verdictOf(sickleave.PostIncident, 1, "PERSON", 0, ""), nil
		case order == "later":
			result = laterResult
		case order != "":
			n, err := strconv.Atoi(order)
			if err != nil {
				return nil, fmt.Errorf("the order %q is no result", order)
			}
			result = n
		case q.Previous != "" && !s.held[q.Previous].Open:
			result = resultUnknown // a continuation that came before what it continues
		}
		s.results[q.ID] = result
		if result == resultOpened || result == laterResult {
			h := s.held[q.Number]
			h.Opened, h.Open = h.Opened+1, true
			s.held[q.Number] = h
			s.numbers[q.ID] = fmt.Sprintf("%d", 5_000_000_000_000+len(s.numbers)+1)
		}
	}
	return s.answer(sickleave.PostIncident, q.ID), nil
}

// answer tells what is known of a request; of one that is worked on, nothing.
func (s *sickLeaves) answer(op outbox.Operation, id string) []byte {
	result := s.results[id]
	if result == laterResult {
		return verdictOf(op, 0, "", 0, "")
	}
	number := s.numbers[id]
	if result != resultOpened {
		number = ""
	}
	return verdictOf(op, 0, "", result, number)
}

func (s *sickLeaves) cancel(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		ID     string `xml:"requestId"`
		Number string `xml:"NUMBER"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.results[q.ID]; !known {
		s.results[q.ID] = resultAbsent
		if h := s.held[q.Number]; h.Open {
			h.Cancelled, h.Open = h.Cancelled+1, false
			s.held[q.Number] = h
			s.results[q.ID] = resultCancelled
		}
	}
	return s.answer(sickleave.CancelIncident, q.ID), nil
}

func (s *sickLeaves) result(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		ID string `xml:"requestId"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked[q.ID]++; s.asked[q.ID] > 1 && s.results[q.ID] == laterResult {
		s.results[q.ID] = resultOpened
	}
	return s.answer(sickleave.GetIncidentResult, q.ID), nil
}

func verdictOf(op outbox.Operation, received int, fault string, result int, number string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<%sResponse xmlns="urn:mist:ws:consumed:erln:v1"><requestReceiveStatus>%d</requestReceiveStatus>`, op, received)
	for _, m := range []struct{ name, value string }{{"faultCode", fault}, {"RESULT", strconv.Itoa(result)}, {"SL_NUM", number}} {
		if m.value != "" && m.value != "0" {
			fmt.Fprintf(&b, "<%s>%s</%s>", m.name, m.value, m.name)
		}
	}
	fmt.Fprintf(&b, "</%sResponse>", op)
	return []byte(b.String())
}
