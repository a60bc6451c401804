package developer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"mist/portal/web"
	"mist/portal/web/judged"
	"mist/registry"
	"mist/registry/jcs"
	"mist/signature"
	"mist/signature/explain"
	"mist/signature/facts"
)

// verdict is the Data of the bench.
type verdict struct {
	Problems []web.Problem
	File     web.Field
	Text     web.Field
	Expected web.Field
	Policy   web.Field
	Result   *signature.Result
	Mark     web.Mark
	Word     string
	Words    string
	// Why and Advice are the reason of a verdict other than passed, in sentences.
	Why, Advice string
	Tree        []judged.Node
	Content     *content
	Limit       int64
}

// content is what was signed, by itself and against what should have been.
type content struct {
	Size   int
	SHA256 string
	// Compared says that there was something to compare with; then either the
	// bytes are the same, or the JSON is, or Pointers are where it differs.
	Compared, Same, SameJSON bool
	WantedSize               int
	WantedSHA256             string
	// Offset is the first byte that differs.
	Offset   int
	Pointers []string
}

// maxPointers bounds the differences that are shown.
const maxPointers = 50

func compared(signed, wanted []byte) *content {
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	c := &content{Size: len(signed), SHA256: hash(signed)}
	if len(wanted) == 0 {
		return c
	}
	c.Compared, c.Same, c.WantedSize, c.WantedSHA256 = true, bytes.Equal(signed, wanted), len(wanted), hash(wanted)
	for c.Offset < min(len(signed), len(wanted)) && signed[c.Offset] == wanted[c.Offset] {
		c.Offset++
	}
	a, errA := jcs.Parse(wanted)
	b, errB := jcs.Parse(signed)
	if errA == nil && errB == nil {
		c.Pointers = jcs.Diff(a, b, maxPointers)
		c.SameJSON = len(c.Pointers) == 0
	}
	return c
}

func (p *pages) form(q *web.Request) verdict {
	v := verdict{Limit: p.MaxDocument >> 20}
	v.File = web.Field{Name: "file", Label: q.T("bench.file"), Type: "file", Hint: q.T("bench.file.hint", "n", int(v.Limit))}
	v.Text = web.Field{Name: "document", Label: q.T("bench.text"), Type: "textarea", Rows: 5}
	v.Expected = web.Field{Name: "expected", Label: q.T("bench.expected"), Type: "file", Hint: q.T("bench.expected.hint")}
	v.Policy = web.Field{Name: "policy", Label: q.T("bench.policy"), Type: "select"}
	for _, name := range signature.PolicyNames() {
		v.Policy.Options = append(v.Policy.Options, web.Option{Value: name, Text: name})
	}
	v.Policy.Value = "default"
	return v
}

func (p *pages) bench(w http.ResponseWriter, q *web.Request) error {
	return q.Render(w, web.Page{Template: "bench", Title: q.T("bench.title"), Data: p.form(q)})
}

// judge verifies what was uploaded or pasted. Nothing of it is kept.
func (p *pages) judge(w http.ResponseWriter, q *web.Request) error {
	v := p.form(q)
	document, expected, wrong, err := p.uploaded(w, q, &v)
	if err != nil {
		return err
	}
	policy, err := signature.NamedPolicy(v.Policy.Value)
	if wrong == "" && err != nil {
		return registry.Errorf(registry.CodeInvalid, "there is no such policy")
	}
	status := http.StatusOK
	if wrong == "" {
		select {
		case p.slots <- struct{}{}:
			defer func() { <-p.slots }()
		default:
			return registry.Errorf(registry.CodeRateLimited, "two documents are being verified now; send it again")
		}
		v.Result, err = p.Verifier.Verify(q.Context(), signature.Input{Document: facts.Bytes(document)}, policy)
		switch {
		case signature.IsUnreadable(err):
			// The reader's own words name the place, and no content.
			wrong, v.Result = q.T("bench.unreadable", "why", explain.Escape(err.Error())), nil
		case err != nil:
			return registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now").WithCause(err)
		default:
			v.Mark = judged.Mark(string(v.Result.Indication)) // none where there is no signature to judge
			if signed, _, err := v.Result.MustBePassed(); err == nil {
				if b, err := signed.Bytes(); err == nil {
					v.Content = compared(b, expected)
				}
			}
			if len(v.Result.Report.Signatures) > 0 {
				v.Why, v.Advice = explain.Reason(v.Result.Report.Signatures[0].Conclusion.SubIndication, string(q.Lang))
			}
			var words bytes.Buffer
			if err := explain.Write(&words, v.Result, explain.Options{Lang: string(q.Lang), MaskIDs: true, Trusted: true}); err != nil {
				return err
			}
			v.Word, v.Words, v.Tree = q.T("verdict."+string(v.Mark)), words.String(), judged.Tree(q, v.Result.Report, judged.Shown)
		}
	}
	if wrong != "" {
		status = http.StatusUnprocessableEntity
		v.File.Error = wrong
		v.Problems = []web.Problem{{Field: "file", Text: wrong}}
	}
	return q.Render(w, web.Page{Template: "bench", Title: q.T("bench.title"), Status: status, Data: v})
}

// uploaded reads the form: a file, or base64 text.
func (p *pages) uploaded(w http.ResponseWriter, q *web.Request, v *verdict) (document, expected []byte, wrong string, err error) {
	q.Body = http.MaxBytesReader(w, q.Body, 2*p.MaxDocument)
	var large *http.MaxBytesError
	if err := q.ParseMultipartForm(1 << 20); errors.As(err, &large) {
		return nil, nil, "", registry.Errorf(registry.CodeTooLarge, "the document is larger than %d bytes", p.MaxDocument)
	} else if err != nil {
		return nil, nil, "", registry.Errorf(registry.CodeMalformed, "the form cannot be read").WithCause(err)
	}
	defer func() { _ = q.MultipartForm.RemoveAll() }()
	if name := q.PostFormValue("policy"); name != "" {
		v.Policy.Value = name
	}
	if text := q.PostFormValue("document"); strings.TrimSpace(text) != "" {
		v.Text.Value = text
		document, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, nil, q.T("bench.base64"), nil
		}
	} else if document, err = p.file(q, "file"); err != nil {
		return nil, nil, "", err
	}
	if expected, err = p.file(q, "expected"); err != nil {
		return nil, nil, "", err
	}
	switch {
	case len(document) == 0:
		return nil, nil, q.T("bench.nothing"), nil
	case int64(max(len(document), len(expected))) > p.MaxDocument:
		return nil, nil, "", registry.Errorf(registry.CodeTooLarge, "the document is larger than %d bytes", p.MaxDocument)
	}
	return document, expected, "", nil
}

// file reads one file of the form; none is nil.
func (p *pages) file(q *web.Request, name string) ([]byte, error) {
	file, _, err := q.FormFile(name)
	if err != nil {
		return nil, nil // the field was left empty
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, p.MaxDocument+1))
}
