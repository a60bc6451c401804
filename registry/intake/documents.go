package intake

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg" // the forms a scan may have
	_ "image/png"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Document is a scan that must be handed in before a draft may be approved:
// its place (person.PASSPORT) and, once it was uploaded, what lies there.
type Document struct {
	ID         registry.ID // names its link
	DraftID    registry.ID
	Type       string
	Digest     registry.Digest // SHA-256 of the uploaded bytes; zero before
	MediaType  string
	Size       int
	UploadedAt time.Time
}

// Uploaded reports whether a scan was handed in.
func (d Document) Uploaded() bool { return !d.UploadedAt.IsZero() }

// MaxDocument is the largest scan, in bytes (domain notes 1.3).
const MaxDocument = 10 << 20

// maxPixels bounds what a scan may claim to show: a reader would have to keep it.
const maxPixels = 100 << 20

// scanType tells what the bytes are by themselves, whatever the sender calls
// them: a JPEG or a PNG picture. Everything else (HTML, SVG, PDF, programs) is
// refused.
func scanType(b []byte) (string, error) {
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || format != "jpeg" && format != "png" || c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height {
		return "", registry.Errorf(registry.CodeUnsupportedMedia, "a scan is one page as JPEG or PNG of at most 100 megapixels").WithReason("document_type")
	}
	return "image/" + format, nil
}

// Media keeps documents by their SHA-256; *media.Store is one. It may use the
// network and is never called inside a transaction.
type Media interface {
	Put(ctx context.Context, b []byte) (registry.Digest, error)
	Get(ctx context.Context, digest registry.Digest) ([]byte, error)
	Has(ctx context.Context, digest registry.Digest) (bool, error)
	Delete(ctx context.Context, digest registry.Digest) error
}

// DocumentsTx is what handing documents in and out needs of a transaction.
type DocumentsTx interface {
	// Document reads a document with its draft, whose row is held until commit.
	Document(ctx context.Context, id registry.ID) (Document, Draft, error)
	// KeepDocument records what was uploaded to a document's place.
	KeepDocument(ctx context.Context, d Document) error
	// ErasableDocuments names uploaded documents of drafts that were cleared and
	// came to nothing; shared tells that another document has the same bytes.
	ErasableDocuments(ctx context.Context, limit int) ([]Erasable, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// DocumentsStore begins and ends transactions.
type DocumentsStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx DocumentsTx) error) error
}

// Documents takes and gives the scans of drafts of every kind. Whoever calls
// it holds a link of the registry to that one document; the link was given to
// the draft's owner.
type Documents struct {
	store  DocumentsStore
	media  Media
	source registry.Source
}

// NewDocuments refuses a half-configured service.
func NewDocuments(store DocumentsStore, media Media, source registry.Source) (*Documents, error) {
	if store == nil || media == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("intake: documents need a store, a media store and a source")
	}
	return &Documents{store, media, source}, nil
}

// Receive takes a scan to its place, in the place of an earlier one. Only an
// open draft that nobody has approved yet takes any.
func (s *Documents) Receive(ctx context.Context, c registry.Caller, id registry.ID, b []byte) error {
	if len(b) > MaxDocument {
		return registry.Errorf(registry.CodeTooLarge, "a document is at most %d bytes", MaxDocument)
	}
	now := s.source.Now()
	err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error {
		_, draft, err := tx.Document(ctx, id)
		if err != nil {
			return err
		}
		return takesDocuments(draft, now)
	})
	if err != nil {
		return err
	}
	kind, err := scanType(b)
	if err != nil {
		return err
	}
	digest, err := s.media.Put(ctx, b)
	if err != nil {
		return registry.Errorf(registry.CodeUnavailable, "the document cannot be kept now; send it again").WithCause(err)
	}
	return s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error {
		d, draft, err := tx.Document(ctx, id)
		if err != nil {
			return err
		}
		if err := takesDocuments(draft, now); err != nil {
			return err
		}
		d.Digest, d.MediaType, d.Size, d.UploadedAt = digest, kind, len(b), now
		if err := tx.KeepDocument(ctx, d); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, documentEntry(c, "document.received", d, draft))
		return err
	})
}

func takesDocuments(d Draft, now time.Time) error {
	if d.Status != StatusNew {
		return transition(d.Status)
	}
	if !now.Before(d.ExpiresAt) {
		return transition(StatusExpired)
	}
	return nil
}

// Give hands a scan out. Its entry is committed before the bytes are.
func (s *Documents) Give(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, Document, error) {
	var d Document
	err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) (err error) {
		var draft Draft
		if d, draft, err = tx.Document(ctx, id); err != nil {
			return err
		}
		if !d.Uploaded() {
			return registry.Errorf(registry.CodeNotFound, "the document was not uploaded")
		}
		_, err = tx.Audit(ctx, documentTold(c, d, draft))
		return err
	})
	if err != nil {
		return nil, Document{}, err
	}
	b, err := s.media.Get(ctx, d.Digest)
	if err != nil {
		return nil, Document{}, registry.Errorf(registry.CodeUnavailable, "the document cannot be read now").WithCause(err)
	}
	return b, d, nil
}

func documentTold(c registry.Caller, d Document, draft Draft) audit.Entry {
	e := documentEntry(c, "disclosure.document", d, draft)
	e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute}
	return e
}

// Erasable is a scan whose time is over.
type Erasable struct {
	Document Document
	Draft    Draft // id, kind, act and person alone
	Shared   bool
}

const eraseBatch = 100

// Erase takes scans of requests that came to nothing out of the storage, after
// their drafts have lost their personal data. The bytes go first: what a crash
// leaves between is done again. A scan uploaded anew at that very moment is
// missed by its approval and asked for again.
func (s *Documents) Erase(ctx context.Context) (total int, err error) {
	for n := eraseBatch; n == eraseBatch; total += n {
		var list []Erasable
		err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) (err error) {
			list, err = tx.ErasableDocuments(ctx, eraseBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		for _, e := range list {
			if !e.Shared {
				if err := s.media.Delete(ctx, e.Document.Digest); err != nil {
					return total, err
				}
			}
			err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error {
				d := e.Document
				d.Digest, d.MediaType, d.Size, d.UploadedAt = registry.Digest{}, "", 0, time.Time{}
				if err := tx.KeepDocument(ctx, d); err != nil {
					return err
				}
				_, err := tx.Audit(ctx, documentEntry(registry.Caller{Channel: registry.ChannelJob, RequestID: "job-erase-documents"}, "document.erased", e.Document, e.Draft))
				return err
			})
			if err != nil {
				return total, err
			}
		}
		n = len(list)
	}
	return total, nil
}

func documentEntry(c registry.Caller, kind audit.Kind, d Document, draft Draft) audit.Entry {
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: draft.PersonID,
		Act: &audit.ActRef{ID: draft.ActID, Kind: string(draft.Kind)}, Object: &audit.ObjectRef{Type: "document", ID: d.ID.String(), Digest: d.Digest[:]},
	}
}

// Documents lists the scans of a draft of the caller's legal entity. The list
// names whose draft it is and leaves an entry.
func (s *Service[T]) Documents(ctx context.Context, c registry.Caller, id registry.ID) ([]Document, error) {
	if err := c.Require(s.kind.Scope(StepRead)); err != nil {
		return nil, err
	}
	var list []Document
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d, err := s.own(ctx, tx, c, id, false)
		if err != nil {
			return err
		}
		if list, err = tx.Documents(ctx, d.ID); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, s.disclosed(c, "disclosure.draft", d))
		return err
	})
	return list, err
}

// expect gives every document the kind demands its place.
func (s *Service[T]) expect(d *Draft) {
	for _, t := range slices.Sorted(slices.Values(d.Demands)) {
		d.Documents = append(d.Documents, Document{ID: s.source.NewID(), DraftID: d.ID, Type: t})
	}
}

// errAskMedia interrupts an approval: which documents the storage holds has to
// be asked outside of the transaction.
var errAskMedia = errors.New("the media store has to be asked")

// lacking refuses an approval while documents are missing. in tells which
// digests the storage was seen to hold; nil: it was not asked yet.
func lacking(list []Document, in map[registry.Digest]bool) error {
	var missing []string
	for _, d := range list {
		if !d.Uploaded() || in != nil && !in[d.Digest] {
			missing = append(missing, d.Type)
		}
	}
	switch {
	case len(missing) > 0:
		slices.Sort(missing)
		return &registry.Error{Code: registry.CodeConflict, Reason: "documents_missing", Detail: "Documents " + strings.Join(missing, ", ") + " is not uploaded",
			Fields: []registry.FieldError{{Entry: "$.documents", EntryType: "request", Rule: "required", Description: "upload each by its link; the request's answer has them", Params: missing}}}
	case in == nil && len(list) > 0:
		return errAskMedia
	}
	return nil
}

// held asks the storage for every document that was uploaded.
func (s *Service[T]) held(ctx context.Context, list []Document) (map[registry.Digest]bool, error) {
	in := map[registry.Digest]bool{}
	for _, d := range list {
		there, err := s.media.Has(ctx, d.Digest)
		if err != nil {
			return nil, registry.Errorf(registry.CodeUnavailable, "the documents cannot be looked for now; approve again").WithCause(err)
		}
		in[d.Digest] = there
	}
	return in, nil
}
