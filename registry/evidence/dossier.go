package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
	"mist/signature"
	"mist/signature/etsi"
	"mist/signature/explain"
	"mist/signature/facts"
	record "mist/signature/protocol"
	"mist/signature/sign"
)

// Names of files in a package.
const (
	fileEntry      = "entry.json"       // the leaf, byte for byte
	fileProof      = "entry.tlog-proof" // C2SP tlog-proof@v1
	fileReport     = "report.json"      // its SHA-256 is the digest in the entry
	fileFacts      = "facts.json"       // what was found in the document
	filePolicy     = "policy.json"      // its SHA-256 is the digest in the report
	fileAlgorithms = "algorithms.json"  // the table the report names
	fileDocument   = "document"         // the signed container, byte for byte; by right
	fileSeedNote   = "seed.checkpoint"  // the checkpoint the document pins
	fileSeedPath   = "seed.consistency" // RFC 6962, 2.1.2: a line of base64 each
	fileProtocol   = "protocol.html"    // one page for people
	fileETSI       = "report-etsi.xml"  // the judgement as ETSI TS 119 102-2 has it
	fileRecord     = "protocol.pdf"     // the judgement as a page that is filed
	fileReadme     = "README.txt"       //
	fileSums       = "SHA256SUMS"       //
	fileKeys       = "keys.txt"         // public keys, to be compared with those got otherwise
	folderMaterial = "material/"        // certificates, revocation data, time-stamps
	maxPackage     = 64 << 20           // bytes of all files
	maxFiles       = 2000               //
	mediaJSON      = "application/json" //
	mediaText      = "text/plain"       //
	mediaOctets    = "application/octet-stream"
)

// Seed is the past of the log that a signed document pins: the checkpoint with
// the root that stands in it, and the proof that the checkpoint of the entry
// continues that tree.
type Seed struct {
	Note []byte
	Path tlog.TreeProof
}

// Dossier is what a package is made of. Kept, Rules and Container are absent
// where the entry is of no judged document.
type Dossier struct {
	Entry     []byte
	Proof     audit.InclusionProof
	LogKey    string   // public key of the log
	Witnesses []string // public keys
	Kept      *Kept
	Rules     Rules
	// Container is the signed document; nil leaves its digest, in the entry.
	Container []byte
	Seed      *Seed
	// Made and Reason stand in the protocol.
	Made   time.Time
	Reason string
}

// Files are what the seal is set over, in their order.
func (d Dossier) Files() ([]sign.DataObject, error) {
	e, err := audit.Decode(d.Entry)
	if err != nil {
		return nil, fmt.Errorf("making a package: %w", err)
	}
	files := map[string][]byte{
		fileEntry: d.Entry, fileProof: d.Proof.Format(), fileReadme: []byte(readme(d, e)), fileKeys: []byte(keysText(d)),
	}
	if d.Kept != nil {
		for name, v := range map[string]any{fileReport: d.Kept.Report, fileFacts: d.Kept.Facts} {
			if files[name], err = json.Marshal(v); err != nil {
				return nil, fmt.Errorf("making a package: %w", err)
			}
		}
		files[filePolicy], files[fileAlgorithms] = d.Rules.Policy, d.Rules.Algorithms
		if err := reports(files, d.Kept, e); err != nil {
			return nil, err
		}
		material(files, d.Kept.Facts)
	}
	if d.Container != nil {
		files[documentName(d.Container)] = d.Container
	}
	if d.Seed != nil {
		files[fileSeedNote] = d.Seed.Note
		var b strings.Builder
		for _, h := range d.Seed.Path {
			b.WriteString(h.String() + "\n")
		}
		files[fileSeedPath] = []byte(b.String())
	}
	if files[fileProtocol], err = protocol(d, e); err != nil {
		return nil, err
	}
	files[fileSums] = sums(files)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	out := make([]sign.DataObject, len(names))
	for i, name := range names {
		out[i] = sign.DataObject{Name: name, MediaType: mediaOf(name), Content: facts.Bytes(files[name])}
	}
	return out, nil
}

func mediaOf(name string) string {
	switch {
	case strings.HasSuffix(name, ".json"):
		return mediaJSON
	case strings.HasSuffix(name, ".html"):
		return "text/html"
	case name == fileETSI:
		return etsi.MediaType
	case name == fileRecord:
		return record.MediaType
	case strings.HasSuffix(name, ".txt"), name == fileProof, name == fileSeedNote, name == fileSeedPath, name == fileSums:
		return mediaText
	}
	return mediaOctets
}

// documentName gives the container a name by which others' tools know it.
func documentName(container []byte) string {
	switch text := bytes.TrimLeft(container, " \t\r\n\ufeff"); {
	case bytes.HasPrefix(container, []byte("PK")):
		return fileDocument + ".asice"
	case bytes.HasPrefix(text, []byte("<")):
		return fileDocument + ".xml"
	}
	return fileDocument + ".p7s"
}

// reports adds what courts and archives read of a judgement: the XML report of
// ETSI TS 119 102-2 and the printable record in Ukrainian.
func reports(files map[string][]byte, k *Kept, e audit.Entry) error {
	r, err := signature.Recall(e.ID.String(), k.Facts, k.Report)
	if err != nil {
		return fmt.Errorf("making a package: %w", err)
	}
	b, err := etsi.Report(r, etsi.Validator{Name: reportedBy})
	switch {
	case err == nil:
		files[fileETSI] = b
	case !errors.Is(err, etsi.ErrNoSignature):
		return fmt.Errorf("making a package: %w", err)
	}
	if files[fileRecord], err = record.PDF(explain.NewProtocol(r, reportedBy, explain.Options{Lang: "uk", Trusted: true})); err != nil {
		return fmt.Errorf("making a package: %w", err)
	}
	return nil
}

// reportedBy is the validator that the reports name.
const reportedBy = "Mist"

// material puts certificates, revocation data and time-stamps beside the facts
// that hold them, as files that other programs read.
func material(files map[string][]byte, f *facts.Facts) {
	put := func(id, suffix string, der []byte) {
		if base, _, _ := strings.Cut(id, "#"); len(der) > 0 {
			files[folderMaterial+strings.ToLower(base[:min(len(base), 18)])+suffix] = der
		}
	}
	for _, c := range f.Certificates {
		put(c.ID, ".cer", c.DER)
	}
	for _, r := range f.Revocations {
		put(r.ID, map[string]string{facts.KindOCSP: ".ocsp", facts.KindCRL: ".crl"}[r.Kind], r.DER)
	}
	for _, t := range f.Timestamps {
		put(t.ID, ".tst", t.Token)
	}
}

// sums is what sha256sum -c reads.
func sums(files map[string][]byte) []byte {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	var b bytes.Buffer
	for _, name := range names {
		sum := sha256.Sum256(files[name])
		b.WriteString(hex.EncodeToString(sum[:]) + "  " + name + "\n")
	}
	return b.Bytes()
}

func keysText(d Dossier) string {
	return "log " + d.LogKey + "\n" + strings.Join(append([]string(nil), prefixed("witness ", d.Witnesses)...), "")
}

func prefixed(prefix string, list []string) (out []string) {
	for _, s := range list {
		out = append(out, prefix+s+"\n")
	}
	return out
}

func readme(d Dossier, e audit.Entry) string {
	document := "Сам документ не додано: є його дайджест (запис, act.container).\nThe document itself is not included: its digest stands in the entry (act.container).\n"
	if d.Container != nil {
		document = "Підписаний документ: " + documentName(d.Container) + ".\nThe signed document: " + documentName(d.Container) + ".\n"
	}
	return `Пакет доказів запису ` + e.ID.String() + `
Evidence of entry ` + e.ID.String() + `

Перевірити (ключ журналу візьміть не з цього пакета):
Verify (take the log's key from elsewhere than this package):

  mist-verify package PACKAGE.asice --key log.key --trust certs/

Іншими програмами · with other programs:
  sha256sum -c SHA256SUMS
  openssl cms -verify -cades -binary -inform DER -in META-INF/signature001.p7s -content META-INF/ASiCManifest001.xml -CAfile ca.pem -purpose any
  entry.tlog-proof — C2SP tlog-proof@v1; SHA-256(0x00 || entry.json) — RFC 6962.
  SHA-256(report.json) стоїть у записі · stands in the entry: report.digest.

` + document
}
