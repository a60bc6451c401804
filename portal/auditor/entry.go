package auditor

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"

	"mist/portal/web"
	"mist/portal/web/judged"
	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
	"mist/registry/trail"
	"mist/signature/explain"
)

// fact is a line of an entry: a member and its value. Code is shown as it is.
type fact struct {
	Name, Text, Code, Digest, Href string
}

type entryView struct {
	trail.Detail
	Kind, Taken string
	Mark        web.Mark
	Word        string
	Facts       []fact
	Tree        []judged.Node
	Bytes       string
	Leaf        string
	Sentence    string
	// Why a signature did not pass, in a sentence, with its ETSI code and what to do.
	Why, WhyCode, Advice string
	Signer               *signerView
	Judged               *judgementView
	Exchange             string // address of the message's page
	Proof                *proofView
}

func (v entryView) scripts() []string {
	if v.Proof != nil {
		return []string{"proof.js"}
	}
	return nil
}

// proofView is what the browser checks.
type proofView struct {
	Index, Size     int64
	Note, Key       string
	Path            []string
	Witnesses       []Witness
	Quorum          int
	LogURL, Command string
}

func (r *room) entry(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	d, err := r.Trail.Entry(q.Context(), c, q.Param("name"))
	if err != nil {
		return r.archived(w, q, err)
	}
	v := r.view(q, d)
	switch as := q.URL.Query().Get("as"); as {
	case trail.AsPlace, trail.AsEntry, trail.AsAct, trail.AsDigest, trail.AsRequest:
		v.Taken = q.T("audit.as." + as)
	}
	return q.Render(w, web.Page{Template: "entry", Title: q.T("audit.entry.title", "name", d.ID.String()), Data: v, Scripts: v.scripts()})
}

// archivedView is of an entry whose month lies in a file.
type archivedView struct {
	*archive.GoneError
	Name, Day, Command string
}

// archived shows where an entry of an archived month is; other errors it gives back.
func (r *room) archived(w http.ResponseWriter, q *web.Request, err error) error {
	var gone *archive.GoneError
	if !errors.As(err, &gone) {
		return err
	}
	v := archivedView{gone, gone.Entry.String(), gone.At.Format("02.01.2006"), "mist-verify audit --month FILE --key log.key " + gone.Entry.String()}
	return q.Render(w, web.Page{Template: "archived", Title: q.T("audit.entry.title", "name", gone.Entry.String()), Status: http.StatusGone, Data: v})
}

// namedActs are the kinds of acts that have a name in words.
var namedActs = map[string]bool{"declaration": true, "person_request": true}

// view lays an entry out.
func (r *room) view(q *web.Request, d trail.Detail) entryView {
	v := entryView{Detail: d, Kind: kindName(q, d.Entry.Kind), Bytes: string(d.Bytes), Leaf: audit.LeafHash(d.Bytes).String()}
	v.Mark, v.Word = verdict(q, d.Entry)
	v.Facts = r.facts(q, d)
	if d.Judgement != nil {
		v.Tree = judged.Tree(q, d.Judgement.Report, judged.Hidden)
		if list := d.Judgement.Report.Signatures; len(list) > 0 {
			v.Why, v.Advice = explain.Reason(list[0].Conclusion.SubIndication, string(q.Lang))
			v.WhyCode = string(list[0].Conclusion.SubIndication)
		}
	}
	v.Judged, v.Signer = r.judged(q, d), r.signer(q, d)
	if a := d.Act; a != nil {
		place := d.Titles[d.Actor.LegalEntityID]
		if place == "" {
			place = q.T("audit.sentence.somebody")
		}
		kind := a.Kind
		if namedActs[kind] {
			kind = q.T("audit.act." + kind)
		}
		v.Sentence = q.T("audit.sentence.act", "kind", kind, "place", place, "verdict", v.Word, "at", d.Time.In(q.Zone()).Format("02.01.2006, 15:04:05"))
	}
	if d.Entry.Exchange != nil && d.RequestID != "" {
		v.Exchange = q.Path("/audit/exchanges/") + d.RequestID
	}
	if p := d.Proof; p != nil {
		v.Proof = &proofView{
			Index: d.Index, Size: p.Checkpoint.Size, Note: string(p.Note), Key: r.LogKey, Witnesses: r.Witnesses, Quorum: r.Quorum, LogURL: r.LogURL,
			Command: "mist-verify audit --log " + r.LogURL + " --key log.key " + d.ID.String(),
		}
		for _, h := range p.Path {
			v.Proof.Path = append(v.Proof.Path, h.String())
		}
	}
	return v
}

// verdict is the outcome of an entry in a word.
func verdict(q *web.Request, e audit.Entry) (web.Mark, string) {
	if e.Report != nil {
		switch e.Report.Indication {
		case "TOTAL-PASSED":
			return web.Good, q.T("audit.verdict.good")
		case "TOTAL-FAILED":
			return web.Bad, q.T("audit.verdict.bad")
		default:
			return web.Unknown, q.T("audit.verdict.unknown")
		}
	}
	if refused(e) {
		return web.Bad, q.T("audit.verdict.refused")
	}
	return web.None, q.T("audit.verdict.none")
}

// facts answers what, who, when, by which right, with which digests.
func (r *room) facts(q *web.Request, d trail.Detail) []fact {
	var list []fact
	add := func(f fact) {
		if f.Text != "" || f.Code != "" || f.Digest != "" {
			list = append(list, f)
		}
	}
	actor := func(key string, id registry.ID) {
		if !id.IsZero() {
			add(fact{Name: q.T(key), Text: d.Titles[id], Code: id.String(), Href: searchPath(q, "actor", id.String())})
		}
	}
	digest := func(key string, b []byte) { add(fact{Name: q.T(key), Digest: hex.EncodeToString(b)}) }
	id := func(id registry.ID) string {
		if id.IsZero() {
			return ""
		}
		return id.String()
	}
	e := d.Entry
	actor("audit.fact.client", e.Actor.ClientID)
	actor("audit.fact.legal_entity", e.Actor.LegalEntityID)
	actor("audit.fact.employee", e.Actor.EmployeeID)
	actor("audit.fact.user", e.Actor.UserID)
	add(fact{Name: q.T("audit.fact.xroad"), Code: e.Actor.XRoadClient})
	add(fact{Name: q.T("audit.fact.channel"), Code: e.Channel})
	add(fact{Name: q.T("audit.fact.request"), Code: e.RequestID})
	if b := e.LegalBasis; b != nil {
		add(fact{Name: q.T("audit.fact.basis"), Text: q.T("audit.basis." + b.Code), Code: b.Code})
		add(fact{Name: q.T("audit.fact.purpose"), Text: b.Purpose})
		add(fact{Name: q.T("audit.fact.method"), Code: b.Method})
		add(fact{Name: q.T("audit.fact.consent"), Code: id(b.Consent)})
		digest("audit.fact.consent_digest", b.Digest)
	}
	for i, name := range e.Fields {
		if i == 0 {
			add(fact{Name: q.T("audit.fact.fields"), Code: name})
			continue
		}
		list[len(list)-1].Code += ", " + name
	}
	if a := e.Act; a != nil {
		add(fact{Name: q.T("audit.fact.act"), Text: a.Kind, Code: id(a.ID)})
		digest("audit.fact.container", a.Container)
		digest("audit.fact.content", a.Content)
	}
	if p := e.Report; p != nil {
		add(fact{Name: q.T("audit.fact.policy"), Code: p.Policy})
		add(fact{Name: q.T("audit.fact.report"), Digest: p.Digest})
	}
	if x := e.Exchange; x != nil {
		add(fact{Name: q.T("audit.fact.message"), Code: x.MessageID})
		digest("audit.fact.request_sha512", x.RequestSHA512)
		digest("audit.fact.response_sha512", x.ResponseSHA512)
		digest("audit.fact.request_gost", x.RequestGOST)
		digest("audit.fact.response_gost", x.ResponseGOST)
	}
	if o := e.Object; o != nil {
		add(fact{Name: q.T("audit.fact.object"), Text: o.Type, Code: o.ID})
		digest("audit.fact.object_digest", o.Digest)
	}
	add(fact{Name: q.T("audit.fact.code"), Code: e.Code})
	add(fact{Name: q.T("audit.fact.reason"), Text: e.Reason})
	digest("audit.fact.subject", e.Subject)
	add(fact{Name: q.T("audit.fact.writer"), Text: strconv.FormatUint(e.Writer.N, 10), Code: e.Writer.ID.String()})
	return list
}
