package intake

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

func TestSurnamesOfSigners(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"ЗРАЗКОВА", "Зразкова", true},
		{"Д'ЯЧЕНКО", "Дʼяченко", true},
		{"Д’яченко", "Д`яченко", true},
		{" Зразкова ", "Зразкова", true},
		{"Зразкова-Тестова", "Зразкова Тестова", false},
		{"Зразков", "Зразкова", false},
		{"", "", false},
	} {
		require.Equal(t, c.same, sameName(c.a, c.b), "%s %s", c.a, c.b)
	}
}

var (
	person = signature.Signer{RNOKPP: "3126509817", RNOKPPSource: "subjectDirectoryAttributes", Surname: "ЗРАЗКОВА", EDRPOU: "12345679", EDRPOUSource: "subject.organizationIdentifier"}
	stamp  = signature.Signer{EDRPOU: "12345679", EDRPOUSource: "subjectDirectoryAttributes", Seal: true}
	author = Signatory{TaxID: "3126509817", LastName: "Зразкова", EDRPOU: "12345679"}
)

func with(s signature.Signer, edit func(*signature.Signer)) signature.Signer {
	edit(&s)
	return s
}

func TestWhoMustHaveSigned(t *testing.T) {
	rule := SigningRule{Rule: "r", Author: []Match{MatchDRFO, MatchSurname}, Stamp: []Match{MatchEDRPOU}}
	stranger := with(person, func(s *signature.Signer) { s.RNOKPP = "2222222225" })
	for _, c := range []struct {
		name    string
		signers []signature.Signer
		reason  string
	}{
		{"the author and the stamp", []signature.Signer{person, stamp}, ""},
		{"somebody else beside the author", []signature.Signer{stranger, person, stamp}, ""},
		{"the author twice", []signature.Signer{person, person, stamp}, "signer_twice"},
		{"nobody", nil, "author_not_found"},
		{"somebody else alone", []signature.Signer{stranger, stamp}, "signer_mismatch"},
		{"no identifier", []signature.Signer{with(person, func(s *signature.Signer) { s.RNOKPP = "" }), stamp}, "signer_without_identifier"},
		{"another surname", []signature.Signer{with(person, func(s *signature.Signer) { s.Surname = "ТЕСТОВА" }), stamp}, "signer_surname_mismatch"},
		{"no surname", []signature.Signer{with(person, func(s *signature.Signer) { s.Surname = "" }), stamp}, "signer_without_surname"},
		{"the refusal is of the one that came nearest", []signature.Signer{stranger, with(person, func(s *signature.Signer) { s.Surname = "ТЕСТОВА" }), stamp}, "signer_surname_mismatch"},
		{"identifier of one and surname of the other", []signature.Signer{with(person, func(s *signature.Signer) { s.Surname = "ТЕСТОВА" }), stranger, stamp}, "signer_surname_mismatch"},
		{"a stamp of another organisation", []signature.Signer{person, with(stamp, func(s *signature.Signer) { s.EDRPOU = "30000004" })}, "signer_edrpou_mismatch"},
		{"a stamp of nobody", []signature.Signer{person, with(stamp, func(s *signature.Signer) { s.EDRPOU = "" })}, "signer_without_edrpou"},
		{"a stamp that bears the author's number signs for nobody", []signature.Signer{with(stamp, func(s *signature.Signer) { s.RNOKPP, s.Surname = person.RNOKPP, person.Surname })}, "author_not_found"},
	} {
		err := rule.check(c.signers, author)
		if c.reason == "" {
			require.NoError(t, err, c.name)
			continue
		}
		e := registry.AsError(err)
		require.Equal(t, registry.CodeSignatureInvalid, e.Code, c.name)
		require.Equal(t, c.reason, e.Reason, c.name)
		require.Contains(t, e.Detail, "rule r", c.name)
	}
}

// The answer to a mismatch: both identifiers masked, where each came from, the
// rule that was applied, the words of the eHealth API first.
func TestMismatchTellsBothSidesMasked(t *testing.T) {
	for _, c := range []struct {
		match  Match
		signer signature.Signer
		text   string
		params []string
		hidden []string
	}{
		{MatchDRFO, with(person, func(s *signature.Signer) { s.RNOKPP = "2222222225" }), "Does not match the signer drfo",
			[]string{"certificate subjectDirectoryAttributes ••••••2225", "registry party.tax_id ••••••9817", "rule r"}, []string{"2222222225", "3126509817"}},
		{MatchSurname, with(person, func(s *signature.Signer) { s.Surname = "ТЕСТОВА" }), "Does not match the signer last name",
			[]string{"certificate subject.surname Т••••••", "registry party.last_name З•••••••", "rule r"}, []string{"ТЕСТОВА", "Зразкова"}},
		{MatchEDRPOU, with(person, func(s *signature.Signer) { s.EDRPOU = "30000004" }), "Does not match the signer edrpou",
			[]string{"certificate subject.organizationIdentifier ••••0004", "registry legal_entity.edrpou ••••5679", "rule r"}, []string{"30000004", "12345679"}},
	} {
		e := registry.AsError(c.match.Compare(c.signer, author, "r"))
		require.True(t, strings.HasPrefix(e.Detail, c.text), e.Detail)
		require.Len(t, e.Fields, 1)
		require.Equal(t, c.params, e.Fields[0].Params)
		for _, p := range c.params[:2] {
			words := strings.Fields(p)
			require.Contains(t, e.Detail, words[len(words)-1])
			require.Contains(t, e.Detail, words[1])
		}
		require.Contains(t, e.Detail, "rule r")
		for _, h := range c.hidden {
			require.NotContains(t, e.Error(), h)
		}
		require.NoError(t, c.match.Compare(person, author, "r"))
	}
}

// ring makes containers with real signatures.
type ring struct {
	t        *testing.T
	verifier *signature.Verifier
	policy   signature.Policy
	root     pki.Issuer
	now      time.Time
}

func newRing(t *testing.T) *ring {
	r := &ring{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	r.root = r.issue(pki.Root, pki.Subject{CommonName: "Вигаданий корінь"}, nil)
	snap := trust.NewSnapshot("test", []trust.Anchor{{Certificate: r.root.Certificate, Trust: []facts.Trust{{Source: "test"}}}}, nil, nil)
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap), Now: func() time.Time { return r.now }})
	require.NoError(t, err)
	p, err := signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	r.verifier, r.policy = v, p
	return r
}

func (r *ring) issue(p pki.Profile, s pki.Subject, by *pki.Issuer) pki.Issuer {
	key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(r.t, err)
	c, err := pki.Issue(pki.Template{Profile: p, Subject: s, NotBefore: r.now.AddDate(-1, 0, 0), NotAfter: r.now.AddDate(1, 0, 0)}, key, by, rand.Reader)
	require.NoError(r.t, err)
	return pki.Issuer{Certificate: c, Key: key}
}

func (r *ring) sign(content []byte, who pki.Issuer) []byte {
	b, err := sign.CAdES(context.Background(), sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}, facts.Bytes(content), sign.Options{Time: r.now})
	require.NoError(r.t, err)
	return b
}

func (r *ring) result(b []byte) *signature.Result {
	out, err := r.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(b)}, r.policy)
	require.NoError(r.t, err)
	return out
}

// Numbers of signatures and stamps, in the words of the eHealth API; several
// signers wrap each other's containers.
func TestNumbersOfSignatures(t *testing.T) {
	r := newRing(t)
	content := []byte(`{"declaration":"0001-AAAA-BBBB"}`)
	doctor := r.issue(pki.Person, pki.Subject{CommonName: "Зразкова Ганна", Surname: "Зразкова", RNOKPP: "3126509817"}, &r.root)
	owner := r.issue(pki.Person, pki.Subject{CommonName: "Вигадана Олена", Surname: "Вигадана", RNOKPP: "2222222225"}, &r.root)
	seal := r.issue(pki.Seal, pki.Subject{CommonName: "Вигадана клініка", Organization: "Вигадана клініка", EDRPOU: "12345679"}, &r.root)
	wrap := func(who ...pki.Issuer) []byte {
		b := content
		for _, w := range who {
			b = r.sign(b, w)
		}
		return b
	}
	rules := map[string]SigningRule{
		"1/0": {Rule: "r", Signatures: 1, Author: []Match{MatchDRFO}},
		"1/1": {Rule: "r", Signatures: 1, Stamps: 1, Author: []Match{MatchDRFO}},
		"2/1": {Rule: "r", Signatures: 2, Stamps: 1, Author: []Match{MatchDRFO}},
		"any": {Rule: "r", Signatures: 1, Either: true, Author: []Match{MatchKind}},
	}
	for _, c := range []struct {
		rule string
		doc  []byte
		want string // text of the refusal, "" accepted
	}{
		{"1/0", wrap(doctor), ""},
		{"1/0", wrap(doctor, owner), "document must contain 1 signature and 0 stamps but contains 2 signatures and 0 stamps"},
		{"1/0", wrap(seal), "document must contain 1 signature and 0 stamps but contains 0 signatures and 1 stamp"},
		{"1/0", wrap(doctor, seal), "document must contain 1 signature and 0 stamps but contains 1 signature and 1 stamp"},
		{"any", wrap(doctor, seal), "document must contain 1 signature and 0 stamps but contains 1 signature and 1 stamp"},
		{"1/1", wrap(doctor, seal), ""},
		{"1/1", wrap(seal, doctor), ""},
		{"1/1", wrap(doctor), "document must contain 1 signature and 1 stamp but contains 1 signature and 0 stamps"},
		{"1/1", wrap(doctor, owner), "document must contain 1 signature and 1 stamp but contains 2 signatures and 0 stamps"},
		{"2/1", wrap(doctor, owner, seal), ""},
		{"2/1", wrap(doctor, seal), "document must contain 2 signatures and 1 stamp but contains 1 signature and 1 stamp"},
		{"2/1", wrap(doctor, seal, seal), "document must contain 2 signatures and 1 stamp but contains 1 signature and 2 stamps"},
	} {
		signed, signers, err := rules[c.rule].released(r.result(c.doc))
		if c.want != "" {
			e := registry.AsError(err)
			require.Equal(t, registry.CodeMalformed, e.Code, c.want)
			require.Equal(t, "number_of_signatures", e.Reason)
			require.Equal(t, c.want+" (rule r)", e.Detail)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, rules[c.rule].check(signers, Signatory{TaxID: "3126509817"}))
		require.Error(t, rules[c.rule].check(signers, Signatory{TaxID: "3126509818"}))
		got, err := signed.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got, "what is read is the innermost content")
	}

	for _, who := range []pki.Issuer{doctor, seal} {
		_, signers, err := rules["any"].released(r.result(wrap(who)))
		require.NoError(t, err)
		require.Len(t, signers, 1)
	}

	// One bad signature among the right number is the finding, not the number.
	broken := wrap(doctor, seal)
	broken[len(broken)-1] ^= 1
	_, _, err := rules["1/1"].released(r.result(broken))
	np, ok := signature.AsNotPassed(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, signature.TotalFailed, np.Indication)
	_, _, err = rules["1/0"].released(r.result([]byte("plain text")))
	np, ok = signature.AsNotPassed(err)
	require.True(t, ok)
	require.Equal(t, signature.NoSignatureFound, np.Indication)
}

func TestSigningRulesAreData(t *testing.T) {
	rules, err := DefaultSigningRules()
	require.NoError(t, err)
	one, err := rules.For("declaration", time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Equal(t, "one-signature-of-the-author", one.Rule)
	dispense, err := rules.For("medication_dispense", time.Now())
	require.NoError(t, err)
	require.Equal(t, []Match{MatchDRFO, MatchSurname}, dispense.Author)
	seal, err := rules.For("contract_signature", time.Now())
	require.NoError(t, err)
	require.True(t, seal.Either)
	require.NoError(t, seal.check([]signature.Signer{person}, Signatory{}), "the kind compares")
	_, err = rules.For("declaration", time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Error(t, err, "before the first row")

	row := func(edit func(map[string]string)) []byte {
		m := map[string]string{"kind": `"*"`, "from": `"2018-01-01"`, "rule": `"r"`, "signatures": "1", "stamps": "0", "author": `["drfo"]`, "legalSource": `"x"`}
		edit(m)
		var parts []string
		for k, v := range m {
			parts = append(parts, `"`+k+`":`+v)
		}
		return []byte("[{" + strings.Join(parts, ",") + "}]")
	}
	_, err = ParseSigningRules(row(func(map[string]string) {}))
	require.NoError(t, err)
	for name, edit := range map[string]func(map[string]string){
		"no rule's name":         func(m map[string]string) { m["rule"] = `""` },
		"no legal source":        func(m map[string]string) { m["legalSource"] = `""` },
		"a date that is none":    func(m map[string]string) { m["from"] = `"2018"` },
		"no signature":           func(m map[string]string) { m["signatures"] = "0" },
		"negative stamps":        func(m map[string]string) { m["stamps"] = "-1" },
		"author unbound":         func(m map[string]string) { m["author"] = "[]" },
		"unknown comparison":     func(m map[string]string) { m["author"] = `["name"]` },
		"stamp by a person's id": func(m map[string]string) { m["stamps"], m["stamp"] = "1", `["drfo"]` },
		"a stamp rule without":   func(m map[string]string) { m["stamp"] = `["edrpou"]` },
		"unknown key":            func(m map[string]string) { m["sigs"] = "1" },
		"nothing for the rest":   func(m map[string]string) { m["kind"] = `"declaration"` },
		"only in the future":     func(m map[string]string) { m["from"] = `"9999-01-01"` },
	} {
		_, err = ParseSigningRules(row(edit))
		require.Error(t, err, name)
	}
}
