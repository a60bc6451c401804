package evidence

import (
	"bytes"
	"context"
	"errors"

	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/trust"
)

// snapshotOf gives the certificates and revocation lists of the facts as
// helpers, and as anchors the reader's own or, without any, those that the facts
// call trusted.
func snapshotOf(f *facts.Facts, own *trust.Snapshot) (*trust.Snapshot, error) {
	var anchors []trust.Anchor
	var others []*cert.Certificate
	for _, c := range f.Certificates {
		if len(c.DER) == 0 {
			continue
		}
		x, err := cert.Parse(c.DER)
		if err != nil {
			continue // a certificate that was found and not readable then either
		}
		if len(c.Trusted) > 0 {
			anchors = append(anchors, trust.Anchor{Certificate: x, Trust: c.Trusted})
		} else {
			others = append(others, x)
		}
	}
	var lists []*trust.CRL
	for _, r := range f.Revocations {
		if r.Kind != facts.KindCRL {
			continue
		}
		if l, err := trust.ParseCRL(r.DER); err == nil {
			lists = append(lists, l)
		}
	}
	if own != nil {
		anchors = own.Anchors()
		others = append(others, own.Pool().All()...)
	}
	return trust.NewSnapshot("kept", anchors, others, lists), nil
}

// replay answers with the revocation data that were fetched at the time.
type replay struct{ f *facts.Facts }

var errNotKept = errors.New("no such answer was kept")

// OCSP implements signature.Fetcher: the kept answer about the certificate that
// is asked about, told by the request that would be made for it.
func (r replay) OCSP(_ context.Context, url string, request []byte) ([]byte, error) {
	c, issuer := r.asked(request)
	if c == nil {
		return nil, errNotKept
	}
	for _, kept := range r.f.Revocations {
		if kept.Kind != facts.KindOCSP || kept.Source != url {
			continue
		}
		o, err := trust.ParseOCSP(kept.DER)
		if err != nil {
			continue
		}
		for _, a := range o.Answers {
			if a.Matches(c, issuer) {
				return kept.DER, nil
			}
		}
	}
	return nil, errNotKept
}

// asked finds certificate and issuer of a request among those of the facts.
func (r replay) asked(request []byte) (c, issuer *cert.Certificate) {
	var all []*cert.Certificate
	for _, f := range r.f.Certificates {
		if x, err := cert.Parse(f.DER); err == nil {
			all = append(all, x)
		}
	}
	for _, c := range all {
		for _, issuer := range all {
			if c.Issuer.String() == issuer.Subject.String() && bytes.Equal(trust.OCSPRequest(c, issuer, nil), request) {
				return c, issuer
			}
		}
	}
	return nil, nil
}

// CRL implements signature.Fetcher.
func (r replay) CRL(_ context.Context, url string) ([]byte, error) {
	for _, kept := range r.f.Revocations {
		if kept.Kind == facts.KindCRL && kept.Source == url {
			return kept.DER, nil
		}
	}
	return nil, errNotKept
}

// Certificate implements signature.Fetcher: all are known already.
func (replay) Certificate(context.Context, string) ([]byte, error) { return nil, errNotKept }
