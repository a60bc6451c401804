package fhir

const operationURL = "urn:mist:fhir:OperationDefinition:patient-declarations"

// capabilities is the CapabilityStatement: one operation, its definition and its codes.
func capabilities() object {
	return object{
		"resourceType": "CapabilityStatement", "status": "active", "date": "2026-11-21", "kind": "capability", "fhirVersion": "4.0.1",
		"format":   []string{"json"},
		"software": object{"name": "Mist"},
		"rest": []object{{
			"mode":          "server",
			"documentation": "The declaration query of the Diia service as a Bundle. Callers are systems known by the transport; a person's consent stands in every request.",
			"resource": []object{
				{"type": "Patient", "operation": []object{{"name": "declarations", "definition": operationURL}}},
				{"type": "OperationDefinition", "interaction": []object{{"code": "read"}}},
				{"type": "CodeSystem", "interaction": []object{{"code": "read"}}, "documentation": "The closed bindings of this service: declaration-status, contract, consent-method, field, outcome."},
			},
		}},
	}
}

// operation is the OperationDefinition of $declarations.
func operation() object {
	in := func(name, kind string, least int, most, text string) object {
		return object{"name": name, "use": "in", "min": least, "max": most, "type": kind, "documentation": text}
	}
	return object{
		"resourceType": "OperationDefinition", "id": "patient-declarations", "url": operationURL, "name": "PatientDeclarations", "status": "active",
		"kind": "operation", "code": "declarations", "resource": []string{"Patient"}, "system": false, "type": true, "instance": false, "affectsState": true,
		"description": "Declarations of a person with their family doctor, as far as the person's consent names them.",
		"parameter": []object{
			in("requestId", "uuid", 1, "1", "The asker's own id of the request; a repeated request gets the same answer."),
			in("identifier", "Identifier", 1, "1", "One of "+systemRNOKPP+", "+systemUNZR+", "+systemDocument+"TYPE."),
			in("family", "string", 1, "1", "Family name."),
			in("given", "string", 1, "2", "Given name, then patronymic."),
			in("birthDate", "date", 0, "1", "Compared where it is given."),
			in("status", "code", 0, "10", "States of declarations; without it those that are open."),
			in("consent", "base64Binary", 0, "1", "The signed consent: CAdES, XAdES or ASiC."),
			in("consentContent", "base64Binary", 0, "1", "What a detached signature is over."),
			in("attestation", "base64Binary", 0, "1", "The portal's e-seal over the consent it took."),
			in("consentId", "uuid", 0, "1", "A consent registered before."),
			{"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle", "documentation": "A collection, or OperationOutcome where nothing is told."},
		},
	}
}
