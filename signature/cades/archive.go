package cades

import (
	"errors"
	"io"

	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// archive adds an archive-time-stamp-v3 (EN 319 122-1, 5.5.3). It covers the
// content, the signed part of the SignerInfo, and of the rest exactly what its
// hash index lists; what stands beside and is not listed it says nothing about.
func (r *reader) archive(v ber.Element, sig *facts.Signature, m *cms.SignedData, s *cms.SignerInfo, c content, covers []string) {
	if len(r.out.Tokens) >= maxTokens {
		return
	}
	t := facts.Token{
		DER: v.Full, Signature: sig.ID, Type: facts.TimestampArchive, ArchiveType: facts.ArchiveTypeV3,
		Covers: append([]string(nil), covers...),
	}
	valid := false
	t.HashIndex = &valid
	tok, err := cms.ParseToken(v.Full)
	switch {
	case err != nil:
		t.MessageError = "the token cannot be read"
	case !tok.Digest.Known():
		t.MessageError = "the token's digest algorithm is not supported"
	default:
		index, err := readHashIndex(tok.SignedData.Signers[0].Unsigned)
		if err != nil {
			t.MessageError = "the token's hash index cannot be read: " + err.Error()
			break
		}
		var listed []string
		listed, valid = index.covers(m, s)
		t.Covers = append(t.Covers, listed...)
		d := tok.Digest
		t.Message = func(w io.Writer) error { return writeArchive(w, d, m, s, c, index.raw) }
	}
	r.out.Tokens = append(r.out.Tokens, t)
}

// writeArchive writes what the token is over (EN 319 122-1, 5.5.3): the
// content type, the digest of the content with the token's algorithm, the
// fields of the SignerInfo before its unsigned attributes as encoded, and the
// hash index.
func writeArchive(w io.Writer, d algo.Digest, m *cms.SignedData, s *cms.SignerInfo, c content, index []byte) error {
	h := d.New(nil)
	if err := c.writeTo(h); err != nil {
		return err
	}
	for _, b := range [][]byte{ber.EncodeOID(m.ContentType), h.Sum(nil), s.Fields, index} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// hashIndex is ATSHashIndex or ATSHashIndexV3 (EN 319 122-1, 5.5.2).
type hashIndex struct {
	raw          []byte // the attribute's value as encoded
	v3           bool
	digest       algo.Digest
	certificates map[string]bool // digests, as text
	revocations  map[string]bool
	attributes   map[string]bool
}

var errHashIndex = errors.New("not exactly one hash index")

func readHashIndex(unsigned []cms.Attribute) (*hashIndex, error) {
	old, v3 := cms.Values(unsigned, cms.AttrHashIndex), cms.Values(unsigned, cms.AttrHashIndexV3)
	if len(old)+len(v3) != 1 {
		return nil, errHashIndex
	}
	x := &hashIndex{v3: len(v3) == 1, digest: algo.SHA256}
	e := append(old[:len(old):len(old)], v3...)[0]
	x.raw = e.Full
	if err := e.Is(ber.Sequence); err != nil {
		return nil, err
	}
	c := e.Children()
	// The algorithm stands first, optional in the first version: it begins with
	// an object identifier, the lists with octet strings or not at all.
	first, err := c.Next()
	if err != nil {
		return nil, err
	}
	if fc := first.Children(); fc.Peek() == ber.OID {
		oid, _, err := algo.ParseAlgorithm(first)
		if err != nil {
			return nil, err
		}
		if x.digest, err = algo.DigestByOID(oid); err != nil {
			return nil, err
		}
		if first, err = c.Next(); err != nil {
			return nil, err
		}
	}
	if x.certificates, err = digestsOf(first); err != nil {
		return nil, err
	}
	for _, list := range []*map[string]bool{&x.revocations, &x.attributes} {
		e, err := c.Expect(ber.Sequence)
		if err != nil {
			return nil, err
		}
		if *list, err = digestsOf(e); err != nil {
			return nil, err
		}
	}
	return x, c.End()
}

func digestsOf(list ber.Element) (map[string]bool, error) {
	if err := list.Is(ber.Sequence); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for c := list.Children(); !c.Empty(); {
		d, err := c.Expect(ber.OctetString)
		if err != nil {
			return nil, err
		}
		out[string(d.Body)] = true
	}
	return out, nil
}

// covers names the objects the index lists, and says whether everything it
// lists is there: an entry without its object means that something was taken
// away or exchanged since.
func (x *hashIndex) covers(m *cms.SignedData, s *cms.SignerInfo) (ids []string, complete bool) {
	found := map[string]bool{}
	listed := func(set map[string]bool, parts ...[]byte) bool {
		h := x.digest.New(nil)
		for _, p := range parts {
			h.Write(p)
		}
		sum := string(h.Sum(nil))
		if set[sum] {
			found[sum] = true
		}
		return set[sum]
	}
	for _, der := range m.Certificates {
		if listed(x.certificates, der) {
			ids = append(ids, facts.ID("C", der))
		}
	}
	for _, v := range m.Revocations {
		// Signers hash the choice as it stands, some the response inside.
		whole, inner := listed(x.revocations, v.Raw), v.IsOCSP && listed(x.revocations, v.Inner)
		if whole || inner {
			ids = append(ids, facts.ID("R", v.Inner))
		}
	}
	// Some signers list what stands in the unsigned values as well.
	for _, v := range cms.Values(s.Unsigned, cms.AttrCertValues) {
		certificateValues(v, func(der []byte) {
			if listed(x.certificates, der) {
				ids = append(ids, facts.ID("C", der))
			}
		})
	}
	for _, v := range cms.Values(s.Unsigned, cms.AttrRevValues) {
		revocationValuesOf(v, func(_ string, der []byte) {
			if listed(x.revocations, der) {
				ids = append(ids, facts.ID("R", der))
			}
		})
	}
	for _, a := range s.Unsigned {
		for _, v := range a.Values {
			in := false
			if x.v3 {
				in = listed(x.attributes, ber.EncodeOID(a.OID), v.Full)
			} else {
				in = listed(x.attributes, a.Raw)
			}
			if in {
				ids = append(ids, inAttribute(a.OID, v)...)
			}
		}
	}
	return ids, len(found) == len(x.certificates)+len(x.revocations)+len(x.attributes)
}

// inAttribute names what a covered unsigned attribute holds: a time-stamp with
// its certificates and revocation data, or values of either.
func inAttribute(oid string, v ber.Element) (ids []string) {
	switch oid {
	case cms.AttrSignatureTimestamp, cms.AttrCTimestamp, cms.AttrCertCRLTimestamp, cms.AttrArchiveTimestamp, cms.AttrArchiveTimestampV2, cms.AttrArchiveTimestampV3:
		ids = append(append(ids, facts.ID("T", v.Full)), cms.TokenHolds(v.Full)...)
	case cms.AttrCertValues:
		certificateValues(v, func(der []byte) { ids = append(ids, facts.ID("C", der)) })
	case cms.AttrRevValues:
		revocationValuesOf(v, func(_ string, der []byte) { ids = append(ids, facts.ID("R", der)) })
	}
	return ids
}

// certificateValues reads CertificateValues.
func certificateValues(v ber.Element, add func(der []byte)) {
	for c := v.Children(); !c.Empty(); {
		e, err := c.Next()
		if err != nil {
			return
		}
		add(e.Full)
	}
}
