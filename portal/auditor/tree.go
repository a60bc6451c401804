package auditor

import (
	"mist/portal/web"
	"mist/registry"
	"mist/signature"
	"mist/signature/explain"
)

// node is a question of a signature report with its answer and reason, or a
// block of them. A branch that did not pass is open.
type node struct {
	Title, Term, Detail string
	Mark                web.Mark
	Word                string
	Open                bool
	Nodes               []node
}

// tree is the report in the words of mist-verify --explain.
func tree(q *web.Request, r *signature.Report) []node {
	var out []node
	for _, s := range r.Signatures {
		n := concluded(q, q.T("audit.tree.signature", "level", s.Level), s.Conclusion)
		n.Nodes, n.Open = blocks(q, s.Blocks), true
		out = append(out, n)
	}
	for _, s := range r.Timestamps {
		n := concluded(q, q.T("audit.tree.timestamp"), s.Conclusion)
		n.Nodes = blocks(q, s.Blocks)
		out = append(out, n)
	}
	return out
}

func blocks(q *web.Request, list []signature.Block) []node {
	var out []node
	for _, b := range list {
		n := concluded(q, explain.Block(b.Name, string(q.Lang)), b.Conclusion)
		for _, c := range b.Checks {
			n.Nodes = append(n.Nodes, asked(q, c))
		}
		n.Nodes = append(n.Nodes, blocks(q, b.Blocks)...)
		out = append(out, n)
	}
	return out
}

// answers gives the mark of a conclusion or of a check.
var answers = map[string]web.Mark{
	"TOTAL-PASSED": web.Good, "PASSED": web.Good, "TOTAL-FAILED": web.Bad, "FAILED": web.Bad, "INDETERMINATE": web.Unknown,
	string(signature.StatusOK): web.Good, string(signature.StatusNotOK): web.Bad, string(signature.StatusWarning): web.Unknown,
}

func answered(q *web.Request, title, answer, term, detail string) node {
	n := node{Title: title, Term: term, Mark: answers[answer], Detail: explain.Escape(detail)}
	if n.Mark == "" {
		n.Mark = web.None
	}
	n.Word, n.Open = q.T("audit.answer."+string(n.Mark)), n.Mark != web.Good
	if registry.MayHoldIdentifier(detail) {
		n.Detail = q.T("audit.tree.hidden")
	}
	return n
}

func concluded(q *web.Request, title string, c signature.Conclusion) node {
	term := string(c.Indication)
	if c.SubIndication != "" {
		term += " " + string(c.SubIndication)
	}
	return answered(q, title, string(c.Indication), term, c.Reason)
}

func asked(q *web.Request, c signature.Check) node {
	return answered(q, explain.Question(c.Name, string(q.Lang)), string(c.Status), c.Name, c.Detail)
}
