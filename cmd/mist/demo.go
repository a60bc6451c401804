package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/query"
)

// demo does the main job of Mist once, as outside programs would: over HTTP
// against a running server, with the tools a person could type. It knows
// nothing but sandbox.json.
type demo struct {
	box  sandboxFile
	dir  string // of sandbox.json, for the files it makes
	bin  string // folder of mist and mist-verify
	out  io.Writer
	http *http.Client
	step int
}

// newDemo reads sandbox.json.
func newDemo(dir string, out io.Writer) (*demo, error) {
	b, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	if err != nil {
		return nil, err
	}
	d := &demo{dir: filepath.Join(dir, "demo"), out: out, http: &http.Client{Timeout: 30 * time.Second}}
	if err := json.Unmarshal(b, &d.box); err != nil {
		return nil, fmt.Errorf("reading sandbox.json: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d.bin = filepath.Dir(exe)
	return d, os.MkdirAll(d.dir, 0o700)
}

// say prints one step in both languages and the command a person could type.
func (d *demo) say(uk, en, command string) {
	d.step++
	fmt.Fprintf(d.out, "\n%2d. %s\n    %s\n", d.step, uk, en)
	if command != "" {
		fmt.Fprintf(d.out, "    $ %s\n", command)
	}
}

func (d *demo) result(format string, args ...any) {
	fmt.Fprintf(d.out, "    → "+format+"\n", args...)
}

func (d *demo) person(role, algorithm string) (sandboxPerson, error) {
	for _, p := range d.box.People {
		if p.Role == role && p.Algorithm == algorithm {
			return p, nil
		}
	}
	return sandboxPerson{}, fmt.Errorf("sandbox.json has no %s with a key %s", role, algorithm)
}

// run does the three walks.
func (d *demo) run(ctx context.Context) error {
	doctor, err := d.person(roleDoctor, algorithmDSTU)
	if err != nil {
		return err
	}
	citizen, err := d.person(roleCitizen, algorithmDSTU)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nШлях 1. Підписана декларація через REST · Walk 1. A signed declaration by REST\n")
	entry, err := d.declaration(ctx, doctor, citizen)
	if err != nil {
		return fmt.Errorf("walk 1: %w", err)
	}
	fmt.Fprintf(d.out, "\nШлях 2. Запит Дії через Трембіту · Walk 2. A query of Diia through Trembita\n")
	disclosure, err := d.diia(ctx, citizen)
	if err != nil {
		return fmt.Errorf("walk 2: %w", err)
	}
	fmt.Fprintf(d.out, "\nШлях 3. Аудитор перевіряє журнал · Walk 3. An auditor proves the entries\n")
	for _, e := range []string{entry, disclosure} {
		if err := d.audit(ctx, e); err != nil {
			return fmt.Errorf("walk 3: %w", err)
		}
	}
	fmt.Fprintf(d.out, "\nГотово: декларацію прийнято, відомості надано за згодою, обидва записи доведено.\nDone: the declaration is in, it was told with consent, both entries are proven.\n")
	return nil
}

// declaration is walk 1; it answers with the audit entry's id.
func (d *demo) declaration(ctx context.Context, doctor, citizen sandboxPerson) (string, error) {
	client := d.box.Clients[0]
	d.say("МІС отримує токен для лікаря", "The MIS gets a token for the doctor",
		fmt.Sprintf("curl -s %s/oauth/token -d grant_type=client_credentials -d client_id=%s -d client_secret=… -d employee_id=%s", d.box.REST, client.ClientID, doctor.EmployeeID))
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ClientID}, "client_secret": {client.ClientSecret}, "employee_id": {doctor.EmployeeID}}
	if err := d.call(ctx, http.MethodPost, d.box.REST+"/oauth/token", "", "application/x-www-form-urlencoded", []byte(form.Encode()), &token); err != nil {
		return "", err
	}
	d.result("access_token …, %d s", token.ExpiresIn)

	api := d.box.REST + "/api/v3/declaration_requests"
	body, err := json.Marshal(map[string]string{"person_id": citizen.PersonID, "employee_id": doctor.EmployeeID, "division_id": doctor.DivisionID})
	if err != nil {
		return "", err
	}
	d.say("МІС створює запит на декларацію; пацієнт отримує код", "The MIS drafts the declaration; the patient gets a code",
		fmt.Sprintf("curl -s %s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '%s'", api, body))
	var draft struct {
		Data struct {
			ID     string `json:"id"`
			Number string `json:"declaration_number"`
			Status string `json:"status"`
		} `json:"data"`
	}
	if err := d.call(ctx, http.MethodPost, api, token.AccessToken, "application/json", body, &draft); err != nil {
		return "", err
	}
	d.result("%s № %s", draft.Data.Status, draft.Data.Number)

	d.say("Пацієнт називає код із SMS (у пісочниці його видно)", "The patient tells the code of the SMS (visible in the sandbox)",
		fmt.Sprintf("curl -s '%s?request=%s'", d.box.OTPURL, draft.Data.ID))
	var otp struct {
		Code string `json:"code"`
	}
	if err := d.call(ctx, http.MethodGet, d.box.OTPURL+"?request="+draft.Data.ID, "", "", nil, &otp); err != nil {
		return "", err
	}
	one := api + "/" + draft.Data.ID
	approve, err := json.Marshal(map[string]string{"verification_code": otp.Code})
	if err != nil {
		return "", err
	}
	d.say("Запит підтверджено, документ зафіксовано байт у байт", "The draft is approved, the document is frozen byte for byte",
		fmt.Sprintf("curl -s -X PATCH %s/actions/approve -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '%s'", one, approve))
	if err := d.call(ctx, http.MethodPatch, one+"/actions/approve", token.AccessToken, "application/json", approve, &draft); err != nil {
		return "", err
	}
	d.result("%s", draft.Data.Status)

	document := filepath.Join(d.dir, "declaration.json")
	d.say("Лікар бере дані для підпису", "The doctor takes the data to be signed",
		fmt.Sprintf("curl -s %s/data_to_be_signed -H \"Authorization: Bearer $TOKEN\" -o %s", one, document))
	bytesToSign, err := d.fetch(ctx, http.MethodGet, one+"/data_to_be_signed", token.AccessToken, "", nil)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(document, bytesToSign, 0o600); err != nil {
		return "", err
	}
	d.result("%d B", len(bytesToSign))

	container, err := d.sign(ctx, "Лікар підписує своїм КЕП (ДСТУ 4145) з позначкою часу", "The doctor signs with a КЕП (DSTU 4145) and a time-stamp", doctor, document, true)
	if err != nil {
		return "", err
	}
	if err := d.verify(ctx, container); err != nil {
		return "", err
	}

	signed, err := os.ReadFile(container)
	if err != nil {
		return "", err
	}
	submission, err := json.Marshal(map[string]string{
		"signed_declaration_request": base64.StdEncoding.EncodeToString(signed), "signed_content_encoding": "base64",
	})
	if err != nil {
		return "", err
	}
	d.say("МІС подає підписану декларацію", "The MIS submits the signed declaration",
		fmt.Sprintf(`jq -n --arg c "$(base64 -w0 %s)" '{signed_declaration_request:$c,signed_content_encoding:"base64"}' | curl -s -X PATCH %s/actions/sign -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d @-`, container, one))
	var accepted struct {
		Data struct {
			Number string `json:"declaration_number"`
			Status string `json:"status"`
		} `json:"data"`
		Urgent struct {
			Receipt struct {
				EntryID string `json:"entry_id"`
			} `json:"receipt"`
		} `json:"urgent"`
	}
	if err := d.call(ctx, http.MethodPatch, one+"/actions/sign", token.AccessToken, "application/json", submission, &accepted); err != nil {
		return "", err
	}
	if accepted.Urgent.Receipt.EntryID == "" {
		return "", errors.New("the answer carries no audit receipt")
	}
	d.result("№ %s %s; запис журналу · audit entry %s", accepted.Data.Number, accepted.Data.Status, accepted.Urgent.Receipt.EntryID)
	return accepted.Urgent.Receipt.EntryID, nil
}

// diia is walk 2; it answers with the audit entry's id.
func (d *demo) diia(ctx context.Context, citizen sandboxPerson) (string, error) {
	source := registry.SystemSource()
	now := source.Now().Truncate(time.Second)
	given := consent.Consent{
		Version: consent.Version, ID: source.NewID(),
		Text:      "Я погоджуюся, щоб реєстр передав порталу Дія відомості про мою чинну декларацію з лікарем, один раз, упродовж години.",
		Subject:   consent.Subject{RNOKPP: registry.RNOKPP(citizen.RNOKPP)},
		Recipient: d.box.XRoad.Client, Purpose: "declaration-view", Scope: []string{consent.ScopeDeclaration}, Fields: query.FieldNames(),
		GrantedAt: now, ExpiresAt: now.Add(time.Hour), SingleUse: true, Nonce: base64.RawURLEncoding.EncodeToString(source.Bytes(24)),
	}
	document, err := given.ToBeSigned()
	if err != nil {
		return "", err
	}
	path := filepath.Join(d.dir, "consent.json")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		return "", err
	}
	container, err := d.sign(ctx, "Громадянин підписує згоду", "The citizen signs the consent", citizen, path, true)
	if err != nil {
		return "", err
	}
	signed, err := os.ReadFile(container)
	if err != nil {
		return "", err
	}
	message, err := d.envelope(citizen, source.NewID().String(), base64.StdEncoding.EncodeToString(signed))
	if err != nil {
		return "", err
	}
	request := filepath.Join(d.dir, "request.xml")
	if err := os.WriteFile(request, message, 0o600); err != nil {
		return "", err
	}
	d.say("Портал Дія запитує декларацію через Трембіту", "The Diia portal asks for the declaration through Trembita",
		fmt.Sprintf("curl -s %s -H 'Content-Type: text/xml; charset=UTF-8' -H 'SOAPAction: \"\"' --data-binary @%s", d.box.SOAP, request))
	answer, err := d.fetch(ctx, http.MethodPost, d.box.SOAP, "", "text/xml; charset=UTF-8", message)
	if err != nil {
		return "", err
	}
	var envelope struct {
		Body struct {
			Response struct {
				Result struct {
					Code    string `xml:"code"`
					Message string `xml:"message"`
				} `xml:"result"`
				Declarations []struct {
					Number string `xml:"declarationNumber"`
					Status string `xml:"status"`
					Doctor struct {
						LastName  string `xml:"lastName"`
						FirstName string `xml:"firstName"`
					} `xml:"doctor"`
				} `xml:"declaration"`
				AuditID string `xml:"auditId"`
			} `xml:"GetDeclarationByPatientResponse"`
		} `xml:"Body"`
	}
	if err := xml.Unmarshal(answer, &envelope); err != nil {
		return "", fmt.Errorf("reading the SOAP answer: %w", err)
	}
	r := envelope.Body.Response
	if r.Result.Code != string(consent.OK) || len(r.Declarations) == 0 {
		return "", fmt.Errorf("the answer is %q (%s) with %d declarations: %s", r.Result.Code, r.Result.Message, len(r.Declarations), answer)
	}
	first := r.Declarations[0]
	d.result("%s: № %s %s, лікар · doctor %s %s; запис журналу · audit entry %s", r.Result.Code, first.Number, first.Status, first.Doctor.LastName, first.Doctor.FirstName, r.AuditID)
	return r.AuditID, nil
}

// audit is walk 3 for one entry.
func (d *demo) audit(ctx context.Context, entry string) error {
	key := filepath.Join(d.dir, "log.key")
	if err := os.WriteFile(key, []byte(d.box.Log.VerifierKey+"\n"), 0o600); err != nil {
		return err
	}
	witness := filepath.Join(d.dir, "witness.key")
	if err := os.WriteFile(witness, []byte(d.box.Log.WitnessKey+"\n"), 0o600); err != nil {
		return err
	}
	args := []string{"audit", "--log", d.box.Log.URL, "--key", key, "--witness", witness, "--state", filepath.Join(d.dir, "log.state"), entry}
	d.say("Аудитор доводить, що запис є в журналі", "The auditor proves that the entry is in the log", "mist-verify "+strings.Join(args, " "))
	// The entry is in the tree at the latest half a second after its commit.
	var out []byte
	var err error
	for range 25 {
		out, err = exec.CommandContext(ctx, filepath.Join(d.bin, "mist-verify"), args...).CombinedOutput()
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	for line := range strings.Lines(strings.TrimSpace(string(out))) {
		d.result("%s", strings.TrimRight(line, "\n"))
	}
	if err != nil {
		return fmt.Errorf("mist-verify audit: %w", err)
	}
	return nil
}

func (d *demo) sign(ctx context.Context, uk, en string, p sandboxPerson, in string, stamp bool) (string, error) {
	out := in + ".p7s"
	args := []string{"sign", "--key", p.Key, "--cert", p.Cert}
	if stamp {
		args = append(args, "--tsa", d.box.TSA)
	}
	args = append(args, in, out)
	d.say(uk, en, "mist "+strings.Join(args, " "))
	if b, err := exec.CommandContext(ctx, filepath.Join(d.bin, "mist"), args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("mist sign: %w: %s", err, b)
	}
	info, err := os.Stat(out)
	if err != nil {
		return "", err
	}
	d.result("%s, %d B", filepath.Base(out), info.Size())
	return out, nil
}

func (d *demo) verify(ctx context.Context, container string) error {
	args := []string{"--trust", d.box.Trust, container}
	d.say("Будь-хто може перевірити підпис сам", "Anybody can check the signature", "mist-verify "+strings.Join(args, " "))
	out, err := exec.CommandContext(ctx, filepath.Join(d.bin, "mist-verify"), args...).CombinedOutput()
	for line := range strings.Lines(strings.TrimSpace(string(out))) {
		d.result("%s", strings.TrimRight(line, "\n"))
	}
	if err != nil {
		return fmt.Errorf("mist-verify: %w", err)
	}
	return nil
}

// call is fetch with a JSON answer.
func (d *demo) call(ctx context.Context, method, url, token, contentType string, body []byte, into any) error {
	b, err := d.fetch(ctx, method, url, token, contentType, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	return nil
}

func (d *demo) fetch(ctx context.Context, method, url, token, contentType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := d.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, b)
	}
	return b, nil
}
