package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"mist/signature/cert"
	"mist/signature/facts"
)

// bundle is a snapshot as it travels to a verifier elsewhere.
type bundle struct {
	Format       int            `json:"format"`
	Version      string         `json:"version"`
	Anchors      []bundleAnchor `json:"anchors"`
	Certificates [][]byte       `json:"certificates"` // DER
	CRLs         [][]byte       `json:"crls"`         // DER
	Lists        []ListInfo     `json:"lists,omitempty"`
}

type bundleAnchor struct {
	Certificate []byte        `json:"certificate"`
	Trust       []facts.Trust `json:"trust"`
}

const bundleFormat = 1

// MaxMaterial bounds a bundle, in bytes.
const MaxMaterial = 64 << 20

// ErrBundle is returned for bytes that are no bundle.
var ErrBundle = errors.New("not a bundle of trust material")

// Bundle writes what the snapshot holds. The same snapshot gives the same bytes.
func (s *Snapshot) Bundle() ([]byte, error) {
	b := bundle{Format: bundleFormat, Version: s.version, Lists: s.Lists, Certificates: [][]byte{}, CRLs: [][]byte{}}
	for _, a := range s.Anchors() {
		b.Anchors = append(b.Anchors, bundleAnchor{a.Certificate.Raw, a.Trust})
	}
	for _, c := range s.pool.All() {
		if s.Anchor(c.ID) == nil {
			b.Certificates = append(b.Certificates, c.Raw)
		}
	}
	for _, l := range s.crls {
		b.CRLs = append(b.CRLs, l.Raw)
	}
	for _, list := range [][][]byte{b.Certificates, b.CRLs} {
		sort.Slice(list, func(i, j int) bool { return bytes.Compare(list[i], list[j]) < 0 })
	}
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("writing trust material: %w", err)
	}
	return out, nil
}

// ReadBundle makes the snapshot again. Who vouches for the bytes is the
// caller's question: a bundle is not signed by itself.
func ReadBundle(raw []byte) (*Snapshot, error) {
	if len(raw) > MaxMaterial {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrBundle, MaxMaterial)
	}
	var b bundle
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil || b.Format != bundleFormat {
		return nil, fmt.Errorf("%w of form %d", ErrBundle, bundleFormat)
	}
	var anchors []Anchor
	for _, a := range b.Anchors {
		c, err := cert.Parse(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("%w: an anchor: %w", ErrBundle, err)
		}
		anchors = append(anchors, Anchor{c, a.Trust})
	}
	var certs []*cert.Certificate
	for _, der := range b.Certificates {
		c, err := cert.Parse(der)
		if err != nil {
			return nil, fmt.Errorf("%w: a certificate: %w", ErrBundle, err)
		}
		certs = append(certs, c)
	}
	var crls []*CRL
	for _, der := range b.CRLs {
		l, err := ParseCRL(der)
		if err != nil {
			return nil, fmt.Errorf("%w: a CRL: %w", ErrBundle, err)
		}
		crls = append(crls, l)
	}
	s := NewSnapshot(b.Version, anchors, certs, crls)
	// The name it had where it was made: reports of both places name the same.
	s.version, s.Lists = b.Version, b.Lists
	return s, nil
}

// Newest is when the newest CRL of the snapshot was made; the zero time where it
// has none: how fresh an offline verifier's knowledge of revocations is.
func (s *Snapshot) Newest() (t time.Time) {
	for _, l := range s.crls {
		if l.ThisUpdate.After(t) {
			t = l.ThisUpdate
		}
	}
	return t
}
