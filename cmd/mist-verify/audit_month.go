package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry/audit"
	"mist/registry/audit/month"
	"mist/registry/evidence"
	"mist/signature/facts"
)

// stepMonth is the file of a month.
const stepMonth = "month"

// auditMonthResult is of the file of a month.
type auditMonthResult struct {
	Month   string `json:"month"`
	Entries int64  `json:"entries"`
	Acts    int64  `json:"acts"`
	First   int64  `json:"first"`
	Last    int64  `json:"last"`
	// Manifest is the SHA-256 that two people signed for and the log names.
	Manifest string `json:"manifest_sha256"`
}

// auditMonth proves the file of a month, offline, and by wish one entry of it;
// with --log also that the month's tree is a beginning of the log's.
func auditMonth(ctx context.Context, opt auditOptions) auditResult {
	r := &auditRun{opt: opt, res: auditResult{Schema: auditSchema, Verdict: "proven", Log: opt.key.Name(), Checks: []auditStep{}, Skipped: []string{}}}
	if s := r.fromMonth(ctx); s != nil {
		r.res.Verdict, r.res.Step, r.res.Reason, r.res.Exit = s.verdict, s.step, s.reason, s.exit
	}
	return r.res
}

func (r *auditRun) fromMonth(ctx context.Context) *stop {
	source, err := openPath(r.opt.month)
	if err != nil {
		return broken(stepMonth, err)
	}
	f, err := month.Open(source, source.Size())
	if err != nil {
		return broken(stepMonth, err)
	}
	if s := r.monthSeal(ctx, f); s != nil {
		return s
	}
	var found *month.Line
	var entry audit.Entry
	c, err := f.Verify(r.opt.key, func(l month.Line, e audit.Entry) error {
		if r.opt.entry != "" && l.Entry != nil && (e.ID.String() == r.opt.entry || fmt.Sprint(l.Index) == r.opt.entry) {
			found, entry = &l, e
		}
		return nil
	})
	var form *month.FormError
	var unsigned *audit.NotSignedError
	switch {
	case errors.As(err, &unsigned) && !unsigned.False:
		return undecided(stepCheckpoint, err)
	case errors.As(err, &unsigned):
		return disproven(stepCheckpoint, err)
	case errors.As(err, &form):
		return disproven(stepMonth, err)
	case err != nil:
		return judged(stepMonth, err)
	}
	r.passed(stepMonth)
	m := f.Manifest
	r.res.Checkpoint = &auditCheckpoint{c.Origin, c.Size, c.Root.String(), string(f.Signed)}
	r.res.Month = &auditMonthResult{m.Month, m.Entries, m.Acts, m.First, m.Last, fmt.Sprintf("%x", month.Digest(f.Form))}
	if s := r.witnessed(f.Signed); s != nil {
		return s
	}
	if s := r.monthInLog(ctx, c); s != nil {
		return s
	}
	if r.opt.entry == "" {
		return nil
	}
	if found == nil {
		return undecided(stepEntry, fmt.Errorf("the month %s does not hold this entry", m.Month))
	}
	r.passed(stepInclusion)
	r.res.Entry = &auditEntry{ID: entry.ID, Index: found.Index, LeafHash: found.Hash.String(), Body: found.Entry, Proof: []string{}, decoded: entry}
	if r.opt.receipt != nil {
		if r.opt.receipt.LeafHash != found.Hash.String() {
			return disproven(stepReceipt, errors.New("the log's entry is not the one the receipt was given for"))
		}
		r.passed(stepReceipt)
	}
	return nil
}

// monthSeal judges the seal, where there is one: it must cover exactly the
// manifest and the checkpoint that are there.
func (r *auditRun) monthSeal(ctx context.Context, f *month.File) *stop {
	if f.Seal == nil {
		r.res.Skipped = append(r.res.Skipped, evidence.StepSeal)
		return nil
	}
	t := evidence.Trusted{Now: time.Now}
	if len(r.opt.trust) > 0 {
		var err error
		if t.Anchors, err = loadTrust(r.opt.trust); err != nil {
			return broken(evidence.StepSeal, err)
		}
	}
	files, out, err := evidence.VerifySeal(ctx, facts.Bytes(f.Seal), t)
	if err != nil {
		return disproven(evidence.StepPackage, err)
	}
	switch worst := out.Verdict(); worst.Verdict {
	case evidence.Disproven:
		return disproven(worst.Name, errors.New(worst.Reason))
	case evidence.Undecided:
		return undecided(worst.Name, errors.New(worst.Reason))
	}
	if string(files[month.FileManifest]) != string(f.Form) || string(files[month.FileCheckpoint]) != string(f.Signed) {
		return disproven(evidence.StepPackage, errors.New("the seal is over another manifest or checkpoint"))
	}
	for _, s := range out.Steps {
		if s.Verdict == evidence.Skipped {
			r.res.Skipped = append(r.res.Skipped, s.Name)
		} else {
			r.passed(s.Name)
		}
	}
	return nil
}

// monthInLog proves that the log of today continues the month's checkpoint.
func (r *auditRun) monthInLog(ctx context.Context, older audit.Checkpoint) *stop {
	if r.opt.log == nil {
		r.res.Skipped = append(r.res.Skipped, stepConsistency)
		return nil
	}
	r.log = newAuditLog(r.opt)
	signed, err := r.log.fetch(ctx, "checkpoint")
	if err != nil {
		return undecided(stepCheckpoint, err)
	}
	now, err := audit.OpenCheckpoint(signed, r.opt.key)
	if err != nil {
		return undecided(stepCheckpoint, err)
	}
	if _, err := audit.ProveConsistency(ctx, r.log.fetch, older, now); err != nil {
		return judged(stepConsistency, err)
	}
	r.res.Consistency = &auditConsistency{older.Size, now.Size}
	r.passed(stepConsistency)
	return nil
}
