package explain

import (
	"strings"

	"mist/signature"
)

// Marks of a verdict, as pages draw them by shape, word and colour.
const (
	MarkGood    = "good"
	MarkBad     = "bad"
	MarkUnknown = "unknown"
	MarkNone    = "none"
)

// Node is a question of a signature report with its answer and reason, or a
// block of them.
type Node struct {
	Title  string `json:"title"`
	Term   string `json:"term"`
	Detail string `json:"detail"`
	Mark   string `json:"mark"`
	Word   string `json:"word"`
	Open   bool   `json:"open"`
	Nodes  []Node `json:"nodes,omitempty"`
}

var marks = map[string]string{
	string(signature.TotalPassed): MarkGood, string(signature.TotalFailed): MarkBad, string(signature.Indeterminate): MarkUnknown,
	string(signature.Passed): MarkGood, string(signature.Failed): MarkBad,
	string(signature.StatusOK): MarkGood, string(signature.StatusNotOK): MarkBad, string(signature.StatusWarning): MarkUnknown,
}

// Mark is how an indication or an answer is shown; what is not judged is none.
func Mark(answer string) string {
	if m := marks[answer]; m != "" {
		return m
	}
	return MarkNone
}

// Words are what a tree takes of whoever shows it: the texts verdict.MARK,
// answer.MARK, report.signature and report.timestamp, and what stands for a
// detail that is not for this reader.
type Words struct {
	Lang string
	Text func(key string, values ...any) string
	// Detail may replace a detail; nil leaves them.
	Detail func(string) string
}

// Tree is a report, one node for each signature and time-stamp, with a branch
// that did not pass open.
func (w Words) Tree(r *signature.Report) []Node {
	var out []Node
	for _, s := range r.Signatures {
		n := w.concluded(w.Text("report.signature", "level", s.Level), s.Conclusion)
		n.Nodes, n.Open = w.blocks(s.Blocks), true
		out = append(out, n)
	}
	for _, s := range r.Timestamps {
		n := w.concluded(w.Text("report.timestamp"), s.Conclusion)
		n.Nodes = w.blocks(s.Blocks)
		out = append(out, n)
	}
	return out
}

func (w Words) blocks(list []signature.Block) []Node {
	var out []Node
	for _, b := range list {
		n := w.concluded(Block(b.Name, w.Lang), b.Conclusion)
		for _, c := range b.Checks {
			one := w.node(Question(c.Name, w.Lang), string(c.Status), c.Name, c.Detail)
			one.Word = w.Text("answer." + one.Mark)
			n.Nodes = append(n.Nodes, one)
		}
		n.Nodes = append(n.Nodes, w.blocks(b.Blocks)...)
		out = append(out, n)
	}
	return out
}

func (w Words) concluded(title string, c signature.Conclusion) Node {
	term := string(c.Indication)
	if c.SubIndication != "" {
		term += " " + string(c.SubIndication)
	}
	n := w.node(title, string(c.Indication), term, c.Reason)
	// No code without its sentence.
	if sentence, _ := Reason(c.SubIndication, w.Lang); sentence != "" {
		n.Detail = strings.TrimSpace(sentence + " " + n.Detail)
	}
	return n
}

func (w Words) node(title, answer, term, detail string) Node {
	n := Node{Title: title, Term: term, Mark: Mark(answer), Detail: Escape(detail)}
	n.Word, n.Open = w.Text("verdict."+n.Mark), n.Mark != MarkGood
	if w.Detail != nil {
		n.Detail = w.Detail(n.Detail)
	}
	return n
}
