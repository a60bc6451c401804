//go:build browser

package verify

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/browser"
	"mist/signature/facts"
	"mist/signature/sign"
)

func (h *house) signed(content []byte, detached bool) []byte {
	b, err := sign.CAdES(h.t.Context(), sign.Signer{Key: h.who.Key, Certificate: h.who.Certificate.Raw}, facts.Bytes(content), sign.Options{Time: h.now, Detached: detached})
	require.NoError(h.t, err)
	return b
}

// outcome waits for the result of a verification and gives its term.
func outcome(b *browser.Browser) string {
	b.Wait("#result:not([hidden])")
	return b.Text("#verdict code")
}

// choose gives the form its files and presses the button.
func choose(b *browser.Browser, signed string, content ...string) {
	b.Upload("#signed", signed)
	b.Upload("#content", append([]string{}, content...)...)
	b.Evaluate(`document.getElementById("result").hidden = true`)
	b.Touch("#desk button:not([type])")
}

func TestBrowserVerify(t *testing.T) {
	h := newHouse(t)
	require.True(t, h.ready, "make build compiles the verifier for browsers")
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	content := []byte("лист про відпустку")
	good := file("лист.p7s", h.signed(content, false))
	altered := bytes.Clone(h.signed(content, false))
	altered[bytes.Index(altered, content)] ^= 1
	bad, detached, beside := file("змінений.p7s", altered), file("лист.txt.p7s", h.signed(content, true)), file("лист.txt", content)
	b := browser.Start(t, h.url)

	t.Run("clean in both languages, shades and widths", func(t *testing.T) {
		b := b.For(t)
		b.Check("/verify", 200)
	})

	t.Run("the file does not leave the device", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		before := strings.Join(b.Asked(), "\n")
		require.Contains(t, before, "/verify/material")
		require.Contains(t, before, "/verify/code/mist.")
		for path, want := range map[string]string{good: "TOTAL-PASSED", bad: "TOTAL-FAILED / HASH_FAILURE (REFERENCE_DATA_INTACT)"} {
			choose(b, path)
			require.Equal(t, want, outcome(b))
		}
		b.Download("#save-pdf", filepath.Join(dir, "p.pdf"))
		b.Download("#save-etsi", filepath.Join(dir, "r.xml"))
		var left []string
		for _, r := range b.Asked() {
			if !strings.Contains(r, " blob:") {
				left = append(left, r)
			}
		}
		require.Empty(t, left, "requests after a file was chosen")
		pdf, err := os.ReadFile(filepath.Join(dir, "p.pdf"))
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(pdf, []byte("%PDF-1.7")))
		xml, err := os.ReadFile(filepath.Join(dir, "r.xml"))
		require.NoError(t, err)
		require.Contains(t, string(xml), "http://uri.etsi.org/19102/v1.4.1#")
		b.Heard()
	})

	t.Run("it works with the network cut", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		b.Offline(true)
		choose(b, good)
		require.Equal(t, "TOTAL-PASSED", outcome(b))
		b.Offline(false)
	})

	t.Run("the worker and the page can send nothing", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		b.Asked()
		require.Equal(t, "refused", b.Evaluate(`fetch("/uk/", { method: "POST", body: "the file" }).then(() => "sent", () => "refused")`))
		require.Equal(t, "refused", b.Evaluate(`(() => { try { new Worker("/assets/other.js"); return "started" } catch { return "refused" } })()`))
		require.Empty(t, b.Asked())
	})

	t.Run("everything is said, markup in names stays text, focus is on the result", func(t *testing.T) {
		b := b.For(t)
		for lang, want := range map[string][]string{
			"uk": {"Результат перевірки", "Чинний", "Вигадана", "<img src=x onerror=alert(1)>", "РНОКПП", "2222222225", "ДСТУ 4145", "Тестовий КНЕДП <b>&amp;</b>", "Криптографія"},
			"en": {"Result of the verification", "RNOKPP", "DSTU 4145", "Cryptography"},
		} {
			b.Visit(browser.Visitor{})
			b.Goto("/" + lang + "/verify")
			choose(b, good)
			require.Equal(t, "TOTAL-PASSED", outcome(b))
			text := b.Evaluate(`document.getElementById("result").textContent`).(string)
			for _, w := range want {
				require.Contains(t, text, w)
			}
			require.Equal(t, 0, b.Count("#result img"))
			require.NotContains(t, text, "{")
			require.Equal(t, "result", b.Focused().ID)
			require.Regexp(t, `\d`, b.Text("#state"))
			b.Heard()
		}
	})

	t.Run("clean with a result, at every width, shade and on paper", func(t *testing.T) {
		b := b.For(t)
		for _, v := range []browser.Visitor{{}, {Dark: true}, {Width: 320}, {Dark: true, Width: 320}} {
			b.Visit(v)
			b.Goto("/uk/verify")
			choose(b, bad)
			require.Equal(t, "TOTAL-FAILED / HASH_FAILURE (REFERENCE_DATA_INTACT)", outcome(b))
			require.Empty(t, b.Examine(fmt.Sprintf("verify-result-%d-%v", v.Width, v.Dark)))
			require.Empty(t, b.Cut())
		}
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		choose(b, good)
		outcome(b)
		b.Paper()
		require.Empty(t, b.Cut())
		b.Shot("verify-paper")
	})

	t.Run("a signature beside its file, by the form and by dropping", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		choose(b, detached)
		require.Equal(t, "INDETERMINATE / SIGNED_DATA_NOT_FOUND (REFERENCE_DATA_EXISTENCE)", outcome(b))
		require.Contains(t, b.Text("#verdict"), "Оберіть також файл")
		choose(b, detached, beside)
		require.Equal(t, "TOTAL-PASSED", outcome(b))
		b.Evaluate(`document.getElementById("result").hidden = true`)
		drop := `(() => { const bytes = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0)); const t = new DataTransfer();
			t.items.add(new File([bytes("%s")], "лист.txt")); t.items.add(new File([bytes("%s")], "лист.txt.p7s"));
			document.getElementById("desk").dispatchEvent(new DragEvent("drop", { dataTransfer: t, bubbles: true, cancelable: true })); })()`
		signed, err := os.ReadFile(detached)
		require.NoError(t, err)
		b.Evaluate(fmt.Sprintf(drop, base64.StdEncoding.EncodeToString(content), base64.StdEncoding.EncodeToString(signed)))
		require.Equal(t, "TOTAL-PASSED", outcome(b))
		b.Heard()
	})

	t.Run("by keyboard alone", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		b.Evaluate(`document.getElementById("signed").focus()`)
		b.PressFile("Space", good)
		b.Press("Tab")
		require.Equal(t, "content", b.Focused().ID)
		b.Press("Tab")
		require.Equal(t, "BUTTON", b.Focused().Tag)
		b.Press("Enter")
		require.Equal(t, "TOTAL-PASSED", outcome(b))
		require.Equal(t, "result", b.Focused().ID)
		b.Press("Tab")
		b.PressDownload("Enter", filepath.Join(dir, "k.pdf"))
		require.FileExists(t, filepath.Join(dir, "k.pdf"))
		b.Heard()
	})

	t.Run("what cannot be verified is said in words", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		b.Touch("#desk button:not([type])")
		b.Wait("#alarm:not([hidden])")
		require.Contains(t, b.Text("#alarm"), "оберіть підписаний файл")
		choose(b, file("обірваний.p7s", altered[:len(altered)/2]))
		b.Wait("#alarm:not([hidden])")
		require.Contains(t, b.Text("#alarm"), "не вдалося прочитати")
		choose(b, beside)
		b.Wait("#result:not([hidden])")
		require.Contains(t, b.Text("#verdict"), "немає жодного підпису")
		require.Equal(t, 0, b.Count("#save-etsi:not([hidden])"))
		b.Heard()
	})

	t.Run("no revocation data is no pass, and the page says whom to ask", func(t *testing.T) {
		b := b.For(t)
		h.store.Replace(h.snapshot(false))
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		require.Contains(t, b.Text("#state"), "Списків відкликаних сертифікатів тут немає")
		choose(b, good)
		require.Contains(t, outcome(b), "INDETERMINATE")
		require.Contains(t, b.Text("#verdict"), "--online")
		b.Shot("verify-undecided")
	})

	t.Run("material of another key is refused", func(t *testing.T) {
		b := b.For(t)
		b.Visit(browser.Visitor{})
		b.Goto("/uk/verify")
		b.Wait(`#desk[data-ready]`)
		b.Evaluate(`localStorage.setItem("mist-verify-key", "another")`)
		b.Goto("/uk/verify")
		b.Wait("#alarm:not([hidden])")
		require.Contains(t, b.Text("#alarm"), "Ключ журналу не той")
	})
}
