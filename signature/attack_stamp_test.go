package signature_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/sign"
)

// stampOf is the signature time-stamp attribute's value of a message.
func stampOf(t *testing.T, doc []byte) []byte {
	m, err := cms.Parse(doc)
	require.NoError(t, err)
	v := cms.Values(m.Signers[0].Unsigned, cms.AttrSignatureTimestamp)
	require.Len(t, v, 1)
	return v[0].Full
}

func withUnsigned(t *testing.T, doc []byte, oid string, value []byte) []byte {
	m, err := cms.Parse(doc)
	require.NoError(t, err)
	out, err := sign.AddUnsigned(doc, m.Signers[0].Raw, attr(oid, value))
	require.NoError(t, err)
	return out
}

// 69: an archive time-stamp whose hash index does not fit what is there
// protects nothing. The index is a fact of the token; where the policy demands
// it, a token without it is no proof.
func TestArchiveStampWithAForeignHashIndex(t *testing.T) {
	p, err := signature.ParsePolicy([]byte(`{"id":"archive","version":"1","extends":"default","rules":{"timestamp":{"AtsHashIndex":"FAIL"}}}`))
	require.NoError(t, err)
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		w.revoked[w.human.Certificate.Serial.String()] = w.now.Add(-time.Minute)
		judged := func(valid bool) *signature.Report {
			f := *w.verify(doc, "default").Facts
			f.Timestamps = slices.Clone(f.Timestamps)
			require.Len(t, f.Timestamps, 1)
			f.Timestamps[0].Type, f.Timestamps[0].ArchiveType = facts.TimestampArchive, facts.ArchiveTypeV3
			f.Timestamps[0].HashIndexValid = &valid
			r, err := signature.Judge(&f, p, w.now)
			require.NoError(t, err)
			return r
		}
		good, bad := judged(true), judged(false)
		require.Equal(t, signature.Passed, good.Timestamps[0].Conclusion.Indication)
		require.Equal(t, ok, good.Indication, "proven before the revocation")
		require.Equal(t, signature.SigConstraintsFailure, bad.Timestamps[0].Conclusion.SubIndication)
		require.Equal(t, ind, bad.Indication)
		require.Equal(t, signature.RevokedNoPOE, bad.Signatures[0].Conclusion.SubIndication)

		// In a document: a token of another signature put in as an archive
		// time-stamp proves nothing, and takes nothing away.
		plain := w.sign(w.human, sign.Options{Time: w.stampAt})
		archived := withUnsigned(t, plain, cms.AttrArchiveTimestampV3, stampOf(t, doc))
		r := w.verify(archived, "default")
		expect(t, r, ind, signature.RevokedNoPOE, "")
		require.Equal(t, facts.TimestampArchive, r.Signatures[0].Timestamps[0].Type)
		require.Equal(t, "bad", r.Signatures[0].Timestamps[0].Imprint)
		expect(t, w.verify(doc, "default"), ok, "", "")
		delete(w.revoked, w.human.Certificate.Serial.String())
		expect(t, w.verify(archived, "default"), ok, "", "")
	})
}

// 67: an archive time-stamp that is older than the signature time-stamp it
// covers contradicts it; one that is younger does not.
func TestArchiveStampBeforeTheSignatureStamp(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		archived := func(at time.Time) *signature.Result {
			o := w.options()
			o.TSA = w.stamper(w.tsa, at)
			return w.verify(withUnsigned(t, doc, cms.AttrArchiveTimestampV3, stampOf(t, w.sign(w.human, o))), "default")
		}
		expect(t, archived(w.stampAt.Add(time.Minute)), ok, "", "")
		expect(t, archived(w.stampAt.Add(-time.Minute)), ind, signature.TimestampOrderFailure, "COHERENCE")
	})
}

// 67: the same token twice is one proof, reported twice and remarked upon; the
// time it proves does not change.
func TestTheSameStampTwice(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		once := w.verify(doc, "default")
		expect(t, once, ok, "", "")
		twice := w.verify(withUnsigned(t, doc, cms.AttrSignatureTimestamp, stampOf(t, doc)), "default")
		expect(t, twice, ok, "", "")
		require.Equal(t, *once.Signatures[0].BestSignatureTime, *twice.Signatures[0].BestSignatureTime)
		stamps := twice.Facts.Timestamps
		require.Len(t, stamps, 2)
		require.Empty(t, stamps[0].Problems)
		require.Equal(t, stamps[0].ID+"#2", stamps[1].ID)
		require.True(t, strings.HasPrefix(stamps[1].Problems[0].Detail, "the same token"))
		// A duplicate that is not the signature's own proves nothing.
		other := w.verify(withUnsigned(t, w.sign(w.human, sign.Options{Time: w.stampAt}), cms.AttrSignatureTimestamp, ber.Seq()), "default")
		require.Nil(t, other.Signatures[0].BestSignatureTime)
	})
}

// stripAttribute takes the signature time-stamp away from the first signer.
func stripAttribute(t *testing.T, doc []byte) []byte {
	m, err := cms.Parse(doc)
	require.NoError(t, err)
	for _, a := range m.Signers[0].Unsigned {
		if a.OID == cms.AttrSignatureTimestamp {
			// Another type of the same length: the attribute is not what it was.
			other := bytes.Replace(a.Raw, ber.EncodeOID(cms.AttrSignatureTimestamp), ber.EncodeOID("1.2.840.113549.1.9.16.2.99"), 1)
			return bytes.Replace(doc, a.Raw, other, 1)
		}
	}
	return doc
}
