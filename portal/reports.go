package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/signature"
	"mist/signature/etsi"
	"mist/signature/explain"
	"mist/signature/protocol"
)

// Reports that the verify-only operation adds to its answer.
const (
	reportETSI     = "etsi"
	reportProtocol = "protocol"
)

// reportProgram names the verifier in reports made here.
const reportProgram = "Mist"

// reportsWanted takes the member reports out of the body.
func reportsWanted(o object) ([]string, error) {
	given, there := o["reports"]
	if !there {
		return nil, nil
	}
	delete(o, "reports")
	f := object{"reports": given}.fields()
	list := f.texts("reports")
	for i, name := range list {
		if name != reportETSI && name != reportProtocol {
			f.wrong(fmt.Sprintf("reports.[%d]", i), "inclusion", "value is not allowed in enum", reportETSI, reportProtocol)
		}
	}
	return list, f.done()
}

// verified is a result with the reports that were asked for.
type verified struct {
	result *signature.Result
	more   map[string][]byte // by member
}

// MarshalJSON is the object of mist-verify --json with members added.
func (v verified) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(v.result)
	if err != nil || len(v.more) == 0 {
		return b, err
	}
	more, err := json.Marshal(v.more)
	if err != nil {
		return nil, err
	}
	return append(append(bytes.TrimSuffix(b, []byte("}")), ','), more[1:]...), nil
}

// reported makes the reports that were asked for. A document without a signature
// has no ETSI report: the member is absent.
func (p *portal) reported(r *signature.Result, wanted []string) (verified, error) {
	out := verified{r, map[string][]byte{}}
	if slices.Contains(wanted, reportETSI) {
		b, err := etsi.Report(r, etsi.Validator{Name: reportProgram})
		if err != nil && !errors.Is(err, etsi.ErrNoSignature) {
			return out, registry.Errorf(registry.CodeInternal, "the report cannot be made").WithCause(err)
		}
		if err == nil {
			out.more["etsi_report"] = b
		}
	}
	if slices.Contains(wanted, reportProtocol) {
		zone, err := time.LoadLocation("Europe/Kyiv")
		if err == nil {
			out.more["protocol"], err = protocol.PDF(explain.NewProtocol(r, reportProgram, explain.Options{Lang: "uk", Zone: zone, Trusted: true}))
		}
		if err != nil {
			return out, registry.Errorf(registry.CodeInternal, "the record cannot be made").WithCause(err)
		}
	}
	return out, nil
}
