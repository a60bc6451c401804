package operator

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	"mist/portal/web"
	"mist/portal/web/trusted"
	"mist/registry"
	"mist/registry/material"
)

type trustView struct {
	trusted.View
	Problems []web.Problem
	File     web.Field
	Compared *comparedView
}

// comparedView is what an uploaded file would change.
type comparedView struct {
	material.Comparison
	SHA256  string
	Mark    web.Mark
	Word    string
	Command string
}

// trust shows what signatures are judged by. Operators do not read the log, so
// the entries of changes are named, not linked.
func (r *room) trust(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showTrust(w, q, c, nil, "")
}

func (r *room) showTrust(w http.ResponseWriter, q *web.Request, c registry.Caller, compared *comparedView, wrong string) error {
	st, err := r.Trust.State(q.Context(), c)
	if err != nil {
		return err
	}
	v := trustView{View: trusted.Show(q, st, ""), Compared: compared, File: web.Field{Name: "file", Type: "file", Required: true,
		Label: q.T("ops.trust.file"), Hint: q.T("ops.trust.file.hint", "n", material.MaxFile>>20)}}
	status := http.StatusOK
	if wrong != "" {
		status, v.File.Error = http.StatusUnprocessableEntity, wrong
		v.Problems = []web.Problem{{Field: "file", Text: wrong}}
	}
	return q.Render(w, web.Page{Template: "trust", Title: q.T("ops.trust.title"), Data: v, Status: status})
}

// compareTrust says what an uploaded file would change. Nothing is taken here: that
// is an order of two people, by the command the page shows.
func (r *room) compareTrust(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	q.Body = http.MaxBytesReader(w, q.Body, material.MaxFile+1<<20)
	var large *http.MaxBytesError
	if err := q.ParseMultipartForm(1 << 20); errors.As(err, &large) {
		return r.showTrust(w, q, c, nil, q.T("ops.trust.large", "n", material.MaxFile>>20))
	} else if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the form cannot be read").WithCause(err)
	}
	defer func() { _ = q.MultipartForm.RemoveAll() }()
	file, head, err := q.FormFile("file")
	if err != nil {
		return r.showTrust(w, q, c, nil, q.T("ops.trust.nothing"))
	}
	defer file.Close()
	body, err := io.ReadAll(io.LimitReader(file, material.MaxFile+1))
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the file cannot be read").WithCause(err)
	}
	found, err := r.Trust.Compare(q.Context(), c, head.Filename, body)
	if err != nil {
		if e := registry.AsError(err); e.Reason == "trust_file" {
			return r.showTrust(w, q, c, nil, q.T("ops.trust.refused", "why", e.Detail))
		}
		return err
	}
	v := &comparedView{Comparison: found, SHA256: hex.EncodeToString(found.Digest[:]), Mark: web.Unknown, Word: q.T("ops.trust.changes"),
		Command: "mist trust take --config mist.yaml " + found.Name + " --plan order.json --reason …"}
	switch {
	case found.Same:
		v.Mark, v.Word, v.Command = web.None, q.T("ops.trust.same"), ""
	case len(found.Removed) > 0:
		v.Mark, v.Word = web.Bad, q.T("ops.trust.removes", "n", len(found.Removed))
	}
	return r.showTrust(w, q, c, v, "")
}
