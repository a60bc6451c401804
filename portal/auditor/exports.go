package auditor

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/trail"
)

type exportsView struct {
	Problems []web.Problem
	Filter   searchView
	Format   web.Field
	Reason   web.Field
	List     []exportView
}

// exportView is one export as it stands.
type exportView struct {
	trail.Export
	State   string
	Mark    web.Mark
	Percent int64
	Left    int64 // seconds; below zero: not known
	Rate    int64 // rows a second
	Waits   bool
	Sealed  bool
}

func (r *room) stateOf(q *web.Request, x trail.Export) exportView {
	v := exportView{Export: x, State: q.T("audit.export.state." + x.Status), Left: -1, Waits: !x.Ended(), Sealed: len(x.Manifest) > 0 && x.Manifest[0] == 'P'}
	v.Mark = map[string]web.Mark{trail.ExportDone: web.Good, trail.ExportStopped: web.None, trail.ExportOutdated: web.None}[x.Status]
	if v.Mark == "" {
		v.Mark = web.Unknown
	}
	if x.Total > 0 {
		v.Percent = min(x.Done*100/x.Total, 100)
	}
	if took := r.Clock().Sub(x.StartedAt); x.Status == trail.ExportRunning && took > time.Second {
		v.Rate = int64(float64(x.Done) / took.Seconds())
		if x.Total > 0 && v.Rate > 0 {
			v.Left = max(x.Total-x.Done, 0)/v.Rate + 1
		}
	}
	return v
}

func (r *room) exports(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	v, _ := r.exportForm(q)
	return r.showExports(w, q, c, v, http.StatusOK)
}

func (r *room) showExports(w http.ResponseWriter, q *web.Request, c registry.Caller, v exportsView, status int) error {
	list, err := r.Exports.List(q.Context(), c)
	if err != nil {
		return err
	}
	for _, x := range list {
		v.List = append(v.List, r.stateOf(q, x))
	}
	return q.Render(w, web.Page{Template: "exports", Title: q.T("audit.exports.title"), Data: v, Status: status})
}

func (r *room) exportForm(q *web.Request) (exportsView, trail.Filter) {
	filter, f := r.asked(q)
	v := exportsView{Filter: filter, Problems: filter.Problems}
	v.Format = web.Field{Name: "format", Label: q.T("audit.export.format"), Type: "select", Value: q.FormValue("format"),
		Options: []web.Option{{Value: trail.FormatLines, Text: q.T("audit.export.jsonl")}, {Value: trail.FormatCSV, Text: q.T("audit.export.csv")}}}
	v.Reason = web.Field{Name: "reason", Label: q.T("audit.export.reason"), Hint: q.T("audit.people.hint"), Required: true, Value: q.PostFormValue("reason"), Autocomplete: "off"}
	return v, f
}

// order begins an export of the filters in the form.
func (r *room) order(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	q.URL.RawQuery = form.Encode() // the filters are read as a search reads them
	v, f := r.exportForm(q)
	if len(v.Problems) > 0 {
		return r.showExports(w, q, c, v, http.StatusUnprocessableEntity)
	}
	x, err := r.Exports.Begin(q.Context(), c, f, form.Get("format"), form.Get("reason"))
	switch registry.CodeOf(err) {
	case "":
		q.Redirect(w, "/audit/exports/"+x.ID.String())
		return nil
	case registry.CodeInvalid:
		v.Reason.Error = q.T("audit.people.wrong")
		v.Problems = []web.Problem{{Field: "reason", Text: q.T("audit.people.wrong")}}
		return r.showExports(w, q, c, v, http.StatusUnprocessableEntity)
	}
	return err
}

// exportOf gives the export an address names.
func (r *room) exportOf(q *web.Request, c registry.Caller) (trail.Export, error) {
	id, err := exportID(q)
	if err != nil {
		return trail.Export{}, err
	}
	return r.Exports.Get(q.Context(), c, id)
}

func exportID(q *web.Request) (registry.ID, error) {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return id, registry.Errorf(registry.CodeNotFound, "there is no such export")
	}
	return id, nil
}

// oneExport shows how far an export is. Without JavaScript the page comes
// again every five seconds until the export has ended.
func (r *room) oneExport(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	x, err := r.exportOf(q, c)
	if err != nil {
		return err
	}
	v := r.stateOf(q, x)
	page := web.Page{Template: "export", Title: q.T("audit.export.title"), Data: v}
	if v.Waits {
		page.Scripts, page.Refresh = []string{"progress.js"}, 5
	}
	return q.Render(w, page)
}

// progress is what progress.js asks for.
func (r *room) progress(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	x, err := r.exportOf(q, c)
	if err != nil {
		return err
	}
	v := r.stateOf(q, x)
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"ended": x.Ended(), "done": x.Done, "total": x.Total, "text": r.progressText(q, v)})
}

func (r *room) progressText(q *web.Request, v exportView) string {
	if v.Left >= 0 {
		return q.T("audit.export.progress.left", "done", v.Done, "total", v.Total, "rate", v.Rate, "left", v.Left)
	}
	return q.T("audit.export.progress", "done", v.Done, "rate", v.Rate)
}

func (r *room) cancelExport(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := exportID(q)
	if err != nil {
		return err
	}
	if _, err := r.Exports.Cancel(q.Context(), c, id); err != nil {
		return err
	}
	q.Redirect(w, "/audit/exports/"+id.String())
	return nil
}

// exportFile sends the parts one after another.
func (r *room) exportFile(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := exportID(q)
	if err != nil {
		return err
	}
	x, part, err := r.Exports.Open(q.Context(), c, id)
	if err != nil {
		return err
	}
	media := "application/x-ndjson"
	if x.Format == trail.FormatCSV {
		media = "text/csv; charset=utf-8"
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+x.FileName()+`"`)
	h.Set("Content-Length", strconv.FormatInt(x.Size, 10))
	for n := range x.Parts {
		rows, err := part(n)
		if err != nil {
			panic(http.ErrAbortHandler) // the length was told: the reader sees that the file is cut
		}
		if _, err := w.Write(rows); err != nil {
			return nil // the reader went away
		}
	}
	return nil
}

func (r *room) exportManifest(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	x, err := r.exportOf(q, c)
	if err != nil {
		return err
	}
	if len(x.Manifest) == 0 {
		return registry.Errorf(registry.CodeNotFound, "there is no manifest")
	}
	media, name := "application/vnd.etsi.asic-e+zip", x.FileName()+".manifest.asice"
	if x.Manifest[0] != 'P' { // no seal is configured: the plain manifest
		media, name = "application/json", x.FileName()+".manifest.json"
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err = w.Write(x.Manifest)
	return err
}

type sampleView struct {
	trail.Sample
	Problems []web.Problem
	Size     web.Field
	Asked    bool
	Note     string
}

func sizeField(q *web.Request) web.Field {
	return web.Field{Name: "size", Label: q.T("audit.sample.size"), Hint: q.T("audit.sample.hint"), Value: "25", Required: true}
}

func (r *room) samples(w http.ResponseWriter, q *web.Request, _ registry.Caller) error {
	return q.Render(w, web.Page{Template: "sample", Title: q.T("audit.sample.title"), Data: sampleView{Size: sizeField(q)}})
}

func (r *room) commitSample(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	v := sampleView{Size: sizeField(q)}
	v.Size.Value = form.Get("size")
	n, err := strconv.Atoi(form.Get("size"))
	if err == nil {
		receipt, err := r.Trail.CommitSample(q.Context(), c, n)
		if err == nil {
			q.Redirect(w, "/audit/samples/"+receipt.EntryID.String())
			return nil
		}
		if registry.CodeOf(err) != registry.CodeInvalid {
			return err
		}
	}
	v.Size.Error = q.T("audit.sample.wrong")
	v.Problems = []web.Problem{{Field: "size", Text: v.Size.Error}}
	return q.Render(w, web.Page{Template: "sample", Title: q.T("audit.sample.title"), Data: v, Status: http.StatusUnprocessableEntity})
}

func (r *room) sample(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return errNoEntry
	}
	s, err := r.Trail.Sample(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := sampleView{Sample: s, Asked: true, Size: sizeField(q)}
	if s.Checkpoint != nil {
		v.Note = string(s.Checkpoint.Note)
	}
	return q.Render(w, web.Page{Template: "sample", Title: q.T("audit.sample.title"), Data: v})
}
