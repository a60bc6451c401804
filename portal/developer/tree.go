package developer

import (
	"mist/portal/web"
	"mist/signature"
	"mist/signature/explain"
)

// node is one line of the report tree: a question and its answer, or a block
// of them. A failed branch is open.
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
		n := concluded(q, q.T("bench.signature", "level", s.Level), s.Conclusion)
		n.Nodes = blocks(q, s.Blocks)
		n.Open = true
		out = append(out, n)
	}
	for _, s := range r.Timestamps {
		n := concluded(q, q.T("bench.timestamp"), s.Conclusion)
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

func concluded(q *web.Request, title string, c signature.Conclusion) node {
	n := node{Title: title, Term: string(c.Indication), Mark: marks[c.Indication]}
	if n.Mark == "" { // a block of its own says PASSED or FAILED
		n.Mark = map[string]web.Mark{"PASSED": web.Good, "FAILED": web.Bad, "INDETERMINATE": web.Unknown}[string(c.Indication)]
	}
	if n.Mark == "" {
		n.Mark = web.None
	}
	if c.SubIndication != "" {
		n.Term += " " + string(c.SubIndication)
	}
	if c.Reason != "" {
		n.Term += " (" + c.Reason + ")"
	}
	n.Word = q.T("verdict." + string(n.Mark))
	n.Open = n.Mark != web.Good
	return n
}

func asked(q *web.Request, c signature.Check) node {
	n := node{Title: explain.Question(c.Name, string(q.Lang)), Term: c.Name, Detail: explain.Escape(c.Detail), Mark: web.None}
	switch c.Status {
	case signature.StatusOK:
		n.Mark = web.Good
	case signature.StatusNotOK:
		n.Mark = web.Bad
	case signature.StatusWarning:
		n.Mark = web.Unknown
	}
	n.Word = q.T("answer." + string(n.Mark))
	return n
}
