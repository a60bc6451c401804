package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"mist/signature/facts"
)

// ReportVersion is the version of the report layout and of the judgement
// rules together; a change of either changes digests and so raises it.
const ReportVersion = 1

// Report is the judgement of one document: a pure function of facts, policy
// and time. Equal inputs give equal digests on every machine.
type Report struct {
	Version    int               `json:"version"`
	Policy     PolicyRef         `json:"policy"`
	Algorithms string            `json:"algorithms"` // version of the algorithm table
	Time       time.Time         `json:"time"`       // validation time
	Facts      string            `json:"facts"`      // digest of the facts judged
	Indication Indication        `json:"indication"`
	Signatures []SignatureReport `json:"signatures"`
	Timestamps []TimestampReport `json:"timestamps"`
	Warnings   []string          `json:"warnings,omitempty"`
}

// PolicyRef names the policy that was applied, exactly.
type PolicyRef struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// Status of one check.
type Status string

const (
	StatusOK      Status = "OK"
	StatusNotOK   Status = "NOT OK"
	StatusWarning Status = "WARNING"
	StatusInfo    Status = "INFORMATION"
	StatusIgnored Status = "IGNORED"
)

// Check is one question put to the facts and its answer.
type Check struct {
	Name    string `json:"name"`              // constraint key of the policy
	Status  Status `json:"status"`            //
	Subject string `json:"subject,omitempty"` // id of the token asked about
	Detail  string `json:"detail,omitempty"`  // what was compared, no personal data
}

// Block is one building block of EN 319 102-1, clause 5.2 (FC, ISC, VCI, XCV,
// CV, SAV, RFC) or a process of clause 5.3 to 5.6, with its conclusion.
type Block struct {
	Name       string     `json:"name"`
	Subject    string     `json:"subject,omitempty"`
	Conclusion Conclusion `json:"conclusion"`
	Checks     []Check    `json:"checks,omitempty"`
	Blocks     []Block    `json:"blocks,omitempty"`
}

// Conclusion of a block, a process or a signature.
type Conclusion struct {
	Indication    Indication    `json:"indication"`
	SubIndication SubIndication `json:"subIndication,omitempty"`
	Reason        string        `json:"reason,omitempty"`
	RetryAfter    *time.Time    `json:"retryAfter,omitempty"` // for TRY_LATER, when known
}

// SignatureReport is the judgement of one signature.
type SignatureReport struct {
	ID                string     `json:"id"`
	Format            string     `json:"format"`
	Level             string     `json:"level"`
	Conclusion        Conclusion `json:"conclusion"`
	BestSignatureTime *time.Time `json:"bestSignatureTime,omitempty"`
	ProvenBy          string     `json:"provenBy,omitempty"` // id of the time-stamp that gave it
	Crypto            string     `json:"crypto"`
	Qualified         bool       `json:"qualified"`
	Seal              bool       `json:"seal"`
	Chain             []string   `json:"chain"`
	Blocks            []Block    `json:"blocks"`
	Warnings          []string   `json:"warnings,omitempty"`
}

// TimestampReport is the judgement of one time-stamp token.
type TimestampReport struct {
	ID         string     `json:"id"`
	Signature  string     `json:"signature,omitempty"`
	Type       string     `json:"type"`
	Time       time.Time  `json:"time"`
	Imprint    bool       `json:"imprint"`
	Token      bool       `json:"token"` // the token's own signature holds
	Conclusion Conclusion `json:"conclusion"`
	Blocks     []Block    `json:"blocks"`
}

// Digest is "sha256:" and the hash of the report's JSON form. Field order is
// that of the types above and maps do not occur, so it is stable.
func (r *Report) Digest() string { return DigestOf(r.AppendJSON(make([]byte, 0, 32<<10))) }

// DigestOf is the digest of a report, or of facts, whose JSON is at hand.
func DigestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func digestJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		// The types hold only strings, numbers, bytes and times of years 0-9999.
		panic("marshalling a report: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// digestFacts is the digest of the facts without the raw certificates,
// revocation data and tokens: their ids are the SHA-256 of those bytes.
func digestFacts(f *facts.Facts) string {
	h := sha256.New()
	f.WriteDigestForm(h)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
