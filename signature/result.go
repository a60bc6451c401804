package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mist/signature/facts"
)

// Words of SignatureResult.Crypto.
const (
	CryptoIntact       = "intact"
	CryptoBroken       = "broken"
	CryptoNotEvaluable = "not-evaluable"
)

// Signer is who signed, as the certificate says. It names a person: it never
// goes to a log (LogValue masks it).
type Signer struct {
	CommonName   string
	Surname      string
	GivenName    string
	Title        string
	Organization string
	RNOKPP       string // 10 digits, or a national id or passport number when the person has none
	RNOKPPForm   string // tax-id, national-id, passport
	RNOKPPSource string // field of the certificate it was read from
	EDRPOU       string
	EDRPOUSource string
	UNZR         string
	Serial       string // certificate serial number, hexadecimal, upper case
	Issuer       string // RFC 4514
	Qualified    bool   // qualified certificate with its key in a qualified device (КЕП)
	Seal         bool   // electronic seal of an organisation
	Certificate  []byte // DER
}

// LogValue keeps the person out of logs.
func (s Signer) LogValue() slog.Value { return slog.StringValue("signer:" + mask(s.Serial)) }

func mask(s string) string {
	if len(s) <= 4 {
		return "****"
	}
	return "****" + s[len(s)-4:]
}

// Result is the outcome for one document. It marshals to the frozen JSON
// object of mist-verify --json.
type Result struct {
	ID            string
	Format        string
	Indication    Indication
	Signatures    []SignatureResult // outermost first
	UnsignedParts []string

	Facts  *facts.Facts
	Report *Report

	// For AwaitingStatus; set by Verify.
	policy Policy
	table  *AlgorithmTable
	octets map[string][]facts.Octets
	form   []byte
}

// FactsForm is the JSON of the facts that the report names by its digest:
// without raw certificates, revocation data and tokens.
func (r *Result) FactsForm() []byte {
	if r.form != nil {
		return r.form
	}
	var b bytes.Buffer
	r.Facts.WriteDigestForm(&b)
	return b.Bytes()
}

// SignatureResult is the outcome for one signature.
type SignatureResult struct {
	ID                 string
	Parent             string // id of the signature a counter-signature signs
	Depth              int    // nesting: 0 outermost
	Indication         Indication
	SubIndication      SubIndication
	Reason             string // stable machine word
	Level              string
	Crypto             string
	Scope              string
	Signer             Signer
	ClaimedSigningTime *time.Time
	BestSignatureTime  *time.Time
	Timestamps         []TimestampResult
	Algorithm          string
	Warnings           []string

	signed []SignedBytes
}

// TimestampResult is the outcome for one time-stamp token.
type TimestampResult struct {
	Type          string
	Time          time.Time
	Imprint       string // ok, bad
	Token         string // ok, bad
	Indication    Indication
	SubIndication SubIndication
}

// NotPassedError says why signed bytes were not handed out.
type NotPassedError struct {
	Indication    Indication
	SubIndication SubIndication
	Reason        string
	Signatures    int // signatures found
}

func (e *NotPassedError) Error() string {
	switch {
	case e.Indication == NoSignatureFound:
		return "no signature found"
	case e.Indication == TotalPassed:
		return fmt.Sprintf("signatures passed but the request does not fit: %s", e.Reason)
	case e.Reason != "" && e.Reason != string(e.SubIndication):
		return fmt.Sprintf("signature is %s / %s (%s)", e.Indication, e.SubIndication, e.Reason)
	}
	return fmt.Sprintf("signature is %s / %s", e.Indication, e.SubIndication)
}

// AsNotPassed extracts a NotPassedError.
func AsNotPassed(err error) (*NotPassedError, bool) {
	var e *NotPassedError
	return e, errors.As(err, &e)
}

// Reasons of NotPassedError beside those of the report.
const (
	ReasonSeveralSignatures = "SEVERAL_SIGNATURES"
	ReasonNotFullScope      = "SCOPE_NOT_FULL"
)

// MustBePassed is the only door to the bytes of a document with one
// signature: it answers with the octets and the signer when the signature is
// TOTAL-PASSED and covers one whole object, and with a *NotPassedError
// otherwise.
func (r *Result) MustBePassed() (SignedBytes, Signer, error) {
	own := r.own()
	switch len(own) {
	case 0:
		return SignedBytes{}, Signer{}, &NotPassedError{Indication: NoSignatureFound}
	case 1:
		return own[0].MustBePassed()
	}
	return SignedBytes{}, Signer{}, &NotPassedError{Indication: r.Indication, Reason: ReasonSeveralSignatures, Signatures: len(own)}
}

// own are the signatures over content, without counter-signatures.
func (r *Result) own() []*SignatureResult {
	var out []*SignatureResult
	for i := range r.Signatures {
		if r.Signatures[i].Parent == "" {
			out = append(out, &r.Signatures[i])
		}
	}
	return out
}

// AllMustBePassed is MustBePassed for a document with several signatures,
// parallel or nested: all must be TOTAL-PASSED. Parallel signatures must
// cover the same octets. Of nested ones the innermost content is returned.
// Signers are in the order of the signatures, outermost first.
func (r *Result) AllMustBePassed() (SignedBytes, []Signer, error) {
	own := r.own()
	if len(own) == 0 {
		return SignedBytes{}, nil, &NotPassedError{Indication: NoSignatureFound}
	}
	var (
		content SignedBytes
		depth   = -1
		signers []Signer
	)
	for _, s := range own {
		b, who, err := s.MustBePassed()
		if err != nil {
			var e *NotPassedError
			if errors.As(err, &e) {
				e.Signatures = len(own)
			}
			return SignedBytes{}, nil, err
		}
		signers = append(signers, who)
		switch {
		case s.Depth > depth:
			content, depth = b, s.Depth
		case s.Depth == depth && content.SHA256() != b.SHA256():
			return SignedBytes{}, nil, &NotPassedError{
				Indication: TotalPassed, Reason: ReasonNotFullScope, Signatures: len(own)}
		}
	}
	return content, signers, nil
}

// MustBePassed is the same for one signature of several.
func (s *SignatureResult) MustBePassed() (SignedBytes, Signer, error) {
	if s.Indication != TotalPassed {
		return SignedBytes{}, Signer{}, &NotPassedError{
			Indication: s.Indication, SubIndication: s.SubIndication, Reason: s.Reason, Signatures: 1}
	}
	var full []SignedBytes
	for _, b := range s.signed {
		if b.scope.Kind == facts.ScopeFull && b.Valid() {
			full = append(full, b)
		}
	}
	if len(full) != 1 || len(s.signed) != 1 {
		return SignedBytes{}, Signer{}, &NotPassedError{Indication: TotalPassed, Reason: ReasonNotFullScope, Signatures: 1}
	}
	return full[0], s.Signer, nil
}

// Signed returns every object a passed signature covers, in the order of its
// references; a caller that accepts several objects or partial scope checks
// each Scope itself.
func (s *SignatureResult) Signed() ([]SignedBytes, error) {
	if s.Indication != TotalPassed {
		return nil, &NotPassedError{Indication: s.Indication, SubIndication: s.SubIndication, Reason: s.Reason, Signatures: 1}
	}
	return s.signed, nil
}

type resultJSON struct {
	ID            string          `json:"id"`
	Format        string          `json:"format"`
	Indication    Indication      `json:"indication"`
	Signatures    []signatureJSON `json:"signatures"`
	UnsignedParts []string        `json:"unsignedParts"`
}

type signatureJSON struct {
	Indication         Indication      `json:"indication"`
	SubIndication      SubIndication   `json:"subIndication"`
	Reason             string          `json:"reason"`
	Level              string          `json:"level"`
	Crypto             string          `json:"crypto"`
	Scope              string          `json:"scope"`
	Signer             signerJSON      `json:"signer"`
	ClaimedSigningTime *time.Time      `json:"claimedSigningTime"`
	BestSignatureTime  *time.Time      `json:"bestSignatureTime"`
	Timestamps         []timestampJSON `json:"timestamps"`
	Algorithm          string          `json:"algorithm"`
	Warnings           []string        `json:"warnings"`
}

type signerJSON struct {
	CommonName string `json:"commonName"`
	RNOKPP     string `json:"rnokpp"`
	EDRPOU     string `json:"edrpou"`
	Serial     string `json:"serial"`
	Qualified  bool   `json:"qualified"`
	Seal       bool   `json:"seal"`
}

type timestampJSON struct {
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
	Imprint string    `json:"imprint"`
	Token   string    `json:"token"`
}

// MarshalJSON writes the frozen object: id, format, indication, signatures,
// unsignedParts. Absent times are null, lists are never null.
func (r *Result) MarshalJSON() ([]byte, error) {
	out := resultJSON{
		ID: r.ID, Format: r.Format, Indication: r.Indication,
		Signatures:    []signatureJSON{},
		UnsignedParts: append([]string{}, r.UnsignedParts...),
	}
	for i := range r.Signatures {
		s := &r.Signatures[i]
		o := signatureJSON{
			Indication: s.Indication, SubIndication: s.SubIndication, Reason: s.Reason,
			Level: s.Level, Crypto: s.Crypto, Scope: s.Scope,
			Signer: signerJSON{
				CommonName: s.Signer.CommonName, RNOKPP: s.Signer.RNOKPP, EDRPOU: s.Signer.EDRPOU,
				Serial: s.Signer.Serial, Qualified: s.Signer.Qualified, Seal: s.Signer.Seal,
			},
			ClaimedSigningTime: s.ClaimedSigningTime,
			BestSignatureTime:  s.BestSignatureTime,
			Timestamps:         []timestampJSON{},
			Algorithm:          s.Algorithm,
			Warnings:           append([]string{}, s.Warnings...),
		}
		for _, t := range s.Timestamps {
			o.Timestamps = append(o.Timestamps, timestampJSON{t.Type, t.Time, t.Imprint, t.Token})
		}
		out.Signatures = append(out.Signatures, o)
	}
	return json.Marshal(out)
}
