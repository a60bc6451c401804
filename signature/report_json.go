package signature

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the report's JSON, byte for byte that of encoding/json:
// what its digest is taken over. It is written out by hand because reflection
// over some hundred checks cost more than the signature's verification; a test
// fills every field and compares.
func (r *Report) AppendJSON(b []byte) []byte {
	b = append(b, `{"version":`...)
	b = strconv.AppendInt(b, int64(r.Version), 10)
	b = appendText(append(b, `,"policy":{"id":`...), r.Policy.ID)
	b = appendText(append(b, `,"version":`...), r.Policy.Version)
	b = appendText(append(b, `,"digest":`...), r.Policy.Digest)
	b = appendText(append(b, `},"algorithms":`...), r.Algorithms)
	b = appendTime(append(b, `,"time":`...), r.Time)
	b = appendText(append(b, `,"facts":`...), r.Facts)
	b = appendText(append(b, `,"indication":`...), string(r.Indication))
	b = appendList(append(b, `,"signatures":`...), r.Signatures, (*SignatureReport).appendJSON)
	b = appendList(append(b, `,"timestamps":`...), r.Timestamps, (*TimestampReport).appendJSON)
	b = appendOptional(b, `,"warnings":`, r.Warnings)
	return append(b, '}')
}

func (s *SignatureReport) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), s.ID)
	b = appendText(append(b, `,"format":`...), s.Format)
	b = appendText(append(b, `,"level":`...), s.Level)
	b = s.Conclusion.appendJSON(append(b, `,"conclusion":`...))
	if s.BestSignatureTime != nil {
		b = appendTime(append(b, `,"bestSignatureTime":`...), *s.BestSignatureTime)
	}
	if s.ProvenBy != "" {
		b = appendText(append(b, `,"provenBy":`...), s.ProvenBy)
	}
	b = appendText(append(b, `,"crypto":`...), s.Crypto)
	b = strconv.AppendBool(append(b, `,"qualified":`...), s.Qualified)
	b = strconv.AppendBool(append(b, `,"seal":`...), s.Seal)
	b = appendList(append(b, `,"chain":`...), s.Chain, appendItem)
	b = appendList(append(b, `,"blocks":`...), s.Blocks, (*Block).appendJSON)
	b = appendOptional(b, `,"warnings":`, s.Warnings)
	return append(b, '}')
}

func (t *TimestampReport) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), t.ID)
	if t.Signature != "" {
		b = appendText(append(b, `,"signature":`...), t.Signature)
	}
	b = appendText(append(b, `,"type":`...), t.Type)
	b = appendTime(append(b, `,"time":`...), t.Time)
	b = strconv.AppendBool(append(b, `,"imprint":`...), t.Imprint)
	b = strconv.AppendBool(append(b, `,"token":`...), t.Token)
	b = t.Conclusion.appendJSON(append(b, `,"conclusion":`...))
	b = appendList(append(b, `,"blocks":`...), t.Blocks, (*Block).appendJSON)
	return append(b, '}')
}

func (k *Block) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"name":`...), k.Name)
	var subject []byte // as it was written
	if k.Subject != "" {
		b = append(b, `,"subject":`...)
		from := len(b)
		b = appendText(b, k.Subject)
		subject = b[from:len(b):len(b)]
	}
	b = k.Conclusion.appendJSON(append(b, `,"conclusion":`...))
	if len(k.Checks) > 0 {
		b = append(b, `,"checks":[`...)
		for i := range k.Checks {
			if i > 0 {
				b = append(b, ',')
			}
			// Most checks are about what their block is about.
			if c := &k.Checks[i]; c.Subject == k.Subject {
				b = c.appendJSON(b, subject)
			} else {
				b = c.appendJSON(b, nil)
			}
		}
		b = append(b, ']')
	}
	if len(k.Blocks) > 0 {
		b = appendList(append(b, `,"blocks":`...), k.Blocks, (*Block).appendJSON)
	}
	return append(b, '}')
}

func (c *Check) appendJSON(b, subject []byte) []byte {
	b = appendText(append(b, `{"name":`...), c.Name)
	b = appendText(append(b, `,"status":`...), string(c.Status))
	if c.Subject != "" {
		b = append(b, `,"subject":`...)
		if subject != nil {
			b = append(b, subject...)
		} else {
			b = appendText(b, c.Subject)
		}
	}
	if c.Detail != "" {
		b = appendText(append(b, `,"detail":`...), c.Detail)
	}
	return append(b, '}')
}

func (c *Conclusion) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"indication":`...), string(c.Indication))
	if c.SubIndication != "" {
		b = appendText(append(b, `,"subIndication":`...), string(c.SubIndication))
	}
	if c.Reason != "" {
		b = appendText(append(b, `,"reason":`...), c.Reason)
	}
	if c.RetryAfter != nil {
		b = appendTime(append(b, `,"retryAfter":`...), *c.RetryAfter)
	}
	return append(b, '}')
}

// appendList writes null for a list that is nil, as encoding/json does.
func appendList[T any](b []byte, list []T, item func(*T, []byte) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(&list[i], b)
	}
	return append(b, ']')
}

func appendOptional(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return appendList(append(b, key...), list, appendItem)
}

func appendItem(s *string, b []byte) []byte { return appendText(b, *s) }

// special are the bytes that do not stand for themselves in a string.
var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'
	}
	return t
}()

// appendText writes a string; what is not plain ASCII is left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if special[s[i]] {
			text, err := json.Marshal(s)
			if err != nil {
				panic("marshalling a string: " + err.Error())
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendTime panics for years beyond 9999, which no reader makes.
func appendTime(b []byte, t time.Time) []byte {
	b, err := t.AppendText(append(b, '"'))
	if err != nil {
		panic("marshalling a report: " + err.Error())
	}
	return append(b, '"')
}
