package trail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
)

// Kinds of entries about exports.
const (
	ExportBegun      audit.Kind = "audit.export_begun"
	ExportMade       audit.Kind = "audit.export_made"
	ExportCancelled  audit.Kind = "audit.export_cancelled"
	ExportDownloaded audit.Kind = "audit.export_downloaded"
)

// ExportJob makes an export.
const ExportJob job.Kind = "audit.export"

// Formats of exports.
const (
	FormatLines = "jsonl" // the entries' exact bytes with place and leaf hash
	FormatCSV   = "csv"   // the members auditors tabulate
)

// States of an export.
const (
	ExportWaiting  = "waiting"
	ExportRunning  = "running"
	ExportDone     = "done"
	ExportStopped  = "cancelled"
	ExportOutdated = "expired"
)

// Export is one export: what was asked and how far it is. It rests sealed.
type Export struct {
	ID     registry.ID `json:"-"`
	Owner  registry.ID `json:"-"` // the user who asked
	Status string      `json:"-"`
	// Done counts the rows written, Total those to expect: exact where whole
	// days were asked for without an actor, else 0, which says unknown.
	Done  int64 `json:"-"`
	Total int64 `json:"-"`
	Parts int   `json:"-"`

	Filter Filter `json:"filter"`
	Format string `json:"format"`
	Reason string `json:"reason"`
	Size   int64  `json:"size"`
	// Hash is the state of SHA-256 over the parts written; SHA256 the end of it.
	Hash   []byte `json:"hash,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Whole tells that every row is written and only the seal is missing.
	Whole bool `json:"whole,omitempty"`
	// Manifest is the sealed container that names file, filter and checkpoint.
	Manifest []byte `json:"manifest,omitempty"`

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	ExpiresAt  time.Time `json:"-"`
}

// Ended tells that nothing will change any more but the end of its life.
func (x Export) Ended() bool { return x.Status != ExportWaiting && x.Status != ExportRunning }

// FileName is what the file is saved as.
func (x Export) FileName() string {
	return "mist-audit-" + x.CreatedAt.UTC().Format("20060102-150405") + "." + x.Format
}

// ExportTx is what exports need of a transaction.
type ExportTx interface {
	Tx
	InsertExport(ctx context.Context, x Export) error
	// Export reads one; locked for a change where lock is set. Not-found if there is none.
	Export(ctx context.Context, id registry.ID, lock bool) (Export, error)
	// Exports gives an owner's, the newest first.
	Exports(ctx context.Context, owner registry.ID, limit int) ([]Export, error)
	UpdateExport(ctx context.Context, x Export) error
	PutExportPart(ctx context.Context, id registry.ID, n int, rows []byte) error
	ExportPart(ctx context.Context, id registry.ID, n int) ([]byte, error)
	// EndExports takes the parts of at most limit exports past their life away.
	EndExports(ctx context.Context, now time.Time, limit int) (int, error)
	// CountRecords counts entries of whole days of Kyiv by the counters.
	CountRecords(ctx context.Context, from, to time.Time, kind audit.Kind, code string) (int64, error)
	Enqueue(ctx context.Context, j job.Job) error
}

// ExportStore begins and ends transactions.
type ExportStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx ExportTx) error) error
}

// ManifestSealer sets the system's electronic seal over manifest and checkpoint.
type ManifestSealer interface {
	SealManifest(ctx context.Context, files map[string][]byte) ([]byte, error)
}

// ExportConfig of the service; Sealer may be nil: then manifests are not sealed.
type ExportConfig struct {
	Store  ExportStore
	Log    Log
	Sealer ManifestSealer
	Source registry.Source
	// Batch is how many rows one transaction writes, Life how long a result is kept.
	Batch int
	Life  time.Duration
}

// Exports makes exports of the log, as jobs.
type Exports struct{ ExportConfig }

// DefaultExportBatch and DefaultExportLife: half a megabyte a transaction, a week.
const (
	DefaultExportBatch = 1000
	DefaultExportLife  = 7 * 24 * time.Hour
)

// NewExports refuses a half-configured service.
func NewExports(c ExportConfig) (*Exports, error) {
	if c.Store == nil || c.Log == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Batch < 1 || c.Batch > MaxPage || c.Life <= 0 {
		return nil, errors.New("trail: a part of the exports is missing")
	}
	return &Exports{c}, nil
}

func (s *Exports) entry(c registry.Caller, kind audit.Kind, x Export) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Object: &audit.ObjectRef{Type: "audit_export", ID: x.ID.String()}}
}

// Begin orders an export. The upper end of an open period is now, so that the
// result does not depend on when the job runs.
func (s *Exports) Begin(ctx context.Context, c registry.Caller, f Filter, format, reason string) (x Export, err error) {
	if err := c.Require(Scope); err != nil {
		return x, err
	}
	reason = strings.TrimSpace(reason)
	var wrong []registry.FieldError
	if n := utf8.RuneCountInString(reason); n < minReason || n > 500 || registry.MayHoldIdentifier(reason) {
		wrong = append(wrong, registry.FieldError{Entry: "$.reason", Rule: "length", Description: "say in 10 to 500 letters what the export is for, without numbers of persons"})
	}
	if format != FormatLines && format != FormatCSV {
		wrong = append(wrong, registry.FieldError{Entry: "$.format", Rule: "inclusion", Description: "a format is jsonl or csv"})
	}
	if len(wrong) > 0 {
		return x, registry.Invalid(wrong...)
	}
	now := s.Source.Now()
	whole := !f.From.IsZero() && !f.To.IsZero() && f.Actor.IsZero()
	from, to := f.From, f.To
	if f.To.IsZero() || f.To.After(now) {
		f.To = now
	}
	if !f.From.IsZero() && !f.From.Before(f.To) {
		return x, registry.Errorf(registry.CodeInvalid, "the period ends before it begins")
	}
	f.Limit, f.Before = 0, registry.ID{}
	x = Export{ID: s.Source.NewID(), Owner: c.User, Status: ExportWaiting, Filter: f, Format: format, Reason: reason, CreatedAt: now, ExpiresAt: now.Add(s.Life)}
	err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
		x.Total = 0
		if whole {
			if x.Total, err = tx.CountRecords(ctx, from, to, f.Kind, f.Code); err != nil {
				return err
			}
		}
		if err := tx.InsertExport(ctx, x); err != nil {
			return err
		}
		if err := tx.Enqueue(ctx, job.Job{Kind: ExportJob, Key: x.ID.String(), Args: []byte(x.ID.String())}); err != nil {
			return err
		}
		e := s.entry(c, ExportBegun, x)
		e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: reason}
		e.Reason = f.words()
		_, err := tx.Audit(ctx, e)
		return err
	})
	return x, err
}

// own reads an export of the caller's; of another's there is none.
func own(ctx context.Context, tx ExportTx, c registry.Caller, id registry.ID, lock bool) (Export, error) {
	x, err := tx.Export(ctx, id, lock)
	if err == nil && x.Owner != c.User {
		return Export{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return x, err
}

// Get reads how far an export is.
func (s *Exports) Get(ctx context.Context, c registry.Caller, id registry.ID) (x Export, err error) {
	if err := c.Require(Scope); err != nil {
		return x, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error { x, err = own(ctx, tx, c, id, false); return err })
	return x, err
}

// maxExports is how many a list shows.
const maxExports = 50

// List gives the caller's exports.
func (s *Exports) List(ctx context.Context, c registry.Caller) (list []Export, err error) {
	if err := c.Require(Scope); err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
		list, err = tx.Exports(ctx, c.User, maxExports)
		return err
	})
	return list, err
}

// Cancel stops an export; what was written of it is taken away. One that has
// ended stays as it is.
func (s *Exports) Cancel(ctx context.Context, c registry.Caller, id registry.ID) (x Export, err error) {
	if err := c.Require(Scope); err != nil {
		return x, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
		if x, err = own(ctx, tx, c, id, true); err != nil || x.Ended() {
			return err
		}
		x.Status, x.FinishedAt, x.ExpiresAt = ExportStopped, s.Source.Now(), s.Source.Now()
		if err := tx.UpdateExport(ctx, x); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, s.entry(c, ExportCancelled, x))
		return err
	})
	return x, err
}

// Open notes that the file is taken and gives its parts one by one. Each part
// is read in a transaction of its own, so that a slow reader holds none.
func (s *Exports) Open(ctx context.Context, c registry.Caller, id registry.ID) (x Export, part func(n int) ([]byte, error), err error) {
	if err := c.Require(Scope); err != nil {
		return x, nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
		if x, err = own(ctx, tx, c, id, false); err != nil {
			return err
		}
		if x.Status != ExportDone {
			return registry.Errorf(registry.CodeConflict, "the export has no file").WithReason("status_" + x.Status)
		}
		_, err := tx.Audit(ctx, s.entry(c, ExportDownloaded, x))
		return err
	})
	return x, func(n int) (rows []byte, err error) {
		err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error { rows, err = tx.ExportPart(ctx, id, n); return err })
		return rows, err
	}, err
}

// Handlers of the jobs of exports.
func (s *Exports) Handlers() job.Handlers { return job.Handlers{ExportJob: s.make} }

// Jobs takes results away whose life is over.
func (s *Exports) Jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "end_audit_exports", Every: every, Run: func(ctx context.Context) (n int, err error) {
		err = s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
			n, err = tx.EndExports(ctx, s.Source.Now(), 20)
			return err
		})
		return n, err
	}}}
}

// make writes the rows that are left, a batch in each transaction; a job that
// was cut off goes on where the last one committed.
func (s *Exports) make(ctx context.Context, j job.Job) error {
	id, err := registry.ParseID(string(j.Args))
	if err != nil {
		return job.Permanent(err)
	}
	var x Export
	for more := true; more; {
		err := s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
			if x, err = tx.Export(ctx, id, true); err != nil || x.Ended() || x.Whole {
				more = false
				return err
			}
			more, err = s.batch(ctx, tx, &x)
			return err
		})
		if registry.CodeOf(err) == registry.CodeNotFound {
			return nil
		}
		if err != nil {
			return fmt.Errorf("exporting entries: %w", err)
		}
	}
	if x.Ended() {
		return nil
	}
	return s.finish(ctx, x)
}

// batch writes one part and tells whether there is more.
func (s *Exports) batch(ctx context.Context, tx ExportTx, x *Export) (more bool, err error) {
	f := x.Filter
	f.Limit = s.Batch
	found, err := tx.FindRecords(ctx, f)
	if err != nil {
		return false, err
	}
	if x.Status == ExportWaiting {
		x.Status, x.StartedAt = ExportRunning, s.Source.Now()
	}
	rows, err := encode(x.Format, found.Records, x.Parts == 0)
	if err != nil {
		return false, err
	}
	hash := sha256.New()
	if len(x.Hash) > 0 {
		if err := hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(x.Hash); err != nil {
			return false, err
		}
	}
	hash.Write(rows)
	if x.Hash, err = hash.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return false, err
	}
	x.SHA256 = hex.EncodeToString(hash.Sum(nil))
	if err := tx.PutExportPart(ctx, x.ID, x.Parts, rows); err != nil {
		return false, err
	}
	x.Parts, x.Done, x.Size, x.Filter.Before = x.Parts+1, x.Done+int64(len(found.Records)), x.Size+int64(len(rows)), found.Next
	x.Whole = found.Next.IsZero()
	return !x.Whole, tx.UpdateExport(ctx, *x)
}

// manifest is what the seal is set over, beside the checkpoint.
type manifest struct {
	Export  string    `json:"export"`
	File    string    `json:"file"`
	Format  string    `json:"format"`
	Filter  string    `json:"filter"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason"`
	Rows    int64     `json:"rows"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	MadeAt  time.Time `json:"made_at"`
	LogSize int64     `json:"log_size"`
}

// finish seals the manifest, outside any transaction, and makes the file known.
func (s *Exports) finish(ctx context.Context, x Export) error {
	list, err := s.Log.PublicCheckpoints(ctx, 0, 1)
	if err != nil {
		return err
	}
	m := manifest{Export: x.ID.String(), File: x.FileName(), Format: x.Format, Filter: x.Filter.words(), Until: x.Filter.To.UTC(), Reason: x.Reason, Rows: x.Done, Bytes: x.Size, SHA256: x.SHA256, MadeAt: s.Source.Now()}
	files := map[string][]byte{}
	if len(list) > 0 {
		m.LogSize, files["checkpoint"] = list[0].Size, list[0].Note
	}
	if files["manifest.json"], err = json.MarshalIndent(m, "", " "); err != nil {
		return err
	}
	sealed := files["manifest.json"]
	if s.Sealer != nil {
		if sealed, err = s.Sealer.SealManifest(ctx, files); err != nil {
			return fmt.Errorf("sealing a manifest: %w", err)
		}
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx ExportTx) error {
		now, err := tx.Export(ctx, x.ID, true)
		if err != nil || now.Ended() {
			return err
		}
		now.Status, now.Manifest, now.FinishedAt = ExportDone, sealed, s.Source.Now()
		now.ExpiresAt = now.FinishedAt.Add(s.Life)
		if err := tx.UpdateExport(ctx, now); err != nil {
			return err
		}
		sum, err := hex.DecodeString(now.SHA256)
		if err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: ExportMade, Channel: string(registry.ChannelJob), Object: &audit.ObjectRef{Type: "audit_export", ID: x.ID.String(), Digest: sum}})
		return err
	})
}

// line is one entry of FormatLines: the exact bytes, not a re-encoding.
type line struct {
	Index    int64           `json:"index"`
	LeafHash string          `json:"leaf_hash"`
	Entry    json.RawMessage `json:"entry"`
}

// Lines writes entries as newline-delimited JSON. Nothing is escaped otherwise
// than in the leaf: its hash can be made from the line.
func Lines(records []Record) ([]byte, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, r := range records {
		if err := lines.Encode(line{r.Index, audit.LeafHash(r.Bytes).String(), r.Bytes}); err != nil {
			return nil, fmt.Errorf("writing an entry: %w", err)
		}
	}
	return b.Bytes(), nil
}

var csvHead = []string{"index", "time", "id", "kind", "code", "reason", "channel", "client", "user", "employee", "legal_entity", "request_id", "act_kind", "act_id", "container_sha256", "indication", "policy", "object_type", "object_id", "leaf_hash"}

func encode(format string, records []Record, first bool) ([]byte, error) {
	if format == FormatLines {
		return Lines(records)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if first {
		if err := w.Write(csvHead); err != nil {
			return nil, err
		}
	}
	for _, r := range records {
		row := []string{strconv.FormatInt(r.Index, 10), r.Time.UTC().Format(time.RFC3339Nano), r.ID.String(), string(r.Kind), r.Code, r.Reason, r.Channel,
			text(r.Actor.ClientID), text(r.Actor.UserID), text(r.Actor.EmployeeID), text(r.Actor.LegalEntityID), r.RequestID, "", "", "", "", "", "", "", audit.LeafHash(r.Bytes).String()}
		if a := r.Act; a != nil {
			row[12], row[13], row[14] = a.Kind, text(a.ID), hex.EncodeToString(a.Container)
		}
		if p := r.Entry.Report; p != nil {
			row[15], row[16] = p.Indication, p.Policy
		}
		if o := r.Object; o != nil {
			row[17], row[18] = o.Type, o.ID
		}
		for i := range row {
			row[i] = inert(row[i])
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func text(id registry.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// inert keeps a spreadsheet from taking a value for a formula.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
