package fhir

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

// Systems of identifiers and codes: Mist's own, for no Ukrainian guide names any.
const (
	systemRNOKPP      = "urn:mist:fhir:id:rnokpp"
	systemUNZR        = "urn:mist:fhir:id:unzr"
	systemDocument    = "urn:mist:fhir:id:document:" // and the document's type
	systemEDRPOU      = "urn:mist:fhir:id:edrpou"
	systemDeclaration = "urn:mist:fhir:id:declaration-number"
	systemEmployee    = "urn:mist:fhir:id:employee"
	systemConsent     = "urn:mist:fhir:id:consent"
	systemDigest      = "urn:mist:fhir:id:consent-sha256"
	systemEntry       = "urn:mist:fhir:id:audit-entry"
	systemStatus      = "urn:mist:fhir:code:declaration-status"
	systemKind        = "urn:mist:fhir:code:contract"
	systemPosition    = "urn:mist:fhir:code:position"
	systemSpeciality  = "urn:mist:fhir:code:speciality"
	systemLegalEntity = "urn:mist:fhir:code:legal-entity"
	systemDivision    = "urn:mist:fhir:code:division"
	systemOutcome     = "urn:mist:fhir:code:outcome"
	systemPurpose     = "urn:mist:fhir:code:purpose"
	systemField       = "urn:mist:fhir:code:field"
	systemMethod      = "urn:mist:fhir:code:consent-method"
	systemXRoad       = "urn:mist:fhir:id:x-road"
	systemAnswer      = "urn:mist:fhir:id:answer-sha512"
)

// question is a request as read.
type question struct {
	request  query.Request
	statuses []declaration.Status
	// recipient is who asks: INSTANCE/CLASS/MEMBER/SUBSYSTEM.
	recipient string
}

func (q *question) sealed(body []byte) {
	q.request.Hash = sha256.Sum256(body)
	whole := sha512.Sum512(body)
	q.request.Body512, q.request.Body = whole[:], body
}

// parameter is one parameter of the operation, with the types it may have.
type parameter struct {
	Name       string      `json:"name"`
	Identifier *identifier `json:"valueIdentifier"`
	String     *string     `json:"valueString"`
	Date       *string     `json:"valueDate"`
	UUID       *string     `json:"valueUuid"`
	Code       *string     `json:"valueCode"`
	Binary     *string     `json:"valueBase64Binary"`
}

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// readParameters reads the resource Parameters of $declarations strictly: an
// unknown member or parameter, a wrong type or a second value is refused.
func readParameters(body []byte) (q question, err error) {
	var p struct {
		ResourceType string      `json:"resourceType"`
		Parameter    []parameter `json:"parameter"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || d.More() {
		return q, registry.Errorf(registry.CodeMalformed, "a resource Parameters as /OperationDefinition/patient-declarations says is expected").WithCause(err)
	}
	if p.ResourceType != "Parameters" {
		return q, registry.Errorf(registry.CodeMalformed, "the resource must be Parameters")
	}
	seen := map[string]int{}
	var given []string
	for i, one := range p.Parameter {
		at := fmt.Sprintf("Parameters.parameter[%d]", i)
		many := one.Name == "given" || one.Name == "status"
		if seen[one.Name]++; seen[one.Name] > 1 && !many {
			return q, invalid(at, "unique", "the parameter stands twice")
		}
		var ok bool
		switch one.Name {
		case "requestId":
			ok, err = readID(one.UUID, &q.request.RequestID)
		case "consentId":
			ok, err = readID(one.UUID, &q.request.Basis.ConsentID)
		case "identifier":
			ok = readIdentifier(one.Identifier, &q)
		case "family":
			ok = readText(one.String, &q.request.Person.LastName)
		case "given":
			var name string
			ok = readText(one.String, &name)
			given = append(given, name)
		case "birthDate":
			if ok = one.Date != nil; ok {
				q.request.Person.BirthDate, err = registry.ParseDate(*one.Date)
			}
		case "status":
			if ok = one.Code != nil; ok {
				q.statuses = append(q.statuses, declaration.Status(*one.Code))
			}
		case "consent":
			ok, err = readBinary(one.Binary, &q.request.Basis.Signed)
		case "consentContent":
			ok, err = readBinary(one.Binary, &q.request.Basis.Content)
		case "attestation":
			ok, err = readBinary(one.Binary, &q.request.Basis.Attestation)
		default:
			return q, invalid(at+".name", "inclusion", "the operation has no such parameter")
		}
		if err != nil || !ok {
			return q, invalid(at, "type", "the value is not of the type the operation says").WithCause(err)
		}
	}
	if seen["requestId"] == 0 || seen["identifier"] == 0 || seen["family"] == 0 || len(given) == 0 || len(given) > 2 || len(q.statuses) > 10 {
		return q, invalid("Parameters.parameter", "required", "requestId, identifier, family and one or two given are needed")
	}
	q.request.Person.FirstName = given[0]
	if len(given) == 2 {
		q.request.Person.SecondName = given[1]
	}
	return q, nil
}

func invalid(entry, rule, text string) *registry.Error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text})
}

func readID(text *string, into *registry.ID) (bool, error) {
	if text == nil {
		return false, nil
	}
	id, err := registry.ParseID(strings.TrimPrefix(*text, "urn:uuid:"))
	*into = id
	return err == nil && !id.IsZero(), err
}

func readText(text *string, into *string) bool {
	if text == nil || *text == "" || len(*text) > 255 {
		return false
	}
	*into = *text
	return true
}

func readBinary(text *string, into *[]byte) (bool, error) {
	if text == nil {
		return false, nil
	}
	b, err := base64.StdEncoding.DecodeString(*text)
	*into = b
	return err == nil && len(b) > 0, err
}

// readIdentifier takes the one identifier; whether it is a valid one is the
// disclosure service's to say.
func readIdentifier(i *identifier, q *question) bool {
	if i == nil || i.Value == "" {
		return false
	}
	p := &q.request.Person
	switch kind, isDocument := strings.CutPrefix(i.System, systemDocument); {
	case i.System == systemRNOKPP:
		p.TaxID = registry.RNOKPP(i.Value)
	case i.System == systemUNZR:
		p.UNZR = registry.UNZR(i.Value)
	case isDocument && kind != "":
		p.DocumentType, p.DocumentNumber = kind, i.Value
	default:
		return false
	}
	return true
}

func retryAfter(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
