package material

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/trust"
)

// Kinds of entries about files that are not taken yet: their object is the file's
// digest.
const (
	// Compared is left when somebody looks what a file would change.
	Compared audit.Kind = "trust.compared"
	// Taken is left when two people's order put a file among the trust material.
	Taken audit.Kind = "trust.taken"
)

// TakeOrder is the command that two people sign.
const TakeOrder = "take-trust"

// MaxFile bounds a file of trust material that is compared.
const MaxFile = 16 << 20

// Trial gives what would be trusted if a file lay among the material, judged by the
// same rules: a trusted list by its pinned signer and its number. Nothing changes.
type Trial func(ctx context.Context, name string, body []byte) (*trust.Snapshot, error)

// Comparison is what a file would change.
type Comparison struct {
	Name   string
	Digest registry.Digest
	Now    time.Time
	// Version is that of the material with the file, Same that nothing changes.
	Version string
	Same    bool
	// Added and Removed are certificates, what ends first first.
	Added, Removed []Certificate
	// Lists and Before are the trusted lists with the file and without it, where
	// they differ.
	Lists, Before []List
	// Revocations are revocation lists that are new.
	Revocations []Revocation
	Remarks     []string // of the file and what came with it, and not there before
}

// Effects counts what would change, for the order of two people.
func (c Comparison) Effects() map[string]int {
	return map[string]int{"certificates_added": len(c.Added), "certificates_removed": len(c.Removed), "lists_changed": len(c.Lists), "revocation_lists_added": len(c.Revocations)}
}

// Parameters are what the order is given over: this file under this name.
func (c Comparison) Parameters() map[string]string {
	return map[string]string{"file": c.Name, "sha256": hex.EncodeToString(c.Digest[:])}
}

// fileName is of what the folder reads; no way leads out of it.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(xml|cer|crt|der|pem|p7b|p7c|crl)$`)

// Compare says what a file would change among the material now, without taking it.
//
// Errors: CodeInvalid with the reason trust_file says why the file would not be
// taken.
func Compare(ctx context.Context, now *trust.Snapshot, try Trial, at time.Time, name string, body []byte) (c Comparison, err error) {
	refused := func(format string, a ...any) (Comparison, error) {
		return c, registry.Errorf(registry.CodeInvalid, format, a...).WithReason("trust_file")
	}
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	switch {
	case !fileName.MatchString(name):
		return refused("the file's name is letters, digits, dots and dashes, and ends with .xml, .cer, .crt, .der, .pem, .p7b, .p7c or .crl")
	case len(body) == 0 || len(body) > MaxFile:
		return refused("the file is empty or larger than %d MiB", MaxFile>>20)
	}
	c = Comparison{Name: name, Digest: sha256.Sum256(body), Now: at}
	with, err := try(ctx, name, body)
	if err != nil {
		return refused("the file cannot be taken: %s", err.Error())
	}
	for _, r := range with.Remarks {
		if strings.HasPrefix(r, name+":") {
			return refused("the file cannot be read: %s", strings.TrimSpace(strings.TrimPrefix(r, name+":")))
		}
		if !slices.Contains(now.Remarks, r) {
			c.Remarks = append(c.Remarks, r)
		}
	}
	c.Version = with.Version()
	c.Added, c.Removed = beyond(with, now), beyond(now, with)
	for _, l := range with.Lists {
		if !slices.Contains(now.Lists, l) {
			c.Lists = append(c.Lists, List{l})
		}
	}
	for _, l := range now.Lists {
		if !slices.Contains(with.Lists, l) {
			c.Before = append(c.Before, List{l})
		}
	}
	for _, l := range with.CRLs() {
		if !slices.ContainsFunc(now.CRLs(), func(o *trust.CRL) bool {
			return o.Issuer.Key() == l.Issuer.Key() && o.ThisUpdate.Equal(l.ThisUpdate)
		}) {
			c.Revocations = append(c.Revocations, Revocation{title(l.Issuer), l.ThisUpdate, l.NextUpdate})
		}
	}
	c.Same = len(c.Added)+len(c.Removed)+len(c.Lists)+len(c.Before)+len(c.Revocations) == 0
	return c, nil
}

// beyond gives the certificates of a that b has not, or trusts otherwise.
func beyond(a, b *trust.Snapshot) (out []Certificate) {
	have := map[string]bool{}
	for _, c := range b.Pool().All() {
		have[c.ID] = len(b.Anchor(c.ID)) > 0
	}
	for _, c := range a.Pool().All() {
		if anchor, known := have[c.ID]; !known || anchor != (len(a.Anchor(c.ID)) > 0) {
			out = append(out, shown(a, c))
		}
	}
	slices.SortFunc(out, func(a, b Certificate) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Compare tells an operator what a file would change; the log keeps that it was
// asked, with the file's digest.
func (s *Service) Compare(ctx context.Context, c registry.Caller, name string, body []byte) (out Comparison, err error) {
	if err := c.Require(Scope); err != nil {
		return out, err
	}
	if s.Trial == nil {
		return out, registry.Errorf(registry.CodeUnavailable, "this server does not compare trust material")
	}
	if out, err = Compare(ctx, s.trust.Snapshot(), s.Trial, s.source.Now(), name, body); err != nil {
		return out, err
	}
	return out, s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		_, err := tx.Audit(ctx, audit.Entry{Kind: Compared, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "trust_file", ID: out.Name, Digest: out.Digest[:]}})
		return err
	})
}
