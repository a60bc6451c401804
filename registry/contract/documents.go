package contract

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/job"
)

// Types of documents a contract request rests on.
const (
	DocumentStatute    = "statute"
	DocumentAdditional = "additional_document"
)

// Document is a place for a PDF of a request, and what lies there.
type Document struct {
	ID            registry.ID // names its link
	RequestID     registry.ID
	LegalEntityID registry.ID
	Type          string
	Digest        registry.Digest // SHA-256; zero before the upload
	Size          int
	UploadedAt    time.Time
	InsertedAt    time.Time
}

// Uploaded reports whether a PDF was put.
func (d Document) Uploaded() bool { return !d.UploadedAt.IsZero() }

// Draft is a request before it is signed: its id and the places of its documents.
type Draft struct {
	ID        registry.ID
	Documents []Document
}

// Draft begins a request: an id and places for its documents.
func (s *Service) Draft(ctx context.Context, c registry.Caller) (d Draft, err error) {
	if err := c.Require(ScopeCreate); err != nil {
		return d, err
	}
	if c.LegalEntityID.IsZero() {
		return d, registry.Errorf(registry.CodeForbidden, "a contract is asked for by a legal entity").WithReason("legal_entity")
	}
	d.ID = s.Source.NewID()
	now := s.Source.Now()
	for _, kind := range []string{DocumentStatute, DocumentAdditional} {
		d.Documents = append(d.Documents, Document{ID: s.Source.NewID(), RequestID: d.ID, LegalEntityID: c.LegalEntityID, Type: kind, InsertedAt: now})
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		l, err := tx.LegalEntity(ctx, c.LegalEntityID)
		if err != nil {
			return err
		}
		kind, _, err := tx.LegalEntityType(ctx, l.Type)
		if err != nil {
			return err
		}
		if err := mayContract(l, kind, nil); err != nil {
			return err
		}
		for _, one := range d.Documents {
			if err := tx.PutContractDocument(ctx, one); err != nil {
				return err
			}
		}
		_, err = tx.Audit(ctx, entry(c, "contract_request.drafted", "contract_request", d.ID, ""))
		return err
	})
	return d, err
}

// Documents lists what a request rests on.
func (s *Service) Documents(ctx context.Context, c registry.Caller, id registry.ID) (list []Document, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error {
		list, err = tx.ContractDocuments(ctx, id, false)
		return err
	})
	if err == nil && (len(list) == 0 || !sees(c, list[0].LegalEntityID)) {
		return nil, errNotFound
	}
	return list, err
}

// fits holds the digests of a signed request against what was uploaded.
func fits(list []Document, in Input) error {
	var f document.Faults
	stated := map[string]string{DocumentStatute: in.Statute, DocumentAdditional: in.AdditionalDocument}
	for _, d := range list {
		switch want := stated[d.Type]; {
		case want == "" && !d.Uploaded():
		case !d.Uploaded():
			f.Add("$."+d.Type+"_sha256", "invalid", "The document was not uploaded: put it by its link first")
		case want != hex.EncodeToString(d.Digest[:]):
			f.Add("$."+d.Type+"_sha256", "invalid", "The digest is not that of the uploaded document")
		}
	}
	return f.Err()
}

// DocumentsTx is what handing the documents in and out needs of a transaction.
type DocumentsTx interface {
	// ContractDocument reads one with its row held; taken tells that the request
	// was signed: its documents stay as they are.
	ContractDocument(ctx context.Context, id registry.ID) (d Document, taken bool, err error)
	PutContractDocument(ctx context.Context, d Document) error
	// AbandonedContractDocuments names places of drafts begun before a time that
	// no request came of; shared tells that another place holds the same bytes.
	AbandonedContractDocuments(ctx context.Context, before time.Time, limit int) (list []Document, shared map[registry.Digest]bool, err error)
	DeleteContractDocument(ctx context.Context, id registry.ID) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// DocumentsStore begins and ends transactions.
type DocumentsStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx DocumentsTx) error) error
}

// Desk takes and gives PDFs by the registry's links.
type Desk struct {
	store  DocumentsStore
	media  intake.Media
	source registry.Source
}

// NewDesk refuses a half-configured desk.
func NewDesk(store DocumentsStore, media intake.Media, source registry.Source) (*Desk, error) {
	if store == nil || media == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("contract: documents need a store, a media store and a source")
	}
	return &Desk{store, media, source}, nil
}

func desked(c registry.Caller, kind audit.Kind, d Document) audit.Entry {
	e := entry(c, kind, "document", d.ID, "")
	e.Object.Digest = d.Digest[:]
	return e
}

// Receive takes a PDF to its place, until the request is signed.
func (s *Desk) Receive(ctx context.Context, c registry.Caller, id registry.ID, b []byte) error {
	open := func(ctx context.Context, tx DocumentsTx) (Document, error) {
		d, taken, err := tx.ContractDocument(ctx, id)
		if err == nil && taken {
			err = registry.Errorf(registry.CodeConflict, "the request is signed; its documents stay as they are").WithReason("document_signed")
		}
		return d, err
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error { _, err := open(ctx, tx); return err })
	if err != nil {
		return err
	}
	if err := checkPDF(b); err != nil {
		return err
	}
	digest, err := s.media.Put(ctx, b)
	if err != nil {
		return registry.Errorf(registry.CodeUnavailable, "the document cannot be kept now; send it again").WithCause(err)
	}
	return s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error {
		d, err := open(ctx, tx)
		if err != nil {
			return err
		}
		d.Digest, d.Size, d.UploadedAt = digest, len(b), s.source.Now()
		if err := tx.PutContractDocument(ctx, d); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, desked(c, "document.received", d))
		return err
	})
}

// Give hands a PDF out.
func (s *Desk) Give(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, intake.Document, error) {
	var d Document
	err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) (err error) {
		if d, _, err = tx.ContractDocument(ctx, id); err != nil {
			return err
		}
		if !d.Uploaded() {
			return registry.Errorf(registry.CodeNotFound, "the document was not uploaded")
		}
		_, err = tx.Audit(ctx, desked(c, "document.given", d))
		return err
	})
	if err != nil {
		return nil, intake.Document{}, err
	}
	b, err := s.media.Get(ctx, d.Digest)
	if err != nil {
		return nil, intake.Document{}, registry.Errorf(registry.CodeUnavailable, "the document cannot be read now").WithCause(err)
	}
	return b, intake.Document{ID: d.ID, Type: d.Type, Digest: d.Digest, MediaType: PDFType, Size: d.Size, UploadedAt: d.UploadedAt}, nil
}

// abandonedAfter is how long a draft waits for its signature.
const abandonedAfter = 7 * 24 * time.Hour

// Erase is the job that throws away documents of drafts nobody signed. The
// bytes go first: what a crash leaves between is done again.
func (s *Desk) Erase(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.source.NewID().String()}
	for n := endBatch; n == endBatch; total += n {
		var list []Document
		var shared map[registry.Digest]bool
		err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) (err error) {
			list, shared, err = tx.AbandonedContractDocuments(ctx, s.source.Now().Add(-abandonedAfter), endBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		for _, d := range list {
			if d.Uploaded() && !shared[d.Digest] {
				if err := s.media.Delete(ctx, d.Digest); err != nil {
					return total, err
				}
			}
			err := s.store.Update(ctx, func(ctx context.Context, tx DocumentsTx) error {
				if err := tx.DeleteContractDocument(ctx, d.ID); err != nil {
					return err
				}
				_, err := tx.Audit(ctx, desked(c, "document.erased", d))
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

// Job of the desk.
func (s *Desk) Job(every time.Duration) job.Periodic {
	return job.Periodic{Kind: "contract_document.erase", Every: every, Run: s.Erase}
}

// kept asks the storage for the documents a request names: outside of any
// transaction.
func (s *Service) kept(ctx context.Context, in Input) error {
	for _, text := range slices.Compact([]string{in.Statute, in.AdditionalDocument}) {
		if text == "" {
			continue
		}
		var d registry.Digest
		if _, err := hex.Decode(d[:], []byte(text)); err != nil {
			return err
		}
		there, err := s.Media.Has(ctx, d)
		if err != nil {
			return registry.Errorf(registry.CodeUnavailable, "the documents cannot be looked for now; send the request again").WithCause(err)
		}
		if !there {
			return registry.Errorf(registry.CodeConflict, "a document of the request is not in the storage: upload it again").WithReason("documents_missing")
		}
	}
	return nil
}
