package evidence

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/trust"
)

// Verdict of one step.
type Verdict string

// Verdicts. Skipped is what could not be asked: a part that the package need
// not hold, or something the reader gave no key for.
const (
	Proven    Verdict = "proven"
	Disproven Verdict = "disproven"
	Undecided Verdict = "undecided"
	Skipped   Verdict = "skipped"
)

// Steps in their order.
const (
	StepPackage   = "package"   // a readable container whose seal covers every file
	StepSeal      = "seal"      // the seal is one the reader trusts
	StepProof     = "inclusion" // the entry stands in the log
	StepWitnesses = "witnesses" // enough witnesses have seen it
	StepReport    = "report"    // the report is the one the entry names, the facts those the report names
	StepAgain     = "judgement" // judged again from the facts: the same report
	StepDocument  = "document"  // the document is the entry's; verified again from its bytes: the same verdict
	StepSeed      = "seed"      // the document pins the log's past, and the log continued it
)

// Step is one question and its answer.
type Step struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
}

// Trusted is what the reader of a package believes. Key is required.
type Trusted struct {
	Key     note.Verifier
	Quorum  audit.Quorum
	Anchors *trust.Snapshot // nil: the seal is not judged, the document by the anchors of the facts
	Now     func() time.Time
}

// Outcome of a verification. What is set was reached.
type Outcome struct {
	Steps      []Step
	Entry      audit.Entry
	Bytes      []byte // of the entry
	Index      int64
	Checkpoint audit.Checkpoint
	Note       []byte
	Path       tlog.RecordProof
	Cosigned   []audit.Cosignature
	Report     *signature.Report
	// Pinned is the size of the tree whose root the document carries; -1: none.
	Pinned int64
}

// Verdict of the whole: the gravest of its steps.
func (o Outcome) Verdict() (worst Step) {
	worst.Verdict = Proven
	for _, s := range o.Steps {
		if s.Verdict == Disproven || s.Verdict == Undecided && worst.Verdict == Proven {
			worst = s
		}
		if worst.Verdict == Disproven {
			break
		}
	}
	return worst
}

// refusal ends a verification.
type refusal struct {
	verdict Verdict
	err     error
}

func (r *refusal) Error() string { return r.err.Error() }

func no(format string, a ...any) error    { return &refusal{Disproven, fmt.Errorf(format, a...)} }
func maybe(format string, a ...any) error { return &refusal{Undecided, fmt.Errorf(format, a...)} }

// errSkipped marks a step that was not asked.
var errSkipped = errors.New("skipped")

type check struct {
	t     Trusted
	out   Outcome
	files map[string][]byte
	kept  *Kept
	rules Rules
	doc   []byte // the verified content of the document
}

// Verify leads every part of a package back to the log's signed checkpoint. It
// asks no network. It ends at the first step that is not proven; the error is
// for what is no package at all.
func Verify(ctx context.Context, file facts.Source, t Trusted) (Outcome, error) {
	if t.Key == nil || t.Now == nil {
		return Outcome{}, errors.New("verifying a package: the log's key and a clock are needed")
	}
	c := &check{t: t, out: Outcome{Pinned: -1}}
	if err := c.open(file); err != nil {
		return c.out, err
	}
	if c.files[fileEntry] == nil || c.files[fileProof] == nil {
		return c.out, errors.New("reading a package: it holds no entry with its proof")
	}
	return c.run(ctx, file, []step{
		{StepPackage, c.sealed}, {StepSeal, c.trusted}, {StepProof, c.included}, {StepWitnesses, c.witnessed},
		{StepReport, c.reported}, {StepAgain, c.again}, {StepDocument, c.document}, {StepSeed, c.seed},
	})
}

// VerifySeal judges the seal over the files of any container of ours, and gives
// the files it covers.
func VerifySeal(ctx context.Context, file facts.Source, t Trusted) (files map[string][]byte, out Outcome, err error) {
	if t.Now == nil {
		return nil, Outcome{}, errors.New("verifying a seal: a clock is needed")
	}
	c := &check{t: t, out: Outcome{Pinned: -1}}
	if err := c.open(file); err != nil {
		return nil, c.out, err
	}
	out, err = c.run(ctx, file, []step{{StepPackage, c.sealed}, {StepSeal, c.trusted}})
	return c.files, out, err
}

// step is one question of a verification.
type step struct {
	name string
	run  func(context.Context, facts.Source) error
}

func (c *check) run(ctx context.Context, file facts.Source, steps []step) (Outcome, error) {
	for _, step := range steps {
		err := step.run(ctx, file)
		var r *refusal
		switch {
		case err == nil:
			c.out.Steps = append(c.out.Steps, Step{step.name, Proven, ""})
			continue
		case errors.Is(err, errSkipped):
			c.out.Steps = append(c.out.Steps, Step{step.name, Skipped, ""})
			continue
		case errors.As(err, &r):
			c.out.Steps = append(c.out.Steps, Step{step.name, r.verdict, r.Error()})
			return c.out, nil
		}
		return c.out, fmt.Errorf("verifying a package, %s: %w", step.name, err)
	}
	return c.out, nil
}

// open reads all files. That they are the sealed ones is the next step.
func (c *check) open(file facts.Source) error {
	if file.Size() > maxPackage {
		return fmt.Errorf("reading a package: more than %d bytes", maxPackage)
	}
	z, err := zip.NewReader(file, file.Size())
	if err != nil {
		return fmt.Errorf("reading a package: %w", err)
	}
	if len(z.File) > maxFiles {
		return fmt.Errorf("reading a package: more than %d files", maxFiles)
	}
	c.files = map[string][]byte{}
	left := int64(maxPackage)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("reading a package: %w", err)
		}
		b, err := io.ReadAll(io.LimitReader(r, left+1))
		r.Close()
		if left -= int64(len(b)); err == nil && left < 0 {
			err = fmt.Errorf("more than %d bytes", maxPackage)
		}
		if err != nil {
			return fmt.Errorf("reading a package: %w", err)
		}
		c.files[f.Name] = b
	}
	return nil
}

// verify runs the signature verifier offline with the given anchors.
func (c *check) verify(ctx context.Context, doc facts.Source, snap *trust.Snapshot, f signature.Fetcher, p signature.Policy, at time.Time) (*signature.Result, error) {
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap), Fetcher: f, Now: c.t.Now})
	if err != nil {
		return nil, err
	}
	return v.Verify(ctx, signature.Input{ID: "package", Document: doc, Time: at}, p)
}

// sealed: one signature over every file, its value holds, and what we read are
// the bytes that were hashed.
func (c *check) sealed(ctx context.Context, file facts.Source) error {
	p, err := signature.NamedPolicy("default")
	if err != nil {
		return err
	}
	snap := c.t.Anchors
	if snap == nil {
		snap = trust.NewSnapshot("none", nil, nil, nil)
	}
	r, err := c.verify(ctx, file, snap, nil, p, c.t.Now())
	var unreadable *signature.UnreadableError
	if errors.As(err, &unreadable) {
		return no("the package is no container: %v", err)
	}
	if err != nil {
		return err
	}
	if r.Indication == signature.TotalFailed {
		return no("the seal of the package does not hold: %s", r.Signatures[0].Reason)
	}
	if len(r.Signatures) != 1 || r.Signatures[0].Crypto != signature.CryptoIntact {
		return no("the package needs one seal whose value holds")
	}
	if len(r.UnsignedParts) > 0 {
		return no("the seal does not cover %s", strings.Join(r.UnsignedParts, ", "))
	}
	covered := map[string][]byte{}
	for _, s := range r.Facts.Signatures[0].Scopes {
		if s.Kind == facts.ScopeFull {
			covered[s.Name] = s.SHA256
		}
	}
	for name, b := range c.files {
		if name == "mimetype" || strings.HasPrefix(name, "META-INF/") {
			continue
		}
		if sum := sha256.Sum256(b); !bytes.Equal(covered[name], sum[:]) {
			return no("the seal does not cover %s", name)
		}
	}
	c.out.Report = r.Report
	return nil
}

// trusted judges the seal by the reader's own anchors.
func (c *check) trusted(_ context.Context, _ facts.Source) error {
	if c.t.Anchors == nil {
		return errSkipped
	}
	s := c.out.Report.Signatures[0]
	switch {
	case s.Conclusion.Indication != signature.TotalPassed && s.Conclusion.SubIndication == signature.CertificateChainGeneralFailure:
		// Offline there is no revocation data of the seal's certificate, unless
		// the seal carries it: the chain is trusted, the moment is not proven.
		return errSkipped
	case s.Conclusion.Indication != signature.TotalPassed:
		return maybe("the seal is %s / %s (%s)", s.Conclusion.Indication, s.Conclusion.SubIndication, s.Conclusion.Reason)
	case !s.Seal:
		return maybe("the package is signed by a person and not sealed by an organisation")
	}
	return nil
}

func (c *check) included(context.Context, facts.Source) error {
	p, err := audit.ParseProof(c.files[fileProof])
	if err != nil {
		return no("%v", err)
	}
	cp, err := audit.OpenCheckpoint(p.Note, c.t.Key)
	if err != nil {
		return signedBy(err)
	}
	entry := c.files[fileEntry]
	if err := p.Check(cp, audit.LeafHash(entry)); err != nil {
		return no("%v", err)
	}
	e, err := audit.Decode(entry)
	if err != nil {
		return no("what stands in the log is no entry: %v", err)
	}
	c.out.Entry, c.out.Bytes, c.out.Index, c.out.Checkpoint, c.out.Note, c.out.Path = e, entry, p.Index, cp, p.Note, p.Path
	return nil
}

// signedBy tells a false signature from one of another key.
func signedBy(err error) error {
	var unsigned *audit.NotSignedError
	if errors.As(err, &unsigned) && !unsigned.False {
		return maybe("%v", err)
	}
	return no("%v", err)
}

func (c *check) witnessed(context.Context, facts.Source) (err error) {
	if len(c.t.Quorum.Witnesses) == 0 {
		return errSkipped
	}
	_, c.out.Cosigned, err = audit.OpenWitnessed(c.out.Note, c.t.Key, c.t.Quorum)
	if err != nil {
		return signedBy(err)
	}
	return nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (c *check) reported(context.Context, facts.Source) error {
	ref := c.out.Entry.Report
	c.out.Report = nil
	if ref == nil {
		return errSkipped
	}
	for _, name := range []string{fileReport, fileFacts, filePolicy, fileAlgorithms} {
		if c.files[name] == nil {
			return maybe("the entry names a report and the package lacks %s", name)
		}
	}
	if digestOf(c.files[fileReport]) != ref.Digest {
		return no("report.json is not the report that the entry names")
	}
	var k Kept
	if err := json.Unmarshal(c.files[fileReport], &k.Report); err != nil {
		return no("report.json: %v", err)
	}
	if err := json.Unmarshal(c.files[fileFacts], &k.Facts); err != nil {
		return no("facts.json: %v", err)
	}
	if err := k.Facts.CheckIDs(); err != nil {
		return no("%v", err)
	}
	if digestOf(c.files[filePolicy]) != k.Report.Policy.Digest {
		return no("policy.json is not the policy that the report names")
	}
	if string(k.Report.Indication) != ref.Indication || k.Report.Policy.ID != ref.Policy {
		return no("the report's verdict or policy is not the one in the entry")
	}
	c.kept, c.rules = &k, Rules{c.files[filePolicy], c.files[fileAlgorithms]}
	return nil
}

func (c *check) again(context.Context, facts.Source) error {
	if c.kept == nil {
		return errSkipped
	}
	r, err := Rejudge(*c.kept, c.rules, c.out.Entry.Report.Digest)
	var other *MismatchError
	switch {
	case errors.As(err, &other), errors.Is(err, ErrOtherRules):
		return no("%v", err)
	case err != nil:
		return maybe("%v", err)
	}
	c.out.Report = r
	return nil
}

// document verifies the document anew from its own bytes: with the reader's
// anchors if there are any, else with those of the facts, and the revocation
// data that were kept.
func (c *check) document(ctx context.Context, _ facts.Source) error {
	var container []byte
	for name, b := range c.files {
		if strings.HasPrefix(name, fileDocument+".") {
			if container != nil {
				return no("the package holds two documents")
			}
			container = b
		}
	}
	act := c.out.Entry.Act
	if container == nil {
		return errSkipped
	}
	if act == nil {
		return no("the package holds a document and the entry names none")
	}
	if sum := sha256.Sum256(container); !bytes.Equal(sum[:], act.Container) {
		return no("the document is not the one whose digest stands in the entry")
	}
	if c.kept == nil {
		return maybe("the document has no report to be compared with")
	}
	p, err := signature.RestorePolicy(c.rules.Policy)
	if err != nil {
		return no("%v", err)
	}
	snap, err := snapshotOf(c.kept.Facts, c.t.Anchors)
	if err != nil {
		return no("%v", err)
	}
	r, err := c.verify(ctx, facts.Bytes(container), snap, replay{c.kept.Facts}, p, c.kept.Report.Time)
	if err != nil {
		return no("%v", err)
	}
	if err := sameVerdict(r.Report, c.kept.Report); err != nil {
		if c.t.Anchors != nil {
			return maybe("%v; the anchors given may not be those of that time", err)
		}
		return no("%v", err)
	}
	if r.Indication != signature.TotalPassed {
		return nil // a refused document says nothing
	}
	signed, _, err := r.AllMustBePassed()
	if err != nil {
		return no("%v", err)
	}
	if c.doc, err = signed.Bytes(); err != nil {
		return err
	}
	if sum := sha256.Sum256(c.doc); act.Content != nil && !bytes.Equal(sum[:], act.Content) {
		return no("the signed content is not the one whose digest stands in the entry")
	}
	return nil
}

// sameVerdict compares two judgements of the same signatures.
func sameVerdict(have, want *signature.Report) error {
	if len(have.Signatures) != len(want.Signatures) {
		return fmt.Errorf("verified again the document has %d signatures, recorded were %d", len(have.Signatures), len(want.Signatures))
	}
	for i, h := range have.Signatures {
		w := want.Signatures[i]
		if h.ID != w.ID || h.Conclusion.Indication != w.Conclusion.Indication || h.Conclusion.SubIndication != w.Conclusion.SubIndication ||
			h.Qualified != w.Qualified || h.Seal != w.Seal || len(h.Chain) > 0 && len(w.Chain) > 0 && h.Chain[0] != w.Chain[0] {
			return fmt.Errorf("verified again signature %d is %s / %s (%s), recorded was %s / %s",
				i+1, h.Conclusion.Indication, h.Conclusion.SubIndication, h.Conclusion.Reason, w.Conclusion.Indication, w.Conclusion.SubIndication)
		}
	}
	if have.Indication != want.Indication {
		return fmt.Errorf("verified again the document is %s, recorded was %s", have.Indication, want.Indication)
	}
	return nil
}

// SeedOf reads the root that a signed document pins: the member seed of a JSON
// object, 32 bytes in hexadecimal. None is no error.
func SeedOf(content []byte) (root tlog.Hash, ok bool) {
	var d struct {
		Seed string `json:"seed"`
	}
	if json.Unmarshal(content, &d) != nil {
		return root, false
	}
	b, err := hex.DecodeString(d.Seed)
	if err != nil || len(b) != tlog.HashSize {
		return root, false
	}
	return tlog.Hash(b), true
}

// seed: whoever signed the document has, by its bytes, vouched for the log's
// past up to that root; the checkpoint of the entry continues it.
func (c *check) seed(context.Context, facts.Source) error {
	if c.doc == nil {
		return errSkipped
	}
	root, ok := SeedOf(c.doc)
	if !ok {
		return errSkipped
	}
	signed := c.files[fileSeedNote]
	if signed == nil {
		return maybe("the document pins the log's past and the package lacks that checkpoint")
	}
	older, err := audit.OpenCheckpoint(signed, c.t.Key)
	if err != nil {
		return signedBy(err)
	}
	if older.Root != root {
		return no("the document pins another root than seed.checkpoint has")
	}
	if older.Size > c.out.Index {
		return no("the document pins a tree that already held its own entry")
	}
	text := strings.TrimSuffix(string(c.files[fileSeedPath]), "\n")
	var lines []string
	if text != "" {
		lines = strings.Split(text, "\n")
	}
	path, err := audit.ParseHashes(lines)
	if err != nil {
		return no("seed.consistency: %v", err)
	}
	if older.Size > 0 {
		if err := tlog.CheckTree(path, c.out.Checkpoint.Size, c.out.Checkpoint.Root, older.Size, older.Root); err != nil {
			return no("the log does not continue the past that the document pins")
		}
	}
	c.out.Pinned = older.Size
	return nil
}
