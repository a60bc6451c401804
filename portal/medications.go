package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/medication"
	"mist/registry/prm"
)

// MedicationRoom is the reference data of prescriptions; *medication.Service is one.
type MedicationRoom interface {
	INNMs(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.INNM, int, error)
	Dosages(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.Dosage, int, error)
	Dosage(ctx context.Context, c registry.Caller, id registry.ID) (medication.Dosage, error)
	Brands(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.Brand, int, error)
	Brand(ctx context.Context, c registry.Caller, id registry.ID) (medication.Brand, error)
	Drugs(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.Drug, int, error)
	Programs(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.Program, int, error)
	Program(ctx context.Context, c registry.Caller, id registry.ID) (medication.Program, error)
	Participants(ctx context.Context, c registry.Caller, f medication.Filter) ([]medication.Participant, int, error)
	Participant(ctx context.Context, c registry.Caller, id registry.ID) (medication.Participant, error)
}

type dosageView struct {
	Type string `json:"type"`
	medication.Dosage
}

type brandView struct {
	Type string `json:"type"`
	medication.Brand
}

type drugView struct {
	ID       registry.ID          `json:"id"`
	Name     string               `json:"name"`
	Form     string               `json:"form"`
	INNM     medication.INNM      `json:"innm"`
	Packages []medication.Package `json:"packages"`
}

func viewDosage(d medication.Dosage) any { return dosageView{medication.TypeDosage, d} }
func viewBrand(b medication.Brand) any   { return brandView{medication.TypeBrand, b} }
func viewDrug(d medication.Drug) any {
	return drugView{d.Dosage.ID, d.Dosage.Name, d.Dosage.Form, d.INNM, append([]medication.Package{}, d.Packages...)}
}

// Medications are the places of the reference data of prescriptions.
func Medications(s MedicationRoom) Room {
	return room(func(p *portal, r chi.Router) {
		medicationList(p, r, s, "/api/v3/innms", MedicationRoom.INNMs, func(n medication.INNM) any { return n })
		medicationList(p, r, s, "/api/v3/innm_dosages", MedicationRoom.Dosages, viewDosage)
		medicationOne(p, r, s, "/api/v3/innm_dosages", MedicationRoom.Dosage, viewDosage)
		medicationList(p, r, s, "/api/v3/medications", MedicationRoom.Brands, viewBrand)
		medicationOne(p, r, s, "/api/v3/medications", MedicationRoom.Brand, viewBrand)
		medicationList(p, r, s, "/api/v3/drugs", MedicationRoom.Drugs, viewDrug)
		medicationList(p, r, s, "/api/v3/medical_programs", MedicationRoom.Programs, func(g medication.Program) any { return g })
		medicationOne(p, r, s, "/api/v3/medical_programs", MedicationRoom.Program, func(g medication.Program) any { return g })
		medicationList(p, r, s, "/api/v3/program_medications", MedicationRoom.Participants, func(m medication.Participant) any { return m })
		medicationOne(p, r, s, "/api/v3/program_medications", MedicationRoom.Participant, func(m medication.Participant) any { return m })
	})
}

func medicationList[T any](p *portal, r chi.Router, s MedicationRoom, path string, many func(MedicationRoom, context.Context, registry.Caller, medication.Filter) ([]T, int, error), view func(T) any) {
	r.Get(path, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		f := medication.Filter{
			Name: q.text("name"), NameOriginal: q.text("name_original"), SCTID: q.text("sctid"), INNMID: q.id("innm_id"), DosageID: q.id("innm_dosage_id"),
			MedicationID: q.id("medication_id"), ProgramID: q.id("medical_program_id"), Form: q.text("form"), ATC: q.text("medication_code_atc"), Type: q.text("type"),
			Inactive: q.text("is_active") == "false", Page: q.number("page", 1), Size: q.number("page_size", prm.DefaultPageSize),
		}
		if err := q.done(); err != nil {
			return err
		}
		list, total, err := many(s, r.Context(), c, f)
		if err != nil {
			return err
		}
		return pages(p, w, r, list, view, f.Page, f.Size, total)
	}))
}

func medicationOne[T any](p *portal, r chi.Router, s MedicationRoom, path string, one func(MedicationRoom, context.Context, registry.Caller, registry.ID) (T, error), view func(T) any) {
	r.Get(path+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		v, err := one(s, r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.changed(w, r, view(v), nil)
	}))
}
