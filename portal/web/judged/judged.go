// Package judged shows signature reports on pages: the tree of questions and
// answers of mist-verify --explain, in the same words and order, with a branch
// that did not pass open. A page draws it by the kit's part "node".
package judged

import (
	"strings"

	"mist/portal/web"
	"mist/registry"
	"mist/signature"
	"mist/signature/explain"
)

// Node is a question of a signature report with its answer and reason, or a
// block of them.
type Node struct {
	Title, Term, Detail string
	Mark                web.Mark
	Word                string
	Open                bool
	Nodes               []Node
}

// Details says whether details that may hold a person's number are shown.
type Details bool

// Details of a reader's own document are shown, those of a document of others are hidden.
const (
	Shown  Details = true
	Hidden Details = false
)

// marks are how indications, conclusions of blocks and answers of checks are shown.
var marks = map[string]web.Mark{
	string(signature.TotalPassed): web.Good, string(signature.TotalFailed): web.Bad, string(signature.Indeterminate): web.Unknown,
	"PASSED": web.Good, "FAILED": web.Bad,
	string(signature.StatusOK): web.Good, string(signature.StatusNotOK): web.Bad, string(signature.StatusWarning): web.Unknown,
}

// Mark is how an indication is shown; what is not judged is none.
func Mark(indication string) web.Mark {
	if m := marks[indication]; m != "" {
		return m
	}
	return web.None
}

// Tree is a report, one node for each signature and time-stamp.
func Tree(q *web.Request, r *signature.Report, details Details) []Node {
	w := writer{q, details}
	var out []Node
	for _, s := range r.Signatures {
		n := w.concluded(q.T("report.signature", "level", s.Level), s.Conclusion)
		n.Nodes, n.Open = w.blocks(s.Blocks), true
		out = append(out, n)
	}
	for _, s := range r.Timestamps {
		n := w.concluded(q.T("report.timestamp"), s.Conclusion)
		n.Nodes = w.blocks(s.Blocks)
		out = append(out, n)
	}
	return out
}

type writer struct {
	q       *web.Request
	details Details
}

func (w writer) blocks(list []signature.Block) []Node {
	var out []Node
	for _, b := range list {
		n := w.concluded(explain.Block(b.Name, string(w.q.Lang)), b.Conclusion)
		for _, c := range b.Checks {
			one := w.node(explain.Question(c.Name, string(w.q.Lang)), string(c.Status), c.Name, c.Detail)
			one.Word = w.q.T("answer." + string(one.Mark))
			n.Nodes = append(n.Nodes, one)
		}
		n.Nodes = append(n.Nodes, w.blocks(b.Blocks)...)
		out = append(out, n)
	}
	return out
}

func (w writer) concluded(title string, c signature.Conclusion) Node {
	term := string(c.Indication)
	if c.SubIndication != "" {
		term += " " + string(c.SubIndication)
	}
	n := w.node(title, string(c.Indication), term, c.Reason)
	// No code without its sentence.
	if sentence, _ := explain.Reason(c.SubIndication, string(w.q.Lang)); sentence != "" {
		n.Detail = strings.TrimSpace(sentence + " " + n.Detail)
	}
	return n
}

func (w writer) node(title, answer, term, detail string) Node {
	n := Node{Title: title, Term: term, Mark: Mark(answer), Detail: explain.Escape(detail)}
	n.Word, n.Open = w.q.T("verdict."+string(n.Mark)), n.Mark != web.Good
	if w.details == Hidden && registry.MayHoldIdentifier(detail) {
		n.Detail = w.q.T("report.hidden")
	}
	return n
}
