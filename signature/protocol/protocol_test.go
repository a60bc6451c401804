package protocol_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/explain"
	"mist/signature/facts"
	"mist/signature/protocol"
	"mist/signature/trust"
)

// record is the protocol of a foreign document of the corpus, at a time when
// its signer's certificate was good.
func record(t *testing.T, lang string) explain.Protocol {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t, "ua/cms"), "ehealth.api__signed_content.txt.p7s"))
	require.NoError(t, err)
	snap, err := trust.LoadFolder(os.DirFS(corpus.Dir(t, "ua/certs")), "corpus")
	require.NoError(t, err)
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap)})
	require.NoError(t, err)
	p, err := signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	r, err := v.Verify(context.Background(), signature.Input{Name: "підписаний файл.p7s", Document: facts.Bytes(b), Time: time.Date(2017, 6, 22, 13, 40, 0, 0, time.UTC)}, p)
	require.NoError(t, err)
	zone := time.FixedZone("Київ", 3*3600)
	return explain.NewProtocol(r, "mist-verify", explain.Options{Lang: lang, Zone: zone, Trusted: true})
}

// Text taken out of the file by a foreign program is the text put in, digests
// whole; the tags are read by it too.
func TestTextCanBeExtracted(t *testing.T) {
	pdftotext, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext is not installed (poppler-utils): the text of the protocol is not extracted")
	}
	for _, lang := range []string{"uk", "en"} {
		p := record(t, lang)
		b, err := protocol.PDF(p)
		require.NoError(t, err)
		name := filepath.Join(t.TempDir(), "p.pdf")
		require.NoError(t, os.WriteFile(name, b, 0o600))
		out, err := exec.Command(pdftotext, "-raw", name, "-").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NotContains(t, string(out), "Error")
		got := strings.Join(strings.Fields(string(out)), " ")
		want := []string{p.Title, p.Verdict.Word, p.Verdict.Term, p.Note, p.Digest}
		for _, s := range p.Sections {
			want = append(want, s.Heading)
			for _, r := range s.Rows {
				want = append(want, r.Label, r.Value)
			}
		}
		require.Greater(t, len(want), 50)
		for _, w := range want {
			require.Contains(t, strings.ReplaceAll(got, " ", ""), strings.Join(strings.Fields(w), ""))
		}
	}
}

// One signature is one page; the same record gives the same bytes; each object
// stands where the table says.
func TestOnePageOfTheSameBytes(t *testing.T) {
	p := record(t, "uk")
	b, err := protocol.PDF(p)
	require.NoError(t, err)
	again, err := protocol.PDF(p)
	require.NoError(t, err)
	require.Equal(t, b, again)
	require.Contains(t, string(b), "/Count 1 >>")
	require.Contains(t, string(b), "/MarkInfo << /Marked true >>")
	require.Contains(t, string(b), "/Lang (uk)")
	sound(t, b)
	p.Verdict.Word = "НЕДІЙСНИЙ"
	other, err := protocol.PDF(p)
	require.NoError(t, err)
	require.NotEqual(t, b, other)
}

// sound checks the table of objects against the objects.
func sound(t *testing.T, b []byte) {
	t.Helper()
	at := bytes.LastIndex(b, []byte("\nxref\n"))
	require.Positive(t, at)
	lines := strings.Split(string(b[at+1:]), "\n")
	n := 0
	for _, line := range lines[3:] {
		m := regexp.MustCompile(`^(\d{10}) 00000 n $`).FindStringSubmatch(line)
		if m == nil {
			break
		}
		n++
		var place int
		_, err := fmt.Sscanf(m[1], "%d", &place)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b[place:], fmt.Appendf(nil, "%d 0 obj\n", n)), "object %d", n)
	}
	require.Greater(t, n, 20)
}

// A record of many signatures goes over pages; characters no font has, and text
// longer than a line, do no harm.
func TestManySignaturesGoOverPages(t *testing.T) {
	p := record(t, "uk")
	one := p.Sections[1]
	one.Rows = append(one.Rows, explain.Row{Label: "Назва", Value: "漢字 " + strings.Repeat("x", 500)})
	for range 6 {
		p.Sections = append(p.Sections[:2], p.Sections[1:]...)
		p.Sections[1] = one
	}
	b, err := protocol.PDF(p)
	require.NoError(t, err)
	m := regexp.MustCompile(`/Type /Pages /Kids \[.*\] /Count (\d+) `).FindSubmatch(b)
	require.NotNil(t, m)
	require.Greater(t, len(m[1])*10+int(m[1][0]-'0'), 3)
	sound(t, b)
}

// A document without a signature has a record too: it says so.
func TestNothingSigned(t *testing.T) {
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("none", nil, nil, nil))})
	require.NoError(t, err)
	policy, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	r, err := v.Verify(t.Context(), signature.Input{Name: "лист.txt", Document: facts.Bytes([]byte("лист"))}, policy)
	require.NoError(t, err)
	p := explain.NewProtocol(r, "mist-verify", explain.Options{Lang: "uk"})
	require.Equal(t, signature.NoSignatureFound, p.Verdict.Indication)
	require.Equal(t, "У файлі немає жодного підпису.", p.Verdict.Why)
	b, err := protocol.PDF(p)
	require.NoError(t, err)
	sound(t, b)
}
