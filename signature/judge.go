package signature

import (
	"fmt"
	"sort"
	"time"

	"mist/signature/facts"
)

// Judge is the whole judgement: facts, a policy and a validation time in, a
// report out. It does no cryptography, no input or output, and depends on
// nothing else, so stored facts give the same report digest years later.
//
// It follows EN 319 102-1: building blocks (5.2), then validation of basic
// signatures (5.3), with time (5.5) and with long-term material (5.6).
func Judge(f *facts.Facts, p Policy, at time.Time) (*Report, error) {
	table, err := DefaultAlgorithms()
	if err != nil {
		return nil, err
	}
	return JudgeWith(f, p, table, at)
}

// JudgeWith is Judge with another algorithm table.
func JudgeWith(f *facts.Facts, p Policy, table *AlgorithmTable, at time.Time) (*Report, error) {
	return judgeKnown(f, digestFacts(f), p, table, at)
}

// judgeKnown is JudgeWith where the digest of the facts is known.
func judgeKnown(f *facts.Facts, digest string, p Policy, table *AlgorithmTable, at time.Time) (*Report, error) {
	if f.Version != facts.Version {
		return nil, fmt.Errorf("facts have version %d, this program reads %d", f.Version, facts.Version)
	}
	if p.digest == "" {
		return nil, &ConfigError{Missing: "policy"}
	}
	j := newJudge(f, p, table, facts.Time(at))
	r := &Report{
		Version: ReportVersion, Policy: p.Ref(), Algorithms: table.Version, Time: j.now, Facts: digest,
		Signatures: []SignatureReport{}, Timestamps: []TimestampReport{},
	}
	for i := range f.Timestamps {
		r.Timestamps = append(r.Timestamps, j.timestampReport(&f.Timestamps[i]))
	}
	for i := range f.Signatures {
		r.Signatures = append(r.Signatures, j.signature(&f.Signatures[i]))
	}
	r.Indication = overall(f, r)
	if p.Notice != "" {
		r.Warnings = append(r.Warnings, p.Notice)
	}
	return r, nil
}

// overall is TOTAL-PASSED when every signature passed, TOTAL-FAILED when one
// failed, INDETERMINATE otherwise. Counter-signatures do not count: they can
// neither improve nor spoil what they counter-sign.
func overall(f *facts.Facts, r *Report) Indication {
	out := NoSignatureFound
	for i, s := range r.Signatures {
		if f.Signatures[i].Parent != "" {
			continue
		}
		switch {
		case s.Conclusion.Indication == TotalFailed || out == TotalFailed:
			out = TotalFailed
		case s.Conclusion.Indication == Indeterminate || out == Indeterminate:
			out = Indeterminate
		default:
			out = TotalPassed
		}
	}
	return out
}

type judge struct {
	f     *facts.Facts
	p     Policy
	table *AlgorithmTable
	now   time.Time

	certs  map[string]*facts.Certificate
	revs   map[string]*facts.Revocation
	stamps map[string]*facts.Timestamp
	basics map[string]*tokenBlocks // memo of time-stamp validation
	depth  int

	accepted map[string]*acceptance // memo of revocation acceptance, by context, revocation and certificate
}

func newJudge(f *facts.Facts, p Policy, table *AlgorithmTable, now time.Time) *judge {
	j := &judge{
		f: f, p: p, table: table, now: now,
		certs: map[string]*facts.Certificate{}, revs: map[string]*facts.Revocation{}, stamps: map[string]*facts.Timestamp{},
		basics: map[string]*tokenBlocks{}, accepted: map[string]*acceptance{},
	}
	for i := range f.Certificates {
		j.certs[f.Certificates[i].ID] = &f.Certificates[i]
	}
	for i := range f.Revocations {
		j.revs[f.Revocations[i].ID] = &f.Revocations[i]
	}
	for i := range f.Timestamps {
		j.stamps[f.Timestamps[i].ID] = &f.Timestamps[i]
	}
	return j
}

// builder collects the checks of one block. The first failed check concludes
// the block; later ones are not asked.
type builder struct {
	Block
	done bool
}

func newBlock(name, subject string) *builder {
	return &builder{Block: Block{Name: name, Subject: subject, Conclusion: Conclusion{Indication: Passed}}}
}

// outcome of a check that does not hold.
type verdict struct {
	indication Indication
	sub        SubIndication
	reason     string
	retry      *time.Time
}

func failed(sub SubIndication) verdict        { return verdict{indication: Failed, sub: sub} }
func indeterminate(sub SubIndication) verdict { return verdict{indication: Indeterminate, sub: sub} }

func (v verdict) because(reason string) verdict { v.reason = reason; return v }

// check asks one question under a rule. It returns whether the block goes on.
func (b *builder) check(r Rule, name, subject string, ok bool, v verdict, detail string) bool {
	if b.done {
		return false
	}
	if r.Level == LevelIgnore || r.Level == "" {
		return true
	}
	c := Check{Name: name, Status: StatusOK, Subject: subject}
	if !ok {
		c.Detail = detail
		switch r.Level {
		case LevelWarn:
			c.Status = StatusWarning
		case LevelInform:
			c.Status = StatusInfo
		default:
			c.Status = StatusNotOK
			reason := v.reason
			if reason == "" {
				reason = reasonCode(name)
			}
			b.Conclusion = Conclusion{Indication: v.indication, SubIndication: v.sub, Reason: reason, RetryAfter: v.retry}
			b.done = true
		}
	}
	if b.Checks == nil {
		b.Checks = make([]Check, 0, 6)
	}
	b.Checks = append(b.Checks, c)
	return !b.done
}

// must is check with a rule that no policy switches off.
func (b *builder) must(name, subject string, ok bool, v verdict, detail string) bool {
	return b.check(Rule{Level: LevelFail}, name, subject, ok, v, detail)
}

// adopt adds a finished block; a conclusion that is not passed becomes this
// block's.
func (b *builder) adopt(x Block) bool {
	if b.Blocks == nil {
		b.Blocks = make([]Block, 0, 3)
	}
	b.Blocks = append(b.Blocks, x)
	if !b.done && x.Conclusion.Indication != Passed {
		b.Conclusion = x.Conclusion
		b.done = true
	}
	return !b.done
}

// ReasonCode is the machine word of a check, as reasons and warnings carry it.
func ReasonCode(check string) string { return reasonCode(check) }

// reasonCode turns a constraint name into a machine word.
func reasonCode(name string) string {
	var out []byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 && (name[i-1] < 'A' || name[i-1] > 'Z' || i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z') {
				out = append(out, '_')
			}
			out = append(out, c)
			continue
		}
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

// warnings collects the machine words of checks that did not hold without
// concluding a block.
func warnings(blocks []Block) []string {
	set := map[string]bool{}
	var walk func([]Block)
	walk = func(bs []Block) {
		for _, b := range bs {
			for _, c := range b.Checks {
				if c.Status == StatusWarning {
					set[reasonCode(c.Name)] = true
				}
			}
			walk(b.Blocks)
		}
	}
	walk(blocks)
	out := make([]string, 0, len(set))
	for w := range set {
		out = append(out, w)
	}
	sort.Strings(out)
	return out
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
