package fhir

import (
	"crypto/sha256"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

// contractStatus says a declaration's state in the words of Contract.status
// (http://hl7.org/fhir/contract-status); the state itself stays in legalState.
var contractStatus = map[string]string{
	string(declaration.StatusActive):              "executed",
	string(declaration.StatusPendingVerification): "executable",
	string(declaration.StatusTerminated):          "terminated",
	string(declaration.StatusClosed):              "resolved",
	string(declaration.StatusRejected):            "rejected",
}

// entries collects the resources of a Bundle. A resource's id is made from the
// answer's audit entry and what it is of, so that ids of two answers say
// nothing about each other and one answer is always told alike.
type entries struct {
	seed registry.ID
	list []object
	by   map[string]string // name → reference
}

// add puts a resource in once and gives the reference to it.
func (e *entries) add(kind, name string, resource object) object {
	key := kind + "/" + name
	if ref, there := e.by[key]; there {
		return object{"reference": ref}
	}
	h := sha256.Sum256(append(e.seed[:], key...))
	id := registry.ID(h[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, version 8
	resource["resourceType"], resource["id"] = kind, id.String()
	ref := "urn:uuid:" + id.String()
	e.by[key] = ref
	e.list = append(e.list, object{"fullUrl": ref, "resource": resource})
	return object{"reference": ref}
}

// bundle tells an answer as a collection. Members that were not consented are
// not in the answer, and so not here.
func bundle(q question, a query.Answer[[]query.DeclarationView]) object {
	e := &entries{seed: a.AuditID, by: map[string]string{}}
	nhsu := e.add("Organization", "nhsu", object{"name": "Національна служба здоров'я України", "type": []object{concept(systemLegalEntity, "NHS", "")}})
	person := patientOf(q)
	subject := e.add("Patient", "subject", person)
	var contracts, practitioners []object
	for i, d := range a.Data {
		c := contractOf(e, d, subject, nhsu)
		if role, ok := c["author"].(object); ok && d.Status == string(declaration.StatusActive) {
			practitioners = append(practitioners, role)
		}
		contract := e.add("Contract", string(rune('a'+i%26))+strings.Repeat("+", i/26), c)
		contracts = append(contracts, contract)
		if signers, ok := c["signer"].([]object); ok {
			e.add("Provenance", "signature of "+contract["reference"].(string), signedBy(d.SignedAt, contract, signers[0]))
		}
	}
	if len(practitioners) > 0 {
		person["generalPractitioner"] = practitioners
	}
	targets := append(contracts, e.add("Consent", "basis", consentOf(q, a, subject, nhsu)))
	e.add("Provenance", "answer", disclosed(a, targets, nhsu))
	return object{
		"resourceType": "Bundle", "id": a.AuditID.String(), "type": "collection", "timestamp": instant(a.AnsweredAt),
		"identifier": object{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:" + a.RequestID.String()},
		"entry":      e.list,
	}
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func concept(system, code, text string) object {
	o := object{}
	if code != "" {
		o["coding"] = []object{{"system": system, "code": code}}
	}
	if text != "" {
		o["text"] = text
	}
	return o
}

// set puts a value under a name unless it is empty.
func (o object) set(name, value string) {
	if value != "" {
		o[name] = value
	}
}

func patientOf(q question) object {
	p := q.request.Person
	id := object{"system": systemRNOKPP, "value": string(p.TaxID)}
	switch {
	case p.UNZR != "":
		id = object{"system": systemUNZR, "value": string(p.UNZR)}
	case p.DocumentNumber != "":
		id = object{"system": systemDocument + p.DocumentType, "value": p.DocumentNumber}
	}
	given := []string{p.FirstName}
	if p.SecondName != "" {
		given = append(given, p.SecondName)
	}
	o := object{"identifier": []object{id}, "name": []object{{"use": "official", "family": p.LastName, "given": given}}}
	if !p.BirthDate.IsZero() {
		o["birthDate"] = p.BirthDate.String()
	}
	return o
}

func contractOf(e *entries, d query.DeclarationView, subject, nhsu object) object {
	c := object{"subject": []object{subject}, "authority": []object{nhsu}, "type": concept(systemKind, "declaration", "Декларація про вибір лікаря, який надає первинну медичну допомогу")}
	if d.Number != "" {
		c["identifier"] = []object{{"system": systemDeclaration, "value": d.Number}}
	}
	if d.Status != "" {
		c.set("status", contractStatus[d.Status])
		c["legalState"] = concept(systemStatus, d.Status, d.StatusReason)
	}
	period := object{}
	if !d.StartDate.IsZero() {
		period["start"] = d.StartDate.String()
	}
	if !d.EndDate.IsZero() {
		period["end"] = d.EndDate.String()
	}
	if len(period) > 0 {
		c["applies"] = period
	}
	if !d.SignedAt.IsZero() {
		c["issued"] = instant(d.SignedAt)
	}
	var organization, location object
	if v := d.LegalEntity; v != nil {
		organization = e.add("Organization", v.EDRPOU, organizationOf(v))
	}
	if v := d.Division; v != nil {
		location = e.add("Location", v.Name+"\x00"+v.Address, locationOf(v, organization))
	}
	if v := d.Doctor; v != nil {
		name := v.EmployeeID.String()
		given := []string{v.FirstName}
		if v.Patronymic != "" {
			given = append(given, v.Patronymic)
		}
		practitioner := e.add("Practitioner", name, object{"name": []object{{"use": "official", "family": v.LastName, "given": given}}})
		role := object{
			"identifier": []object{{"system": systemEmployee, "value": name}}, "practitioner": practitioner,
			"code": []object{concept(systemPosition, v.Position, "")}, "specialty": []object{concept(systemSpeciality, v.Speciality, "")},
		}
		if organization != nil {
			role["organization"] = organization
		}
		if location != nil {
			role["location"] = []object{location}
		}
		if t := telecom(v.WorkPhones, "", "work"); t != nil {
			role["telecom"] = t
		}
		c["author"] = e.add("PractitionerRole", name, role)
		if !d.SignedAt.IsZero() {
			// The container itself is not disclosed: its time and signer are.
			c["signer"] = []object{{
				"type": object{"system": "http://terminology.hl7.org/CodeSystem/contractsignertypecodes", "code": "AUTHN"}, "party": practitioner,
				"signature": []object{signature(d.SignedAt, practitioner)},
			}}
		}
	}
	return c
}

func organizationOf(v *query.LegalEntity) object {
	o := object{"identifier": []object{{"system": systemEDRPOU, "value": v.EDRPOU}}, "name": v.Name, "type": []object{concept(systemLegalEntity, v.Type, "")}}
	if v.PublicName != "" && v.PublicName != v.Name {
		o["alias"] = []string{v.PublicName}
	}
	if t := telecom(v.Phones, "", "work"); t != nil {
		o["telecom"] = t
	}
	if v.Address != "" {
		o["address"] = []object{{"text": v.Address}}
	}
	return o
}

func locationOf(v *query.Division, organization object) object {
	o := object{"name": v.Name, "type": []object{concept(systemDivision, v.Type, "")}, "mode": "instance"}
	o.set("availabilityExceptions", v.WorkingHours)
	if v.Address != "" {
		o["address"] = object{"text": v.Address}
	}
	if t := telecom(v.Phones, v.Email, "work"); t != nil {
		o["telecom"] = t
	}
	if organization != nil {
		o["managingOrganization"] = organization
	}
	return o
}

func telecom(phones []string, email, use string) (out []object) {
	for _, p := range phones {
		out = append(out, object{"system": "phone", "value": p, "use": use})
	}
	if email != "" {
		out = append(out, object{"system": "email", "value": email, "use": use})
	}
	return out
}
