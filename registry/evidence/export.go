package evidence

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/trail"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// ScopeDocuments is the right to have signed documents in packages; without it,
// with trail.Scope alone, a package holds their digests.
const ScopeDocuments = "audit:read_documents"

// Kinds of the entries that exporting leaves. A package with the document tells
// data of a person, with its legal basis.
const (
	Exported         audit.Kind = "evidence.exported"
	ExportedDocument audit.Kind = "disclosure.evidence"
	Rejudged         audit.Kind = "evidence.rejudged"
)

// Tx is what evidence needs of a transaction.
type Tx interface {
	Record(ctx context.Context, id registry.ID) (trail.Record, error)
	RecordAt(ctx context.Context, index int64) (trail.Record, error)
	// Kept reads what is kept of the judgement with this report over the container.
	Kept(ctx context.Context, container []byte, digest string) (k Kept, found bool, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	// SubjectOf gives whom an entry is about; zero when nobody, or wiped.
	SubjectOf(ctx context.Context, entry registry.ID) (registry.ID, error)
	// JudgementRules gives kept rules by the digest of the policy and the
	// version of the algorithm table; not-found if one was never kept.
	JudgementRules(ctx context.Context, policy, algorithms string) (Rules, error)
	// KeepRules keeps rules under these names; kept ones stay as they are.
	KeepRules(ctx context.Context, policy, algorithms string, r Rules) error
	// CheckpointByRoot gives the first checkpoint signed over a root.
	CheckpointByRoot(ctx context.Context, root tlog.Hash) (signed []byte, found bool, err error)
	// NextReports gives reports after an id, oldest first, locked against
	// another server that does the same.
	NextReports(ctx context.Context, limit int) ([]Stored, error)
	// ReportRejudged notes the outcome of judging again, and goes on behind it.
	ReportRejudged(ctx context.Context, s Stored, outcome string) error
	// StoredReport is Kept with the report's id.
	StoredReport(ctx context.Context, container []byte, digest string) (s Stored, found bool, err error)
	// NoteRejudged notes the outcome of judging one report again.
	NoteRejudged(ctx context.Context, report registry.ID, outcome string) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Sealer sets the system's electronic seal over the files of a package and
// gives the ASiC-E container. It may ask a time-stamp authority.
type Sealer interface {
	SealPackage(ctx context.Context, files []sign.DataObject) ([]byte, error)
}

// Config of the service. Sealer may be nil: then nothing is exported.
type Config struct {
	Store  Store
	Log    trail.Log
	Key    note.Verifier
	LogKey string // text of Key
	// Witnesses are public keys for the package.
	Witnesses []string
	Sealer    Sealer
	Source    registry.Source
	// Alarm is told of a kept judgement that no longer comes out.
	Alarm func(ctx context.Context, what string)
}

// Service exports evidence and judges again.
type Service struct{ Config }

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Log == nil || c.Key == nil || c.Source.Clock == nil || c.Source.Random == nil {
		return nil, errors.New("evidence: a part is missing")
	}
	if c.Alarm == nil {
		c.Alarm = func(context.Context, string) {}
	}
	return &Service{c}, nil
}

// KeepRules keeps the rules in force, so that what is judged by them today can
// be judged again when the program no longer brings them along.
func (s *Service) KeepRules(ctx context.Context, policies []signature.Policy) error {
	table, err := signature.DefaultAlgorithms()
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		for _, p := range policies {
			if err := tx.KeepRules(ctx, p.Ref().Digest, table.Version, Rules{p.Form(), table.Form()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Request of a package. Entry is an id or a place in the tree.
type Request struct {
	Entry string
	// Documents puts the signed document into the package; Reason then says
	// what for, and stands in the log and in the protocol.
	Documents bool
	Reason    string
}

// Export makes the package of an entry: an ASiC-E container under the seal.
func (s *Service) Export(ctx context.Context, c registry.Caller, q Request) (name string, container []byte, err error) {
	if err := c.Require(trail.Scope); err != nil {
		return "", nil, err
	}
	if q.Documents {
		if err := c.Require(ScopeDocuments); err != nil {
			return "", nil, err
		}
		if q.Reason == "" {
			return "", nil, registry.Errorf(registry.CodeMalformed, "a package with the document needs the reason it is made for")
		}
	}
	if s.Sealer == nil {
		return "", nil, registry.Errorf(registry.CodeConflict, "packages need an electronic seal: seal.key_file is not configured").WithReason("no_seal")
	}
	id, idErr := registry.ParseID(q.Entry)
	index, indexErr := strconv.ParseInt(q.Entry, 10, 64)
	if idErr != nil && (indexErr != nil || index < 0) {
		return "", nil, registry.Errorf(registry.CodeMalformed, "an entry is named by its UUID or its place in the tree")
	}
	d := Dossier{LogKey: s.LogKey, Witnesses: s.Witnesses, Made: s.Source.Now(), Reason: q.Reason}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.RecordAt(ctx, max(index, 0))
		if idErr == nil {
			r, err = tx.Record(ctx, id)
		}
		if err != nil {
			return err
		}
		if r.Index < 0 {
			return registry.Errorf(registry.CodeConflict, "the entry waits for its checkpoint: ask again in a second").WithReason("not_in_tree")
		}
		d.Entry, d.Proof.Index, id = r.Bytes, r.Index, r.ID
		d.Kept, d.Container = nil, nil
		if err := s.judgement(ctx, tx, r.Entry, &d); err != nil {
			return err
		}
		e := audit.Entry{Kind: Exported, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "audit_entry", ID: r.ID.String()}}
		if q.Documents && r.Act != nil {
			if d.Container, err = tx.Container(ctx, registry.Digest(r.Act.Container)); err != nil {
				return fmt.Errorf("reading the signed document: %w", err)
			}
			e.Kind, e.LegalBasis = ExportedDocument, &audit.LegalBasis{Code: audit.BasisStatute, Purpose: q.Reason}
			if e.SubjectID, err = tx.SubjectOf(ctx, r.ID); err != nil {
				return err
			}
			e.Fields = []string{"signed_document"}
		}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	if err := s.prove(ctx, &d); err != nil {
		return "", nil, err
	}
	files, err := d.Files()
	if err != nil {
		return "", nil, err
	}
	container, err = s.Sealer.SealPackage(ctx, files)
	if err != nil {
		return "", nil, fmt.Errorf("sealing a package: %w", err)
	}
	return "mist-evidence-" + id.String() + ".asice", container, nil
}

// judgement adds report, facts and rules where the entry names a report.
func (s *Service) judgement(ctx context.Context, tx Tx, e audit.Entry, d *Dossier) error {
	if e.Report == nil || e.Act == nil {
		return nil
	}
	k, found, err := tx.Kept(ctx, e.Act.Container, e.Report.Digest)
	if err != nil {
		return err
	}
	if !found {
		return registry.Errorf(registry.CodeNotFound, "the report that the entry names is not kept").WithReason("report_missing")
	}
	d.Kept = &k
	d.Rules, err = tx.JudgementRules(ctx, k.Report.Policy.Digest, k.Report.Algorithms)
	return err
}

// prove adds the proof to the newest public checkpoint and, of a document that
// pins the log's past, that checkpoint with the proof that the log continued it.
func (s *Service) prove(ctx context.Context, d *Dossier) error {
	signed, err := s.Log.LogCheckpoint(ctx)
	if err != nil {
		return err
	}
	c, err := audit.OpenCheckpoint(signed, s.Key)
	if err != nil {
		return err
	}
	fetch := audit.TileFetch(s.Log.LogTile)
	d.Proof.Note = signed
	if d.Proof.Path, err = audit.ProveInclusion(ctx, fetch, c, d.Proof.Index, audit.LeafHash(d.Entry)); err != nil {
		return err
	}
	root, pins, err := s.pinned(ctx, *d)
	if err != nil || !pins {
		return err
	}
	seed := Seed{}
	found := false
	if err := s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		seed.Note, found, err = tx.CheckpointByRoot(ctx, root)
		return err
	}); err != nil {
		return err
	}
	if !found {
		// The package says so by what it lacks: the verifier does not pass over it.
		return nil
	}
	older, err := audit.OpenCheckpoint(seed.Note, s.Key)
	if err != nil {
		return fmt.Errorf("the checkpoint of root %s: %w", hex.EncodeToString(root[:]), err)
	}
	if older.Size > 0 && older.Size < c.Size {
		if seed.Path, err = audit.ProveConsistency(ctx, fetch, older, c); err != nil {
			return err
		}
	}
	d.Seed = &seed
	return nil
}

// pinned reads the seed of the document that goes into the package, from bytes
// that the verifier handed out.
func (s *Service) pinned(ctx context.Context, d Dossier) (root tlog.Hash, ok bool, err error) {
	if d.Container == nil || d.Kept == nil || d.Kept.Report.Indication != signature.TotalPassed {
		return root, false, nil
	}
	c := &check{t: Trusted{Now: s.Source.Now}}
	p, err := signature.RestorePolicy(d.Rules.Policy)
	if err != nil {
		return root, false, err
	}
	snap, err := snapshotOf(d.Kept.Facts, nil)
	if err != nil {
		return root, false, err
	}
	r, err := c.verify(ctx, facts.Bytes(d.Container), snap, replay{d.Kept.Facts}, p, d.Kept.Report.Time)
	if err != nil {
		return root, false, err
	}
	signed, _, err := r.AllMustBePassed()
	if err != nil {
		return root, false, nil // what does not verify again is told by the verifier of the package
	}
	b, err := signed.Bytes()
	if err != nil {
		return root, false, err
	}
	root, ok = SeedOf(b)
	return root, ok, nil
}
