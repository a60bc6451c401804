package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/gost34311"
	"mist/soap/xroad"
)

// exchangeCommand proves an exchange from the two containers a security server
// keeps, ASiC-S of Trembita or ASiC-E of X-Road: both seals, the link between the messages, and that a
// given audit entry speaks of this request.
type exchangeCommand struct {
	trustFlags
	Request  string `arg:"" type:"existingfile" help:"Container of the request (.asics, .asice)."`
	Response string `arg:"" type:"existingfile" help:"Container of the answer."`
	Entry    string `help:"Audit entry as the log gives it: must speak of this exchange." type:"existingfile" placeholder:"FILE"`
	Time     string `help:"Validate as of this time (RFC 3339 or a date) instead of now." placeholder:"T"`
	JSON     bool   `name:"json" help:"Print the findings as JSON."`
}

// exchangeReport is the --json object of mist-verify exchange.
type exchangeReport struct {
	Request  containerFinding `json:"request"`
	Response containerFinding `json:"response"`
	Link     linkFinding      `json:"link"`
	Entry    *entryFinding    `json:"entry,omitempty"`
	// Verdict is proven, disproven or undecided; Reasons say why not proven.
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
}

type containerFinding struct {
	File          string `json:"file"`
	Format        string `json:"format"`
	Indication    string `json:"indication"`
	SubIndication string `json:"subIndication,omitempty"`
	// Intact tells that the seal covers the message octet by octet, whatever is
	// known of the certificate.
	Intact bool   `json:"intact"`
	SHA256 string `json:"messageSha256"`
	// Signer is whose seal it is, EDRPOU the code of the organisation, where
	// the certificate names one.
	Signer string `json:"signer,omitempty"`
	EDRPOU string `json:"edrpou,omitempty"`
	// StampedAt is the time of the last intact time-stamp over the seal.
	StampedAt *time.Time `json:"stampedAt,omitempty"`
}

type linkFinding struct {
	MessageID    string `json:"messageId"`
	Client       string `json:"client"`
	Service      string `json:"service"`
	Inconsistent string `json:"inconsistentHeader,omitempty"`
	Algorithm    string `json:"requestHashAlgorithm,omitempty"`
	HashMatches  bool   `json:"requestHashMatches"`
	Linked       bool   `json:"linked"`
}

type entryFinding struct {
	ID      string `json:"id"`
	Matches bool   `json:"matches"`
	Answer  bool   `json:"answer"` // the entry has the answer's hash, and it agrees
	Differs string `json:"differs,omitempty"`
}

// Run implements the command.
func (c *exchangeCommand) Run(e *env) error {
	at, err := parseTime(c.Time)
	if err != nil {
		return err
	}
	v, p, err := c.verifier()
	if err != nil {
		return err
	}
	var r exchangeReport
	messages := [2][]byte{}
	for i, name := range []string{c.Request, c.Response} {
		finding := &r.Request
		if i == 1 {
			finding = &r.Response
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return &exitError{exitUnreadable, fmt.Errorf("reading a container: %w", err)}
		}
		if messages[i], err = xroad.LoggedMessage(b); err != nil {
			return &exitError{exitUnreadable, fmt.Errorf("%s: %w", filepath.Base(name), err)}
		}
		result, err := v.Verify(e.ctx, signature.Input{ID: filepath.Base(name), Name: filepath.Base(name), Document: facts.Bytes(b), Time: at}, p)
		if err != nil {
			return &exitError{exitUnreadable, fmt.Errorf("%s: %w", filepath.Base(name), err)}
		}
		*finding = c.container(filepath.Base(name), result, messages[i])
	}
	link, err := xroad.LinkExchange(messages[0], messages[1], map[string]func([]byte) []byte{
		xroad.AlgorithmGOST34311: func(b []byte) []byte { s := gost34311.Sum256(b); return s[:] },
	})
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	r.Link = linkFinding{
		MessageID: link.Request.ID, Client: link.Request.Client.String(), Service: link.Request.Service.String(),
		Inconsistent: link.Inconsistent, Algorithm: link.HashAlgorithm, HashMatches: link.HashMatches, Linked: link.Linked(),
	}
	if c.Entry != "" {
		if r.Entry, err = joinEntry(c.Entry, link); err != nil {
			return err
		}
	}
	e.exit = r.judge(link)
	return r.write(e, c.JSON)
}

// container says what is known of one container; the message counts as sealed
// only when a signature covers exactly its octets.
func (c *exchangeCommand) container(name string, result *signature.Result, message []byte) containerFinding {
	sum := sha256.Sum256(message)
	f := containerFinding{File: name, Format: result.Format, Indication: string(result.Indication), SHA256: hex.EncodeToString(sum[:])}
	for i, s := range result.Facts.Signatures {
		if i < len(result.Signatures) {
			one := result.Signatures[i]
			if f.SubIndication == "" {
				f.SubIndication = string(one.SubIndication)
			}
			if f.Signer == "" {
				f.Signer, f.EDRPOU = one.Signer.CommonName, one.Signer.EDRPOU
			}
			for _, stamp := range one.Timestamps {
				if stamp.Imprint == "ok" && stamp.Token == "ok" && (f.StampedAt == nil || stamp.Time.After(*f.StampedAt)) {
					f.StampedAt = &stamp.Time
				}
			}
		}
		for _, scope := range s.Scopes {
			covered := bytes.Equal(scope.SHA256, sum[:]) && s.SignatureValue == facts.OutcomeGood
			for _, d := range s.Digests {
				// An attachment that the log did not keep is covered by its digest.
				covered = covered && (d.Found && d.Intact || d.Kind == facts.MatchManifestEntry && !d.Found)
			}
			f.Intact = f.Intact || covered
		}
	}
	return f
}

// joinEntry compares an audit entry with the exchange: message id, client,
// the hash of the answer where the entry has one, and
// the SHA-512 the registry recorded of what it received.
func joinEntry(path string, link *xroad.Exchange) (*entryFinding, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &exitError{exitUnreadable, fmt.Errorf("reading the entry: %w", err)}
	}
	entry, err := audit.Decode(bytes.TrimRight(b, "\r\n"))
	if err != nil {
		return nil, &exitError{exitUnreadable, fmt.Errorf("reading the entry: %w", err)}
	}
	f := &entryFinding{ID: entry.ID.String()}
	switch x := entry.Exchange; {
	case x == nil:
		f.Differs = "the entry speaks of no exchange"
	case x.MessageID != registry.MessageName(link.Request.ID, link.RequestSHA512[:]):
		f.Differs = "message id"
	case entry.Actor.XRoadClient != link.Request.Client.String():
		f.Differs = "client"
	case len(x.RequestSHA512) != sha512.Size || !bytes.Equal(x.RequestSHA512, link.RequestSHA512[:]):
		f.Differs = "hash of the request"
	case len(x.ResponseSHA512) > 0 && !answers(entry, link):
		f.Differs = "hash of the answer"
	default:
		f.Matches, f.Answer = true, len(x.ResponseSHA512) > 0
	}
	return f, nil
}

// answers compares the answer with what an entry has of it: the bytes of the body element where the exchange itself was
// recorded, the data told, whose hash the answer carries, where a disclosure was.
func answers(e audit.Entry, link *xroad.Exchange) bool {
	if e.Kind == audit.ExchangeAnswered {
		return bytes.Equal(e.Exchange.ResponseSHA512, link.AnswerSHA512[:])
	}
	return hex.EncodeToString(e.Exchange.ResponseSHA512) == link.ToldSHA512
}

// judge gives the exit code: any disproof wins over any doubt.
func (r *exchangeReport) judge(link *xroad.Exchange) int {
	var no, unclear []string
	for _, c := range []containerFinding{r.Request, r.Response} {
		switch {
		case c.Indication == string(signature.TotalFailed):
			no = append(no, c.File+": the seal is not valid ("+c.SubIndication+")")
		case !c.Intact:
			no = append(no, c.File+": no seal covers message.xml")
		case c.Indication != string(signature.TotalPassed):
			unclear = append(unclear, c.File+": "+c.Indication+" ("+c.SubIndication+")")
		}
	}
	switch {
	case link.Inconsistent != "":
		no = append(no, "the answer's header "+link.Inconsistent+" differs from the request's")
	case link.HashKnown && !link.HashMatches:
		no = append(no, "the answer's requestHash is not that of the request")
	case !link.Linked():
		unclear = append(unclear, "the answer carries no requestHash that can be checked")
	}
	if r.Entry != nil && !r.Entry.Matches {
		no = append(no, "the audit entry speaks of another exchange: "+r.Entry.Differs)
	}
	r.Reasons = append(no, unclear...)
	switch {
	case len(no) > 0:
		r.Verdict = "disproven"
		return exitFailed
	case len(unclear) > 0:
		r.Verdict = "undecided"
		return exitUndecided
	}
	r.Verdict = "proven"
	return exitPassed
}

func (r *exchangeReport) write(e *env, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, c := range []containerFinding{r.Request, r.Response} {
		fmt.Fprintf(e.out, "%s: %s, %s %s, message covered by the seal: %t\n", c.File, c.Format, c.Indication, c.SubIndication, c.Intact)
		if c.Signer != "" {
			fmt.Fprintf(e.out, "  sealed by %s %s\n", c.Signer, c.EDRPOU)
		}
		if c.StampedAt != nil {
			fmt.Fprintf(e.out, "  time-stamp of %s\n", c.StampedAt.Format(time.RFC3339))
		}
	}
	fmt.Fprintf(e.out, "exchange %q: %s asked %s\n", r.Link.MessageID, r.Link.Client, r.Link.Service)
	fmt.Fprintf(e.out, "requestHash (%s) is that of the request: %t\n", r.Link.Algorithm, r.Link.HashMatches)
	if r.Entry != nil {
		fmt.Fprintf(e.out, "audit entry %s speaks of this request: %t, and of this answer: %t\n", r.Entry.ID, r.Entry.Matches, r.Entry.Answer)
	}
	fmt.Fprintf(e.out, "%s\n", r.Verdict)
	for _, reason := range r.Reasons {
		fmt.Fprintf(e.out, "  %s\n", reason)
	}
	return nil
}
