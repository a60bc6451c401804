package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/dispense"
	"mist/registry/prescription"
	"mist/registry/query"
	"mist/registry/record"
)

// MedicationRequestRequests are the places of drafts of prescriptions: the
// doctor alone makes them.
func MedicationRequestRequests(service Intake) Act {
	return Act{Path: "/api/v3/medication_request_requests", SignedField: "signed_medication_request_request", Unconfirmed: true, Service: service}
}

// PrescriptionRoom is what prescriptions have beside their records;
// *prescription.Service is one.
type PrescriptionRoom interface {
	Prequalify(ctx context.Context, c registry.Caller, body []byte) ([]prescription.Verdict, error)
	Qualify(ctx context.Context, c registry.Caller, id registry.ID, body []byte) ([]prescription.Verdict, error)
	DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
}

// Prescriptions are the places of the verdicts of programmes and of the bytes a rejection
// is signed over.
func Prescriptions(s PrescriptionRoom) Room {
	return room(func(p *portal, r chi.Router) {
		r.Post("/api/v3/medication_request_requests/prequalify", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			list, err := s.Prequalify(r.Context(), c, body)
			return p.verdicts(w, r, list, err)
		}))
		const one = "/api/v3/medication_requests/{id}"
		r.Post(one+"/actions/qualify", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			list, err := s.Qualify(r.Context(), c, id, body)
			return p.verdicts(w, r, list, err)
		}))
		r.Get(one+"/data_to_be_signed", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := s.DataToBeSigned(r.Context(), c, id)
			return p.bytesToSign(w, r, b, err)
		}))
	})
}

func (p *portal) verdicts(w http.ResponseWriter, r *http.Request, list []prescription.Verdict, err error) error {
	if err != nil {
		return err
	}
	return p.list(w, r, some(list), query.Paging{Number: 1, Size: max(len(list), 1), TotalEntries: len(list), TotalPages: 1})
}

// bytesToSign answers with a document and nothing around it.
func (p *portal) bytesToSign(w http.ResponseWriter, r *http.Request, b []byte, err error) error {
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("ETag", tag)
	if unchanged(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(b); err != nil {
		p.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}

// DispenseRoom is what dispenses have beside their records; *dispense.Service is one.
type DispenseRoom interface {
	Create(ctx context.Context, c registry.Caller, body []byte) (record.Shown, error)
	DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
	Report(ctx context.Context, c registry.Caller, f dispense.ReportFilter) ([]dispense.ReportLine, registry.ID, error)
	ReportCSV(ctx context.Context, c registry.Caller, f dispense.ReportFilter) ([]byte, error)
	Open(ctx context.Context, c registry.Caller, id registry.ID) ([]dispense.Opened, error)
}

// Dispenses are the places where a pharmacy dispenses, and of the report of
// reimbursement.
func Dispenses(s DispenseRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const all, report = "/api/v3/medication_dispenses", "/api/v3/reimbursement_report"
		r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			d, err := s.Create(r.Context(), c, body)
			if err != nil {
				return err
			}
			w.Header().Set("Location", p.base+all+"/"+d.ID.String())
			return p.answer(w, r, http.StatusCreated, viewShown(d), nil)
		}))
		r.Get(all+"/{id}/data_to_be_signed", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := s.DataToBeSigned(r.Context(), c, id)
			return p.bytesToSign(w, r, b, err)
		}))
		r.Get(report, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			f, err := reportFilter(r, true)
			if err != nil {
				return err
			}
			list, next, err := s.Report(r.Context(), c, f)
			if err != nil {
				return err
			}
			more := !next.IsZero()
			return p.list(w, r, some(list), query.Paging{Size: f.Limit, HasMore: &more})
		}))
		r.Get(report+".csv", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			f, err := reportFilter(r, false)
			if err != nil {
				return err
			}
			b, err := s.ReportCSV(r.Context(), c, f)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", `attachment; filename="reimbursement.csv"`)
			w.WriteHeader(http.StatusOK)
			if _, err := w.Write(b); err != nil {
				p.log.Debug("client went away", "cause", err.Error())
			}
			return nil
		}))
		r.Get(report+"/{id}/acts", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			list, err := s.Open(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.list(w, r, some(list), query.Paging{Number: 1, Size: max(len(list), 1), TotalEntries: len(list), TotalPages: 1})
		}))
	})
}

func reportFilter(r *http.Request, paged bool) (dispense.ReportFilter, error) {
	q, err := queryOf(r)
	if err != nil {
		return dispense.ReportFilter{}, err
	}
	f := dispense.ReportFilter{From: q.date("date_from"), To: q.date("date_to"), LegalEntityID: q.id("legal_entity_id"), Limit: 1}
	if paged {
		f.After, f.Limit = q.id("after"), q.number("page_size", record.DefaultPage)
	}
	return f, q.done()
}
