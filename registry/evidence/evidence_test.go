package evidence_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// stand is a signed document in a log, and everything a package is made of.
type stand struct {
	t        *testing.T
	now      time.Time
	root, ca pki.Issuer
	seal     pki.Issuer
	signer   *audit.Signer
	key      note.Verifier
	tiles    map[string][]byte
	dossier  evidence.Dossier
}

const origin = "registry.example/audit"

func (s *stand) issue(t pki.Template, by *pki.Issuer) pki.Issuer {
	t.NotBefore, t.NotAfter = s.now.AddDate(-1, 0, 0), s.now.AddDate(1, 0, 0)
	k, err := sign.GenerateKey("ECDSA-P256", rand.Reader)
	require.NoError(s.t, err)
	c, err := pki.Issue(t, k, by, rand.Reader)
	require.NoError(s.t, err)
	return pki.Issuer{Certificate: c, Key: k}
}

func newStand(t *testing.T) *stand {
	s := &stand{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), tiles: map[string][]byte{}}
	s.root = s.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий корінь"}}, nil)
	s.ca = s.issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "Тестовий КНЕДП"}}, &s.root)
	doctor := s.issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана Олена", Surname: "Вигадана", GivenName: "Олена", RNOKPP: "2222222225"}}, &s.ca)
	s.seal = s.issue(pki.Template{Profile: pki.Seal, Subject: pki.Subject{CommonName: "Вигадана служба", Organization: "Вигадана служба", EDRPOU: "12345679"}}, &s.ca)
	var lists [][]byte
	for _, by := range []pki.Issuer{s.root, s.ca} {
		l, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: s.now.Add(-time.Hour), NextUpdate: s.now.AddDate(0, 0, 7)}, by, rand.Reader)
		require.NoError(t, err)
		lists = append(lists, l)
	}

	// The log: eleven entries, a checkpoint that the document pins, seven more.
	private, verifier, err := audit.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	s.signer, err = audit.NewSigner(origin, private)
	require.NoError(t, err)
	s.key, err = audit.ReadVerifier(verifier)
	require.NoError(t, err)
	var leaves []tlog.Hash
	for i := range 11 {
		leaves = append(leaves, audit.LeafHash([]byte{byte(i)}))
	}
	first := s.grow(0, audit.EmptyRoot(), nil, leaves)
	seed, err := s.signer.Sign(first.Size, first.Root)
	require.NoError(t, err)

	document := []byte(`{"declaration":"0001","seed":"` + hex.EncodeToString(first.Root[:]) + `"}`)
	container, err := sign.CAdES(t.Context(), sign.Signer{Key: doctor.Key, Certificate: doctor.Certificate.Raw, Chain: [][]byte{s.ca.Certificate.Raw}},
		facts.Bytes(document), sign.Options{Time: s.now.Add(-time.Minute), CRLs: lists})
	require.NoError(t, err)
	policy, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(s.anchors()), Now: func() time.Time { return s.now }})
	require.NoError(t, err)
	result, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(container)}, policy)
	require.NoError(t, err)
	require.Equal(t, signature.TotalPassed, result.Indication, "%+v", result.Signatures[0].Reason)
	kept := evidence.Kept{Report: result.Report, Facts: result.Facts}
	table, err := signature.DefaultAlgorithms()
	require.NoError(t, err)

	digest, content := sha256.Sum256(container), sha256.Sum256(document)
	source := registry.SystemSource()
	entry, err := audit.Encode(audit.Entry{ID: source.NewID(), Kind: audit.ActAccepted, Time: s.now, Writer: audit.Writer{ID: source.NewID(), N: 1}, Nonce: source.Bytes(16), Channel: "rest",
		Act:    &audit.ActRef{ID: source.NewID(), Kind: "declaration", Container: digest[:], Content: content[:]},
		Report: &audit.ReportRef{Digest: result.Report.Digest(), Indication: string(result.Indication), Policy: policy.ID}})
	require.NoError(t, err)
	more := []tlog.Hash{audit.LeafHash([]byte("a")), audit.LeafHash(entry)}
	for i := range 5 {
		more = append(more, audit.LeafHash([]byte{100, byte(i)}))
	}
	last := s.grow(first.Size, first.Root, first.Tiles, more)
	s.dossier = evidence.Dossier{Entry: entry, LogKey: verifier, Kept: &kept, Rules: evidence.Rules{Policy: policy.Form(), Algorithms: table.Form()},
		Container: container, Seed: &evidence.Seed{Note: seed}, Made: s.now, Reason: "справа 1"}
	s.dossier.Proof.Index = 12
	s.dossier.Proof.Note, err = s.signer.Sign(last.Size, last.Root)
	require.NoError(t, err)
	fetch := func(_ context.Context, path string) ([]byte, error) { return s.tiles[path], nil }
	c := audit.Checkpoint{Origin: origin, Size: last.Size, Root: last.Root}
	s.dossier.Proof.Path, err = audit.ProveInclusion(t.Context(), fetch, c, 12, audit.LeafHash(entry))
	require.NoError(t, err)
	s.dossier.Seed.Path, err = audit.ProveConsistency(t.Context(), fetch, audit.Checkpoint{Origin: origin, Size: first.Size, Root: first.Root}, c)
	require.NoError(t, err)
	return s
}

func (s *stand) grow(size int64, root tlog.Hash, edge []audit.TileData, leaves []tlog.Hash) audit.Growth {
	g, err := audit.Grow(size, root, edge, leaves)
	require.NoError(s.t, err)
	for _, tile := range g.Tiles {
		s.tiles[audit.TilePath(tile.Tile)] = tile.Data
	}
	return g
}

func (s *stand) anchors() *trust.Snapshot {
	return trust.NewSnapshot("root", []trust.Anchor{{Certificate: s.root.Certificate, Trust: []facts.Trust{{Source: "root"}}}}, nil, nil)
}

// pack seals the files of the dossier after a change.
func (s *stand) pack(change func(files map[string][]byte)) []byte {
	list, err := s.dossier.Files()
	require.NoError(s.t, err)
	files := map[string][]byte{}
	for _, f := range list {
		b, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Content.Size()))
		require.NoError(s.t, err)
		files[f.Name] = b
	}
	if change != nil {
		change(files)
	}
	list = list[:0]
	for name, b := range files {
		list = append(list, sign.DataObject{Name: name, Content: facts.Bytes(b)})
	}
	var out bytes.Buffer
	require.NoError(s.t, sign.ASiC(s.t.Context(), &out, sign.Signer{Key: s.seal.Key, Certificate: s.seal.Certificate.Raw, Chain: [][]byte{s.ca.Certificate.Raw}},
		sign.ASiCOptions{Extended: true, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: s.now}}}, list...))
	return out.Bytes()
}

func (s *stand) verify(pkg []byte, change func(*evidence.Trusted)) evidence.Outcome {
	t := evidence.Trusted{Key: s.key, Now: func() time.Time { return s.now.AddDate(0, 0, 1) }}
	if change != nil {
		change(&t)
	}
	out, err := evidence.Verify(s.t.Context(), facts.Bytes(pkg), t)
	require.NoError(s.t, err)
	return out
}

// What the world would be told by somebody who holds the seal's key: each part
// that is exchanged is found, by the step that is there for it.
func TestEachPartIsLedBackToTheLog(t *testing.T) {
	s := newStand(t)
	good := s.verify(s.pack(nil), nil)
	require.Equal(t, evidence.Proven, good.Verdict().Verdict, "%+v", good.Steps)
	require.EqualValues(t, 12, good.Index)
	require.EqualValues(t, 11, good.Pinned)
	require.Equal(t, s.dossier.Kept.Report.Digest(), good.Report.Digest())
	for _, step := range good.Steps {
		require.Equal(t, step.Name == evidence.StepSeal || step.Name == evidence.StepWitnesses, step.Verdict == evidence.Skipped, step.Name)
	}
	good = s.verify(s.pack(nil), func(v *evidence.Trusted) { v.Anchors = s.anchors() })
	require.Equal(t, evidence.Proven, good.Verdict().Verdict, "%+v", good.Steps)

	other := newStand(t)
	flip := func(name string, at int) func(map[string][]byte) {
		return func(f map[string][]byte) {
			require.NotEmpty(t, f[name], name)
			b := bytes.Clone(f[name])
			b[(at+len(b))%len(b)] ^= 1
			f[name] = b
		}
	}
	for name, c := range map[string]struct {
		change  func(map[string][]byte)
		step    string
		verdict evidence.Verdict
	}{
		"another entry": {flip("entry.json", 40), evidence.StepProof, evidence.Disproven},
		"another place": {func(f map[string][]byte) {
			f["entry.tlog-proof"] = bytes.Replace(f["entry.tlog-proof"], []byte("index 12"), []byte("index 11"), 1)
		}, evidence.StepProof, evidence.Disproven},
		"another log": {func(f map[string][]byte) {
			maps.Copy(f, map[string][]byte{"entry.tlog-proof": other.dossier.Proof.Format()})
		}, evidence.StepProof, evidence.Undecided},
		"a kinder report": {func(f map[string][]byte) {
			f["report.json"] = bytes.Replace(f["report.json"], []byte("TOTAL-PASSED"), []byte("TOTAL-FAILED"), 1)
		}, evidence.StepReport, evidence.Disproven},
		"a missing report": {func(f map[string][]byte) { delete(f, "report.json") }, evidence.StepReport, evidence.Undecided},
		"other rules": {func(f map[string][]byte) {
			f["policy.json"] = bytes.Replace(f["policy.json"], []byte(`"FAIL"`), []byte(`"WARN"`), 1)
		}, evidence.StepReport, evidence.Disproven},
		"another table": {func(f map[string][]byte) {
			f["algorithms.json"] = bytes.Replace(f["algorithms.json"], []byte(`"version":"`), []byte(`"version":"x`), 1)
		}, evidence.StepAgain, evidence.Disproven},
		"other facts": {func(f map[string][]byte) {
			f["facts.json"] = bytes.Replace(f["facts.json"], []byte(`"signatureValue":"good"`), []byte(`"signatureValue":"bad"`), 1)
		}, evidence.StepAgain, evidence.Disproven},
		"another certificate": {func(f map[string][]byte) {
			f["facts.json"] = bytes.Replace(f["facts.json"], []byte(`"der":"MII`), []byte(`"der":"MIJ`), 1)
		}, evidence.StepReport, evidence.Disproven},
		"another document":          {flip("document.p7s", 200), evidence.StepDocument, evidence.Disproven},
		"two documents":             {func(f map[string][]byte) { f["document.xml"] = []byte("<a/>") }, evidence.StepDocument, evidence.Disproven},
		"no pinned past":            {func(f map[string][]byte) { delete(f, "seed.checkpoint") }, evidence.StepSeed, evidence.Undecided},
		"a past of another log":     {func(f map[string][]byte) { f["seed.checkpoint"] = other.dossier.Seed.Note }, evidence.StepSeed, evidence.Undecided},
		"the newest for the pinned": {func(f map[string][]byte) { f["seed.checkpoint"] = s.dossier.Proof.Note }, evidence.StepSeed, evidence.Disproven},
		"a false continuation": {func(f map[string][]byte) {
			lines := strings.SplitAfter(string(f["seed.consistency"]), "\n")
			lines[0], lines[1] = lines[1], lines[0]
			f["seed.consistency"] = []byte(strings.Join(lines, ""))
		}, evidence.StepSeed, evidence.Disproven},
	} {
		t.Run(name, func(t *testing.T) {
			out := s.verify(s.pack(c.change), nil)
			worst := out.Verdict()
			require.Equal(t, c.step, worst.Name, "%+v", out.Steps)
			require.Equal(t, c.verdict, worst.Verdict, "%+v", worst)
		})
	}

	t.Run("digests only", func(t *testing.T) {
		without := *s
		without.dossier.Container, without.dossier.Seed = nil, nil
		out := without.verify(without.pack(nil), nil)
		require.Equal(t, evidence.Proven, out.Verdict().Verdict)
		require.EqualValues(t, -1, out.Pinned)
		require.NotContains(t, string(without.pack(nil)), "document.p7s")
	})
	t.Run("a file beside the sealed ones", func(t *testing.T) {
		pkg := s.pack(nil)
		r, err := zip.NewReader(bytes.NewReader(pkg), int64(len(pkg)))
		require.NoError(t, err)
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, f := range r.File {
			require.NoError(t, w.Copy(f))
		}
		extra, err := w.Create("note.txt")
		require.NoError(t, err)
		_, err = extra.Write([]byte("believe me"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		worst := s.verify(b.Bytes(), nil).Verdict()
		require.Equal(t, evidence.StepPackage, worst.Name)
		require.Equal(t, evidence.Disproven, worst.Verdict)
	})
	t.Run("anchors of a stranger", func(t *testing.T) {
		worst := s.verify(s.pack(nil), func(v *evidence.Trusted) { v.Anchors = other.anchors() }).Verdict()
		require.Equal(t, evidence.StepSeal, worst.Name)
		require.Equal(t, evidence.Undecided, worst.Verdict)
	})
	t.Run("too few witnesses", func(t *testing.T) {
		_, public, err := audit.GenerateWitnessKey(rand.Reader, "witness.example")
		require.NoError(t, err)
		k, err := audit.ReadWitnessKey(public)
		require.NoError(t, err)
		worst := s.verify(s.pack(nil), func(v *evidence.Trusted) { v.Quorum = audit.Quorum{Witnesses: []*audit.WitnessKey{k}, Need: 1} }).Verdict()
		require.Equal(t, evidence.StepWitnesses, worst.Name)
		require.NotEqual(t, evidence.Proven, worst.Verdict)
	})
	t.Run("no package", func(t *testing.T) {
		_, err := evidence.Verify(t.Context(), facts.Bytes([]byte("PK")), evidence.Trusted{Key: s.key, Now: time.Now})
		require.Error(t, err)
	})
}

// The rules kept with a judgement judge it again, byte for byte, whatever the
// program's own rules have become.
func TestRulesAreKeptExactly(t *testing.T) {
	for _, name := range signature.PolicyNames() {
		p, err := signature.NamedPolicy(name)
		require.NoError(t, err)
		again, err := signature.RestorePolicy(p.Form())
		require.NoError(t, err)
		require.Equal(t, p.Ref(), again.Ref())
		sum := sha256.Sum256(p.Form())
		require.Equal(t, "sha256:"+hex.EncodeToString(sum[:]), p.Ref().Digest, "a foreign tool can check the digest")
	}
}

// The sums are read by sha256sum, the seal by OpenSSL.
func TestForeignToolsReadAPackage(t *testing.T) {
	if _, err := exec.LookPath("unzip"); err != nil {
		t.Skip("unzip is not installed")
	}
	s := newStand(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "p.asice")
	require.NoError(t, os.WriteFile(path, s.pack(nil), 0o600))
	run := func(name string, args ...string) string {
		c := exec.Command(name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	run("unzip", "-q", path)
	require.Contains(t, run("sha256sum", "-c", "SHA256SUMS"), "document.p7s: OK")
	require.Contains(t, run("sha256sum", "report.json"), strings.TrimPrefix(s.dossier.Kept.Report.Digest(), "sha256:"))
	if _, err := exec.LookPath("openssl"); err == nil {
		found, err := filepath.Glob(filepath.Join(dir, "material", "*.cer"))
		require.NoError(t, err)
		require.NotEmpty(t, found)
		run("openssl", "x509", "-inform", "DER", "-in", found[0], "-noout")
	}
}
