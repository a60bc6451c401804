package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/payment"
	"mist/registry/push"
	"mist/registry/sickleave"
	"mist/registry/verification"
	"mist/signature/gost34311"
	"mist/soap"
	"mist/soap/connector"
	"mist/soap/connector/simulator"
	"mist/soap/xroad"
)

var (
	source = registry.SystemSource()
	born   = registry.Date{Year: 1985, Month: time.May, Day: 17}
	died   = registry.Date{Year: 2026, Month: time.November, Day: 3}
	olena  = simulator.Person{LastName: "Тестова", FirstName: "Олена", BirthDate: born, TaxID: "3126509817", UNZR: "19850517-00012"}
)

type world struct {
	*simulator.Simulator
	url      string
	registry map[outbox.Destination]outbox.Connector
}

func newWorld(t *testing.T) world {
	t.Helper()
	sim, err := simulator.New(source, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return world{sim, server.URL, connectors(t, server.URL)}
}

func connectors(t *testing.T, url string) map[outbox.Destination]outbox.Connector {
	t.Helper()
	client, err := soap.NewClient(2*time.Second, nil)
	require.NoError(t, err)
	us := xroad.ClientID{Instance: "SANDBOX", Class: "GOV", Member: "00000002", Subsystem: "mist"}
	all := map[outbox.Destination]outbox.Connector{}
	for d, make := range map[outbox.Destination]func() (connector.Services, error){
		verification.DRACS: connector.DRACS, verification.DRFO: connector.DRFO, verification.MVS: connector.MVS, payment.Payments: connector.Payments, sickleave.ERLN: connector.ERLN,
		push.Diia: func() (connector.Services, error) { return connector.Diia("mist") },
	} {
		services, err := make()
		require.NoError(t, err)
		all[d] = &connector.Register{
			Caller: &xroad.Caller{URL: url, Client: us, SOAP: client, Hashes: map[string]func([]byte) []byte{
				xroad.AlgorithmGOST34311: func(b []byte) []byte { sum := gost34311.Sum256(b); return sum[:] }}},
			Provider: simulator.Providers[string(d)], UserID: "mist", Services: services,
		}
	}
	all[verification.EDR] = &connector.EDR{URL: url + "/edr", Key: func() (string, error) { return "key", nil }, HTTP: &http.Client{Timeout: 2 * time.Second}}
	return all
}

func message(t *testing.T, d outbox.Destination, o outbox.Operation, question any) outbox.Message {
	t.Helper()
	b, err := json.Marshal(question)
	require.NoError(t, err)
	return outbox.Message{ID: source.NewID(), Destination: d, Operation: o, Body: b}
}

func ask[A any](t *testing.T, w world, d outbox.Destination, o outbox.Operation, question any) A {
	t.Helper()
	reply, err := w.registry[d].Send(t.Context(), message(t, d, o, question))
	require.NoError(t, err)
	require.Len(t, reply.Wire.RequestSHA512, 64)
	require.Len(t, reply.Wire.ResponseGOST, 32)
	var a A
	require.NoError(t, json.Unmarshal(reply.Body, &a))
	return a
}

// Each service is asked by its message and answered by its message.
func TestRegistersAnswer(t *testing.T) {
	w := newWorld(t)
	w.Add(simulator.World{
		People: []simulator.Person{olena},
		Deaths: []verification.DeathRecord{{RegNumber: "17", RegDate: died, LastName: "Тестова", FirstName: "Олена", BirthDate: born, DeathDate: died, TaxID: olena.TaxID}},
		Births: []verification.BirthRecord{{RegNumber: "4", LastName: "Малий", FirstName: "Тест", BirthDate: died, Certificates: []string{"І-БК 123456"}}},
		NameChanges: []verification.NameChangeRecord{{RegNumber: "9", RegDate: died, BirthDate: born, TaxID: olena.TaxID, OldLastName: "Тестова", OldFirstName: "Олена",
			NewLastName: "Зразкова", NewFirstName: "Олена"}},
		Entities: []simulator.Entity{{Code: "00000006", Name: "Клініка", State: 1, StateText: "зареєстровано"}},
	})
	name := verification.NameQuery{LastName: "ТЕСТОВА", FirstName: "Олена", BirthDate: born}
	for number, want := range map[string]verification.Result{olena.TaxID: verification.ResultMatch, "3067305998": verification.ResultNone} {
		require.Equal(t, want, ask[verification.Outcome](t, w, verification.DRFO, verification.CheckTaxNumber, verification.NumberQuery{NameQuery: name, Number: number}).Result)
	}
	other := name
	other.LastName = "Інша"
	require.Equal(t, verification.ResultOther, ask[verification.Outcome](t, w, verification.DRFO, verification.CheckTaxNumber, verification.NumberQuery{NameQuery: other, Number: olena.TaxID}).Result)
	require.Equal(t, verification.ResultMatch, ask[verification.Outcome](t, w, verification.MVS, verification.CheckUNZR, verification.NumberQuery{NameQuery: name, Number: olena.UNZR}).Result)
	require.Equal(t, verification.ResultOther, ask[verification.Outcome](t, w, verification.MVS, verification.CheckUNZR, verification.NumberQuery{NameQuery: other, Number: olena.UNZR}).Result)

	deaths := ask[verification.DeathList](t, w, verification.DRACS, verification.DeathsByPeriod, verification.Period{From: died, To: died}).Records
	require.Len(t, deaths, 1)
	require.Equal(t, died, deaths[0].DeathDate)
	require.Equal(t, born, deaths[0].BirthDate)
	require.Equal(t, olena.TaxID, deaths[0].TaxID)
	require.Empty(t, ask[verification.DeathList](t, w, verification.DRACS, verification.DeathsByPeriod, verification.Period{From: born, To: born}).Records)
	require.Len(t, ask[verification.DeathList](t, w, verification.DRACS, verification.DeathByName, name).Records, 1)
	births := ask[verification.Births](t, w, verification.DRACS, verification.BirthByName, verification.NameQuery{LastName: "Малий", FirstName: "Тест", BirthDate: died}).Records
	require.Equal(t, []string{"І-БК 123456"}, births[0].Certificates)
	changes := ask[verification.NameChanges](t, w, verification.DRACS, verification.NameChangesByPeriod, verification.Period{From: died, To: died}).Records
	require.Equal(t, "Зразкова", changes[0].NewLastName)

	entity := ask[verification.Entity](t, w, verification.EDR, verification.FindLegalEntity, verification.EntityQuery{Code: "00000006"})
	require.Equal(t, verification.Entity{Found: true, State: 1, StateText: "зареєстровано", Name: "Клініка", Code: "00000006"}, entity)
	require.False(t, ask[verification.Entity](t, w, verification.EDR, verification.FindLegalEntity, verification.EntityQuery{Code: "00000007"}).Found)

	created := ask[push.Created](t, w, push.Diia, push.Create, push.Question{Template: "T", ID: "1", RNOKPP: olena.TaxID, Parameters: []push.Parameter{{Key: "number", Value: "0001"}}})
	require.Equal(t, "0001", w.Seen().Pushes[0].Parameters[0].Value)
	require.Equal(t, "sent", ask[push.Distributed](t, w, push.Diia, push.Distribution, push.StatusQuestion(created)).Status)
	require.Equal(t, []string{"sent", "not-found"}, ask[push.Delivered](t, w, push.Diia, push.Delivery, push.StatusQuestion(created)).Devices)
	_, err := w.registry[push.Diia].Send(t.Context(), message(t, push.Diia, push.Distribution, push.StatusQuestion{DistributionID: "none"}))
	code, refused := outbox.AsRefused(err)
	require.True(t, refused)
	require.Equal(t, "error", code)

	id := source.NewID()
	account := "UA" + strings.Repeat("1", 27)
	sent := payment.Submission{RegisterID: id, Kind: payment.Capitation, Period: "2026-10", Total: 123456, Lines: []payment.SentLine{{Number: 1, EDRPOU: "00000006", Account: account, Amount: 123456, Purpose: "Договір 0000-TEST"}}}
	require.True(t, ask[payment.Taken](t, w, payment.Payments, payment.Submit, sent).Accepted)
	require.Equal(t, "pending", ask[payment.Told](t, w, payment.Payments, payment.Ask, payment.Question{RegisterID: id}).State)
	told := ask[payment.Told](t, w, payment.Payments, payment.Ask, payment.Question{RegisterID: id})
	require.Equal(t, []payment.ToldLine{{Number: 1, Account: account, Amount: 123456, Paid: true}}, told.Lines)
	sent.RegisterID, sent.Total = source.NewID(), 1
	require.False(t, ask[payment.Taken](t, w, payment.Payments, payment.Submit, sent).Accepted)
}

// The same message again is the same message: the same bytes, the same id, one
// effect at the register, the same answer.
func TestRepetitionIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	m := message(t, push.Diia, push.Create, push.Question{Template: "T", ID: "1", RNOKPP: olena.TaxID})
	first, err := w.registry[push.Diia].Send(t.Context(), m)
	require.NoError(t, err)
	w.Fail(simulator.Trouble{Lost: 1})
	_, err = w.registry[push.Diia].Send(t.Context(), m)
	require.Error(t, err)
	w.Fail(simulator.Trouble{})
	again, err := w.registry[push.Diia].Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, first.Wire.RequestSHA512, again.Wire.RequestSHA512)
	require.Equal(t, first.Body, again.Body)
	require.Len(t, w.Seen().Pushes, 1)
	require.Equal(t, 3, w.Seen().Calls)
}

// Each trouble is told from the others, and none repeats what the message carries.
func TestTroubles(t *testing.T) {
	w := newWorld(t)
	w.Add(simulator.World{People: []simulator.Person{olena}})
	question := message(t, verification.DRFO, verification.CheckTaxNumber, verification.NumberQuery{NameQuery: verification.NameQuery{LastName: "Тестова", FirstName: "Олена", BirthDate: born}, Number: olena.TaxID})
	send := func(t *testing.T, c outbox.Connector) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Send(ctx, question)
		return err
	}
	require.NoError(t, send(t, w.registry[verification.DRFO]))
	for name, c := range map[string]struct {
		trouble         simulator.Trouble
		refused, nobody bool
	}{
		"down":    {simulator.Trouble{Down: 1}, false, false},
		"lost":    {simulator.Trouble{Lost: 1}, false, false},
		"slow":    {simulator.Trouble{SlowMS: 1500}, false, false},
		"rubbish": {simulator.Trouble{Rubbish: 1}, false, true},
		"refuse":  {simulator.Trouble{Refuse: 1}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w.Fail(c.trouble)
			err := send(t, w.registry[verification.DRFO])
			require.Error(t, err)
			_, refused := outbox.AsRefused(err)
			require.Equal(t, c.refused, refused, "%v", err)
			require.Equal(t, c.nobody, outbox.IsRubbish(err), "%v", err)
			require.NotContains(t, err.Error(), olena.TaxID)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		err := send(t, connectors(t, "http://127.0.0.1:1")[verification.DRFO])
		require.Error(t, err)
		_, refused := outbox.AsRefused(err)
		require.False(t, refused || outbox.IsRubbish(err), "%v", err)
	})
	// Answers that are well-formed and wrong.
	w.Fail(simulator.Trouble{})
	for name, edit := range map[string]func(string) string{
		"twin":           func(s string) string { return s },
		"another code":   func(s string) string { return strings.Replace(s, "<result>1", "<result>7", 1) },
		"another body":   func(s string) string { return strings.ReplaceAll(s, "FindRegistrationDRFOResponse", "Other") },
		"another id":     func(s string) string { return strings.Replace(s, question.ID.String(), source.NewID().String(), 1) },
		"a hash of else": func(s string) string { return strings.Replace(s, "gost34311\">", "gost34311\">AA", 1) },
		"no header": func(s string) string {
			return s[:strings.Index(s, "<S:Header")] + s[strings.Index(s, "</S:Header>")+11:]
		},
		"cut":             func(s string) string { return s[:len(s)/2] },
		"a doctype":       func(s string) string { return strings.Replace(s, "<S:Envelope", "<!DOCTYPE a><S:Envelope", 1) },
		"two bodies":      func(s string) string { return strings.Replace(s, "</S:Body>", "<a/></S:Body>", 1) },
		"a fault of ours": func(string) string { return `<S:Envelope xmlns:S="` + soap.NS11 + `"><S:Body/></S:Envelope>` },
	} {
		t.Run(name, func(t *testing.T) {
			edited := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				w.ServeHTTP(rec, r)
				rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				_, _ = rw.Write([]byte(edit(rec.Body.String())))
			}))
			defer edited.Close()
			err := send(t, connectors(t, edited.URL)[verification.DRFO])
			if name == "twin" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.True(t, outbox.IsRubbish(err), "%v", err)
		})
	}
	// What cannot be sent is not.
	_, err := w.registry[verification.DRFO].Send(t.Context(), message(t, verification.DRFO, verification.CheckTaxNumber, verification.NumberQuery{Number: "12"}))
	code, refused := outbox.AsRefused(err)
	require.True(t, refused)
	require.Equal(t, "Unsendable", code)
	_, err = w.registry[verification.DRFO].Send(t.Context(), message(t, verification.DRFO, "Other", nil))
	require.Error(t, err)
}

func TestEDRTroubles(t *testing.T) {
	q := message(t, verification.EDR, verification.FindLegalEntity, verification.EntityQuery{Code: "00000006"})
	for name, c := range map[string]struct {
		status  int
		body    string
		refused bool
		rubbish bool
	}{
		"twin":         {200, `[{"url":"/1","id":1,"state":1,"state_text":"x","name":"К","code":"00000006"}]`, false, false},
		"none":         {200, `[]`, false, false},
		"busy":         {503, ``, false, false},
		"key":          {401, ``, true, false},
		"page":         {200, `<html>`, false, true},
		"null":         {200, `null`, false, true},
		"other code":   {200, `[{"state":1,"code":"00000007"}]`, false, true},
		"no state":     {200, `[{"code":"00000006"}]`, false, true},
		"two answers":  {200, `[][]`, false, true},
		"redirect":     {302, ``, false, true},
		"out of place": {404, ``, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer s.Close()
			e := &connector.EDR{URL: s.URL, Key: func() (string, error) { return "k", nil }, HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
			_, err := e.Send(t.Context(), q)
			if c.status == 200 && !c.rubbish {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			_, refused := outbox.AsRefused(err)
			require.Equal(t, c.refused, refused)
			require.Equal(t, c.rubbish, outbox.IsRubbish(err))
		})
	}
	e := &connector.EDR{Key: func() (string, error) { return "", errors.New("no file") }, HTTP: http.DefaultClient, URL: "http://127.0.0.1:1"}
	_, err := e.Send(t.Context(), q)
	require.Error(t, err)
}
