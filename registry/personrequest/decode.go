package personrequest

import (
	"strconv"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/patient"
)

// Input is the body of "create": {person, process_disclosure_data_consent,
// patient_signed, authorize_with}. A person with an id is changed, one without
// is new; authorize_with names the method by which a change is confirmed.
type Input struct {
	Person                       patient.Person `json:"person"`
	PatientSigned                bool           `json:"patient_signed"`
	ProcessDisclosureDataConsent bool           `json:"process_disclosure_data_consent"`
	AuthorizeWith                registry.ID    `json:"authorize_with"`
}

// notGiven are members of a record that the registry sets, or that stand
// beside it in a request; methodNotGiven those of an authentication method.
var (
	notGiven       = []string{"version", "patient_signed", "process_disclosure_data_consent"}
	methodNotGiven = []string{"id", "started_at", "ended_at"}
)

func decodeInput(body []byte) (Input, error) {
	in, err := document.Decode[Input](body, func(v any) (errs []registry.FieldError) {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		if _, given := o["person"]; !given {
			return []registry.FieldError{document.Required("$", "person")}
		}
		p, ok := o["person"].(map[string]any)
		if !ok {
			return nil
		}
		for _, name := range notGiven {
			if _, given := p[name]; given {
				errs = append(errs, document.NotAllowed("$.person."+name))
			}
		}
		methods, _ := p["authentication_methods"].([]any)
		for i, m := range methods {
			o, _ := m.(map[string]any)
			for _, name := range methodNotGiven {
				if _, given := o[name]; given {
					errs = append(errs, document.NotAllowed("$.person.authentication_methods.["+strconv.Itoa(i)+"]."+name))
				}
			}
		}
		return errs
	})
	in.Person.ProcessDisclosureDataConsent = in.ProcessDisclosureDataConsent
	return in, err
}
