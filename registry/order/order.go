// Package order is for what one person must not do alone: an operator's command
// that touches many people, or that takes something out of the trail. The
// command is planned first, without changing anything; the plan says what it
// would touch. Two people sign the plan with their КЕП; only then it is done,
// once, and the trail names both.
//
// It trusts nobody for who signed: signatures are judged like those of acts,
// and each signer must be an approved employee whose role may sign orders.
package order

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/prm"
	"mist/signature"
	"mist/signature/facts"
)

// Scope is what the role of a signer must include.
const Scope = "order:sign"

// Kinds of entries.
const (
	// Confirmed is left for each of the signers, before the command begins.
	Confirmed audit.Kind = "order.confirmed"
	// Executed names the order and what it did.
	Executed audit.Kind = "order.executed"
)

// Signers is how many people an order needs.
const Signers = 2

// Life is how long a plan may be signed and executed.
const Life = 7 * 24 * time.Hour

const (
	version  = 1
	typeName = "operator_order"
	maxBytes = 64 << 10
)

// Order is the document that people sign, as canonical JSON (RFC 8785).
type Order struct {
	Version int         `json:"version"`
	Type    string      `json:"type"`
	ID      registry.ID `json:"id"`
	// Origin is the log of the installation, so that an order of one is none of another.
	Origin     string            `json:"origin"`
	Command    string            `json:"command"`
	Parameters map[string]string `json:"parameters"`
	// Effects is what the plan found: what would be touched, by name.
	Effects   map[string]int `json:"effects"`
	Reason    string         `json:"reason"`
	IssuedAt  time.Time      `json:"issued_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	// Text tells the signers in words what they sign.
	Text string `json:"text"`
}

// Tx is what orders need of a transaction.
type Tx interface {
	EmployeesByIdentifier(ctx context.Context, numbers []string) ([]prm.Employee, error)
	// SpendOrder tells whether the order is new, was begun, or is done.
	SpendOrder(ctx context.Context, id registry.ID, command string, digest registry.Digest) (State, error)
	FinishOrder(ctx context.Context, id registry.ID) error
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	InsertReport(ctx context.Context, r intake.Report) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// State of an order.
type State int

// States.
const (
	New State = iota
	Begun
	Done
)

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service plans and confirms.
type Service struct {
	Store    Store
	Verifier intake.Verifier
	Policies intake.Policies
	Source   registry.Source
	Origin   string
}

// Moment is when an order is planned, as its document will tell it: what the dry
// run counts before it, the command counts before it again.
func (s *Service) Moment() time.Time { return s.Source.Now().Truncate(time.Millisecond) }

// Plan makes the document of a command from its dry run at a moment.
func (s *Service) Plan(at time.Time, command string, parameters map[string]string, effects map[string]int, reason string) ([]byte, error) {
	if strings.TrimSpace(reason) == "" {
		return nil, registry.Errorf(registry.CodeMalformed, "an order needs the reason it is given for")
	}
	var touched []string
	for _, name := range slices.Sorted(maps.Keys(effects)) {
		touched = append(touched, fmt.Sprintf("%s: %d", name, effects[name]))
	}
	o := Order{Version: version, Type: typeName, ID: s.Source.NewID(), Origin: s.Origin, Command: command, Parameters: parameters, Effects: effects, Reason: reason,
		IssuedAt: at, ExpiresAt: at.Add(Life),
		Text: fmt.Sprintf("Я наказую виконати команду %s реєстру %s. Буде зачеплено: %s. Підстава: %s.", command, s.Origin, strings.Join(touched, ", "), reason)}
	return jcs.Marshal(o)
}

// Parse reads a document of Plan strictly.
func (s *Service) Parse(document []byte) (Order, error) {
	invalid := func(why string) (Order, error) {
		return Order{}, registry.Errorf(registry.CodeMalformed, "this is no order of this installation: %s", why)
	}
	if len(document) > maxBytes {
		return invalid("too large")
	}
	if _, err := jcs.Parse(document); err != nil {
		return invalid(err.Error())
	}
	var o Order
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return invalid(err.Error())
	}
	if again, err := jcs.Marshal(o); err != nil || !bytes.Equal(again, bytes.TrimSpace(document)) {
		return invalid("not in the form it was made in")
	}
	switch now := s.Source.Now(); {
	case o.Version != version || o.Type != typeName || o.ID.IsZero():
		return invalid("another kind of document")
	case o.Origin != s.Origin:
		return invalid("it is of the log " + o.Origin)
	case o.ExpiresAt.After(o.IssuedAt.Add(Life)):
		return invalid("it lasts too long")
	case !now.Before(o.ExpiresAt) || now.Before(o.IssuedAt.Add(-time.Minute)):
		return Order{}, registry.Errorf(registry.CodeConflict, "the order was good until %s; plan the command anew", o.ExpiresAt.Format(time.RFC3339)).WithReason("expired")
	}
	return o, nil
}

// confirmation is one judged signature.
type confirmation struct {
	container []byte
	report    *intake.Report
	signer    signature.Signer
}

// Execute confirms an order by its signatures and runs it. plan gives what the
// command would touch now: when that is not what was signed, nothing is done. A
// command that was cut off goes on with the same order; one that ended does not.
func (s *Service) Execute(ctx context.Context, document []byte, containers [][]byte, command string, parameters map[string]string,
	plan func(context.Context, Order) (map[string]int, error), run func(ctx context.Context, o Order) error) error {
	o, err := s.Parse(document)
	if err != nil {
		return err
	}
	if o.Command != command || !maps.Equal(o.Parameters, parameters) {
		return registry.Errorf(registry.CodeConflict, "the order is for %s with other parameters than this command has", o.Command)
	}
	if len(containers) != Signers {
		return registry.Errorf(registry.CodeMalformed, "an order is signed by %d people, each in a container of their own; %d were given", Signers, len(containers))
	}
	var confirmed []confirmation
	for _, c := range containers {
		one, err := s.judge(ctx, document, c)
		if err != nil {
			return err
		}
		confirmed = append(confirmed, one)
	}
	digest := registry.Digest(sha256.Sum256(document))
	now, err := plan(ctx, o)
	if err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		var who []prm.Employee
		for _, c := range confirmed {
			e, err := s.officer(ctx, tx, c.signer)
			if err != nil {
				return err
			}
			if len(who) > 0 && who[0].Party.ID == e.Party.ID {
				return registry.Errorf(registry.CodeForbidden, "both signatures are of one person; an order needs two people").WithReason("same_signer")
			}
			who = append(who, e)
		}
		state, err := tx.SpendOrder(ctx, o.ID, o.Command, digest)
		switch {
		case err != nil:
			return err
		case state == Done:
			return registry.Errorf(registry.CodeAlreadyDone, "the order was carried out before; one order is good for one time").WithReason("order_done")
		case state == Begun:
			return nil // cut off: it goes on
		}
		if !maps.Equal(now, o.Effects) {
			return registry.Errorf(registry.CodeConflict, "what the command touches has changed since it was planned (%v then, %v now); plan it anew", o.Effects, now).WithReason("effects_changed")
		}
		for i, c := range confirmed {
			if err := tx.PutContainer(ctx, c.report.Container, c.container); err != nil {
				return err
			}
			if err := tx.InsertReport(ctx, *c.report); err != nil {
				return err
			}
			if _, err := tx.Audit(ctx, audit.Entry{Kind: Confirmed, Channel: channel, Actor: audit.Actor{EmployeeID: who[i].ID, LegalEntityID: who[i].LegalEntityID},
				Object: s.object(o, digest), Act: &audit.ActRef{ID: o.ID, Kind: "order", Container: c.report.Container[:], Content: digest[:]},
				Report: &audit.ReportRef{Digest: c.report.Digest, Indication: c.report.Indication, Policy: c.report.Policy}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := run(ctx, o); err != nil {
		return fmt.Errorf("carrying out the order %s (the same order goes on): %w", o.ID, err)
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.FinishOrder(ctx, o.ID); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{Kind: Executed, Channel: channel, Object: s.object(o, digest)})
		return err
	})
}

// channel of operators' commands.
const channel = "operator"

func (s *Service) object(o Order, digest registry.Digest) *audit.ObjectRef {
	return &audit.ObjectRef{Type: "order:" + o.Command, ID: o.ID.String(), Digest: digest[:]}
}

// judge verifies one signature over exactly the document.
func (s *Service) judge(ctx context.Context, document, container []byte) (confirmation, error) {
	refused := func(reason, text string, err error) (confirmation, error) {
		return confirmation{}, registry.Errorf(registry.CodeForbidden, "%s", text).WithReason(reason).WithCause(err)
	}
	policy, err := s.Policies.For("order", s.Source.Now())
	if err != nil {
		return confirmation{}, err
	}
	result, err := s.Verifier.Verify(ctx, signature.Input{ID: "order", Document: facts.Bytes(container)}, policy)
	if signature.IsUnreadable(err) {
		return refused("container_unreadable", "a signature of the order is not readable", err)
	}
	if err != nil {
		return confirmation{}, err
	}
	signed, signer, err := result.MustBePassed()
	if err != nil {
		return refused("signature", "a signature of the order was not accepted: "+err.Error(), err)
	}
	content, err := signed.Bytes()
	if err != nil {
		return confirmation{}, err
	}
	if !bytes.Equal(content, document) {
		return refused("other_document", "a signature is over another document than the order", nil)
	}
	if signer.Seal || signer.RNOKPP == "" {
		return refused("signer", "an order is signed by people, with certificates that carry their number", nil)
	}
	return confirmation{container, intake.NewReport(s.Source, container, sha256.Sum256(container), result), signer}, nil
}

// officer finds the approved position that lets the signer sign orders.
func (s *Service) officer(ctx context.Context, tx Tx, signer signature.Signer) (prm.Employee, error) {
	list, err := tx.EmployeesByIdentifier(ctx, []string{signer.RNOKPP})
	if err != nil {
		return prm.Employee{}, err
	}
	for _, e := range list {
		if access.RoleHas(e.Type, Scope) {
			return e, nil
		}
	}
	return prm.Employee{}, registry.Errorf(registry.CodeForbidden, "a signer holds no position that may sign orders (role with the scope %s)", Scope).WithReason("signer_without_right")
}

// Open refuses a half-configured service.
func Open(s Service) (*Service, error) {
	if s.Store == nil || s.Verifier == nil || s.Policies == nil || s.Source.Clock == nil || s.Source.Random == nil || s.Origin == "" {
		return nil, errors.New("order: a part is missing")
	}
	return &s, nil
}
