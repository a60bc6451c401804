package main

import (
	"context"
	"errors"
	"time"

	"mist/registry/evidence"
)

// stepPackage is what a file that is no package fails with.
const stepPackage = evidence.StepPackage

// auditPackage proves an entry from a package of evidence, with no network.
func auditPackage(ctx context.Context, opt auditOptions) auditResult {
	r := &auditRun{opt: opt, res: auditResult{Schema: auditSchema, Verdict: "proven", Log: opt.key.Name(), Checks: []auditStep{}, Skipped: []string{}, packaged: true}}
	if s := r.fromPackage(ctx); s != nil {
		r.res.Verdict, r.res.Step, r.res.Reason, r.res.Exit = s.verdict, s.step, s.reason, s.exit
	}
	return r.res
}

func (r *auditRun) fromPackage(ctx context.Context) *stop {
	file, err := openPath(r.opt.evidence)
	if err != nil {
		return broken(stepPackage, err)
	}
	t := evidence.Trusted{Key: r.opt.key, Quorum: r.opt.quorum, Now: time.Now}
	if len(r.opt.trust) > 0 {
		if t.Anchors, err = loadTrust(r.opt.trust); err != nil {
			return broken(stepPackage, err)
		}
	}
	out, err := evidence.Verify(ctx, file, t)
	if err != nil {
		return broken(stepPackage, err)
	}
	for _, s := range out.Steps {
		if s.Verdict == evidence.Skipped {
			r.res.Skipped = append(r.res.Skipped, s.Name)
		} else {
			r.res.Checks = append(r.res.Checks, auditStep{s.Name, string(s.Verdict)})
		}
	}
	if out.Bytes != nil {
		r.res.Checkpoint = &auditCheckpoint{out.Checkpoint.Origin, out.Checkpoint.Size, out.Checkpoint.Root.String(), string(out.Note)}
		r.res.Entry = &auditEntry{ID: out.Entry.ID, Index: out.Index, LeafHash: leafHashOf(out.Bytes), Body: out.Bytes, Proof: []string{}, decoded: out.Entry}
		for _, h := range out.Path {
			r.res.Entry.Proof = append(r.res.Entry.Proof, h.String())
		}
	}
	for _, c := range out.Cosigned {
		r.res.Witnesses = append(r.res.Witnesses, auditWitness{c.Witness, c.Time})
	}
	if out.Report != nil {
		r.res.Judgement = &auditJudgement{Report: out.Report.Digest(), Indication: string(out.Report.Indication), Policy: out.Report.Policy.ID, Time: out.Report.Time}
	}
	if out.Pinned >= 0 {
		r.res.Pinned = &out.Pinned
	}
	switch worst := out.Verdict(); worst.Verdict {
	case evidence.Disproven:
		return disproven(worst.Name, errors.New(worst.Reason))
	case evidence.Undecided:
		return undecided(worst.Name, errors.New(worst.Reason))
	}
	return nil
}
