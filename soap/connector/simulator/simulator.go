// Package simulator is other registers for sandboxes and tests: the civil
// register, tax numbers, the demographic register, legal entities, the push of
// Diia and the side that pays. It speaks their messages behind simulated
// security servers, by the contracts in wsdl/consumed, and fails as it is told
// to: down, slow, rubbish, an answer lost after the message was taken.
//
// It holds synthetic people alone and knows a repetition by its message id, as
// registers must.
package simulator

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/payment"
	"mist/registry/push"
	"mist/registry/verification"
	"mist/signature/gost34311"
	"mist/soap"
	"mist/soap/xroad"
	"mist/soap/xroad/sstest"
	"mist/wsdl"
)

// Providers under which the registers are found, all in one instance.
var Providers = map[string]xroad.ClientID{
	"dracs":    {Instance: "SANDBOX", Class: "GOV", Member: "00015622", Subsystem: "3_MJU_DRACS_prod"},
	"drfo":     {Instance: "SANDBOX", Class: "GOV", Member: "43005393", Subsystem: "4_DRFO_prod"},
	"mvs":      {Instance: "SANDBOX", Class: "GOV", Member: "00032684", Subsystem: "20_EIS_prod"},
	"diia":     {Instance: "SANDBOX", Class: "GOV", Member: "43395033", Subsystem: "DpDiiaTest_33_prod"},
	"payments": {Instance: "SANDBOX", Class: "GOV", Member: "00000004", Subsystem: "payments"},
	"erln":     {Instance: "SANDBOX", Class: "GOV", Member: "00035323", Subsystem: "erln"},
}

// Person is somebody the registers know.
type Person struct {
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name,omitempty"`
	BirthDate  registry.Date `json:"birth_date"`
	TaxID      string        `json:"tax_id,omitempty"`
	UNZR       string        `json:"unzr,omitempty"`
}

// World is what the registers know.
type World struct {
	People      []Person                        `json:"people,omitempty"`
	Deaths      []verification.DeathRecord      `json:"deaths,omitempty"`
	Births      []verification.BirthRecord      `json:"births,omitempty"`
	NameChanges []verification.NameChangeRecord `json:"name_changes,omitempty"`
	Entities    []Entity                        `json:"entities,omitempty"`
	// Unpaid are accounts whose lines are rejected; Short are those that get a
	// hryvnia less; Silent are those of which nothing is said; Strange ones come
	// with a line nobody asked for.
	Unpaid  []string `json:"unpaid,omitempty"`
	Short   []string `json:"short,omitempty"`
	Silent  []string `json:"silent,omitempty"`
	Strange []string `json:"strange,omitempty"`
	// NoDevice are tax numbers of citizens whom Diia has no device of.
	NoDevice []string `json:"no_device,omitempty"`
	// SickLeaves are answers of the register of sick leaves by the surname of who
	// is off work: a RESULT, "later" for one that comes at the second question,
	// "refused" for a message not taken. Everybody else's is opened at once.
	SickLeaves map[string]string `json:"sick_leaves,omitempty"`
}

// Entity is a legal entity.
type Entity struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	State     int    `json:"state"`
	StateText string `json:"state_text"`
}

// Trouble is how the registers fail; all but slow_ms are shares from 0 to 1.
type Trouble struct {
	Down    float64 `json:"down"`    // no answer, and the message is not taken
	Lost    float64 `json:"lost"`    // taken, and the answer is lost
	Rubbish float64 `json:"rubbish"` // taken, and a page of a proxy comes back
	Refuse  float64 `json:"refuse"`  // a fault that will not pass
	SlowMS  int     `json:"slow_ms"` // before each answer
	Twice   float64 `json:"twice"`   // taken, and the answer comes two times over in one
}

// Seen is what was taken: how often each message id came, and in which order the
// first of each came.
type Seen struct {
	Calls    int                       `json:"calls"`
	Messages int                       `json:"messages"`
	Services map[string]int            `json:"services"`
	Order    []string                  `json:"order"`
	Pushes   []push.Question           `json:"pushes"`
	Payments map[string]map[string]any `json:"payments"`
	// SickLeaves are those the register knows, by the number of the conclusion.
	SickLeaves map[string]SickLeave `json:"sick_leaves"`
}

// Simulator is the registers.
type Simulator struct {
	source registry.Source
	road   http.Handler

	mu      sync.Mutex // guards what follows
	world   World
	trouble Trouble
	calls   int
	order   []string
	answers map[string][]byte // by message id: a repetition gets the same answer
	codes   map[string]int
	pushes  []push.Question
	parts   map[string]push.Question
	paid    map[registry.ID]payment.Submission
	asked   map[registry.ID]int

	leaves *sickLeaves // guards itself
}

// New makes the registers; nobody is in them yet.
func New(source registry.Source, log *slog.Logger) (*Simulator, error) {
	s := &Simulator{source: source, answers: map[string][]byte{}, codes: map[string]int{}, parts: map[string]push.Question{}, paid: map[registry.ID]payment.Submission{}, asked: map[registry.ID]int{}, leaves: newSickLeaves()}
	services, err := s.services()
	if err != nil {
		return nil, err
	}
	router, err := xroad.NewRouter(services, false)
	if err != nil {
		return nil, err
	}
	provider, err := soap.New(soap.Handler{Service: router, DetailNS: "urn:mist:ws:consumed:fault", Source: source, Log: log})
	if err != nil {
		return nil, err
	}
	s.road = &sstest.Server{
		Profile: sstest.Trembita, Algorithm: xroad.AlgorithmGOST34311, Hash: func(b []byte) []byte { sum := gost34311.Sum256(b); return sum[:] },
		Resolve: func(id xroad.ServiceID) (string, bool) {
			for _, p := range Providers {
				if p == id.Provider {
					return "http://provider.invalid/", true
				}
			}
			return "", false
		},
		HTTP: &http.Client{Transport: inside{provider}},
	}
	return s, nil
}

// recorder keeps an answer until it is known whether it leaves.
type recorder struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{code: http.StatusOK, header: http.Header{}} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) { r.code = code }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// inside carries requests to a handler without a network.
type inside struct{ to http.Handler }

// RoundTrip implements http.RoundTripper.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := newRecorder()
	i.to.ServeHTTP(w, r)
	return &http.Response{Status: http.StatusText(w.code), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// Add tells the registers more.
func (s *Simulator) Add(w World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.People = append(s.world.People, w.People...)
	s.world.Deaths = append(s.world.Deaths, w.Deaths...)
	s.world.Births = append(s.world.Births, w.Births...)
	s.world.NameChanges = append(s.world.NameChanges, w.NameChanges...)
	s.world.Entities = append(s.world.Entities, w.Entities...)
	s.world.Unpaid = append(s.world.Unpaid, w.Unpaid...)
	s.world.Short = append(s.world.Short, w.Short...)
	s.world.Silent = append(s.world.Silent, w.Silent...)
	s.world.Strange = append(s.world.Strange, w.Strange...)
	s.world.NoDevice = append(s.world.NoDevice, w.NoDevice...)
	s.leaves.tell(w.SickLeaves)
}

// Fail makes the registers fail from now on; the zero value ends it.
func (s *Simulator) Fail(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = t
}

// Seen tells what was taken so far.
func (s *Simulator) Seen() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := Seen{Calls: s.calls, Messages: len(s.answers), Services: map[string]int{}, Order: append([]string{}, s.order...), Pushes: append([]push.Question{}, s.pushes...), Payments: map[string]map[string]any{}, SickLeaves: s.leaves.seen()}
	for k, v := range s.codes {
		seen.Services[k] = v
	}
	for id, p := range s.paid {
		seen.Payments[id.String()] = map[string]any{"lines": len(p.Lines), "total": p.Total}
	}
	return seen
}

// ServeHTTP is the security server at /, the register of legal entities at
// /edr/subjects, and the switches: POST /world, POST /trouble, GET /seen.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " /" + strings.Trim(r.URL.Path, "/") {
	case "POST /":
		s.troubled(s.road).ServeHTTP(w, r)
	case "GET /edr/subjects":
		s.troubled(http.HandlerFunc(s.subjects)).ServeHTTP(w, r)
	case "POST /world":
		var more World
		if read(w, r, &more) {
			s.Add(more)
			answer(w, s.Seen())
		}
	case "POST /trouble":
		var t Trouble
		if read(w, r, &t) {
			s.Fail(t)
			answer(w, t)
		}
	case "GET /seen":
		answer(w, s.Seen())
	default:
		http.Error(w, "POST / (SOAP), GET /edr/subjects?code=…, POST /world, POST /trouble, GET /seen", http.StatusNotFound)
	}
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}

// troubled fails before and after the message is taken.
func (s *Simulator) troubled(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		t := s.trouble
		s.calls++
		s.mu.Unlock()
		if t.SlowMS > 0 {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Duration(t.SlowMS) * time.Millisecond):
			}
		}
		if rand.Float64() < t.Down {
			http.Error(w, "the register is being restarted", http.StatusServiceUnavailable)
			return
		}
		if rand.Float64() < t.Refuse {
			w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `<S:Envelope xmlns:S=%q><S:Body><S:Fault><faultcode>Server.ServerProxy.AccessDenied</faultcode><faultstring>Request is not allowed</faultstring></S:Fault></S:Body></S:Envelope>`, soap.NS11)
			return
		}
		taken := newRecorder()
		h.ServeHTTP(taken, r)
		if rand.Float64() < t.Lost {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		if rand.Float64() < t.Rubbish {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html><body>Service temporarily unavailable</body></html>"))
			return
		}
		for name, values := range taken.header {
			w.Header()[name] = values
		}
		w.WriteHeader(taken.code)
		_, _ = w.Write(taken.body.Bytes())
		if rand.Float64() < t.Twice {
			_, _ = w.Write(taken.body.Bytes())
		}
	})
}

// once gives the answer of a message id that was answered before.
func (s *Simulator) once(op xroad.Operation) xroad.Operation {
	return func(ctx context.Context, req *xroad.Request) ([]byte, error) {
		key := req.ID + " " + req.Service.Code
		s.mu.Lock()
		known, ok := s.answers[key]
		s.mu.Unlock()
		if ok {
			return known, nil
		}
		body, err := op(ctx, req)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.codes[req.Service.Code]++
		s.order = append(s.order, key)
		s.answers[key] = body
		return body, nil
	}
}

func (s *Simulator) services() ([]xroad.Service, error) {
	var list []xroad.Service
	for _, d := range []struct {
		register, contract string
		ops                map[string]xroad.Operation
	}{
		{"dracs", "dracs", map[string]xroad.Operation{
			string(verification.DeathsByPeriod): s.deathsByPeriod, string(verification.DeathByName): s.deathByName,
			string(verification.BirthByName): s.birthByName, string(verification.NameChangesByPeriod): s.nameChanges,
		}},
		{"drfo", "drfo", map[string]xroad.Operation{string(verification.CheckTaxNumber): s.taxNumber}},
		{"mvs", "mvs", map[string]xroad.Operation{string(verification.CheckUNZR): s.unzr}},
		{"diia", "diia_create", map[string]xroad.Operation{string(push.Create): s.createPush}},
		{"diia", "diia_distribution", map[string]xroad.Operation{string(push.Distribution): s.distribution}},
		{"diia", "diia_push_status", map[string]xroad.Operation{string(push.Delivery): s.delivery}},
		{"payments", "payments", map[string]xroad.Operation{string(payment.Submit): s.takePayments, string(payment.Ask): s.tellPayments}},
		{"erln", "erln", s.leaves.operations()},
	} {
		c, err := wsdl.Load("consumed/" + d.contract)
		if err != nil {
			return nil, err
		}
		for code, op := range d.ops {
			// What it says obeys the contract as well: a simulator that strays from it proves nothing.
			checked := func(ctx context.Context, req *xroad.Request) ([]byte, error) {
				body, err := op(ctx, req)
				if err == nil {
					err = xroad.SchemaCheck(c)(body)
				}
				return body, err
			}
			list = append(list, xroad.Service{Provider: Providers[d.register], Code: code, Versions: []string{"", "v1"}, Namespace: c.TargetNamespace, AnyClient: true,
				Validate: xroad.SchemaCheck(c), Operation: s.once(checked)})
		}
	}
	return list, nil
}

// dracs answers as the civil register does: base64 of a document of its own.
func dracs(code, list string, records any) ([]byte, error) {
	inner, err := xml.Marshal(struct {
		XMLName xml.Name
		Records any
	}{xml.Name{Local: list}, records})
	if err != nil {
		return nil, err
	}
	data := base64.StdEncoding.EncodeToString(append([]byte(`<?xml version="1.0" encoding="utf-8"?>`), inner...))
	return []byte(`<` + code + `Response xmlns="http://tempuri.org/"><ResultCode>0</ResultCode><ResultData>` + data + `</ResultData></` + code + `Response>`), nil
}
