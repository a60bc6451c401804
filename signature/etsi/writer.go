package etsi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/facts"
)

// writer writes elements one after another; every text is escaped here.
type writer struct {
	b     bytes.Buffer
	depth int
	f     *facts.Facts
	r     *signature.Report
	table *signature.AlgorithmTable

	names map[string]string // id of the facts → xs:ID
	taken map[string]bool
	certs map[string]*facts.Certificate
	revs  map[string]*facts.Revocation
	// stamps by id, and the earliest sound one that covers an id.
	stamps, proofs map[string]*facts.Timestamp
}

func (w *writer) raw(s string) { w.b.WriteString(s) }

func (w *writer) indent() {
	for range w.depth {
		w.b.WriteByte(' ')
	}
}

func (w *writer) tag(name string, attributes []string) {
	w.indent()
	w.raw("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.raw(" " + attributes[i] + `="`)
		escape(&w.b, attributes[i+1])
		w.raw(`"`)
	}
}

func (w *writer) open(name string, attributes ...string) {
	w.tag(name, attributes)
	w.raw(">\n")
	w.depth++
}

func (w *writer) close(name string) {
	w.depth--
	w.indent()
	w.raw("</" + name + ">\n")
}

func (w *writer) empty(name string, attributes ...string) {
	w.tag(name, attributes)
	w.raw("/>\n")
}

func (w *writer) text(name, value string) {
	w.tag(name, nil)
	w.raw(">")
	escape(&w.b, value)
	w.raw("</" + name + ">\n")
}

func (w *writer) bytes(name string, b []byte) {
	w.text(name, base64.StdEncoding.EncodeToString(b))
}
func (w *writer) flag(name string, v bool)      { w.text(name, fmt.Sprint(v)) }
func (w *writer) time(name string, t time.Time) { w.text(name, t.UTC().Format("2006-01-02T15:04:05Z")) }

// sha256 are the children of XAdES:DigestAlgAndValueType.
func (w *writer) sha256(sum []byte) {
	w.empty("ds:DigestMethod", "Algorithm", algo.SHA256.URI())
	w.bytes("ds:DigestValue", sum)
}

// digestOf are the children of SignatureReferenceType: the SHA-256 of a signature value.
func (w *writer) digestOf(sum []byte) {
	w.text("DigestMethod", algo.SHA256.URI())
	w.bytes("DigestValue", sum)
}

// escape writes text; what XML has no character for becomes U+FFFD.
func escape(b *bytes.Buffer, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a bytes.Buffer does not fail
}

var notName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// id is an object's xs:ID: an NCName, and one object's alone.
func (w *writer) id(of string) string {
	if name := w.names[of]; name != "" {
		return name
	}
	base := notName.ReplaceAllString(of, ".")
	if base == "" || base[0] < 'A' || base[0] > 'z' || base[0] > 'Z' && base[0] < 'a' {
		base = "id-" + base
	}
	name := base
	for n := 2; w.taken[name]; n++ {
		name = fmt.Sprintf("%s.%d", base, n)
	}
	w.names[of], w.taken[name] = name, true
	return name
}

// part makes a word a part of a URN of ours.
func part(s string) string { return notName.ReplaceAllString(s, "-") }

var (
	dotted = regexp.MustCompile(`^[0-2](\.\d+)+$`)
	// notURI is what RFC 3986 has no place for.
	notURI = regexp.MustCompile(`[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]`)
)

// uri writes an identifier of a document as xs:anyURI: an object identifier as
// urn:oid: (RFC 3061), anything else with foreign characters escaped.
func uri(s string) string {
	if dotted.MatchString(s) {
		return "urn:oid:" + s
	}
	return notURI.ReplaceAllStringFunc(s, func(c string) string {
		var b strings.Builder
		for _, o := range []byte(c) {
			fmt.Fprintf(&b, "%%%02X", o)
		}
		return b.String()
	})
}

func algorithm(a facts.Algorithm) string {
	if u := algo.SchemeURI(a.Encryption, algo.Digest(a.Digest)); u != "" {
		return u
	}
	return own + "algorithm:" + part(strings.Trim(a.Encryption+"-"+a.Digest, "-"))
}

// unhex reads a digest whose form was checked when it was made.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
