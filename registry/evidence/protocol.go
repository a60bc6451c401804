package evidence

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"html/template"
	"time"

	"mist/registry/audit"
	"mist/signature"
	"mist/signature/explain"
)

// page is one sheet of A4: what was proven, by which numbers, and how to prove
// it again. It loads nothing and runs nothing.
var page = template.Must(template.New("protocol").Parse(`<!doctype html>
<html lang="uk"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Протокол перевірки · Protocol of verification {{.Entry.ID}}</title>
<style>
@page{size:A4;margin:14mm}
body{font:9.5pt/1.35 "Liberation Sans",Arial,sans-serif;max-width:182mm;margin:1em auto;color:#000;background:#fff}
h1{font-size:14pt;margin:0 0 .4em}h2{font-size:10.5pt;margin:.8em 0 .2em;border-bottom:.5pt solid #000}
dl{display:grid;grid-template-columns:52mm 1fr;gap:.5mm 3mm;margin:0}dt{color:#333}dd{margin:0;overflow-wrap:anywhere}
code,pre{font:8pt/1.3 "Liberation Mono",monospace;overflow-wrap:anywhere;white-space:pre-wrap;margin:0}
</style></head><body>
<h1>Протокол перевірки запису журналу · Protocol of verification</h1>
<dl>
<dt>Запис · Entry</dt><dd><code>{{.Entry.ID}}</code>, № {{.Index}}</dd>
<dt>Подія, час · Event, time</dt><dd>{{.Entry.Kind}}, {{.Time}}</dd>
{{with .Entry.Act}}<dt>Акт · Act</dt><dd>{{.Kind}} <code>{{.ID}}</code></dd>
<dt>SHA-256 документа · of the document</dt><dd><code>{{$.Container}}</code> ({{if $.Document}}додано · included: {{$.Document}}{{else}}не додано · not included{{end}})</dd>{{end}}
{{with .Entry.Report}}<dt>Звіт · Report</dt><dd><code>{{.Digest}}</code>, {{.Indication}}, {{.Policy}}</dd>{{end}}
<dt>Контрольна точка · Checkpoint</dt><dd>{{.Checkpoint.Origin}}, {{.Checkpoint.Size}}, <code>{{.Checkpoint.Root}}</code></dd>
<dt>Шлях доведення · Audit path</dt><dd>{{len .Path}} SHA-256 (RFC 6962), entry.tlog-proof</dd>
{{with .Seed}}<dt>Минуле журналу в документі · Past of the log in the document</dt><dd>{{.Size}}, <code>{{.Root}}</code></dd>{{end}}
<dt>Складено · Made</dt><dd>{{.Made}}{{with .Reason}}; {{.}}{{end}}</dd>
</dl>
{{with .Words}}<h2>Висновок про підпис · Verdict on the signature</h2><pre>{{.}}</pre>{{end}}
<h2>Ключ журналу · Key of the log</h2>
<p>Порівняйте з ключем, отриманим іншим шляхом. · Compare it with the key got by another way.</p>
<pre>{{.LogKey}}</pre>
<h2>Перевірити самостійно · Verify it yourself</h2>
<pre>mist-verify package PACKAGE.asice --key log.key --trust certs/</pre>
</body></html>
`))

type seedLine struct {
	Size int64
	Root string
}

type protocolView struct {
	Entry               audit.Entry
	Index               int64
	Time, Made, Reason  string
	Container, Document string
	Checkpoint          audit.Checkpoint
	Path                []struct{}
	Seed                *seedLine
	Words, LogKey       string
}

func protocol(d Dossier, e audit.Entry) ([]byte, error) {
	v := protocolView{Entry: e, Index: d.Proof.Index, Time: stamp(e.Time), Made: stamp(d.Made), Reason: d.Reason, LogKey: d.LogKey, Path: make([]struct{}, len(d.Proof.Path))}
	var err error
	// The protocol repeats what the proof says; Verify is who checks it.
	if v.Checkpoint, err = claimed(d.Proof.Note); err != nil {
		return nil, fmt.Errorf("making a package: %w", err)
	}
	if e.Act != nil {
		v.Container = hex.EncodeToString(e.Act.Container)
	}
	if d.Container != nil {
		v.Document = documentName(d.Container)
	}
	if d.Seed != nil {
		c, err := claimed(d.Seed.Note)
		if err != nil {
			return nil, fmt.Errorf("making a package: %w", err)
		}
		v.Seed = &seedLine{c.Size, hex.EncodeToString(c.Root[:])}
	}
	if d.Kept != nil {
		r, err := signature.Recall(e.ID.String(), d.Kept.Facts, d.Kept.Report)
		if err != nil {
			return nil, fmt.Errorf("making a package: %w", err)
		}
		var words bytes.Buffer
		for _, lang := range []string{"uk", "en"} {
			if err := explain.Write(&words, r, explain.Options{Lang: lang, Trusted: true}); err != nil {
				return nil, err
			}
			words.WriteString("\n")
		}
		v.Words = words.String()
	}
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("making a protocol: %w", err)
	}
	return out.Bytes(), nil
}

// claimed reads a checkpoint without verifying it.
func claimed(signed []byte) (audit.Checkpoint, error) {
	text, err := audit.NoteText(signed)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	return audit.ParseCheckpoint(text)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
