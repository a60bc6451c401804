package signature

import (
	"embed"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"
)

// Level is what a policy does when a check does not hold.
type Level string

const (
	LevelFail   Level = "FAIL"
	LevelWarn   Level = "WARN"
	LevelInform Level = "INFORM"
	LevelIgnore Level = "IGNORE"
)

// Rule is one constraint of a policy: its level and, for some, the accepted
// values or a duration. In JSON a plain string is a level.
type Rule struct {
	Level    Level    `json:"level"`
	Values   []string `json:"values,omitempty"`
	Duration Duration `json:"duration,omitempty"`
}

// Duration is written as Go writes it ("5m", "24h").
type Duration time.Duration

func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// UnmarshalJSON reads "FAIL" or {"level": "FAIL", …}.
func (r *Rule) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &r.Level)
	}
	type plain Rule
	return strictUnmarshal(b, (*plain)(r))
}

// Policy is what one kind of document must satisfy. It is data: embedded
// files, or a file given to mist-verify. Rules are grouped by context
// (container, signature, counter-signature, timestamp, revocation; certificate
// rules in "<context>.signer" and "<context>.ca") and named by constraint key.
type Policy struct {
	ID          string                     `json:"id"`
	Version     string                     `json:"version"`
	Extends     string                     `json:"extends,omitempty"`
	ValidFrom   string                     `json:"validFrom,omitempty"` // date
	LegalSource string                     `json:"legalSource,omitempty"`
	Title       map[string]string          `json:"title,omitempty"` // by language
	Notice      string                     `json:"notice,omitempty"`
	Rules       map[string]map[string]Rule `json:"rules"`

	digest string
}

//go:embed policies/*.json
var policyFiles embed.FS

// PolicyNames lists the embedded policies.
func PolicyNames() []string {
	entries, err := policyFiles.ReadDir("policies")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	sort.Strings(names)
	return names
}

// NamedPolicy returns an embedded policy: default, archive-test, act.
// Its rules are shared by all who ask and are not to be changed.
func NamedPolicy(name string) (Policy, error) {
	all, err := embeddedPolicies()
	if err != nil {
		return Policy{}, err
	}
	p, known := all[name]
	if !known {
		return Policy{}, fmt.Errorf("unknown policy %q (known: %s)", name, strings.Join(PolicyNames(), ", "))
	}
	return p, nil
}

// embeddedPolicies reads the files once: reading one takes longer than
// verifying a signature.
var embeddedPolicies = sync.OnceValues(func() (map[string]Policy, error) {
	all := map[string]Policy{}
	for _, name := range PolicyNames() {
		b, err := policyFiles.ReadFile("policies/" + name + ".json")
		if err != nil {
			return nil, err
		}
		if all[name], err = ParsePolicy(b); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// ParsePolicy reads a policy file. It may extend an embedded policy; unknown
// keys are refused, so a misspelt rule cannot silently not apply.
func ParsePolicy(b []byte) (Policy, error) {
	return parsePolicy(b, 0)
}

func parsePolicy(b []byte, depth int) (Policy, error) {
	var p Policy
	if err := strictUnmarshal(b, &p); err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	if p.ID == "" || p.Version == "" {
		return Policy{}, fmt.Errorf("reading policy: id and version are required")
	}
	for context, rules := range p.Rules {
		known, ok := policyKeys[context]
		if !ok {
			return Policy{}, fmt.Errorf("policy %s: unknown context %q", p.ID, context)
		}
		for key, rule := range rules {
			if !known[key] {
				return Policy{}, fmt.Errorf("policy %s: unknown rule %q in %q", p.ID, key, context)
			}
			switch rule.Level {
			case LevelFail, LevelWarn, LevelInform, LevelIgnore:
			default:
				return Policy{}, fmt.Errorf("policy %s: rule %s.%s has unknown level %q", p.ID, context, key, rule.Level)
			}
		}
	}
	if p.Extends != "" {
		if depth > 4 {
			return Policy{}, fmt.Errorf("policy %s: extends too deeply", p.ID)
		}
		raw, err := policyFiles.ReadFile("policies/" + p.Extends + ".json")
		if err != nil {
			return Policy{}, fmt.Errorf("policy %s extends unknown policy %q", p.ID, p.Extends)
		}
		base, err := parsePolicy(raw, depth+1)
		if err != nil {
			return Policy{}, err
		}
		merged := make(map[string]map[string]Rule, len(base.Rules))
		for context, rules := range base.Rules {
			merged[context] = make(map[string]Rule, len(rules))
			for k, v := range rules {
				merged[context][k] = v
			}
		}
		for context, rules := range p.Rules {
			if merged[context] == nil {
				merged[context] = make(map[string]Rule, len(rules))
			}
			for k, v := range rules {
				merged[context][k] = v
			}
		}
		p.Rules = merged
	}
	p.digest = digestJSON(p)
	return p, nil
}

// Ref names the policy exactly.
func (p Policy) Ref() PolicyRef { return PolicyRef{ID: p.ID, Version: p.Version, Digest: p.digest} }

// rule returns the rule for key in context; an absent rule is ignored.
func (p *Policy) rule(context, key string) Rule { return p.rules(context).of(key) }

// rules are those of one context.
func (p *Policy) rules(context string) rules { return p.Rules[context] }

type rules map[string]Rule

func (r rules) of(key string) Rule {
	if rule, ok := r[key]; ok {
		return rule
	}
	return Rule{Level: LevelIgnore}
}

// Form is the exact JSON that the digest of the policy is taken over, with all
// rules of what it extends: kept beside reports, it lets a later program judge
// by rules that it no longer brings along.
func (p Policy) Form() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic("marshalling a policy: " + err.Error()) // strings, maps of strings and durations
	}
	return b
}

// RestorePolicy reads what Form wrote. Nothing is added to it, so its digest is
// the one it had; the caller compares that with the one a report names.
func RestorePolicy(b []byte) (Policy, error) {
	var p Policy
	if err := strictUnmarshal(b, &p); err != nil {
		return Policy{}, fmt.Errorf("reading a kept policy: %w", err)
	}
	if p.ID == "" || p.Version == "" {
		return Policy{}, fmt.Errorf("reading a kept policy: id and version are required")
	}
	p.digest = digestJSON(p)
	return p, nil
}
