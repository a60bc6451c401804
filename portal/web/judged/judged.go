// Package judged shows signature reports on pages: the tree of questions and
// answers of mist-verify --explain, in the same words and order, with a branch
// that did not pass open. A page draws it by the kit's part "node".
package judged

import (
	"mist/portal/web"
	"mist/registry"
	"mist/signature"
	"mist/signature/explain"
)

// Node is a question of a signature report with its answer and reason, or a
// block of them.
type Node = explain.Node

// Details says whether details that may hold a person's number are shown.
type Details bool

// Details of a reader's own document are shown, those of a document of others are hidden.
const (
	Shown  Details = true
	Hidden Details = false
)

// Mark is how an indication is shown; what is not judged is none.
func Mark(indication string) web.Mark { return web.Mark(explain.Mark(indication)) }

// Tree is a report, one node for each signature and time-stamp.
func Tree(q *web.Request, r *signature.Report, details Details) []Node {
	w := explain.Words{Lang: string(q.Lang), Text: q.T}
	if details == Hidden {
		w.Detail = func(s string) string {
			if registry.MayHoldIdentifier(s) {
				return q.T("report.hidden")
			}
			return s
		}
	}
	return w.Tree(r)
}
