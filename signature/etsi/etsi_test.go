package etsi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/cert"
	"mist/signature/etsi"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

var by = etsi.Validator{Name: "mist-verify"}

// at gives every element of a path below the root; // is not known.
func at(e *element, path string) (out []*element) {
	name, rest, more := strings.Cut(path, "/")
	for _, c := range e.children {
		if c.name.Local != name {
			continue
		}
		if more {
			out = append(out, at(c, rest)...)
		} else {
			out = append(out, c)
		}
	}
	return out
}

func texts(t *testing.T, report []byte, path string) (out []string) {
	t.Helper()
	root, err := parse(report)
	require.NoError(t, err)
	for _, e := range at(root, path) {
		out = append(out, e.text)
	}
	return out
}

// Every report over the foreign documents of the corpus has the structure of the
// standard, under a policy that passes most and one that passes few.
func TestCorpusReportsHaveTheStructure(t *testing.T) {
	dir := corpus.Dir(t, "dss")
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("none", nil, nil, nil))})
	require.NoError(t, err)
	written, none, seen := 0, 0, map[string]bool{}
	for _, row := range corpus.Manifest(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		p, err := signature.NamedPolicy("archive-test")
		require.NoError(t, err)
		r, err := v.Verify(context.Background(), signature.Input{ID: row["id"], Document: facts.Bytes(b)}, p)
		if err != nil {
			continue
		}
		report, err := etsi.Report(r, by)
		if len(r.Signatures) == 0 {
			require.ErrorIs(t, err, etsi.ErrNoSignature)
			none++
			continue
		}
		require.NoError(t, err, row["id"])
		require.NoError(t, check(report), row["id"])
		statuses := texts(t, report, "SignatureValidationReport/SignatureValidationStatus/MainIndication")
		require.Len(t, statuses, len(r.Signatures), row["id"])
		for i, s := range statuses {
			require.Equal(t, r.Signatures[i].Indication.URI(), s)
			seen[s] = true
		}
		values := texts(t, report, "SignatureValidationReport/SignatureIdentifier/SignatureValue")
		with := 0
		for _, s := range r.Facts.Signatures {
			if len(s.Value) > 0 {
				with++
			}
		}
		require.Len(t, values, with, row["id"])
		written++
	}
	require.Greater(t, written, 100)
	require.True(t, seen["urn:etsi:019102:mainindication:total-failed"] && seen["urn:etsi:019102:mainindication:indeterminate"], "%v", seen)
	corpus.Count(t, "dss, ETSI reports", written, none)
}

// The checker tells what is wrong: each alteration of a report that passes is refused.
func TestCheckerRefuses(t *testing.T) {
	good := report(t, sign.KindP256, time.Time{}, nil)
	require.NoError(t, check(good))
	for name, edit := range map[string][2]string{
		"order":       {"<MainIndication>urn:etsi:019102:mainindication:total-passed</MainIndication>", ""},
		"reference":   {`<SignerCertificate VOReference="`, `<SignerCertificate VOReference="x`},
		"identifier":  {`<ValidationObject id="`, `<ValidationObject id="9`},
		"foreign":     {"<ValidationTimeInfo>", "<ValidationTimeInfo><x/>"},
		"boolean":     {"<HashOnly>false", "<HashOnly>no"},
		"time":        {"<ValidationTime>2026-11-21T", "<ValidationTime>2026-11-21 "},
		"cardinality": {"<SignatureValidationProcess>", "<SignatureQuality><SignatureQualityInformation>a:b</SignatureQualityInformation></SignatureQuality><SignatureValidationProcess>"},
		"namespace":   {`xmlns="http://uri.etsi.org/19102/v1.4.1#"`, `xmlns="http://uri.etsi.org/19102/v1.2.1#"`},
	} {
		bad := strings.Replace(string(good), edit[0], edit[1], 1)
		require.NotEqual(t, string(good), bad, name)
		require.Error(t, check([]byte(bad)), name)
	}
}

var body = []byte(`{"declaration":"0001-AAAA-BBBB"}`)

// report signs, verifies and reports; a revocation time revokes the signer.
func report(t *testing.T, kind string, revoked time.Time, edit func([]byte) []byte) []byte {
	t.Helper()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	root := issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Корінь"}}, nil)
	ca := issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "КНЕДП <&> тестовий"}}, &root)
	unit := issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Позначки часу"}}, &root)
	who := issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана О.І.", RNOKPP: "2222222225"}}, &ca)
	tsa := func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, unit, now.Add(-time.Hour), rand.Reader)
		return pki.StampResponse(token), err
	}
	doc, err := sign.CAdES(t.Context(), sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}, facts.Bytes(body), sign.Options{Time: now.Add(-time.Hour), TSA: tsa})
	require.NoError(t, err)
	if edit != nil {
		doc = edit(doc)
	}
	list := func(by pki.Issuer, entries ...pki.Revocation) *trust.CRL {
		der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), Revoked: entries}, by, rand.Reader)
		require.NoError(t, err)
		l, err := trust.ParseCRL(der)
		require.NoError(t, err)
		return l
	}
	var gone []pki.Revocation
	if !revoked.IsZero() {
		gone = append(gone, pki.Revocation{Serial: who.Certificate.Serial, At: revoked})
	}
	snap := trust.NewSnapshot("world", []trust.Anchor{{Certificate: root.Certificate, Trust: []facts.Trust{{Source: "world", Purposes: []string{"signer", "tsa", "ocsp"}}}}},
		[]*cert.Certificate{ca.Certificate}, []*trust.CRL{list(root), list(ca, gone...)})
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap), Now: func() time.Time { return now }})
	require.NoError(t, err)
	p, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(doc)}, p)
	require.NoError(t, err)
	out, err := etsi.Report(r, by)
	require.NoError(t, err)
	again, err := etsi.Report(r, by)
	require.NoError(t, err)
	require.Equal(t, out, again, "the same result gives the same bytes")
	require.NotContains(t, string(out), base64.StdEncoding.EncodeToString(body)[:20], "content is not told")
	return out
}

func TestReportOfASoundSignature(t *testing.T) {
	for kind, algorithm := range map[string]string{sign.KindP256: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", sign.KindDSTU257: "urn:oid:1.2.804.2.1.1.1.1.3.1.1"} {
		b := report(t, kind, time.Time{}, nil)
		require.NoError(t, check(b))
		one := func(path string) string {
			list := texts(t, b, "SignatureValidationReport/"+path)
			require.Len(t, list, 1, path)
			return list[0]
		}
		require.Equal(t, "urn:etsi:019102:mainindication:total-passed", one("SignatureValidationStatus/MainIndication"))
		require.Equal(t, "2026-11-21T12:00:00Z", one("ValidationTimeInfo/ValidationTime"))
		require.Equal(t, "2026-11-21T11:00:00Z", one("ValidationTimeInfo/BestSignatureTime/POETime"))
		sum := sha256.Sum256(body)
		require.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), one("SignersDocument/DigestAlgAndValue/DigestValue"))
		require.Equal(t, "Вигадана О.І.", one("SignerInformation/Signer"))
		require.Equal(t, "urn:mist:signature:quality:qualified-electronic-signature", one("SignatureQuality/SignatureQualityInformation"))
		require.Equal(t, "urn:etsi:019102:validationprocess:LTVM", one("SignatureValidationProcess/SignatureValidationProcessID"))
		require.Equal(t, algorithm, one("SignatureValidationStatus/AssociatedValidationReportData/CryptoInformation/Algorithm"))
		require.Equal(t, "true", one("SignatureValidationStatus/AssociatedValidationReportData/CryptoInformation/SecureAlgorithm"))
		require.Equal(t, "2026-11-21T11:00:00Z", one("SignatureAttributes/SignatureTimeStamp/TimeStampValue"))
		require.Greater(t, len(texts(t, b, "SignatureValidationReport/ValidationConstraintsEvaluationReport/ValidationConstraint")), 30)
		kinds := texts(t, b, "SignatureValidationObjects/ValidationObject/ObjectType")
		for kind, n := range map[string]int{"certificate": 4, "CRL": 2, "timestamp": 1, "signedData": 1} {
			got := 0
			for _, k := range kinds {
				if k == "urn:etsi:019102:validationObject:"+kind {
					got++
				}
			}
			require.Equal(t, n, got, kind)
		}
	}
}

// What did not pass says why, with the identifiers of the standard.
func TestReportOfWhatDoesNotPass(t *testing.T) {
	status := "SignatureValidationReport/SignatureValidationStatus/"
	revoked := report(t, sign.KindP256, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), nil)
	require.NoError(t, check(revoked))
	require.Equal(t, []string{"urn:etsi:019102:mainindication:total-failed"}, texts(t, revoked, status+"MainIndication"))
	require.Equal(t, []string{"urn:etsi:019102:subindication:REVOKED"}, texts(t, revoked, status+"SubIndication"))
	require.Equal(t, []string{"2026-11-20T00:00:00Z"}, texts(t, revoked, status+"AssociatedValidationReportData/RevocationStatusInformation/RevocationTime"))

	altered := report(t, sign.KindP256, time.Time{}, func(b []byte) []byte {
		b = bytes.Clone(b)
		b[bytes.Index(b, body)] ^= 1
		return b
	})
	require.NoError(t, check(altered))
	require.Equal(t, []string{"urn:etsi:019102:subindication:HASH_FAILURE"}, texts(t, altered, status+"SubIndication"))
	require.Equal(t, []string{"urn:etsi:019102:validationprocess:Basic"}, texts(t, altered, "SignatureValidationReport/SignatureValidationProcess/SignatureValidationProcessID"))
}

// Identifiers that documents bring become what xs:anyURI and xs:ID allow.
func TestForeignIdentifiers(t *testing.T) {
	f := &facts.Facts{Version: facts.Version, Signatures: []facts.Signature{
		{ID: "S-1#2", Format: facts.FormatXAdES, MediaType: "text/<plain>", ContentType: "1.2.840.113549.1.7.1", CommitmentTypes: []string{"http://x/a b/ї", "1.2.3"},
			ClaimedRoles: []string{"лікар\x00"}, ValueSHA256: make([]byte, 32), Scopes: []facts.Scope{{Kind: facts.ScopeDigest, SHA256: make([]byte, 32)}}},
		{ID: "S-1.2", Parent: "S-1#2", ValueSHA256: make([]byte, 32)},
	}}
	p, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	report, err := signature.Judge(f, p, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	r, err := signature.Recall("x", f, report)
	require.NoError(t, err)
	b, err := etsi.Report(r, by)
	require.NoError(t, err)
	require.NoError(t, check(b))
	require.Equal(t, []string{"http://x/a%20b/%D1%97", "urn:oid:1.2.3"}, texts(t, b, "SignatureValidationReport/SignatureAttributes/CommitmentTypeIndication/CommitmentTypeIdentifier"))
	require.Equal(t, []string{"true", "false"}, texts(t, b, "SignatureValidationReport/SignatureIdentifier/DocHashOnly"))
}
