package simulator

import (
	"context"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/payment"
	"mist/registry/push"
	"mist/registry/verification"
	"mist/soap/xroad"
)

type deathAct struct {
	XMLName    xml.Name `xml:"DeathAct"`
	RegDate    string   `xml:"ar_reg_date"`
	RegNumber  string   `xml:"ar_reg_number"`
	Org        string   `xml:"compose_org"`
	Name       string   `xml:"name"`
	Surname    string   `xml:"surname"`
	Patronymic string   `xml:"patronymic"`
	DateBirth  string   `xml:"date_birth"`
	Numident   string   `xml:"numident"`
	DateDeath  string   `xml:"date_death"`
}

type birthAct struct {
	XMLName      xml.Name `xml:"BirthAct"`
	RegDate      string   `xml:"ar_reg_date"`
	RegNumber    string   `xml:"ar_reg_number"`
	Name         string   `xml:"child_name"`
	Surname      string   `xml:"child_surname"`
	Patronymic   string   `xml:"child_patronymic"`
	DateBirth    string   `xml:"child_date_birth"`
	Certificates []string `xml:"certificates>certificate"`
}

type changeNameAct struct {
	XMLName       xml.Name `xml:"ChangeNameAct"`
	RegDate       string   `xml:"ar_reg_date"`
	RegNumber     string   `xml:"ar_reg_number"`
	DateBirth     string   `xml:"date_birth"`
	Numident      string   `xml:"numident"`
	OldSurname    string   `xml:"old_surname"`
	OldName       string   `xml:"old_name"`
	OldPatronymic string   `xml:"old_patronymic"`
	NewSurname    string   `xml:"new_surname"`
	NewName       string   `xml:"new_name"`
	NewPatronymic string   `xml:"new_patronymic"`
}

// written is a day as the civil register writes it.
func written(d registry.Date) string {
	if d.IsZero() {
		return ""
	}
	p := strings.Split(d.String(), "-")
	return p[2] + "." + p[1] + "." + p[0]
}

func within(d registry.Date, from, to string) bool { return d.String() >= from && d.String() <= to }

func same(a, b string) bool { return patient.NormalizeName(a) == patient.NormalizeName(b) }

func deathActs(list []verification.DeathRecord) (out []deathAct) {
	for _, d := range list {
		out = append(out, deathAct{RegDate: d.RegDate.String(), RegNumber: d.RegNumber, Org: "Відділ ДРАЦС (пісочниця)", Name: d.FirstName, Surname: d.LastName, Patronymic: d.SecondName,
			DateBirth: written(d.BirthDate), Numident: d.TaxID, DateDeath: written(d.DeathDate)})
	}
	return out
}

type period struct {
	From string `xml:"DateFrom"`
	To   string `xml:"DateTo"`
}

func (s *Simulator) deathsByPeriod(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q period
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []verification.DeathRecord
	for _, d := range s.world.Deaths {
		if within(d.RegDate, q.From, q.To) {
			list = append(list, d)
		}
	}
	return dracs(req.Service.Code, "DeathActs", deathActs(list))
}

func (s *Simulator) deathByName(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		Surname   string `xml:"Surname"`
		Name      string `xml:"Name"`
		DateBirth string `xml:"DateBirth"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []verification.DeathRecord
	for _, d := range s.world.Deaths {
		if same(d.LastName, q.Surname) && same(d.FirstName, q.Name) && d.BirthDate.String() == q.DateBirth {
			list = append(list, d)
		}
	}
	return dracs(req.Service.Code, "DeathActs", deathActs(list))
}

func (s *Simulator) birthByName(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		Surname   string `xml:"ChildSurname"`
		Name      string `xml:"ChildName"`
		DateBirth string `xml:"ChildDateBirth"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []birthAct
	for _, b := range s.world.Births {
		if same(b.LastName, q.Surname) && same(b.FirstName, q.Name) && b.BirthDate.String() == q.DateBirth {
			out = append(out, birthAct{RegDate: b.RegDate.String(), RegNumber: b.RegNumber, Name: b.FirstName, Surname: b.LastName, Patronymic: b.SecondName, DateBirth: written(b.BirthDate), Certificates: b.Certificates})
		}
	}
	return dracs(req.Service.Code, "BirthActs", out)
}

func (s *Simulator) nameChanges(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q period
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []changeNameAct
	for _, n := range s.world.NameChanges {
		if within(n.RegDate, q.From, q.To) {
			out = append(out, changeNameAct{RegDate: n.RegDate.String(), RegNumber: n.RegNumber, DateBirth: written(n.BirthDate), Numident: n.TaxID,
				OldSurname: n.OldLastName, OldName: n.OldFirstName, OldPatronymic: n.OldSecondName, NewSurname: n.NewLastName, NewName: n.NewFirstName, NewPatronymic: n.NewSecondName})
		}
	}
	return dracs(req.Service.Code, "ChangeNameActs", out)
}

// verdict compares somebody the register knows with who is asked about.
func verdict(list []Person, is func(Person) bool, last, first, second, birth string) string {
	for _, p := range list {
		if !is(p) {
			continue
		}
		if same(p.LastName, last) && same(p.FirstName, first) && same(p.SecondName, second) && p.BirthDate.String() == birth {
			return "match"
		}
		return "other"
	}
	return "none"
}

func (s *Simulator) taxNumber(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		Number     string `xml:"RNOKPP"`
		LastName   string `xml:"LastName"`
		FirstName  string `xml:"FirstName"`
		MiddleName string `xml:"MiddleName"`
		DateBirth  string `xml:"DateBirth"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := map[string]string{"match": "1", "none": "2", "other": "3"}[verdict(s.world.People, func(p Person) bool { return p.TaxID == q.Number }, q.LastName, q.FirstName, q.MiddleName, q.DateBirth)]
	return []byte(`<FindRegistrationDRFOResponse xmlns="urn:mist:ws:consumed:drfo:v1"><result>` + code + `</result></FindRegistrationDRFOResponse>`), nil
}

func (s *Simulator) unzr(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		Surname    string `xml:"surname"`
		FirstName  string `xml:"firstName"`
		Patronymic string `xml:"patronymic"`
		BirthDate  string `xml:"birthDate"`
		UNZR       string `xml:"unzr"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := map[string]string{"match": "0", "none": "1", "other": "2"}[verdict(s.world.People, func(p Person) bool { return p.UNZR == q.UNZR }, q.Surname, q.FirstName, q.Patronymic, q.BirthDate)]
	return []byte(`<checkunzrResponse xmlns="urn:mist:ws:consumed:mvs:v1"><resultCode>` + code + `</resultCode></checkunzrResponse>`), nil
}

// subjects is the register of legal entities.
func (s *Simulator) subjects(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		http.Error(w, `{"errors":[{"reason":"key"}]}`, http.StatusUnauthorized)
		return
	}
	code := r.URL.Query().Get("code")
	list := []map[string]any{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes["subjects"]++
	for i, e := range s.world.Entities {
		if e.Code == code {
			list = append(list, map[string]any{"url": "/subjects/" + strconv.Itoa(i), "id": i, "state": e.State, "state_text": e.StateText, "name": e.Name, "code": e.Code})
		}
	}
	answer(w, list)
}

func (s *Simulator) createPush(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		Template   string `xml:"templateId"`
		Recipients []struct {
			ID         string `xml:"id"`
			RNOKPP     string `xml:"rnokpp"`
			Parameters []struct {
				Key   string `xml:"key"`
				Value string `xml:"value"`
			} `xml:"parameters>parameter"`
		} `xml:"recipients>RecipientsNotification"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	id := s.source.NewID().String()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range q.Recipients {
		p := push.Question{Template: q.Template, ID: r.ID, RNOKPP: r.RNOKPP}
		for _, v := range r.Parameters {
			p.Parameters = append(p.Parameters, push.Parameter{Key: v.Key, Value: v.Value})
		}
		s.pushes = append(s.pushes, p)
		s.parts[id] = p
	}
	return []byte(`<NotificationCreateResponse xmlns="NotificationDistributionPush"><distributionId>` + id + `</distributionId></NotificationCreateResponse>`), nil
}

func (s *Simulator) distribution(_ context.Context, req *xroad.Request) ([]byte, error) {
	_, ok, err := s.part(req)
	if err != nil {
		return nil, err
	}
	inner := "<status>sent</status>"
	if !ok {
		inner = "<error>distribution not found</error>"
	}
	return []byte(`<DistributionStatusResponse xmlns="NotificationDistributionStatus">` + inner + `</DistributionStatusResponse>`), nil
}

func (s *Simulator) part(req *xroad.Request) (push.Question, bool, error) {
	var q struct {
		ID string `xml:"distributionId"`
	}
	if err := req.Decode(&q); err != nil {
		return push.Question{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.parts[q.ID]
	return p, ok, nil
}

func (s *Simulator) delivery(_ context.Context, req *xroad.Request) ([]byte, error) {
	p, ok, err := s.part(req)
	if err != nil {
		return nil, err
	}
	inner := "<error>distribution not found</error>"
	if ok {
		s.mu.Lock()
		status := "sent"
		if slices.Contains(s.world.NoDevice, p.RNOKPP) {
			status = "send-error"
		}
		s.mu.Unlock()
		inner = `<Recipients><Recipient><id>` + p.ID + `</id><Devices><Device><status>` + status + `</status></Device><Device><status>not-found</status></Device></Devices></Recipient></Recipients>`
	}
	return []byte(`<NotificationPushStatusResponse xmlns="NotificationDistributionPushStatus">` + inner + `</NotificationPushStatusResponse>`), nil
}

type paymentLine struct {
	Number  int    `xml:"number"`
	EDRPOU  string `xml:"edrpou"`
	Account string `xml:"account"`
	Amount  string `xml:"amount"`
	Purpose string `xml:"purpose"`
}

func (s *Simulator) takePayments(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		ID    string        `xml:"registerId"`
		Kind  string        `xml:"kind"`
		Total string        `xml:"total"`
		Lines []paymentLine `xml:"lines>line"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	id, err := registry.ParseID(q.ID)
	if err != nil {
		return nil, err
	}
	p := payment.Submission{RegisterID: id, Kind: payment.Kind(q.Kind)}
	for _, l := range q.Lines {
		amount, err := payment.ParseHryvnias(l.Amount)
		if err != nil {
			return nil, err
		}
		p.Total += amount
		p.Lines = append(p.Lines, payment.SentLine{Number: l.Number, EDRPOU: l.EDRPOU, Account: l.Account, Amount: amount, Purpose: l.Purpose})
	}
	result := "<result>accepted</result>"
	if total, err := payment.ParseHryvnias(q.Total); err != nil || total != p.Total {
		result = "<result>rejected</result><reason>сума рядків не дорівнює підсумку</reason>"
	} else {
		s.mu.Lock()
		s.paid[id] = p
		s.mu.Unlock()
	}
	return []byte(`<SubmitPaymentRegisterResponse xmlns="urn:mist:ws:consumed:payments:v1"><registerId>` + id.String() + `</registerId>` + result + `</SubmitPaymentRegisterResponse>`), nil
}

// tellPayments is pending the first time, then done.
func (s *Simulator) tellPayments(_ context.Context, req *xroad.Request) ([]byte, error) {
	var q struct {
		ID string `xml:"registerId"`
	}
	if err := req.Decode(&q); err != nil {
		return nil, err
	}
	id, err := registry.ParseID(q.ID)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.paid[id]
	s.asked[id]++
	var b strings.Builder
	b.WriteString(`<GetPaymentRegisterResponse xmlns="urn:mist:ws:consumed:payments:v1"><registerId>` + id.String() + `</registerId>`)
	line := func(number int, account string, amount int64, state, reason string) {
		b.WriteString("<line><number>" + strconv.Itoa(number) + "</number><account>" + account + "</account><amount>" + payment.Hryvnias(amount) + "</amount><state>" + state + "</state>")
		if reason != "" {
			b.WriteString("<reason>" + reason + "</reason>")
		}
		b.WriteString("</line>")
	}
	switch {
	case !ok:
		b.WriteString("<state>unknown</state>")
	case s.asked[id] == 1:
		b.WriteString("<state>pending</state>")
	default:
		b.WriteString("<state>done</state><lines>")
		for _, l := range p.Lines {
			switch {
			case slices.Contains(s.world.Silent, l.Account):
			case slices.Contains(s.world.Unpaid, l.Account):
				line(l.Number, l.Account, l.Amount, "rejected", "рахунок закрито")
			case slices.Contains(s.world.Short, l.Account):
				line(l.Number, l.Account, l.Amount-100, "paid", "")
			default:
				line(l.Number, l.Account, l.Amount, "paid", "")
			}
			if slices.Contains(s.world.Strange, l.Account) {
				line(l.Number, l.Account, l.Amount, "paid", "")
				line(9000+l.Number, l.Account, 100, "paid", "")
			}
		}
		b.WriteString("</lines>")
	}
	b.WriteString(`</GetPaymentRegisterResponse>`)
	return []byte(b.String()), nil
}
