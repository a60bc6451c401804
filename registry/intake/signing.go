package intake

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/signature"
)

// SigningRule says who must have signed a kind of act from a date on. The
// validator judges signatures; whose they must be is the registry's rule.
type SigningRule struct {
	Kind string `json:"kind"` // name of the act kind; "*" for all others
	From string `json:"from"` // date
	// Rule is the name a refusal is given under.
	Rule string `json:"rule"`
	// Signatures of persons and stamps (electronic seals of organisations)
	// that the document must have, exactly.
	Signatures int `json:"signatures"`
	Stamps     int `json:"stamps"`
	// Either: a stamp may stand where a signature is asked for, and the other
	// way round; only the sum counts.
	Either bool `json:"either,omitempty"`
	// Author: what one of the signers must share with the author of the draft.
	Author []Match `json:"author"`
	// Stamp: what each stamp must share with the author's legal entity.
	Stamp       []Match `json:"stamp,omitempty"`
	LegalSource string  `json:"legalSource"`
}

// Match is one comparison of a certificate with what the registry knows.
type Match string

// Comparisons.
const (
	MatchDRFO    Match = "drfo"    // РНОКПП or document number with the party's tax_id
	MatchSurname Match = "surname" // surname with the party's last name
	MatchEDRPOU  Match = "edrpou"  // ЄДРПОУ with the legal entity's
	MatchKind    Match = "kind"    // the kind itself compares: the author is known from the content
)

// SigningRules is the table; ParseSigningRules checks it.
type SigningRules []SigningRule

//go:embed signing.json
var signingFile []byte

// DefaultSigningRules is the embedded table.
func DefaultSigningRules() (SigningRules, error) { return ParseSigningRules(signingFile) }

// ParseSigningRules reads a table and refuses rows that say nothing.
func ParseSigningRules(b []byte) (SigningRules, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var rules SigningRules
	if err := d.Decode(&rules); err != nil {
		return nil, fmt.Errorf("reading signing rules: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("reading signing rules: text after the table")
	}
	for _, r := range rules {
		bad := func(what string) error { return fmt.Errorf("signing rules, %s from %s: %s", r.Kind, r.From, what) }
		if _, err := time.Parse(time.DateOnly, r.From); err != nil {
			return nil, bad("the date is not one")
		}
		switch {
		case r.Kind == "", r.Rule == "", r.LegalSource == "":
			return nil, bad("kind, rule and legalSource are required")
		case r.Signatures < 1 || r.Stamps < 0 || r.Signatures+r.Stamps > 16:
			return nil, bad("at least one signature and at most 16 in all")
		case len(r.Author) == 0:
			return nil, bad("nothing ties the author to a signature")
		case len(r.Stamp) > 0 && r.Stamps == 0:
			return nil, bad("a rule about stamps without a stamp")
		}
		for _, m := range r.Author {
			if !slices.Contains([]Match{MatchDRFO, MatchSurname, MatchEDRPOU, MatchKind}, m) {
				return nil, bad("unknown comparison " + string(m))
			}
		}
		for _, m := range r.Stamp {
			if m != MatchEDRPOU {
				return nil, bad("a stamp is compared by edrpou only")
			}
		}
	}
	if _, err := rules.For("*", time.Now()); err != nil {
		return nil, err
	}
	return rules, nil
}

// For returns the rule in force for a kind at a time: the newest row of the
// kind that has begun, else of "*".
func (rules SigningRules) For(kind registry.KindName, at time.Time) (SigningRule, error) {
	for _, name := range []string{string(kind), "*"} {
		best := -1
		for i, r := range rules {
			if r.Kind == name && r.From <= at.UTC().Format(time.DateOnly) && (best < 0 || r.From > rules[best].From) {
				best = i
			}
		}
		if best >= 0 {
			return rules[best], nil
		}
	}
	return SigningRule{}, fmt.Errorf("no signing rule is in force for %q on %s", kind, at.Format(time.DateOnly))
}

// Signatory is what the registry knows about the author whose signature is
// wanted.
type Signatory struct {
	TaxID    string // РНОКПП, or series and number of a document
	LastName string
	EDRPOU   registry.EDRPOU // of the author's legal entity
}

// released hands out the signed bytes when the document carries the signatures
// the rule demands and all of them passed. The number is compared before the
// verdict, kinds of signer after it: what a certificate is counts once it can
// be believed.
func (r SigningRule) released(result *signature.Result) (signature.SignedBytes, []signature.Signer, error) {
	signatures, stamps := 0, 0
	for _, s := range result.Signatures {
		switch {
		case s.Parent != "": // a counter-signature signs a signature
		case s.Signer.Seal:
			stamps++
		default:
			signatures++
		}
	}
	if n := signatures + stamps; n > 0 && n != r.Signatures+r.Stamps {
		return signature.SignedBytes{}, nil, r.counted(signatures, stamps)
	}
	signed, signers, err := result.AllMustBePassed()
	if err != nil {
		return signature.SignedBytes{}, nil, err
	}
	if !r.Either && (signatures != r.Signatures || stamps != r.Stamps) {
		return signature.SignedBytes{}, nil, r.counted(signatures, stamps)
	}
	return signed, signers, nil
}

// counted is the refusal in the words of the eHealth API.
func (r SigningRule) counted(signatures, stamps int) error {
	return &registry.Error{Code: registry.CodeMalformed, Reason: "number_of_signatures", Detail: fmt.Sprintf(
		"document must contain %s and %s but contains %s and %s (rule %s)",
		plural(r.Signatures, "signature"), plural(r.Stamps, "stamp"), plural(signatures, "signature"), plural(stamps, "stamp"), r.Rule)}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// check compares the signers with the author: one signature is the author's,
// the others are of other persons, each stamp is the legal entity's where the
// rule says so. The refusal is the one of the signer that came nearest.
func (r SigningRule) check(signers []signature.Signer, author Signatory) error {
	var refusal error = &registry.Error{Code: registry.CodeSignatureInvalid, Reason: "author_not_found",
		Detail: "no signature of a person is among the signatures (rule " + r.Rule + ")"}
	met, found := -1, false
	for i, s := range signers {
		if slices.ContainsFunc(signers[:i], func(o signature.Signer) bool {
			return !s.Seal && !o.Seal && registry.SameIdentifier(s.RNOKPP, o.RNOKPP)
		}) {
			return &registry.Error{Code: registry.CodeSignatureInvalid, Reason: "signer_twice",
				Detail: "two signatures are of one person, " + registry.Mask(s.RNOKPP) + " (rule " + r.Rule + ")"}
		}
		if s.Seal {
			for _, m := range r.Stamp {
				if err := m.Compare(s, author, r.Rule); err != nil {
					return err
				}
			}
			continue
		}
		if found {
			continue
		}
		n, err := 0, error(nil)
		for _, m := range r.Author {
			if err = m.Compare(s, author, r.Rule); err != nil {
				break
			}
			n++
		}
		if found = err == nil; !found && n > met {
			met, refusal = n, err
		}
	}
	if found {
		return nil
	}
	return refusal
}

// Compare answers nil or the refusal that shows both values masked, where each
// came from and the rule applied.
func (m Match) Compare(s signature.Signer, author Signatory, rule string) error {
	switch m {
	case MatchDRFO:
		switch {
		case s.RNOKPP == "":
			return absent("Invalid drfo", "signer_without_identifier", "РНОКПП or document number", rule)
		case !registry.SameIdentifier(s.RNOKPP, author.TaxID):
			return Mismatch("Does not match the signer drfo", "signer_mismatch", rule, "spaces dropped, Latin and Cyrillic letters of one series equal",
				Side{registry.Mask(s.RNOKPP), s.RNOKPPSource}, Side{registry.Mask(author.TaxID), "party.tax_id"})
		}
	case MatchSurname:
		switch {
		case s.Surname == "":
			return absent("Does not match the signer last name", "signer_without_surname", "surname", rule)
		case !sameName(s.Surname, author.LastName):
			return Mismatch("Does not match the signer last name", "signer_surname_mismatch", rule, "case and the sign of the apostrophe do not count",
				Side{maskName(s.Surname), "subject.surname"}, Side{maskName(author.LastName), "party.last_name"})
		}
	case MatchEDRPOU:
		switch {
		case s.EDRPOU == "":
			return absent("Does not match the signer edrpou", "signer_without_edrpou", "ЄДРПОУ", rule)
		case s.EDRPOU != string(author.EDRPOU):
			return Mismatch("Does not match the signer edrpou", "signer_edrpou_mismatch", rule, "equal digits",
				Side{registry.Mask(s.EDRPOU), s.EDRPOUSource}, Side{registry.Mask(string(author.EDRPOU)), "legal_entity.edrpou"})
		}
	}
	return nil
}

func absent(text, reason, what, rule string) error {
	return &registry.Error{Code: registry.CodeSignatureInvalid, Reason: reason,
		Detail: fmt.Sprintf("%s: the signer's certificate carries no %s (rule %s)", text, what, rule)}
}

// Side is one of two compared values: masked, with the place it was read from.
type Side struct{ Masked, Source string }

// Mismatch is the refusal of a signer who is not the one required: text in the
// words of the eHealth API, both values masked with their places, the rule's
// name and how it compares.
func Mismatch(text, reason, rule, how string, certificate, known Side) error {
	return &registry.Error{
		Code: registry.CodeSignatureInvalid, Reason: reason,
		Detail: fmt.Sprintf("%s: the certificate names %s (%s), the registry %s (%s); compared by rule %s: %s",
			text, certificate.Masked, certificate.Source, known.Masked, known.Source, rule, how),
		Fields: []registry.FieldError{{
			Entry: "$.signed_content", EntryType: "content", Rule: reason, Description: text,
			Params: []string{
				"certificate " + certificate.Source + " " + certificate.Masked,
				"registry " + known.Source + " " + known.Masked,
				"rule " + rule,
			},
		}},
	}
}

// maskName keeps the first letter of a name.
func maskName(name string) string {
	r := []rune(name)
	if len(r) == 0 {
		return ""
	}
	return string(r[:1]) + strings.Repeat("•", len(r)-1)
}

var apostrophes = strings.NewReplacer("'", "ʼ", "’", "ʼ", "`", "ʼ", "‘", "ʼ", "´", "ʼ")

// sameName compares surnames as the eHealth API does, in upper case, and takes
// the many signs in use for an apostrophe as one.
func sameName(a, b string) bool {
	fold := func(s string) string {
		return strings.ToUpper(apostrophes.Replace(strings.Join(strings.Fields(s), " ")))
	}
	return fold(a) != "" && fold(a) == fold(b)
}
