// Package trail lets auditors read the log: its state, single entries with
// their proofs and signature reports, and searches over millions of entries.
//
// Who reads the log is in the log: every answer leaves an entry in its own
// transaction, so that auditors can be audited. It tells nothing of a person but
// what the entries hold, which are commitments, and trusts no stored tree: a
// proof is computed from tiles that are checked against the signed checkpoint.
package trail

import (
	"context"
	"errors"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
)

// Scope is the right to read entries.
const Scope = "audit:read"

// Kinds of the entries that reading leaves.
const (
	StateRead audit.Kind = "audit.state_read"
	EntryRead audit.Kind = "audit.entry_read"
	Searched  audit.Kind = "audit.searched"
)

// Record is an entry with its exact bytes and its place in the tree, -1 while
// it waits for a public checkpoint.
type Record struct {
	Bytes []byte
	Index int64
	audit.Entry
}

// State is the log as a whole.
type State struct {
	// Size and At are of the newest public checkpoint.
	Size int64
	At   time.Time
	// Searchable is how many entries the search knows.
	Searchable int64
	// Waiting is the age of the oldest entry without a public checkpoint.
	Waiting time.Duration
	// Days counts entries by day of Kyiv and kind, newest day first.
	Days []DayCount
	// Refusals counts the codes of the same days, most frequent first.
	Refusals []CodeCount
}

// DayCount is how many entries of a kind a day has.
type DayCount struct {
	Day  time.Time
	Kind audit.Kind
	N    int64
}

// CodeCount is how often a code came.
type CodeCount struct {
	Code string
	N    int64
}

// Checkpoint is one public checkpoint as it was shown.
type Checkpoint struct {
	Seq  int64
	Size int64
	At   time.Time
	Note []byte
}

// Filter of a search; zero fields do not restrict.
type Filter struct {
	// From and To bound the time, To excluded.
	From, To time.Time
	Kind     audit.Kind
	Code     string
	// Actor is a system, user, employee or legal entity; the store finds out which.
	Actor registry.ID
	// Before is the id of the last entry of the page before this one.
	Before registry.ID
	Limit  int
}

// Found is a page of entries, newest first.
type Found struct {
	Records []Record
	// Next goes on as Filter.Before; zero at the end.
	Next registry.ID
	// Size is how many entries were searched.
	Size int64
	// Archived are the months of the period ("2026-10") whose entries lie in files
	// and were not searched, oldest first.
	Archived []string
}

// Tx is what reading the log needs of a transaction.
type Tx interface {
	// TrailState counts the days since the given one.
	TrailState(ctx context.Context, since time.Time) (State, error)
	// Record and RecordAt give the bytes of an entry; not-found if there is none.
	Record(ctx context.Context, id registry.ID) (Record, error)
	RecordAt(ctx context.Context, index int64) (Record, error)
	FindRecords(ctx context.Context, f Filter) (Found, error)
	// ArchivedMonths are the months ("2026-10") whose entries lie in files, oldest first.
	ArchivedMonths(ctx context.Context) ([]string, error)
	// Lookup gives ids of at most limit entries with this act, request, or container digest.
	Lookup(ctx context.Context, k Key, limit int) ([]registry.ID, error)
	// LegalEntityCalled finds a legal entity by its ЄДРПОУ.
	LegalEntityCalled(ctx context.Context, code registry.EDRPOU) (id registry.ID, title string, found bool, err error)
	// Judgement reads what is kept of the judgement with this report over the container.
	Judgement(ctx context.Context, container []byte, digest string) (j Judgement, found bool, err error)
	// SignedBy counts at most limit entries of an employee since a time and gives the latest acts.
	SignedBy(ctx context.Context, employee registry.ID, since time.Time, limit int) (Signed, error)
	// SubjectOf gives whom an entry is about; zero when nobody, or wiped.
	SubjectOf(ctx context.Context, entry registry.ID) (registry.ID, error)
	// NameOfPerson gives last, first and second name of a record.
	NameOfPerson(ctx context.Context, id registry.ID) (string, error)
	// Titles gives the names of systems and legal entities among the ids.
	Titles(ctx context.Context, ids []registry.ID) (map[registry.ID]string, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Key finds entries by what stands in them; one field is set.
type Key struct {
	Act       registry.ID
	RequestID string
	Container []byte
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Log gives the public side of the log.
type Log interface {
	LogCheckpoint(ctx context.Context) ([]byte, error)
	LogTile(ctx context.Context, t tlog.Tile) ([]byte, error)
	PublicCheckpoints(ctx context.Context, before int64, limit int) ([]Checkpoint, error)
	PublicCheckpointOf(ctx context.Context, size int64) (Checkpoint, error)
	// PublicCheckpointOver gives the first public checkpoint that covers a place.
	PublicCheckpointOver(ctx context.Context, place int64) (Checkpoint, error)
}

// Config of the service; all of it is needed.
type Config struct {
	Store Store
	Log   Log
	// Key verifies the log's checkpoints.
	Key   note.Verifier
	Clock func() time.Time
}

// Service reads the log for auditors.
type Service struct{ Config }

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Log == nil || c.Key == nil || c.Clock == nil {
		return nil, errors.New("trail: a part is missing")
	}
	return &Service{c}, nil
}

// read runs f for a caller with the right to and records that it did.
func (s *Service) read(ctx context.Context, c registry.Caller, kind audit.Kind, f func(ctx context.Context, tx Tx) (*audit.ObjectRef, error)) error {
	if err := c.Require(Scope); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		object, err := f(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Object: object})
		return err
	})
}

// Days is how many days the state counts.
const Days = 30

// State tells how the log is, for the overview.
func (s *Service) State(ctx context.Context, c registry.Caller) (st State, err error) {
	err = s.read(ctx, c, StateRead, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		st, err = tx.TrailState(ctx, s.Clock().AddDate(0, 0, 1-Days))
		return &audit.ObjectRef{Type: "audit_log"}, err
	})
	return st, err
}

// Proof is what convinces a reader that an entry stands in the log: everything
// is checked again by whoever shows it (RFC 6962, 2.1.1; C2SP tlog-checkpoint).
type Proof struct {
	Note       []byte // the signed checkpoint with its cosignatures
	Checkpoint audit.Checkpoint
	Path       tlog.RecordProof
}

// Detail is an entry with all that is known of it.
type Detail struct {
	Record
	// Proof is nil while the entry waits for its checkpoint.
	Proof *Proof
	// Judgement is what the signature report that decided was made of, nil
	// where there was none.
	Judgement *Judgement
	Titles    map[registry.ID]string
}

// Judgement is what is kept of a judgement.
type Judgement struct {
	Report *signature.Report
	Facts  *facts.Facts
	// Again is the outcome of judging it again from its facts, at AgainAt;
	// empty when that was not done yet.
	Again   string
	AgainAt time.Time
}

// Signer is the certificate of the first signature of a report; nil where the
// facts hold none.
func (j *Judgement) Signer() *facts.Certificate {
	if j == nil || j.Facts == nil || len(j.Facts.Signatures) == 0 {
		return nil
	}
	return j.Certificate(j.Facts.Signatures[0].SigningCertificate.Certificate)
}

// Certificate finds a certificate of the facts by its id.
func (j *Judgement) Certificate(id string) *facts.Certificate {
	for i := range j.Facts.Certificates {
		if id != "" && j.Facts.Certificates[i].ID == id {
			return &j.Facts.Certificates[i]
		}
	}
	return nil
}

// Entry reads an entry by its place in the tree or its id. Reading a signature
// report is part of it and named in the trail.
func (s *Service) Entry(ctx context.Context, c registry.Caller, name string) (d Detail, err error) {
	id, idErr := registry.ParseID(name)
	index, indexErr := strconv.ParseInt(name, 10, 64)
	if idErr != nil && (indexErr != nil || index < 0) {
		return d, registry.Errorf(registry.CodeMalformed, "an entry is named by its UUID or its place in the tree")
	}
	err = s.read(ctx, c, EntryRead, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		d = Detail{}
		if idErr == nil {
			d.Record, err = tx.Record(ctx, id)
		} else {
			d.Record, err = tx.RecordAt(ctx, index)
		}
		if err != nil {
			return nil, err
		}
		object := &audit.ObjectRef{Type: "audit_entry", ID: d.ID.String()}
		if d.Titles, err = tx.Titles(ctx, []registry.ID{d.Actor.ClientID, d.Actor.LegalEntityID}); err != nil || d.Entry.Report == nil || d.Act == nil {
			return object, err
		}
		j, found, err := tx.Judgement(ctx, d.Act.Container, d.Entry.Report.Digest)
		if err != nil || !found {
			return object, err
		}
		object.Type, d.Judgement = "audit_entry_and_report", &j
		return object, nil
	})
	if err != nil || d.Index < 0 {
		return d, err
	}
	d.Proof, err = s.prove(ctx, d.Record)
	return d, err
}

// prove computes the audit path to the newest public checkpoint. An entry that
// is numbered and not yet covered by it has no proof.
func (s *Service) prove(ctx context.Context, r Record) (*Proof, error) {
	signed, err := s.Log.LogCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	p := &Proof{Note: signed}
	if p.Checkpoint, err = audit.OpenCheckpoint(signed, s.Key); err != nil {
		return nil, err
	}
	if r.Index >= p.Checkpoint.Size {
		return nil, nil
	}
	p.Path, err = audit.ProveInclusion(ctx, audit.TileFetch(s.Log.LogTile), p.Checkpoint, r.Index, audit.LeafHash(r.Bytes))
	return p, err
}

// Consistency proves that the newest public checkpoint continues the tree of an
// earlier one. It needs no right: both are public.
type Consistency struct {
	Old, New         Checkpoint
	OldRoot, NewRoot tlog.Hash
	Path             tlog.TreeProof
	// Broken says that the log does not continue Old: shortened, or forked.
	Broken string
}

// How a log fails to continue a checkpoint it once signed.
const (
	Shortened = "shortened" // it has fewer entries now
	Forked    = "forked"    // other entries stand where those were
)

// Consistency proves the newest checkpoint against the public one of this size.
func (s *Service) Consistency(ctx context.Context, size int64) (k Consistency, err error) {
	old, err := s.Log.PublicCheckpointOf(ctx, size)
	if err != nil {
		return k, err
	}
	return s.continues(ctx, old)
}

// Against proves the newest checkpoint against one the reader brought along,
// whether or not the log still knows it. A note the log's key did not sign is
// malformed; one that it did sign and that the log does not continue is Broken.
func (s *Service) Against(ctx context.Context, signed []byte) (k Consistency, err error) {
	if len(signed) > maxNote {
		return k, registry.Errorf(registry.CodeTooLarge, "a checkpoint is at most %d bytes", maxNote)
	}
	c, err := audit.OpenCheckpoint(signed, s.Key)
	if err != nil {
		return k, registry.Errorf(registry.CodeMalformed, "this is not a checkpoint signed by the key of this log").WithCause(err)
	}
	return s.continues(ctx, Checkpoint{Size: c.Size, Note: signed})
}

// maxNote bounds a note a reader brings, in bytes: a checkpoint with some dozen cosignatures.
const maxNote = 16 << 10

func (s *Service) continues(ctx context.Context, old Checkpoint) (k Consistency, err error) {
	k.Old = old
	list, err := s.Log.PublicCheckpoints(ctx, 0, 1)
	if err != nil {
		return k, err
	}
	if len(list) == 0 {
		return k, registry.Errorf(registry.CodeNotFound, "there is no checkpoint yet")
	}
	k.New = list[0]
	older, err := audit.OpenCheckpoint(k.Old.Note, s.Key)
	if err != nil {
		return k, err
	}
	newer, err := audit.OpenCheckpoint(k.New.Note, s.Key)
	if err != nil {
		return k, err
	}
	k.OldRoot, k.NewRoot = older.Root, newer.Root
	k.Path, err = audit.ProveConsistency(ctx, audit.TileFetch(s.Log.LogTile), older, newer)
	var no *audit.DisprovenError
	if errors.As(err, &no) {
		k.Broken, err = Forked, nil
		if older.Size > newer.Size {
			k.Broken = Shortened
		}
	}
	return k, err
}
