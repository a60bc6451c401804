package fhir

import (
	"mist/registry"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/query"
)

// codeSystems are the bindings that are Mist's own and closed: every code that
// can stand in an answer. Positions, specialities and types of organisations
// are dictionaries of the registry, served by its REST side.
func codeSystems() map[string]object {
	of := func(system, name, title string, codes [][2]string) object {
		var concepts []object
		for _, c := range codes {
			concepts = append(concepts, object{"code": c[0], "display": c[1]})
		}
		return object{
			"resourceType": "CodeSystem", "id": name, "url": system, "name": title, "status": "active", "content": "complete", "caseSensitive": true,
			"count": len(concepts), "concept": concepts,
		}
	}
	var outcomes, fields [][2]string
	for _, c := range consent.ResultCodes() {
		outcomes = append(outcomes, [2]string{string(c), outcomeNames[c]})
	}
	for _, c := range registry.Codes() {
		outcomes = append(outcomes, [2]string{string(c), errorNames[c]})
	}
	for _, name := range query.FieldNames() {
		fields = append(fields, [2]string{name, fieldTitles[name]})
	}
	return map[string]object{
		"declaration-status": of(systemStatus, "declaration-status", "DeclarationStatus", [][2]string{
			{string(declaration.StatusActive), "чинна"}, {string(declaration.StatusPendingVerification), "очікує підтвердження"},
			{string(declaration.StatusTerminated), "розірвана"}, {string(declaration.StatusClosed), "закрита"}, {string(declaration.StatusRejected), "відхилена"},
		}),
		"contract": of(systemKind, "contract", "ContractKind", [][2]string{{"declaration", "декларація про вибір лікаря, який надає первинну медичну допомогу"}}),
		"consent-method": of(systemMethod, "consent-method", "ConsentMethod", [][2]string{
			{consent.CitizenSigned, "підписано громадянином"}, {consent.PortalAttested, "засвідчено порталом"},
		}),
		"outcome": of(systemOutcome, "outcome", "Outcome", outcomes),
		"field":   of(systemField, "field", "DisclosedField", fields),
	}
}

var outcomeNames = map[consent.Code]string{
	consent.OK: "відповідь надано", consent.NotFound: "запису за наданими даними не знайдено", consent.Required: "потрібна згода громадянина",
	consent.Unknown: "такої згоди для цього клієнта не зареєстровано", consent.Expired: "згода не діє на цей час", consent.Revoked: "громадянин відкликав згоду",
	consent.Scope: "згода не охоплює цих відомостей", consent.InvalidSignature: "підпис згоди не прийнято", consent.SubjectMismatch: "згоду дала інша особа",
	consent.Recipient: "у згоді названо іншого одержувача", consent.Replayed: "одноразову згоду вже використано",
	consent.AttestationRefused: "засвідчення порталу не приймається замість підпису", consent.RateLimited: "забагато запитань про відсутніх осіб",
	consent.Pending: "відповідь готується, надішліть той самий запит",
}

var errorNames = map[registry.Code]string{
	registry.CodeMalformed: "запит не прочитано", registry.CodeTooLarge: "запит завеликий", registry.CodeUnsupportedMedia: "тип вмісту не підтримується",
	registry.CodeMethodNotAllowed: "метод не дозволено", registry.CodeInvalid: "дані не відповідають правилам", registry.CodeUnauthenticated: "викликача не встановлено",
	registry.CodeForbidden: "не дозволено", registry.CodeNotFound: "не знайдено", registry.CodeConflict: "стан цього не дозволяє", registry.CodeAlreadyDone: "це вже зроблено з іншим вмістом",
	registry.CodeRuleViolated: "порушено правило реєстру", registry.CodeSignatureInvalid: "підпис недійсний", registry.CodeSignatureIndeterminate: "підпис зараз не можна перевірити",
	registry.CodeConsentMissing: "потрібна згода", registry.CodeRateLimited: "забагато запитів", registry.CodeUnavailable: "служба зараз недоступна", registry.CodeInternal: "внутрішня помилка",
}

var fieldTitles = map[string]string{
	"declarationNumber": "номер декларації", "id": "ідентифікатор", "status": "стан", "startDate": "дата початку", "endDate": "дата закінчення",
	"signedAt": "час підписання", "doctor": "лікар", "division": "місце надання послуг", "legalEntity": "заклад", "history": "історія станів",
}
