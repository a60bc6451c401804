package auditor

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/trail"
)

type consistencyView struct {
	Field, Paste web.Field
	Problems     []web.Problem
	Shown        *trail.Consistency
	// Broken says in words how the log fails to continue the old checkpoint.
	Broken           string
	OldNote, NewNote string
	OldFile, NewFile string // base64
	Grown            int64
	Path             []string
	Key              string
	Witnesses        []Witness
	Quorum           int
	LogURL           string
}

// consistency proves that the newest checkpoint continues an earlier one: the
// public one of a size, or one the reader kept. Where the log does not continue
// a checkpoint it once signed, both are shown and can be kept.
func (r *room) consistency(w http.ResponseWriter, q *web.Request) error {
	size, pasted := strings.TrimSpace(q.URL.Query().Get("from")), q.URL.Query().Get("checkpoint")
	v := consistencyView{Key: r.LogKey, Witnesses: r.Witnesses, Quorum: r.Quorum, LogURL: r.LogURL}
	v.Field = web.Field{Name: "from", Label: q.T("audit.consistency.from"), Hint: q.T("audit.consistency.hint"), Value: size}
	v.Paste = web.Field{Name: "checkpoint", Type: "textarea", Rows: 5, Label: q.T("audit.consistency.paste"), Value: pasted}
	page := web.Page{Template: "consistency", Title: q.T("audit.consistency.title"), Scripts: []string{"proof.js"}}
	var k trail.Consistency
	var err error
	switch {
	case strings.TrimSpace(pasted) != "":
		// A form sends line ends as CR LF; a note has LF and ends with one.
		note := strings.TrimSpace(strings.ReplaceAll(pasted, "\r", "")) + "\n"
		if k, err = r.Trail.Against(q.Context(), []byte(note)); registry.CodeOf(err) == registry.CodeMalformed || registry.CodeOf(err) == registry.CodeTooLarge {
			v.Paste.Error = q.T("audit.consistency.foreign")
			v.Problems = []web.Problem{{Field: "checkpoint", Text: v.Paste.Error}}
			page.Status, page.Data = http.StatusUnprocessableEntity, v
			return q.Render(w, page)
		}
	case size != "":
		n, wrong := strconv.ParseInt(size, 10, 64)
		if wrong != nil || n <= 0 {
			err = registry.Errorf(registry.CodeNotFound, "a size is a whole number above zero")
		} else {
			k, err = r.Trail.Consistency(q.Context(), n)
		}
		if registry.CodeOf(err) == registry.CodeNotFound {
			v.Field.Error = q.T("audit.consistency.unknown")
			v.Problems = []web.Problem{{Field: "from", Text: v.Field.Error}}
			page.Status, page.Data = http.StatusNotFound, v
			return q.Render(w, page)
		}
	default:
		page.Data = v
		return q.Render(w, page)
	}
	if err != nil {
		return err
	}
	v.Shown, v.OldNote, v.NewNote, v.Grown = &k, string(k.Old.Note), string(k.New.Note), k.New.Size-k.Old.Size
	for _, h := range k.Path {
		v.Path = append(v.Path, h.String())
	}
	switch k.Broken {
	case "":
	case trail.Shortened:
		v.Broken = q.T("audit.consistency.shortened", "old", k.Old.Size, "new", k.New.Size)
	default:
		v.Broken = q.T("audit.consistency.forked", "old", k.Old.Size)
	}
	if v.Broken != "" {
		page.Status = http.StatusConflict
		v.OldFile, v.NewFile = base64.StdEncoding.EncodeToString(k.Old.Note), base64.StdEncoding.EncodeToString(k.New.Note)
	}
	page.Data = v
	return q.Render(w, page)
}
