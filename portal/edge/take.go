package edge

import (
	"context"
	"errors"
	"time"

	"mist/portal/edge/vault"
	"mist/registry"
	"mist/signature"
	"mist/signature/facts"
)

// Take stores a signed act. It is on the disk when this returns; repeated tells
// that the container was here before.
func (e *Edge) Take(ctx context.Context, o Operation, path string, employee registry.ID, container []byte) (a vault.Act, repeated bool, err error) {
	if !e.Vault.Unlocked() {
		return a, false, vaultError(vault.ErrLocked)
	}
	check, subject, err := e.judge(ctx, o, container)
	if err != nil {
		return a, false, err
	}
	now := e.Source.Now()
	lane := "employee:" + employee.String()
	if !subject.IsZero() {
		lane = "patient:" + subject.String()
	}
	a = vault.Act{ID: e.Source.NewID(), Operation: o.Name, Path: path, EmployeeID: employee, Lane: lane, Independent: o.Independent, ReceivedAt: now, DueAt: now, Check: check}
	given := a
	if a, repeated, err = e.Vault.Put(a, container, e.Room); err != nil {
		return a, false, vaultError(err)
	}
	// The centre refused it as it was handed in: for another employee, or by
	// another address, it may pass.
	if repeated && a.Status == vault.StatusDead && (a.EmployeeID != employee || a.Path != path) {
		a, err = e.Vault.Change(a.Number, nil, func(a *vault.Act) error {
			if a.Status != vault.StatusDead {
				return nil
			}
			a.EmployeeID, a.Path, a.Operation, a.Independent, a.Lane = employee, path, given.Operation, given.Independent, given.Lane
			again(a, now)
			return nil
		})
		if err != nil {
			return a, false, vaultError(err)
		}
	}
	e.stir()
	return a, repeated, nil
}

func again(a *vault.Act, now time.Time) {
	a.Status, a.DueAt, a.EndedAt, a.Reason, a.AnswerStatus, a.Attempts = vault.StatusWaiting, now, time.Time{}, "", 0, 0
}

// judge does what can be done without the network. What is broken is refused;
// what lacks nothing but the status of its certificates, or cannot be decided
// with the material at hand, is for the centre.
func (e *Edge) judge(ctx context.Context, o Operation, container []byte) (c vault.Check, subject registry.ID, err error) {
	now := e.Source.Now()
	policy, err := e.Policies.For(o.Name, now)
	if err != nil {
		return c, subject, err
	}
	c.TrustVersion, c.TrustTakenAt = e.Trust()
	result, err := e.Verifier.Verify(ctx, signature.Input{ID: "edge", Document: facts.Bytes(container)}, policy)
	if signature.IsUnreadable(err) {
		return c, subject, registry.Errorf(registry.CodeMalformed, "not a readable signed container").WithReason("container_unreadable").WithCause(err)
	}
	if err != nil {
		return c, subject, registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; send it again").WithCause(err)
	}
	c.Indication = string(result.Indication)
	if n := len(result.Signatures); n > 0 {
		c.SubIndication = string(result.Signatures[0].SubIndication)
		if at := result.Signatures[0].ClaimedSigningTime; at != nil {
			c.SignedAt = at.UTC()
		}
	}
	switch result.Indication {
	case signature.TotalPassed:
	case signature.Indeterminate:
		sound, err := result.AwaitingStatus()
		if err != nil {
			return c, subject, err
		}
		if sound == nil {
			// An issuer that is not known here may be known at the centre.
			return c, subject, nil
		}
		c.Awaiting, result = true, sound
	case signature.NoSignatureFound:
		return c, subject, registry.Errorf(registry.CodeMalformed, "the document carries no signature").WithReason("no_signature")
	default:
		reason := c.SubIndication
		if reason == "" {
			reason = c.Indication
		}
		return c, subject, registry.Errorf(registry.CodeSignatureInvalid, "The signature was not accepted: %s / %s", c.Indication, c.SubIndication).WithReason(reason)
	}
	// Which patient decides the order alone: a document that cannot be read is
	// the centre's to refuse.
	signed, _, err := result.MustBePassed()
	if err != nil {
		return c, subject, nil
	}
	document, err := signed.Bytes()
	if err != nil {
		return c, subject, nil
	}
	return c, subjectOf(document, o.Subject), nil
}

// vaultError says what to do about what the vault refuses.
func vaultError(err error) error {
	switch {
	case errors.Is(err, vault.ErrLocked):
		return registry.Errorf(registry.CodeUnavailable, "the vault is locked: unlock it on the page or by mist edge unlock; nothing was stored").WithReason("vault_locked")
	case errors.Is(err, vault.ErrFull):
		return registry.Errorf(registry.CodeUnavailable, "there is no room: nothing was stored; free the disk, or wait until acts have left").WithReason("vault_full")
	case errors.Is(err, vault.ErrNotFound):
		return registry.Errorf(registry.CodeNotFound, "not found")
	case errors.Is(err, vault.ErrPassphrase):
		return registry.Errorf(registry.CodeForbidden, "%s", vault.ErrPassphrase.Error()).WithReason("passphrase")
	}
	return err
}
