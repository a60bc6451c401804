package list_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust/list"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func issuer(t testing.TB, p pki.Profile, name string, by *pki.Issuer) pki.Issuer {
	k, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(t, err)
	c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0)}, k, by, rand.Reader)
	require.NoError(t, err)
	return pki.Issuer{Certificate: c, Key: k}
}

func service(kind, status, since string, cert []byte, history string) string {
	return fmt.Sprintf(`<TSPService><ServiceInformation><ServiceTypeIdentifier>%s</ServiceTypeIdentifier><ServiceName><Name xml:lang="uk">Служба</Name></ServiceName>`+
		`<ServiceDigitalIdentity><DigitalId><X509Certificate>%s</X509Certificate></DigitalId></ServiceDigitalIdentity>`+
		`<ServiceStatus>%s</ServiceStatus><StatusStartingTime>%s</StatusStartingTime></ServiceInformation>%s</TSPService>`,
		kind, base64.StdEncoding.EncodeToString(cert), status, since, history)
}

func document(sequence int, next string, services ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" Id="TrustServiceStatusList-UA" TSLTag="http://uri.etsi.org/19612/TSLTag"><SchemeInformation><TSLVersionIdentifier>6</TSLVersionIdentifier><TSLSequenceNumber>%d</TSLSequenceNumber><TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/UAlist</TSLType><SchemeTerritory>UA</SchemeTerritory><ListIssueDateTime>2026-11-01T00:00:00Z</ListIssueDateTime><NextUpdate><dateTime>%s</dateTime></NextUpdate></SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang="uk">Вигаданий надавач</Name></TSPName></TSPInformation><TSPServices>`, sequence, next)
	for _, s := range services {
		b.WriteString(s)
	}
	b.WriteString(`</TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>`)
	return b.Bytes()
}

const (
	caQC    = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
	mrTSA   = "http://czo.gov.ua/TrstSvc/Svctype/MR-TSA/QTST"
	granted = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
	grantUA = "http://czo.gov.ua/TrstSvc/TrustedList/Svcstatus/granted"
	gone    = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"
)

func signed(t testing.TB, by pki.Issuer, doc []byte) []byte {
	out, err := sign.XAdESEnveloped(t.Context(), sign.Signer{Key: by.Key, Certificate: by.Certificate.Raw}, doc, sign.XAdESOptions{Options: sign.Options{Time: now}})
	require.NoError(t, err)
	return out
}

func TestList(t *testing.T) {
	admin := issuer(t, pki.Root, "Адміністратор списку", nil)
	ca := issuer(t, pki.Root, "КНЕДП", nil)
	tsa := issuer(t, pki.TSA, "Позначки часу", &ca)
	old := issuer(t, pki.Root, "Колишній КНЕДП", nil)
	history := fmt.Sprintf(`<ServiceHistory><ServiceHistoryInstance><ServiceTypeIdentifier>%s</ServiceTypeIdentifier><ServiceName><Name xml:lang="uk">Служба</Name></ServiceName><ServiceStatus>%s</ServiceStatus><StatusStartingTime>2024-01-01T00:00:00Z</StatusStartingTime></ServiceHistoryInstance></ServiceHistory>`, caQC, granted)
	doc := document(32, "2027-05-01T00:00:00Z",
		service(caQC, granted, "2026-01-01T00:00:00Z", ca.Certificate.Raw, ""),
		service(mrTSA, grantUA, "2026-01-01T00:00:00Z", tsa.Certificate.Raw, ""),
		service(caQC, gone, "2026-06-01T00:00:00Z", old.Certificate.Raw, history),
		service("http://example.org/unknown", granted, "2026-01-01T00:00:00Z", admin.Certificate.Raw, ""))
	b := signed(t, admin, doc)
	rules := list.Rules{Pinned: [][32]byte{sha256.Sum256(admin.Certificate.Raw)}, LastSequence: 31, Now: now}

	l, err := list.Verify(t.Context(), b, rules)
	require.NoError(t, err)
	require.Equal(t, "UA", l.Territory)
	require.Equal(t, 32, l.Sequence)
	require.Len(t, l.Services, 5)
	s := l.Snapshot(nil, nil)
	require.Len(t, s.Anchors(), 3)
	require.Equal(t, []string{facts.PurposeSigner, facts.PurposeOCSP}, s.Anchor(ca.Certificate.ID)[0].Purposes)
	require.Equal(t, []string{facts.PurposeTSA}, s.Anchor(tsa.Certificate.ID)[0].Purposes)
	withdrawn := s.Anchor(old.Certificate.ID)
	require.Len(t, withdrawn, 1)
	require.Equal(t, "2026-06-01T00:00:00Z", withdrawn[0].Until.Format(time.RFC3339))
	require.Nil(t, s.Anchor(admin.Certificate.ID), "the signer of the list is no anchor")

	refused := map[string]struct {
		doc   []byte
		rules list.Rules
		err   error
	}{
		"not pinned":         {b, list.Rules{Pinned: [][32]byte{{1}}, Now: now}, list.ErrNotPinned},
		"signed by another":  {signed(t, ca, doc), rules, list.ErrNotPinned},
		"not signed":         {doc, rules, list.ErrSignature},
		"changed":            {bytes.Replace(b, []byte(">32<"), []byte(">33<"), 1), rules, list.ErrSignature},
		"replayed":           {b, list.Rules{Pinned: rules.Pinned, LastSequence: 33, Now: now}, list.ErrReplayed},
		"expired":            {b, list.Rules{Pinned: rules.Pinned, Now: now.AddDate(0, 9, 0)}, list.ErrExpired},
		"signer out of date": {b, list.Rules{Pinned: rules.Pinned, Now: now.AddDate(2, 0, 0)}, list.ErrNotPinned},
		"other type":         {signed(t, admin, bytes.Replace(doc, []byte("UAlist"), []byte("XXlist"), 1)), rules, list.ErrType},
	}
	for name, r := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := list.Verify(t.Context(), r.doc, r.rules)
			require.ErrorIs(t, err, r.err)
		})
	}
	_, err = list.Verify(t.Context(), b, list.Rules{Now: now})
	require.Error(t, err)
}

func FuzzList(f *testing.F) {
	admin := issuer(f, pki.Root, "Адміністратор списку", nil)
	f.Add(signed(f, admin, document(1, "2027-01-01T00:00:00Z", service(caQC, granted, "2026-01-01T00:00:00Z", admin.Certificate.Raw, ""))))
	f.Add([]byte("<TrustServiceStatusList/>"))
	rules := list.Rules{Pinned: [][32]byte{sha256.Sum256(admin.Certificate.Raw)}, Now: now}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := list.Verify(t.Context(), b, rules)
		if err == nil {
			l.Anchors()
		}
	})
}
