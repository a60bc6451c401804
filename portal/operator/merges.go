package operator

import (
	"net/http"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/patient"
	"mist/registry/personlife"
)

type mergesView struct {
	Problems              []web.Problem
	List                  []personlife.Merge
	Status                string
	Master, Loser, Reason web.Field
	Pair                  *pairView
}

var mergeStates = []personlife.MergeStatus{personlife.MergeNew, personlife.MergeUndoNew, personlife.Merged, personlife.MergeUndone, personlife.MergeDeclined}

func (r *room) mergeForm(q *web.Request) mergesView {
	return mergesView{
		Master: web.Field{Name: "master", Label: q.T("ops.merge.master"), Hint: q.T("ops.merge.id"), Required: true, Value: q.FormValue("master")},
		Loser:  web.Field{Name: "loser", Label: q.T("ops.merge.loser"), Hint: q.T("ops.merge.id"), Required: true, Value: q.FormValue("loser")},
		Reason: web.Field{Name: "reason", Label: q.T("ops.merge.reason"), Hint: q.T("ops.merge.reason.hint"), Required: true, Value: q.PostFormValue("reason")},
	}
}

func (v *mergesView) wrong(f *web.Field, text string) {
	f.Error = text
	v.Problems = append(v.Problems, web.Problem{Field: f.Name, Text: text})
}

// both reads the two ids of the form.
func (v *mergesView) both(q *web.Request) (master, loser registry.ID) {
	var err error
	if master, err = registry.ParseID(v.Master.Value); err != nil {
		v.wrong(&v.Master, q.T("ops.merge.id.wrong"))
	}
	if loser, err = registry.ParseID(v.Loser.Value); err != nil {
		v.wrong(&v.Loser, q.T("ops.merge.id.wrong"))
	} else if master == loser {
		v.wrong(&v.Loser, q.T("ops.merge.same"))
	}
	return master, loser
}

func (r *room) merges(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showMerges(w, q, c, r.mergeForm(q), http.StatusOK)
}

func (r *room) showMerges(w http.ResponseWriter, q *web.Request, c registry.Caller, v mergesView, status int) error {
	for _, s := range mergeStates {
		if v.Status = q.URL.Query().Get("status"); v.Status != "" && v.Status != string(s) {
			continue
		}
		list, err := r.Merges.List(q.Context(), c, s, registry.ID{})
		if err != nil {
			return err
		}
		v.List = append(v.List, list...)
	}
	return q.Render(w, web.Page{Template: "merges", Title: q.T("ops.merges.title"), Data: v, Status: status})
}

// pair shows two records beside each other before anything is proposed.
func (r *room) pair(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showPair(w, q, c, r.mergeForm(q), http.StatusOK)
}

func (r *room) showPair(w http.ResponseWriter, q *web.Request, c registry.Caller, v mergesView, status int) error {
	master, loser := v.both(q)
	if v.Master.Error != "" || v.Loser.Error != "" {
		return r.showMerges(w, q, c, v, http.StatusUnprocessableEntity)
	}
	k, err := r.Merges.Compare(q.Context(), c, master, loser)
	if registry.CodeOf(err) == registry.CodeNotFound {
		v.wrong(&v.Master, q.T("ops.merge.unknown"))
		return r.showMerges(w, q, c, v, http.StatusNotFound)
	}
	if err != nil {
		return err
	}
	v.Pair = pairOf(q, k)
	return q.Render(w, web.Page{Template: "pair", Title: q.T("ops.pair.title"), Data: v, Status: status})
}

// pairView is a comparison in words.
type pairView struct {
	personlife.Comparison
	Rows []pairRow
}

type pairRow struct {
	personlife.Row
	Name string
	Mark web.Mark
	Word string
	// Latin names the Latin letters among Ukrainian ones.
	Latin string
}

func pairOf(q *web.Request, k personlife.Comparison) *pairView {
	v := &pairView{Comparison: k}
	for _, one := range k.Rows {
		row := pairRow{Row: one, Name: member(q, one.Member), Mark: web.Bad}
		switch one.Member {
		case "gender":
			row.Master, row.Loser, row.MasterPieces, row.LoserPieces = gender(q, one.Master), gender(q, one.Loser), nil, nil
		case "birth_date", "death_date":
			row.Master, row.Loser = dayOf(one.Master), dayOf(one.Loser)
			if one.MasterPieces != nil {
				row.MasterPieces, row.LoserPieces = patient.Pieces(row.Master, row.Loser)
			}
		}
		switch one.Difference {
		case "":
			row.Mark, row.Word = web.Good, q.T("ops.pair.equal")
		case patient.DiffersMissing:
			row.Mark, row.Word = web.None, q.T("ops.pair.differs.missing")
		case patient.DiffersWholly:
			row.Word = q.T("ops.pair.differs.wholly")
		default: // a slip that one person's record may well have
			row.Mark, row.Word = web.Unknown, q.T("ops.pair.differs."+one.Difference)
		}
		for i, letter := range one.Mixed {
			if i > 0 {
				row.Latin += ", "
			}
			row.Latin += letter
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func gender(q *web.Request, code string) string {
	switch code {
	case "FEMALE":
		return q.T("ops.pair.female")
	case "MALE":
		return q.T("ops.pair.male")
	}
	return code
}

// dayOf writes a date as the pages do.
func dayOf(iso string) string {
	if d, err := time.Parse(time.DateOnly, iso); err == nil {
		return d.Format("02.01.2006")
	}
	return iso
}

// members have names in words; a kind of document keeps its code.
var members = map[string]bool{"last_name": true, "first_name": true, "second_name": true, "birth_date": true, "gender": true, "birth_settlement": true, "birth_country": true,
	"tax_id": true, "unzr": true, "phones": true, "addresses": true, "death_date": true}

func member(q *web.Request, name string) string {
	if members[name] {
		return q.T("ops.pair.member." + name)
	}
	const documents = "documents."
	if len(name) > len(documents) && name[:len(documents)] == documents {
		return q.T("ops.pair.document", "kind", name[len(documents):])
	}
	return name
}

func (r *room) propose(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	v := r.mergeForm(q)
	master, loser := v.both(q)
	if len(v.Problems) > 0 {
		return r.showMerges(w, q, c, v, http.StatusUnprocessableEntity)
	}
	m, err := r.Merges.Propose(q.Context(), c, master, loser, form.Get("reason"))
	switch e := registry.AsError(err); {
	case err == nil:
		q.Redirect(w, "/ops/merges/"+m.ID.String())
		return nil
	case e.Code == registry.CodeInvalid && len(e.Fields) > 0 && e.Fields[0].Entry == "$.reason":
		v.wrong(&v.Reason, q.T("ops.merge.reason.wrong"))
		return r.showPair(w, q, c, v, http.StatusUnprocessableEntity)
	case e.Code == registry.CodeNotFound:
		v.wrong(&v.Master, q.T("ops.merge.unknown"))
		return r.showMerges(w, q, c, v, http.StatusNotFound)
	}
	return err
}

type mergeView struct {
	personlife.Merge
	Mine     bool // the reader proposed it: a second person is awaited
	Why      web.Field
	Problems []web.Problem
	Pair     *pairView
}

func (r *room) merge(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showMerge(w, q, c, "", http.StatusOK)
}

func (r *room) showMerge(w http.ResponseWriter, q *web.Request, c registry.Caller, trouble string, status int) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	m, err := r.Merges.Get(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := mergeView{Merge: m, Why: r.mergeForm(q).Reason}
	if trouble != "" {
		v.Why.Error, v.Problems = trouble, []web.Problem{{Field: "reason", Text: trouble}}
	}
	switch m.Status {
	case personlife.MergeNew:
		v.Mine = m.ProposedBy == c.PartyID
	case personlife.MergeUndoNew:
		v.Mine = m.UndoProposedBy == c.PartyID
	}
	if m.Status == personlife.MergeNew || m.Status == personlife.MergeUndoNew { // there is something to decide
		k, err := r.Merges.Compare(q.Context(), c, m.MasterID, m.LoserID)
		if err != nil {
			return err
		}
		v.Pair = pairOf(q, k)
	}
	return q.Render(w, web.Page{Template: "merge", Title: q.T("ops.merge.title"), Data: v, Status: status})
}

// decide agrees, declines or proposes to undo.
func (r *room) decide(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	switch q.Param("step") {
	case "agree":
		_, err = r.Merges.Agree(q.Context(), c, id)
	case "decline":
		_, err = r.Merges.Decline(q.Context(), c, id)
	case "undo":
		_, err = r.Merges.ProposeUndo(q.Context(), c, id, form.Get("reason"))
		if registry.CodeOf(err) == registry.CodeInvalid {
			return r.showMerge(w, q, c, q.T("ops.merge.reason.wrong"), http.StatusUnprocessableEntity)
		}
	default:
		err = registry.Errorf(registry.CodeNotFound, "there is no such step")
	}
	if err != nil {
		return err
	}
	q.Redirect(w, "/ops/merges/"+id.String())
	return nil
}
