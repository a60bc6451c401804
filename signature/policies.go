package signature

import (
	"fmt"
	"time"
)

// DatedPolicy says which policy applies to a kind of act from a date on.
type DatedPolicy struct {
	Kind        string `json:"kind"` // name of the act kind; "*" for all others
	From        string `json:"from"` // date
	Policy      string `json:"policy"`
	LegalSource string `json:"legalSource"`

	// What a parsed table knows of the row: reading a policy takes longer than
	// verifying a signature.
	from   time.Time
	policy Policy
}

// PolicyTable chooses a policy by kind and date. The server owns it; who
// submits an act has no say. ParsePolicyTable makes one; rows made otherwise
// are not in force.
type PolicyTable []DatedPolicy

// ParsePolicyTable reads and checks a table: every policy must exist and every
// date be one.
func ParsePolicyTable(b []byte) (PolicyTable, error) {
	var t PolicyTable
	if err := strictUnmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("reading policy table: %w", err)
	}
	for i := range t {
		r := &t[i]
		var err error
		if r.from, err = time.Parse(time.DateOnly, r.From); err != nil {
			return nil, fmt.Errorf("policy table, %s: %w", r.Kind, err)
		}
		if r.LegalSource == "" {
			return nil, fmt.Errorf("policy table, %s: no legal source", r.Kind)
		}
		if r.policy, err = NamedPolicy(r.Policy); err != nil {
			return nil, fmt.Errorf("policy table, %s: %w", r.Kind, err)
		}
	}
	return t, nil
}

// For returns the policy in force for a kind of act at a time: the newest row
// of the kind that has begun, else of "*".
func (t PolicyTable) For(kind string, at time.Time) (Policy, error) {
	for _, k := range []string{kind, "*"} {
		var best *DatedPolicy
		for i := range t {
			r := &t[i]
			if r.Kind != k || r.policy.digest == "" || at.Before(r.from) {
				continue
			}
			if best == nil || r.from.After(best.from) {
				best = r
			}
		}
		if best != nil {
			return best.policy, nil
		}
	}
	return Policy{}, fmt.Errorf("no validation policy is in force for %q on %s", kind, at.Format(time.DateOnly))
}

// Policies are all that the table may choose, each once.
func (t PolicyTable) Policies() (list []Policy) {
	seen := map[string]bool{}
	for _, r := range t {
		if p := r.policy; p.digest != "" && !seen[p.digest] {
			seen[p.digest] = true
			list = append(list, p)
		}
	}
	return list
}
