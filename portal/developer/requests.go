package developer

import (
	"net/http"
	"strings"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/journal"
)

func (p *pages) log(w http.ResponseWriter, q *web.Request) error {
	data := struct {
		Asked    bool
		Problems []web.Problem
		Token    web.Field
		Lines    []journal.Line
		BaseURL  string
	}{BaseURL: p.BaseURL, Token: web.Field{Name: "token", Label: q.T("log.token"), Hint: q.T("log.token.hint"), Type: "password", Required: true, Autocomplete: "off"}}
	if q.Method == http.MethodPost {
		form, err := q.Form()
		if err != nil {
			return err
		}
		caller, err := p.Access.Authenticate(q.Context(), strings.TrimSpace(form.Get("token")), nil)
		switch registry.CodeOf(err) {
		case "":
			if data.Lines, err = p.Journal.Of(q.Context(), caller.ClientID); err != nil {
				return err
			}
			data.Asked = true
		case registry.CodeUnauthenticated:
			data.Token.Error = q.T("log.token.wrong")
			data.Problems = []web.Problem{{Field: "token", Text: q.T("log.token.wrong")}}
		default:
			return err
		}
	}
	return q.Render(w, web.Page{Template: "log", Title: q.T("log.title"), Data: data})
}
