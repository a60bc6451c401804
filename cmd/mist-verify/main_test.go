package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
)

// command runs mist-verify as a shell would.
func command(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(stdin), &o, &e, func(string) string { return "" })
	return code, o.String(), e.String()
}

// room is a folder with a root, a signed file and its detached twin.
func room(t *testing.T) string {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	key, err := sign.GenerateKey(sign.KindDSTU257, rand.Reader)
	require.NoError(t, err)
	period := func(p pki.Template) pki.Template {
		p.NotBefore, p.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
		return p
	}
	root, err := pki.Issue(period(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий корінь"}}), key, nil, rand.Reader)
	require.NoError(t, err)
	doctor, err := sign.GenerateKey(sign.KindDSTU257, rand.Reader)
	require.NoError(t, err)
	c, err := pki.Issue(period(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана О.І.", Surname: "Вигадана", GivenName: "Олена", RNOKPP: "2222222225"}}),
		doctor, &pki.Issuer{Certificate: root, Key: key}, rand.Reader)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "trust"), 0o755))
	write := func(name string, b []byte) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644)) }
	write("trust/root.cer", root.Raw)
	body := []byte(`{"x":"зміст"}`)
	write("content.json", body)
	who := sign.Signer{Key: doctor, Certificate: c.Raw}
	attached, err := sign.CAdES(t.Context(), who, facts.Bytes(body), sign.Options{Time: now})
	require.NoError(t, err)
	write("a.p7s", attached)
	detached, err := sign.CAdES(t.Context(), who, facts.Bytes(body), sign.Options{Time: now, Detached: true})
	require.NoError(t, err)
	write("d.p7s", detached)
	broken := bytes.Clone(attached)
	broken[bytes.Index(broken, body)+3] ^= 1
	write("broken.p7s", broken)
	write("bundle.p7b", sign.Message("1.2.840.113549.1.7.1", nil, sign.DigestAlgorithm("SHA256"), [][]byte{root.Raw}, nil, nil, nil))
	write("cut.p7s", attached[:len(attached)/2])
	write("junk.bin", []byte("not a signature"))
	return dir
}

func TestExitCodes(t *testing.T) {
	dir := room(t)
	f := func(n string) string { return filepath.Join(dir, n) }
	trusted := []string{"--trust", f("trust"), "--policy", "archive-test"}
	cases := []struct {
		name string
		args []string
		want int
	}{
		{"passed", append([]string{f("a.p7s")}, trusted...), 0},
		{"passed with the command named", append([]string{"verify", f("a.p7s")}, trusted...), 0},
		{"detached with content", append([]string{f("d.p7s"), "--content", f("content.json")}, trusted...), 0},
		{"failed", append([]string{f("broken.p7s")}, trusted...), 1},
		{"other content", append([]string{f("d.p7s"), "--content", f("junk.bin")}, trusted...), 1},
		{"content missing", append([]string{f("d.p7s")}, trusted...), 2},
		{"no trust", []string{f("a.p7s")}, 2},
		{"no revocation data", []string{f("a.p7s"), "--trust", f("trust")}, 2},
		{"no signature", append([]string{f("bundle.p7b")}, trusted...), 3},
		{"no file named", []string{"verify"}, 4},
		{"unknown flag", []string{f("a.p7s"), "--nonsense"}, 4},
		{"unknown policy", []string{f("a.p7s"), "--policy", "nonsense"}, 4},
		{"bad time", []string{f("a.p7s"), "--time", "yesterday"}, 4},
		{"trust is no folder", []string{f("a.p7s"), "--trust", f("a.p7s")}, 4},
		{"host without online", []string{f("a.p7s"), "--host", "ocsp.test"}, 4},
		{"nothing named at all", nil, 4},
		{"help", []string{"--help"}, 0},
		{"text", append([]string{f("junk.bin")}, trusted...), 3},
		{"unreadable", append([]string{f("cut.p7s")}, trusted...), 5},
		{"absent", append([]string{f("absent")}, trusted...), 5},
		{"gravest: failed before undecided", append([]string{f("a.p7s"), f("d.p7s"), f("broken.p7s")}, trusted...), 1},
		{"gravest: unreadable first", append([]string{f("broken.p7s"), f("cut.p7s")}, trusted...), 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := command(t, "", c.args...)
			require.Equal(t, c.want, code, out+errOut)
		})
	}
}

func TestJSONIsFrozen(t *testing.T) {
	dir := room(t)
	_, out, _ := command(t, "", filepath.Join(dir, "a.p7s"), "--trust", filepath.Join(dir, "trust"), "--policy", "archive-test", "--json")
	var top map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(out), &top))
	keys := func(m map[string]json.RawMessage) []string {
		var k []string
		for n := range m {
			k = append(k, n)
		}
		return k
	}
	require.ElementsMatch(t, []string{"id", "format", "indication", "signatures", "unsignedParts"}, keys(top))
	var list []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(top["signatures"], &list))
	require.ElementsMatch(t, []string{"indication", "subIndication", "reason", "level", "crypto", "scope", "signer", "claimedSigningTime",
		"bestSignatureTime", "timestamps", "algorithm", "warnings"}, keys(list[0]))
	var signer map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(list[0]["signer"], &signer))
	require.ElementsMatch(t, []string{"commonName", "rnokpp", "edrpou", "serial", "qualified", "seal"}, keys(signer))
	require.JSONEq(t, `"intact"`, string(list[0]["crypto"]))
	require.JSONEq(t, `"2222222225"`, string(signer["rnokpp"]))
}

func TestReportInWords(t *testing.T) {
	dir := room(t)
	f := filepath.Join(dir, "a.p7s")
	trusted := []string{"--trust", filepath.Join(dir, "trust"), "--policy", "archive-test"}
	_, uk, _ := command(t, "", append([]string{f, "--lang", "uk", "--mask-ids"}, trusted...)...)
	require.Contains(t, uk, "ЧИННИЙ")
	require.Contains(t, uk, "Вигадана")
	require.NotContains(t, uk, "2222222225")
	_, en, _ := command(t, "", append([]string{f, "--lang", "en", "--explain"}, trusted...)...)
	require.Contains(t, en, "VALID")
	require.Contains(t, en, "Is there a path to a trusted authority?")
	_, pipe, _ := command(t, string(read(t, f)), append([]string{"-", "--lang", "en"}, trusted...)...)
	require.Contains(t, pipe, "TOTAL-PASSED")

	out := filepath.Join(dir, "out.json")
	code, _, _ := command(t, "", append([]string{f, "-q", "--extract", out}, trusted...)...)
	require.Zero(t, code)
	require.Equal(t, read(t, filepath.Join(dir, "content.json")), read(t, out))
}

func read(t *testing.T, name string) []byte {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

func TestBatch(t *testing.T) {
	dir := room(t)
	line := func(v map[string]any) string { b, _ := json.Marshal(v); return string(b) + "\n" }
	in := line(map[string]any{"id": "1", "file": filepath.Join(dir, "a.p7s")}) +
		line(map[string]any{"id": "2", "file": filepath.Join(dir, "d.p7s"), "content": filepath.Join(dir, "content.json")}) +
		line(map[string]any{"id": "3", "file": filepath.Join(dir, "d.p7s"), "content": map[string]string{"content.json": filepath.Join(dir, "content.json")}}) +
		line(map[string]any{"id": "4", "file": filepath.Join(dir, "broken.p7s")}) +
		line(map[string]any{"id": "5", "file": filepath.Join(dir, "absent")})
	code, out, _ := command(t, in, "batch", "--trust", filepath.Join(dir, "trust"), "--policy", "archive-test")
	require.Equal(t, 5, code)
	var have []string
	for l := range strings.Lines(out) {
		var r struct{ ID, Indication, Error string }
		require.NoError(t, json.Unmarshal([]byte(l), &r))
		have = append(have, r.ID+" "+r.Indication)
		if r.ID == "5" {
			require.NotEmpty(t, r.Error)
		}
	}
	require.Equal(t, []string{"1 TOTAL-PASSED", "2 TOTAL-PASSED", "3 TOTAL-PASSED", "4 TOTAL-FAILED", "5 "}, have)
}

// The frozen behaviour on the eHealth documents of 2017.
func TestEHealthDocuments(t *testing.T) {
	ua := corpus.Dir(t, "ua")
	files, err := filepath.Glob(filepath.Join(ua, "cms", "ehealth.api__*.p7s"))
	require.NoError(t, err)
	certs := filepath.Join(ua, "certs")
	for _, f := range files {
		code, out, _ := command(t, "", f, "--trust", certs, "--json")
		require.Equal(t, 2, code, out)
		var r struct {
			Signatures []struct {
				SubIndication, Crypto string
				Timestamps            []struct{ Time string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		require.Equal(t, "OUT_OF_BOUNDS_NO_POE", r.Signatures[0].SubIndication)
		require.Equal(t, "intact", r.Signatures[0].Crypto)
		code, out, _ = command(t, "", f, "--trust", certs, "--time", r.Signatures[0].Timestamps[0].Time, "--policy", "archive-test", "--json")
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "ARCHIVE_TEST")
		b := read(t, f)
		b[len(b)/2] ^= 1
		flipped := filepath.Join(t.TempDir(), "flipped.p7s")
		require.NoError(t, os.WriteFile(flipped, b, 0o644))
		code, out, _ = command(t, "", flipped, "--trust", certs, "--time", r.Signatures[0].Timestamps[0].Time, "--policy", "archive-test", "--json")
		require.Equal(t, 1, code, out)
	}
	corpus.Count(t, "ua (mist-verify)", len(files), 0)
}

// A fresh signature needs its revocation status: offline undecided, online
// answered by a responder that the signer's certificate names.
func TestOnline(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	var ca, responder pki.Issuer
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		id, nonce, err := pki.ParseOCSPRequest(b)
		require.NoError(t, err)
		out, err := pki.RespondOCSP(id, nonce, pki.Status{}, responder, now, time.Hour, rand.Reader)
		require.NoError(t, err)
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(out)
	}))
	defer srv.Close()
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(sign.KindP256, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	ca = issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Корінь"}}, nil)
	responder = issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "OCSP"}}, &ca)
	who := issue(pki.Template{Profile: pki.Person, OCSP: srv.URL, Subject: pki.Subject{CommonName: "Вигадана О.І.", RNOKPP: "2222222225"}}, &ca)
	doc, err := sign.CAdES(t.Context(), sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}, facts.Bytes([]byte("зміст")), sign.Options{Time: now})
	require.NoError(t, err)
	file, folder := filepath.Join(dir, "a.p7s"), filepath.Join(dir, "trust")
	require.NoError(t, os.WriteFile(file, doc, 0o644))
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "root.cer"), ca.Certificate.Raw, 0o644))
	host := strings.TrimPrefix(srv.URL, "http://")
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"offline":               {nil, 2},
		"host not listed":       {[]string{"--online", "--allow-private"}, 2},
		"private not allowed":   {[]string{"--online", "--host", host}, 2},
		"asked":                 {[]string{"--online", "--host", host, "--allow-private"}, 0},
		"asked, policy of acts": {[]string{"--online", "--host", host, "--allow-private", "--policy", "act"}, 0},
	} {
		code, out, errOut := command(t, "", append([]string{file, "--trust", folder, "--json"}, c.args...)...)
		require.Equal(t, c.want, code, name+out+errOut)
	}
}

// A detached signature finds its content beside itself; the digest decides
// whether it is the right one, and the user is told.
func TestSignatureBesideItsFile(t *testing.T) {
	dir := room(t)
	at := func(n string) string { return filepath.Join(dir, n) }
	verify := func(name string, args ...string) (int, string) {
		code, _, errOut := command(t, "", append([]string{at(name), "--trust", at("trust"), "--policy", "archive-test"}, args...)...)
		return code, errOut
	}
	detached, err := os.ReadFile(at("d.p7s"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(at("content.json.p7s"), detached, 0o644))
	code, said := verify("content.json.p7s")
	require.Equal(t, exitPassed, code, said)
	require.Contains(t, said, "content taken from "+at("content.json"))
	code, said = verify("d.p7s")
	require.Equal(t, exitUndecided, code)
	require.NotContains(t, said, "content taken")
	require.NoError(t, os.WriteFile(at("other.json"), []byte("інше"), 0o644))
	require.NoError(t, os.WriteFile(at("other.json.p7s"), detached, 0o644))
	code, _ = verify("other.json.p7s")
	require.Equal(t, exitFailed, code)
	code, said = verify("other.json.p7s", "--content", at("content.json"))
	require.Equal(t, exitPassed, code, "what is given goes before what stands beside")
	require.NotContains(t, said, "content taken")
}

// A zip archive of signed files: each is verified for itself, a detached one
// with the file beside it; what is not signed is no signature.
func TestZipOfSignedFiles(t *testing.T) {
	dir := room(t)
	pack := func(name string, files map[string]string) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, inside := range slices.Sorted(maps.Keys(files)) {
			content, err := os.ReadFile(filepath.Join(dir, files[inside]))
			require.NoError(t, err)
			w, err := z.Create(inside)
			require.NoError(t, err)
			_, err = w.Write(content)
			require.NoError(t, err)
		}
		require.NoError(t, z.Close())
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		return path
	}
	verify := func(path string) (int, []string) {
		code, out, errOut := command(t, "", path, "--trust", filepath.Join(dir, "trust"), "--policy", "archive-test", "--json")
		require.Empty(t, errOut)
		var said []string
		for d := json.NewDecoder(strings.NewReader(out)); ; {
			var r struct {
				ID         string `json:"id"`
				Indication string `json:"indication"`
			}
			if err := d.Decode(&r); err != nil {
				require.ErrorIs(t, err, io.EOF)
				return code, said
			}
			said = append(said, r.ID+" "+r.Indication)
		}
	}
	good := map[string]string{"acts/a.p7s": "a.p7s", "acts/b.json": "content.json", "acts/b.json.p7s": "d.p7s", "readme.txt": "junk.bin"}
	code, said := verify(pack("good.zip", good))
	require.Equal(t, exitPassed, code)
	require.Equal(t, []string{"good.zip/acts/a.p7s TOTAL-PASSED", "good.zip/acts/b.json.p7s TOTAL-PASSED"}, said)

	good["acts/c.p7s"] = "broken.p7s"
	code, said = verify(pack("bad.zip", good))
	require.Equal(t, exitFailed, code)
	require.Len(t, said, 3)
	code, said = verify(pack("alone.zip", map[string]string{"d.p7s": "d.p7s"}))
	require.Equal(t, exitUndecided, code)
	require.Equal(t, []string{"alone.zip/d.p7s INDETERMINATE"}, said)
	code, _ = verify(pack("none.zip", map[string]string{"readme.txt": "junk.bin"}))
	require.Equal(t, exitNone, code)
}
