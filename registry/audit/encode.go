package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mist/registry"
)

// timeForm is RFC 3339 in UTC with exactly six decimals, so that one instant
// has one form.
const timeForm = "2006-01-02T15:04:05.000000Z"

// EntryError tells which member of an entry breaks the encoding's rules.
type EntryError struct {
	Member string
	Reason string
}

// Error names the member, never its value.
func (e *EntryError) Error() string { return "audit entry: " + e.Member + ": " + e.Reason }

// ErrNotCanonical tells that bytes are a readable entry, but not in the one
// form an entry may have.
var ErrNotCanonical = errors.New("audit entry: not in canonical form (RFC 8785)")

// Encode gives the exact bytes of an entry: RFC 8785 JSON, made by writing the
// members in their order. Empty members are left out.
func Encode(e Entry) ([]byte, error) {
	w := &writer{buf: make([]byte, 0, 768)}
	w.open()
	if e.Act != nil {
		w.object("act", func() {
			w.hex("container", e.Act.Container, 32)
			w.hex("content", e.Act.Content, 32)
			w.id("id", e.Act.ID)
			w.text("kind", e.Act.Kind)
		})
	}
	if e.Actor != (Actor{}) {
		w.object("actor", func() {
			w.id("client", e.Actor.ClientID)
			w.id("employee", e.Actor.EmployeeID)
			w.id("legal_entity", e.Actor.LegalEntityID)
			w.id("user", e.Actor.UserID)
			w.text("xroad_client", e.Actor.XRoadClient)
		})
	}
	w.text("channel", e.Channel)
	w.text("code", e.Code)
	if e.Exchange != nil {
		w.object("exchange", func() {
			w.text("message_id", e.Exchange.MessageID)
			w.text("purpose_id", e.Exchange.PurposeID)
			w.hex("request_gost34311", e.Exchange.RequestGOST, 32)
			w.hex("request_sha512", e.Exchange.RequestSHA512, 64)
			w.hex("response_gost34311", e.Exchange.ResponseGOST, 32)
			w.hex("response_sha512", e.Exchange.ResponseSHA512, 64)
		})
	}
	w.texts("fields", e.Fields)
	w.demand("id", !e.ID.IsZero())
	w.id("id", e.ID)
	w.kind(e.Kind)
	if e.LegalBasis != nil {
		w.object("legal_basis", func() {
			w.demand("code", e.LegalBasis.Code != "")
			w.text("code", e.LegalBasis.Code)
			w.id("consent", e.LegalBasis.Consent)
			w.hex("digest", e.LegalBasis.Digest, 32)
			w.text("method", e.LegalBasis.Method)
			w.text("purpose", e.LegalBasis.Purpose)
		})
	}
	w.demand("nonce", len(e.Nonce) == 16)
	w.hex("nonce", e.Nonce, 16)
	if e.Object != nil {
		w.object("object", func() {
			w.hex("digest", e.Object.Digest, 32)
			w.text("id", e.Object.ID)
			w.demand("type", e.Object.Type != "")
			w.text("type", e.Object.Type)
		})
	}
	w.text("reason", e.Reason)
	if e.Report != nil {
		w.object("report", func() {
			w.demand("digest", isSHA256(e.Report.Digest))
			w.text("digest", e.Report.Digest)
			w.text("indication", e.Report.Indication)
			w.text("policy", e.Report.Policy)
		})
	}
	w.text("request_id", e.RequestID)
	w.hex("subject", e.Subject, 32)
	w.time(e.Time)
	w.number("v", Version)
	w.object("writer", func() {
		w.demand("id", !e.Writer.ID.IsZero())
		w.id("id", e.Writer.ID)
		w.demand("n", e.Writer.N > 0 && e.Writer.N <= MaxWriterCount)
		w.number("n", e.Writer.N)
	})
	w.close()
	if w.err != nil {
		return nil, w.err
	}
	if len(w.buf) > MaxEntryBytes {
		return nil, &EntryError{"entry", fmt.Sprintf("longer than %d bytes", MaxEntryBytes)}
	}
	return w.buf, nil
}

// writer writes members in the order it is told and keeps the first error.
type writer struct {
	buf   []byte
	path  string
	first bool
	err   error
}

func (w *writer) fail(member, reason string) {
	if w.err == nil {
		w.err = &EntryError{w.path + member, reason}
	}
}

func (w *writer) demand(member string, ok bool) {
	if !ok {
		w.fail(member, "missing or of the wrong size")
	}
}

func (w *writer) open()  { w.buf = append(w.buf, '{'); w.first = true }
func (w *writer) close() { w.buf = append(w.buf, '}'); w.first = false }

func (w *writer) name(s string) {
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) object(name string, members func()) {
	w.name(name)
	outer := w.path
	w.path += name + "."
	w.open()
	members()
	w.close()
	w.path = outer
}

func (w *writer) id(name string, id registry.ID) {
	if !id.IsZero() {
		w.name(name)
		w.quote(id.String())
	}
}

func (w *writer) hex(name string, b []byte, size int) {
	if len(b) == 0 {
		return
	}
	if len(b) != size {
		w.fail(name, fmt.Sprintf("%d bytes expected", size))
		return
	}
	w.name(name)
	w.buf = append(w.buf, '"')
	w.buf = hex.AppendEncode(w.buf, b)
	w.buf = append(w.buf, '"')
}

func (w *writer) kind(k Kind) {
	if !k.valid() {
		w.fail("kind", "lower-case words joined by dots or underscores expected")
		return
	}
	w.text("kind", string(k))
}

// isSHA256 reports whether s is "sha256:" and 64 lower-case hex digits.
func isSHA256(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

func (k Kind) valid() bool {
	if k == "" || len(k) > 64 {
		return false
	}
	word := false // the last byte belongs to a word
	for i := range len(k) {
		c := k[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (!word || c != '.' && c != '_') {
			return false
		}
		word = letter
	}
	return word
}

func (w *writer) text(name, s string) {
	if s == "" {
		return
	}
	if !w.acceptable(name, s) {
		return
	}
	w.name(name)
	w.quote(s)
}

func (w *writer) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	if len(list) > MaxFields {
		w.fail(name, fmt.Sprintf("more than %d", MaxFields))
		return
	}
	w.name(name)
	w.buf = append(w.buf, '[')
	for i, s := range list {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		if s == "" {
			w.fail(name, "empty name")
		}
		if !w.acceptable(name, s) {
			return
		}
		w.quote(s)
	}
	w.buf = append(w.buf, ']')
}

// acceptable texts are short, UTF-8 and without control characters, so that no
// reader of a log can be fooled by what an entry prints.
func (w *writer) acceptable(name, s string) bool {
	switch {
	case len(s) > MaxTextBytes:
		w.fail(name, fmt.Sprintf("longer than %d bytes", MaxTextBytes))
	case !utf8.ValidString(s):
		w.fail(name, "not UTF-8")
	default:
		for _, r := range s {
			// U+2028/9 and the C1 controls break lines in some readers; the
			// bidirectional controls reorder what is read.
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				w.fail(name, "control character")
				return false
			}
		}
		return true
	}
	return false
}

// quote writes a JSON string by RFC 8785 3.2.2.2; control characters were refused.
func (w *writer) quote(s string) {
	w.buf = append(w.buf, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			w.buf = append(w.buf, '\\')
		}
		w.buf = append(w.buf, s[i])
	}
	w.buf = append(w.buf, '"')
}

func (w *writer) time(t time.Time) {
	t = t.UTC()
	if t.Year() < 2000 || t.Year() > 9999 || t.Nanosecond()%1000 != 0 {
		w.fail("time", "a time from 2000 on, in whole microseconds, expected")
		return
	}
	w.name("time")
	w.quote(t.Format(timeForm))
}

func (w *writer) number(name string, n uint64) {
	w.name(name)
	w.buf = strconv.AppendUint(w.buf, n, 10)
}

// wire mirrors the JSON for decoding.
type wire struct {
	Act *struct {
		Container hexBytes    `json:"container"`
		Content   hexBytes    `json:"content"`
		ID        registry.ID `json:"id"`
		Kind      string      `json:"kind"`
	} `json:"act"`
	Actor *struct {
		Client      registry.ID `json:"client"`
		Employee    registry.ID `json:"employee"`
		LegalEntity registry.ID `json:"legal_entity"`
		User        registry.ID `json:"user"`
		XRoadClient string      `json:"xroad_client"`
	} `json:"actor"`
	Channel  string `json:"channel"`
	Code     string `json:"code"`
	Exchange *struct {
		MessageID string   `json:"message_id"`
		PurposeID string   `json:"purpose_id"`
		Request   hexBytes `json:"request_sha512"`
		Response  hexBytes `json:"response_sha512"`
		GOSTOf    hexBytes `json:"request_gost34311"`
		GOSTBack  hexBytes `json:"response_gost34311"`
	} `json:"exchange"`
	Fields     []string    `json:"fields"`
	ID         registry.ID `json:"id"`
	Kind       Kind        `json:"kind"`
	LegalBasis *struct {
		Code    string      `json:"code"`
		Consent registry.ID `json:"consent"`
		Digest  hexBytes    `json:"digest"`
		Method  string      `json:"method"`
		Purpose string      `json:"purpose"`
	} `json:"legal_basis"`
	Nonce  hexBytes `json:"nonce"`
	Object *struct {
		Digest hexBytes `json:"digest"`
		ID     string   `json:"id"`
		Type   string   `json:"type"`
	} `json:"object"`
	Reason string `json:"reason"`
	Report *struct {
		Digest     string `json:"digest"`
		Indication string `json:"indication"`
		Policy     string `json:"policy"`
	} `json:"report"`
	RequestID string   `json:"request_id"`
	Subject   hexBytes `json:"subject"`
	Time      string   `json:"time"`
	V         int      `json:"v"`
	Writer    struct {
		ID registry.ID `json:"id"`
		N  uint64      `json:"n"`
	} `json:"writer"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) error {
	v, err := hex.AppendDecode(nil, b)
	*h = v
	return err
}

// VersionError tells that an entry has a version this program does not know.
type VersionError struct{ Version int }

// Error names the version and the remedy.
func (e *VersionError) Error() string {
	return fmt.Sprintf("audit entry of version %d, this program reads version %d: use a newer one", e.Version, Version)
}

// Decode reads an entry strictly: at most MaxEntryBytes, version 1, known
// members only, values within their limits, and byte for byte the form that
// Encode gives. Errors: *EntryError, *VersionError, ErrNotCanonical.
func Decode(b []byte) (Entry, error) {
	if len(b) > MaxEntryBytes {
		return Entry{}, &EntryError{"entry", fmt.Sprintf("longer than %d bytes", MaxEntryBytes)}
	}
	var version struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return Entry{}, &EntryError{"entry", "not a JSON object of the expected types"}
	}
	if version.V != Version {
		return Entry{}, &VersionError{version.V}
	}
	var w wire
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Entry{}, &EntryError{"entry", "unknown member or value of the wrong type"}
	}
	t, err := time.Parse(timeForm, w.Time)
	if err != nil {
		return Entry{}, &EntryError{"time", "RFC 3339 in UTC with six decimals expected"}
	}
	e := Entry{
		ID: w.ID, Kind: w.Kind, Time: t, Writer: Writer{w.Writer.ID, w.Writer.N},
		Channel: w.Channel, RequestID: w.RequestID, Subject: w.Subject, Fields: w.Fields,
		Code: w.Code, Reason: w.Reason, Nonce: w.Nonce,
	}
	if a := w.Act; a != nil {
		e.Act = &ActRef{a.ID, a.Kind, a.Container, a.Content}
	}
	if a := w.Actor; a != nil {
		e.Actor = Actor{a.Client, a.User, a.Employee, a.LegalEntity, a.XRoadClient}
	}
	if x := w.Exchange; x != nil {
		e.Exchange = &Exchange{x.MessageID, x.PurposeID, x.Request, x.Response, x.GOSTOf, x.GOSTBack}
	}
	if l := w.LegalBasis; l != nil {
		e.LegalBasis = &LegalBasis{l.Code, l.Consent, l.Digest, l.Method, l.Purpose}
	}
	if o := w.Object; o != nil {
		e.Object = &ObjectRef{o.Type, o.ID, o.Digest}
	}
	if r := w.Report; r != nil {
		e.Report = &ReportRef{r.Digest, r.Indication, r.Policy}
	}
	// The form is proven by writing it again: order, spacing, escapes, doubled
	// and empty members all show here.
	again, err := Encode(e)
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(again, b) {
		return Entry{}, ErrNotCanonical
	}
	return e, nil
}
