package xroad

import (
	"bytes"
	"cmp"
	"crypto/sha512"
	"slices"
	"time"
)

// RecordedSent is what the trail knows of a message of ours that another register answered.
type RecordedSent struct {
	Entry     string // id of the audit entry
	MessageID string
	At        time.Time
	// SHA512 and GOST are those of the request, Answer is SHA-512 of the answer's body element. All are empty of a
	// register that is not asked by X-Road.
	SHA512, GOST, Answer []byte
	// Within tells that the entry lies in the time that is compared; others only show that a message has its entry.
	Within bool
}

// SentRow is a row of the books: a message to another register that is queued, or was answered, or was given up.
type SentRow struct {
	MessageID string
	Answered  bool
	// Within tells that it ended in the time that is compared.
	Within bool
}

// The kinds of findings about messages of ours.
const (
	NoEntry         FindingKind = "message-without-entry" // the books say answered, the trail does not
	NotEnded        FindingKind = "entry-without-message" // the trail says answered, the books do not
	ResponseDiffers FindingKind = "response-differs"      // the register answered otherwise than was recorded
)

// Sent is the outcome of the comparison of what left for other registers.
type Sent struct {
	Requests  int       `json:"requests"`  // in the archive
	Responses int       `json:"responses"` // in the archive
	Entries   int       `json:"entries"`   // of the trail
	Messages  int       `json:"messages"`  // of the books, answered in the time that is compared
	Agreed    int       `json:"agreed"`    // entries whose request, answer and message agree
	Findings  []Finding `json:"findings"`
}

// sent are the messages of ours in an archive, by their id.
type sent struct {
	requests, responses map[string][]*sentMessage
}

type sentMessage struct {
	file   string
	client string
	hashes Hashes
	body   [64]byte // SHA-512 of the body element
	known  bool
}

func (s *sent) add(m *archived, body []byte, answer bool) {
	if s.requests == nil {
		s.requests, s.responses = map[string][]*sentMessage{}, map[string][]*sentMessage{}
	}
	to := s.requests
	if answer {
		to = s.responses
	}
	to[m.header.ID] = append(to[m.header.ID], &sentMessage{file: m.file, client: m.header.Client.String(), hashes: m.hashes, body: sha512.Sum512(body)})
}

// ReconcileSent compares what security servers kept of our messages to other registers with the trail and the books. A
// message is sent as often as it must be: the archive may hold several answers to it, of which one was recorded, and
// requests that nobody answered while the books still have them. Rows that ended before kept are gone from the books;
// before and after are the books as read before the trail and after it.
func (a *Archive) ReconcileSent(trail []RecordedSent, before, after []SentRow, kept time.Time) Sent {
	out := Sent{Findings: []Finding{}}
	find := func(kind FindingKind, id, entry string, m *sentMessage) {
		f := Finding{Kind: kind, MessageID: id, Entry: entry}
		if m != nil {
			f.Client, f.File = m.client, m.file
		}
		out.Findings = append(out.Findings, f)
	}
	rows, entered, beyond := map[string]SentRow{}, map[string]bool{}, map[string]bool{}
	for _, r := range append(slices.Clone(before), after...) {
		rows[r.MessageID] = r
	}
	for _, t := range trail {
		entered[t.MessageID] = true
		if !t.Within {
			beyond[t.MessageID] = true
			continue
		}
		out.Entries++
		had := len(out.Findings)
		if r, there := rows[t.MessageID]; there && !r.Answered || !there && !t.At.Before(kept) {
			find(NotEnded, t.MessageID, t.Entry, nil)
		}
		if len(t.SHA512) > 0 {
			a.compareSent(t, find)
		}
		if len(out.Findings) == had {
			out.Agreed++
		}
	}
	for _, r := range before {
		if !r.Answered || !r.Within {
			continue
		}
		if out.Messages++; !entered[r.MessageID] {
			find(NoEntry, r.MessageID, "", nil)
		}
	}
	for id, list := range a.sent.requests {
		out.Requests += len(list)
		for _, m := range list {
			// What has a row and no entry is on its way, was given up, or was told above.
			if _, there := rows[id]; !m.known && (entered[id] || !there) && !beyond[id] {
				find(NotInTrail, id, "", m)
			}
		}
	}
	for id, list := range a.sent.responses {
		out.Responses += len(list)
		for _, m := range list {
			if len(a.sent.requests[id]) == 0 {
				find(ResponseUnrelated, id, "", m)
			}
		}
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.File, b.File))
	})
	return out
}

// compareSent looks for the request and the answer of an entry.
func (a *Archive) compareSent(t RecordedSent, find func(FindingKind, string, string, *sentMessage)) {
	var other *sentMessage
	found := false
	for _, m := range a.sent.requests[t.MessageID] {
		if !bytes.Equal(m.hashes.SHA512[:], t.SHA512) {
			other = m
			continue
		}
		m.known, found = true, true
		if a.GOST != nil && len(t.GOST) > 0 && !bytes.Equal(m.hashes.GOST[:], t.GOST) {
			find(HashesDisagree, t.MessageID, t.Entry, m)
		}
	}
	switch {
	case !found && other != nil:
		other.known = true
		find(RequestDiffers, t.MessageID, t.Entry, other)
	case !found:
		find(NotInArchive, t.MessageID, t.Entry, nil)
	}
	answers := a.sent.responses[t.MessageID]
	switch {
	case len(answers) == 0:
		if found {
			find(ResponseMissing, t.MessageID, t.Entry, nil)
		}
	case !slices.ContainsFunc(answers, func(m *sentMessage) bool { return bytes.Equal(m.body[:], t.Answer) }):
		find(ResponseDiffers, t.MessageID, t.Entry, answers[len(answers)-1])
	}
}
