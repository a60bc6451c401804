package developer

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"mist/portal/web"
	"mist/registry"
)

// outcome is what a declaration answers to a signature that was made so; a
// script of fixtures/scripts shows each.
type outcome struct {
	Name           string
	Status         int
	Reason, Script string
}

var outcomes = []outcome{
	{"good", http.StatusCreated, "", "walk1_declaration_by_rest"},
	{"unstamped", http.StatusCreated, "", "refused_certificate"},
	{"ocsp", http.StatusAccepted, "PENDING", "pending"},
	{"expired", http.StatusUnprocessableEntity, "OUT_OF_BOUNDS", "refused_certificate"},
	{"revoked", http.StatusUnprocessableEntity, "REVOKED", "refused_certificate"},
	{"untrusted_ca", http.StatusUnprocessableEntity, "NO_CERTIFICATE_CHAIN_FOUND", "refused_certificate"},
	{"other", http.StatusUnprocessableEntity, "signer_mismatch", "refused_signer"},
	{"changed", http.StatusUnprocessableEntity, "content_differs", "refused_content"},
	{"seal", http.StatusUnprocessableEntity, "SIG_CONSTRAINTS_FAILURE", "refused_signer"},
	{"twice", http.StatusUnprocessableEntity, "number_of_signatures", "refused_signer"},
}

// keyMarks are how the outcomes of keys are shown.
var keyMarks = map[string]web.Mark{"good": web.Good, "seal": web.Bad, "revoked": web.Bad, "expired": web.Bad, "untrusted_ca": web.Unknown}

type shownKey struct {
	Key
	Mark web.Mark
}

func (p *pages) keys(w http.ResponseWriter, q *web.Request) error {
	box := p.Sandbox()
	data := struct {
		Sandbox
		Keys     []shownKey
		Outcomes []outcome
	}{Sandbox: box, Outcomes: outcomes}
	for _, k := range box.Keys {
		data.Keys = append(data.Keys, shownKey{k, keyMarks[k.Outcome]})
	}
	return q.Render(w, web.Page{Template: "keys", Title: q.T("keys.title"), Data: data})
}

// key gives a file of a test key by its place in the list.
func (p *pages) key(w http.ResponseWriter, q *web.Request) error {
	list := p.Sandbox().Keys
	n, err := strconv.Atoi(q.Param("n"))
	if err != nil || n < 0 || n >= len(list) {
		return registry.Errorf(registry.CodeNotFound, "there is no such test key")
	}
	path := list[n].KeyFile
	switch q.Param("part") {
	case "key.pem":
	case "cert.pem":
		path = list[n].CertFile
	default:
		return registry.Errorf(registry.CodeNotFound, "a test key has key.pem and cert.pem")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a test key: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-pem-file")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mist-test-%d-%s"`, n, q.Param("part")))
	_, err = w.Write(b)
	return err
}
