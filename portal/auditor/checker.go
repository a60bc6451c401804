package auditor

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"text/template"

	"mist/portal/web"
)

//go:embed saved
var saved embed.FS

// proofPage is where proof.js stops being about proofs and begins to be about a
// page: what stands above is the saved checker's, too.
const proofPage = "// --- the page ---"

// savedChecker is one file that checks a package of evidence with no network and
// no server, opened from a disk: the functions of proof.js, a form, and a policy
// of its own that lets nothing else run or load. The log's key stands in it as
// this server knows it; whoever distrusts the server puts in the one they got
// by another way.
func (r *room) savedChecker(lang web.Lang, text func(key string) string) ([]byte, error) {
	read := func(name string) (string, error) {
		b, err := saved.ReadFile("saved/" + name)
		return string(b), err
	}
	proof, err := files.ReadFile("assets/proof.js")
	if err != nil {
		return nil, err
	}
	functions, _, found := strings.Cut(string(proof), proofPage)
	if !found {
		return nil, errors.New("portal/auditor: proof.js has no line " + proofPage)
	}
	page, err := read("checker.html")
	if err != nil {
		return nil, err
	}
	script, err := read("checker.js")
	if err != nil {
		return nil, err
	}
	style, err := read("checker.css")
	if err != nil {
		return nil, err
	}
	script = functions + script
	words := map[string]string{}
	for _, key := range []string{"checker.files", "checker.sums", "checker.witness", "checker.disproven", "checker.nozip", "checker.absent",
		"audit.step.note", "audit.step.leaf", "audit.step.path", "audit.step.root", "audit.step.log", "audit.step.quorum", "audit.proof.proven"} {
		words[key] = text(key)
	}
	texts, err := json.Marshal(words) // escapes <, so no text ends the script
	if err != nil {
		return nil, err
	}
	var witnesses []string
	for _, w := range r.Witnesses {
		witnesses = append(witnesses, w.Text)
	}
	t, err := template.New("checker").Funcs(template.FuncMap{"text": func(key string) string { return html.EscapeString(text(key)) }}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("portal/auditor: the saved checker: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]string{"Lang": string(lang), "Style": style, "Script": script, "Texts": string(texts), "ScriptHash": cspHash(script), "StyleHash": cspHash(style),
		"Key": html.EscapeString(r.LogKey), "Witnesses": html.EscapeString(strings.Join(witnesses, "\n")), "Quorum": strconv.Itoa(r.Quorum)})
	return b.Bytes(), err
}

func cspHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// checker gives the saved checker as a file. It is public, as the log is.
func (r *room) checker(w http.ResponseWriter, q *web.Request) error {
	b, err := r.savedChecker(q.Lang, func(key string) string { return q.T(key) })
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="mist-checker.html"`)
	_, err = w.Write(b)
	return err
}
