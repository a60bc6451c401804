package developer

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"mist/portal/web"
)

//go:embed changes.json
var changesFile []byte

// change is a line of the change log of the contract.
type change struct {
	Date string `json:"date"` // YYYY-MM-DD
	// Kind is added, changed, deprecated, removed.
	Kind       string   `json:"kind"`
	Operations []string `json:"operations"`
	// Removal is the day until which what is deprecated works.
	Removal string `json:"removal,omitempty"`
	UK      string `json:"uk"`
	EN      string `json:"en"`
}

func readChanges() (list []change, err error) {
	if err := json.Unmarshal(changesFile, &list); err != nil {
		return nil, fmt.Errorf("developer: reading the changes: %w", err)
	}
	return list, nil
}

type changeView struct {
	change
	Mark       web.Mark
	Word, Text string
}

var changeMarks = map[string]web.Mark{"added": web.Good, "changed": web.Unknown, "deprecated": web.Bad, "removed": web.Bad}

// changes are told newest first, what is deprecated with the day it ends.
func (p *pages) changes(w http.ResponseWriter, q *web.Request) error {
	list, err := readChanges()
	if err != nil {
		return err
	}
	data := struct {
		Version string
		Count   int
		List    []changeView
	}{Version: p.doc.Info.Version, Count: len(p.operations())}
	for _, c := range list {
		v := changeView{change: c, Mark: changeMarks[c.Kind], Word: q.T("changes.kind." + c.Kind), Text: c.UK}
		if q.Lang == web.English {
			v.Text = c.EN
		}
		data.List = append(data.List, v)
	}
	return q.Render(w, web.Page{Template: "changes", Title: q.T("changes.title"), Data: data})
}

// operations of the contract: id to whether it is deprecated.
func (p *pages) operations() map[string]bool {
	out := map[string]bool{}
	for _, item := range p.doc.Paths.Map() {
		for _, op := range item.Operations() {
			out[op.OperationID] = op.Deprecated
		}
	}
	return out
}
