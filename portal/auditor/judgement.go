package auditor

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/evidence"
	"mist/registry/trail"
	"mist/signature/facts"
)

// signerView is who signed, as the certificate says; what names a person is
// masked until it is asked for with a reason.
type signerView struct {
	Name, Number     string // masked, or whole once shown
	Organization     string
	EDRPOU           string
	Seal, Qualified  bool
	Serial           string
	From, Until      time.Time
	Algorithm        string
	Employee         string // address of the signer's page
	Shown            bool
	Reason           web.Field
	Problems         []web.Problem
	Subject, SubName string
	HasSubject       bool
}

// moment is one point of an act's time line.
type moment struct {
	N    int
	X    int
	Name string
	At   time.Time
}

// link is one certificate of the chain to the trust anchor.
type link struct {
	Subject, Issuer, Serial, Algorithm string
	From, Until                        time.Time
	Trust                              string
}

// revocationView is one answer about a certificate's status.
type revocationView struct {
	Kind, Source, Status, Reason string
	Produced                     time.Time
	Next                         *time.Time
	RevokedAt                    *time.Time
	Bytes                        int
	SHA                          string
}

// judgementView is what stands behind a verdict.
type judgementView struct {
	Level       string
	Line        []moment
	Validity    [2]time.Time
	Chain       []link
	Revocations []revocationView
	TrustList   string
	Policy      string
	Software    string
	Again       string
	AgainMark   web.Mark
	AgainAt     time.Time
}

func algorithm(a facts.Algorithm) string {
	parts := []string{a.Encryption}
	if a.Curve != "" {
		parts = append(parts, a.Curve)
	} else if a.KeyBits > 0 {
		parts = append(parts, strconv.Itoa(a.KeyBits))
	}
	if a.Digest != "" {
		parts = append(parts, a.Digest)
	}
	return strings.Join(parts, ", ")
}

// judged lays out what is kept of a judgement.
func (r *room) judged(q *web.Request, d trail.Detail) *judgementView {
	j := d.Judgement
	if j == nil || j.Facts == nil || j.Report == nil {
		return nil
	}
	v := &judgementView{TrustList: j.Facts.TrustVersion, Policy: j.Report.Policy.ID + " " + j.Report.Policy.Version, Software: j.Report.Algorithms, AgainAt: j.AgainAt}
	if len(j.Report.Signatures) > 0 {
		v.Level = j.Report.Signatures[0].Level
	}
	switch j.Again {
	case "":
	case "same":
		v.Again, v.AgainMark = q.T("audit.again.same"), web.Good
	default:
		v.Again, v.AgainMark = q.T("audit.again.other"), web.Bad
	}
	add := func(name string, at time.Time) {
		if !at.IsZero() {
			v.Line = append(v.Line, moment{Name: name, At: at})
		}
	}
	signer := j.Signer()
	if len(j.Facts.Signatures) > 0 {
		if at := j.Facts.Signatures[0].ClaimedSigningTime; at != nil {
			add(q.T("audit.time.claimed"), *at)
		}
	}
	for _, s := range j.Facts.Timestamps {
		add(q.T("audit.time.stamp"), s.Time)
	}
	if signer != nil {
		v.Validity = [2]time.Time{signer.NotBefore, signer.NotAfter}
		chain := append([]string{signer.ID}, signer.Chain...)
		for _, id := range chain {
			c := j.Certificate(id)
			if c == nil {
				continue
			}
			one := link{Subject: c.Subject, Issuer: c.Issuer, Serial: c.Serial, Algorithm: algorithm(c.Algorithm), From: c.NotBefore, Until: c.NotAfter}
			if id == signer.ID {
				one.Subject = q.T("audit.chain.signer")
			}
			if len(c.Trusted) > 0 {
				one.Trust = strings.TrimSpace(c.Trusted[0].Source + " " + c.Trusted[0].Service)
			}
			v.Chain = append(v.Chain, one)
		}
		for _, info := range signer.Revocation {
			for _, rev := range j.Facts.Revocations {
				if rev.ID != info.Revocation {
					continue
				}
				one := revocationView{Kind: rev.Kind, Source: rev.Source, Status: info.Status, Reason: info.Reason, Produced: rev.ProducedAt, Next: rev.NextUpdate, RevokedAt: info.RevokedAt, Bytes: len(rev.DER)}
				if one.Source == "" {
					one.Source = rev.Origin
				}
				v.Revocations = append(v.Revocations, one)
				add(rev.Kind+": "+info.Status, rev.ProducedAt)
			}
		}
	}
	add(q.T("audit.time.judged"), j.Report.Time)
	add(q.T("audit.time.entry"), d.Time)
	if d.Proof != nil {
		for _, s := range r.seen(d.Proof.Note) {
			add(q.T("audit.time.witness", "name", s.Name), s.At)
		}
	}
	slices.SortStableFunc(v.Line, func(a, b moment) int { return a.At.Compare(b.At) })
	for i := range v.Line {
		v.Line[i].N, v.Line[i].X = i+1, 30+i*lineStep
	}
	return v
}

// lineStep lies between two points of the time line; they stand in order, not to scale.
const lineStep = 90

// signer lays out who signed.
func (r *room) signer(q *web.Request, d trail.Detail) *signerView {
	c := d.Judgement.Signer()
	if c == nil && len(d.Subject) == 0 {
		return nil
	}
	v := &signerView{HasSubject: len(d.Subject) > 0,
		Reason: web.Field{Name: "reason", Label: q.T("audit.people.reason"), Hint: q.T("audit.people.hint"), Required: true, Autocomplete: "off"}}
	if !d.Actor.EmployeeID.IsZero() {
		v.Employee = q.Path("/audit/signers/") + d.Actor.EmployeeID.String()
	}
	if c == nil {
		return v
	}
	id := c.Identity
	v.Name, v.Number = initials(id.CommonName), lastDigits(id.RNOKPP)
	v.Organization, v.EDRPOU, v.Serial, v.From, v.Until, v.Algorithm = id.Organization, id.EDRPOU, c.Serial, c.NotBefore, c.NotAfter, algorithm(c.Key)
	if rep := d.Judgement.Report; len(rep.Signatures) > 0 {
		v.Seal, v.Qualified = rep.Signatures[0].Seal, rep.Signatures[0].Qualified
	}
	if v.Seal {
		v.Name = id.CommonName // an organisation
	}
	return v
}

// initials leaves the first letter of each name.
func initials(name string) string {
	var out []string
	for word := range strings.FieldsSeq(name) {
		out = append(out, string([]rune(word)[0])+"•••")
	}
	return strings.Join(out, " ")
}

func lastDigits(number string) string {
	const shown = 4
	if len(number) <= shown {
		return strings.Repeat("•", len(number))
	}
	return "••••" + number[len(number)-shown:]
}

// people shows who signed and whom an entry is about, for a reason.
func (r *room) people(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	id, err := registry.ParseID(q.Param("name"))
	if err != nil {
		return errNoEntry
	}
	d, err := r.Trail.Entry(q.Context(), c, id.String())
	if err != nil {
		return err
	}
	v := r.view(q, d)
	if v.Signer == nil {
		return errNoEntry
	}
	status := http.StatusOK
	p, err := r.Trail.ShowPeople(q.Context(), c, id, form.Get("reason"))
	switch code := registry.CodeOf(err); {
	case err == nil:
		v.Signer.Shown, v.Signer.SubName = true, p.SubjectName
		if !p.Subject.IsZero() {
			v.Signer.Subject = p.Subject.String()
		}
		if p.Signer != nil {
			v.Signer.Name, v.Signer.Number = p.Signer.CommonName, p.Signer.RNOKPP
		}
	case code == registry.CodeInvalid:
		status = http.StatusUnprocessableEntity
		v.Signer.Reason.Value, v.Signer.Reason.Error = form.Get("reason"), q.T("audit.people.wrong")
		v.Signer.Problems = []web.Problem{{Field: "reason", Text: q.T("audit.people.wrong")}}
	default:
		return err
	}
	return q.Render(w, web.Page{Template: "entry", Title: q.T("audit.entry.title", "name", d.ID.String()), Data: v, Status: status, Scripts: v.scripts()})
}

// again judges the signature of an entry again from what is kept.
func (r *room) again(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := registry.ParseID(q.Param("name"))
	if err != nil {
		return errNoEntry
	}
	if _, err := r.Evidence.Again(q.Context(), c, id); err != nil {
		return err
	}
	q.Redirect(w, "/audit/entries/"+id.String()+"#again")
	return nil
}

// evidence gives the package that proves an entry, without the document.
func (r *room) evidence(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := registry.ParseID(q.Param("name"))
	if err != nil {
		return errNoEntry
	}
	name, container, err := r.Evidence.Export(q.Context(), c, evidence.Request{Entry: id.String()})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.etsi.asic-e+zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err = w.Write(container)
	return err
}

var errNoEntry = registry.Errorf(registry.CodeNotFound, "there is no such entry")

// exchangeView is one message of a security server with all it left in the log.
type exchangeView struct {
	trail.Exchanged
	Rows    []exchangeRow
	Client  string
	Service string
}

type exchangeRow struct {
	rowView
	MessageID, Purpose, Service      string
	Basis, BasisPurpose, Consent     string
	Fields                           []string
	Hashes                           []fact
	Explained                        string
	RequestSHA512, AnswerSHA512      string
	RequestGOST, AnswerGOST, XClient string
}

func (r *room) exchange(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	x, err := r.Trail.Exchange(q.Context(), c, q.Param("id"))
	if err != nil {
		return err
	}
	v := exchangeView{Exchanged: x}
	for _, one := range slices.Backward(x.Records) {
		row := exchangeRow{rowView: rowOf(q, one, x.Titles), XClient: one.Actor.XRoadClient, Fields: one.Entry.Fields}
		if row.XClient != "" {
			v.Client = row.XClient
		}
		if o := one.Object; o != nil && o.Type == "operation" {
			row.Service, v.Service = o.ID, o.ID
		}
		if b := one.LegalBasis; b != nil {
			row.Basis, row.BasisPurpose = q.T("audit.basis."+b.Code), b.Purpose
			if !b.Consent.IsZero() {
				row.Consent = b.Consent.String()
			}
		}
		if e := one.Exchange; e != nil {
			row.MessageID, row.Purpose = e.MessageID, e.PurposeID
			for name, b := range map[string][]byte{"audit.fact.request_sha512": e.RequestSHA512, "audit.fact.response_sha512": e.ResponseSHA512, "audit.fact.request_gost": e.RequestGOST, "audit.fact.response_gost": e.ResponseGOST} {
				if len(b) > 0 {
					row.Hashes = append(row.Hashes, fact{Name: q.T(name), Digest: hex.EncodeToString(b)})
				}
			}
			slices.SortFunc(row.Hashes, func(a, b fact) int { return strings.Compare(a.Name, b.Name) })
		}
		v.Rows = append(v.Rows, row)
	}
	return q.Render(w, web.Page{Template: "exchange", Title: q.T("audit.exchange.title"), Data: v})
}

type signerPage struct {
	trail.Signer
	Rows         []dayView
	Refused      []refusal
	Certificates []certificateView
	Clinics      []string
	All          string
	Remarks      []string
}

type certificateView struct {
	trail.UsedCertificate
	Bits string
	X, W int
}

// signerAcrossDays is the width of the bands, in units of their view box.
const signerAcrossDays = 720

func (r *room) signers(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return registry.Errorf(registry.CodeNotFound, "a signer is named by the UUID of the employee")
	}
	s, err := r.Trail.Signer(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := signerPage{Signer: s, All: searchPath(q, "actor", id.String())}
	for _, one := range s.Days {
		date := one.Day.Format(time.DateOnly)
		if n := len(v.Rows); n == 0 || v.Rows[n-1].Day != one.Day {
			v.Rows = append(v.Rows, dayView{Day: one.Day, Href: searchPath(q, "from", date, "to", date, "actor", id.String())})
		}
		d := &v.Rows[len(v.Rows)-1]
		d.Total += one.N
		d.Kinds = append(d.Kinds, kindView{string(one.Kind), kindName(q, one.Kind), searchPath(q, "from", date, "to", date, "kind", string(one.Kind), "actor", id.String()), one.N})
	}
	for _, one := range s.Refusals {
		v.Refused = append(v.Refused, refusal{one.Code, searchPath(q, "code", one.Code, "actor", id.String()), one.N})
	}
	for _, name := range s.LegalEntities {
		if name != "" {
			v.Clinics = append(v.Clinics, name)
		}
	}
	slices.Sort(v.Clinics)
	now := r.Clock()
	span := now.Sub(s.Since)
	for _, one := range s.Certificates {
		at := func(t time.Time) int { return min(max(int(t.Sub(s.Since)*signerAcrossDays/span), 0), signerAcrossDays) }
		x := at(one.NotBefore)
		v.Certificates = append(v.Certificates, certificateView{one, algorithm(one.Key), x, max(at(one.NotAfter)-x, 2)})
		if one.NotAfter.Before(now) {
			v.Remarks = append(v.Remarks, q.T("audit.signer.ended", "serial", one.Serial))
		}
	}
	if len(s.Certificates) > 2 {
		v.Remarks = append(v.Remarks, q.T("audit.signer.many", "n", len(s.Certificates)))
	}
	if len(v.Clinics) > 1 {
		v.Remarks = append(v.Remarks, q.T("audit.signer.places", "n", len(v.Clinics)))
	}
	return q.Render(w, web.Page{Template: "signer", Title: q.T("audit.signer.title"), Data: v})
}
