package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"mist/registry"
	"mist/registry/access"
)

// loginView is what the login page shows: a challenge to sign, a choice among
// positions, or trouble.
type loginView struct {
	Challenge *access.Challenge
	Document  string // base64
	Positions []access.Position
	Signed    string // base64
	Trouble   string
	RequestID string
}

const loginStyle = `body{font:1.1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
a,button{font:inherit;min-height:2.75rem}button{padding:.5rem 1.2rem}fieldset{margin:1rem 0}:focus{outline:3px solid #05c;outline-offset:2px}
.trouble{border-left:.4rem solid #b00;padding:.5rem 1rem}`

// The page is server-rendered and needs no script; html/template escapes every value.
var loginTemplate = template.Must(template.New("login").Parse(`<!DOCTYPE html>
<html lang="uk"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Вхід за КЕП · Mist</title>
<style>` + loginStyle + `</style></head><body><main>
<h1>Вхід за електронним підписом</h1>
{{if .Trouble}}<div class="trouble" role="alert" tabindex="-1" autofocus><p><strong>Увійти не вдалося.</strong> {{.Trouble}}</p>
<p>Нічого не змінено. Поверніться до програми й почніть вхід знову. Номер запиту: <code>{{.RequestID}}</code></p></div>
{{else if .Positions}}<p>Ви працюєте в кількох місцях. Оберіть, як ввійти до системи «{{.Challenge.ClientName}}».</p>
<form method="post" action="/oauth/authorize"><input type="hidden" name="signed_content" value="{{.Signed}}">
<fieldset><legend>Місце роботи</legend>{{range $i, $p := .Positions}}<p><label><input type="radio" name="employee_id" value="{{$p.EmployeeID}}" required> {{$p.LegalEntityName}}, {{$p.Role}}</label></p>{{end}}</fieldset>
<button>Увійти</button></form>
{{else}}<p>Система «{{.Challenge.ClientName}}» просить дозволу діяти від вашого імені:</p>
<ul>{{range .Challenge.Scope}}<li><code>{{.}}</code></li>{{end}}</ul>
<ol><li><p><a download="login.json" href="data:application/json;base64,{{.Document}}">Завантажте файл login.json</a> (дійсний до {{.Challenge.ExpiresAt.Format "15:04:05"}} UTC).</p></li>
<li><p>Підпишіть його своїм КЕП у програмі підпису (CAdES, дані разом із підписом). Підписуючи, ви погоджуєтеся з наведеним переліком.</p></li>
<li><form method="post" action="/oauth/authorize" enctype="multipart/form-data">
<p><label>Підписаний файл (.p7s) <input type="file" name="signed_content" accept=".p7s,.p7m" required></label></p>
<button>Увійти</button></form></li></ol>{{end}}
</main></body></html>
`))

var loginStyleHash = func() string {
	sum := sha256.Sum256([]byte(loginStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

func (p *portal) loginPage(w http.ResponseWriter, status int, v loginView) error {
	var b bytes.Buffer
	if err := loginTemplate.Execute(&b, v); err != nil {
		return fmt.Errorf("rendering the login page: %w", err)
	}
	formAction := "'self'"
	if v.Challenge != nil {
		// Browsers hold the redirect after a form against form-action too.
		if u, err := url.Parse(v.Challenge.RedirectURI); err == nil && u.Host != "" {
			formAction += " " + u.Scheme + "://" + u.Host
		}
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+loginStyleHash+"'; form-action "+formAction+"; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
	return nil
}

// loginTrouble tells a person, not a program, what went wrong.
func (p *portal) loginTrouble(w http.ResponseWriter, r *http.Request, err error) error {
	e := registry.AsError(p.slowed(r, err))
	pr, body := bodyOf(e)
	text, status := body.Message, pr.status
	var oe *oauthError
	if errors.As(err, &oe) {
		text, status = oe.Description, oe.status
		e = registry.Errorf(registry.CodeMalformed, "%s", oe.Description).WithReason(oe.Code)
	}
	requestOf(r).err = e
	return p.loginPage(w, status, loginView{Trouble: text, RequestID: requestOf(r).id})
}
