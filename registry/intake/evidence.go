package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mist/registry"
	"mist/signature"
	"mist/signature/facts"
)

// Object is something a judgement rests on that is the same for thousands of
// acts: a certificate of an authority, a list of revoked certificates. It is
// kept once, under its SHA-256.
type Object struct {
	Digest registry.Digest
	Body   []byte
}

// evidence is what is kept of a judgement: the report and the facts it was
// made from, with which it can be judged again offline, years later, to the
// same digest. Facts stand in the form their digest is taken over, without raw
// certificates, revocation data and tokens; Raw says where those are.
type evidence struct {
	Version int             `json:"version"`
	Report  json.RawMessage `json:"report"`
	Facts   json.RawMessage `json:"facts"`
	Raw     []raw           `json:"raw"`
}

const evidenceVersion = 2 // 1 was all in one, DER included, and had no number

// raw is the place of one raw object: within the container, here, or, when
// neither is given, under its SHA-256 among the kept objects.
type raw struct {
	ID   string `json:"id"`
	At   *int   `json:"at,omitempty"` // bytes from the container's beginning
	Size int    `json:"size,omitempty"`
	DER  []byte `json:"der,omitempty"`
}

// NewReport makes what is kept of the judgement of a container, for rooms whose
// signed documents are no acts.
func NewReport(source registry.Source, container []byte, digest registry.Digest, r *signature.Result) *Report {
	return newReport(source, container, digest, r)
}

// newReport makes what is kept of the judgement of a container.
func newReport(source registry.Source, container []byte, digest registry.Digest, r *signature.Result) *Report {
	out := &Report{
		ID: source.NewID(), Container: digest,
		Indication: string(r.Indication), Policy: r.Report.Policy.ID, CreatedAt: source.Now(),
	}
	b := make([]byte, 0, 48<<10)
	b = append(b, `{"version":2,"facts":`...)
	text := bytes.NewBuffer(b)
	text.Write(r.FactsForm())
	text.WriteString(`,"raw":[`)
	first := true
	put := func(id string, der []byte, origin string) {
		if len(der) == 0 {
			return
		}
		if !first {
			text.WriteByte(',')
		}
		first = false
		at := bytes.Index(container, der)
		switch {
		case at >= 0:
			fmt.Fprintf(text, `{"id":"%s","at":%d,"size":%d}`, id, at, len(der))
		case origin == facts.OriginStore:
			fmt.Fprintf(text, `{"id":"%s"}`, id)
			if d, ok := digestOfID(id); ok {
				out.Objects = append(out.Objects, Object{d, der})
			}
		default:
			one, err := json.Marshal(raw{ID: id, DER: der})
			if err != nil {
				panic("encoding evidence: " + err.Error()) // strings and bytes only
			}
			text.Write(one)
		}
	}
	for i := range r.Facts.Certificates {
		c := &r.Facts.Certificates[i]
		origin := ""
		if slices.Contains(c.Origins, facts.OriginStore) {
			origin = facts.OriginStore
		}
		put(c.ID, c.DER, origin)
	}
	for i := range r.Facts.Revocations {
		v := &r.Facts.Revocations[i]
		put(v.ID, v.DER, v.Origin)
	}
	for i := range r.Facts.Timestamps {
		put(r.Facts.Timestamps[i].ID, r.Facts.Timestamps[i].Token, "")
	}
	for i := range r.Facts.Signatures {
		put(valueOf+r.Facts.Signatures[i].ID, r.Facts.Signatures[i].Value, "")
	}
	text.WriteString(`],"report":`)
	from := text.Len()
	b = r.Report.AppendJSON(text.Bytes())
	out.Digest = signature.DigestOf(b[from:])
	out.Body = append(b, '}')
	return out
}

// valueOf stands before the id of a signature whose value a raw object is.
const valueOf = "V/"

// digestOfID reads the SHA-256 out of an id of facts: C-0A1B… , R-0A1B…#2.
func digestOfID(id string) (d registry.Digest, ok bool) {
	_, text, found := strings.Cut(id, "-")
	text, _, _ = strings.Cut(text, "#")
	if !found || len(text) != 2*sha256.Size {
		return d, false
	}
	n, err := hex.Decode(d[:], []byte(text))
	return d, err == nil && n == len(d)
}

// OpenEvidence reads what was kept of a judgement back into facts that can be
// judged again, each raw object compared with the digest that names it. object
// gives what is kept under a digest. Without the container, nil, the objects
// that lay in it are left out.
func OpenEvidence(body, container []byte, object func(registry.Digest) ([]byte, error)) (*facts.Facts, *signature.Report, error) {
	fail := func(err error) (*facts.Facts, *signature.Report, error) {
		return nil, nil, fmt.Errorf("reading the evidence of a judgement: %w", err)
	}
	var e evidence
	if err := json.Unmarshal(body, &e); err != nil {
		return fail(err)
	}
	var f facts.Facts
	var report signature.Report
	if e.Version != 0 && e.Version != evidenceVersion {
		return fail(fmt.Errorf("version %d is not known", e.Version))
	}
	if err := errors.Join(json.Unmarshal(e.Facts, &f), json.Unmarshal(e.Report, &report)); err != nil {
		return fail(err)
	}
	bytesOf := map[string][]byte{}
	for _, r := range e.Raw {
		switch {
		case r.At != nil && container == nil:
			// Of a refused document only the report is kept: the ids stand for
			// what lay in it, and judging needs no more.
		case r.At != nil:
			if *r.At < 0 || r.Size <= 0 || *r.At > len(container) || r.Size > len(container)-*r.At {
				return fail(fmt.Errorf("%s lies outside of the container", r.ID))
			}
			bytesOf[r.ID] = container[*r.At : *r.At+r.Size]
		case len(r.DER) > 0:
			bytesOf[r.ID] = r.DER
		default:
			d, ok := digestOfID(r.ID)
			if !ok {
				return fail(fmt.Errorf("%q names no object", r.ID))
			}
			b, err := object(d)
			if err != nil {
				return fail(fmt.Errorf("%s: %w", r.ID, err))
			}
			bytesOf[r.ID] = b
		}
	}
	if e.Version == evidenceVersion {
		for i := range f.Certificates {
			f.Certificates[i].DER = bytesOf[f.Certificates[i].ID]
		}
		for i := range f.Revocations {
			f.Revocations[i].DER = bytesOf[f.Revocations[i].ID]
		}
		for i := range f.Timestamps {
			f.Timestamps[i].Token = bytesOf[f.Timestamps[i].ID]
		}
		for i := range f.Signatures {
			f.Signatures[i].Value = bytesOf[valueOf+f.Signatures[i].ID]
		}
	}
	if err := f.CheckIDs(); err != nil {
		return fail(err)
	}
	return &f, &report, nil
}
