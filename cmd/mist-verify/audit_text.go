package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/signature"
)

// auditWords are the texts of the report.
type auditWords struct {
	verdict map[string]string // by verdict
	steps   map[string]string // what a step asks, for the reason line
	month   string            // "the month %s: …"
	proven  string            // "entry %d stands in the log %s"
	grown   string            // "the log only grew"

	entry, when, who, what, basis, fields, code, place, tree, past, notCompared, firstTime, why, advice, evidence, witnesses, unwitnessed, judged, pinned, skipped string
}

var auditText = map[string]auditWords{
	"uk": {
		verdict: map[string]string{"proven": "✔ ДОВЕДЕНО", "disproven": "✘ СПРОСТОВАНО", "undecided": "? НЕ ВИРІШЕНО", "error": "! НЕ ПЕРЕВІРЕНО"},
		steps: map[string]string{
			stepState: "стан, збережений минулого разу", stepEntry: "запис", stepCheckpoint: "підписаний стан журналу",
			stepConsistency: "журнал лише доповнювався", stepWitnesses: "свідки журналу", stepReceipt: "розписка", stepPromise: "обіцянка журналу", stepForm: "форма запису", stepMonth: "файл місяця", stepInclusion: "запис стоїть у журналі",
			evidence.StepPackage: "пакет доказів", evidence.StepSeal: "печатка пакета", evidence.StepReport: "звіт про підпис", evidence.StepAgain: "повторне судження про підпис",
			evidence.StepDocument: "підписаний документ", evidence.StepSeed: "минуле журналу, закріплене в документі",
		},
		month:  "місяць %s журналу %s: усі записи (%d, актів %d) стоять у журналі незмінними",
		proven: "запис %d стоїть у журналі %s незмінним", grown: "журнал %s лише доповнювався",
		entry: "Запис", when: "Час", who: "Хто", what: "Акт", basis: "Підстава", fields: "Розкрито", code: "Підсумок", place: "Місце", tree: "Дерево", past: "Минуле",
		notCompared: "не порівняно: немає --state", firstTime: "перший раз: стан збережено, наступного разу буде порівняно",
		why: "Причина", advice: "Що робити", evidence: "Докази", witnesses: "Свідки", unwitnessed: "не запитано: немає --witness",
		judged: "Підпис", pinned: "Закріплено", skipped: "Не запитано",
	},
	"en": {
		verdict: map[string]string{"proven": "✔ PROVEN", "disproven": "✘ DISPROVEN", "undecided": "? NOT DECIDED", "error": "! NOT CHECKED"},
		steps: map[string]string{
			stepState: "state kept last time", stepEntry: "entry", stepCheckpoint: "signed state of the log",
			stepConsistency: "the log only grew", stepWitnesses: "witnesses of the log", stepReceipt: "receipt", stepPromise: "promise of the log", stepForm: "form of the entry", stepMonth: "file of a month", stepInclusion: "the entry stands in the log",
			evidence.StepPackage: "package of evidence", evidence.StepSeal: "seal of the package", evidence.StepReport: "signature report", evidence.StepAgain: "signature judged again",
			evidence.StepDocument: "signed document", evidence.StepSeed: "past of the log pinned by the document",
		},
		month:  "month %s of the log %s: all entries (%d, acts %d) stand unchanged in the log",
		proven: "entry %d stands unchanged in the log %s", grown: "the log %s only grew",
		entry: "Entry", when: "Time", who: "Who", what: "Act", basis: "Basis", fields: "Disclosed", code: "Outcome", place: "Place", tree: "Tree", past: "Past",
		notCompared: "not compared: no --state", firstTime: "first time: state kept, the next run compares",
		why: "Reason", advice: "What to do", evidence: "Evidence", witnesses: "Witnesses", unwitnessed: "not asked: no --witness",
		judged: "Signature", pinned: "Pinned", skipped: "Not asked",
	},
}

// advice by verdict and language: what a person does next.
var auditAdvice = map[string]map[string]string{
	"uk": {
		"disproven": "не повторюйте перевірку замість висновку; збережіть файли стану й відповідь, повідомте власника журналу та регулятора",
		"undecided": "нічого не доведено й нічого не спростовано; повторіть пізніше або усуньте названу причину",
		"error":     "усуньте названу причину й повторіть",
	},
	"en": {
		"disproven": "do not repeat until it fits; keep the state files and this answer, tell the log's keeper and the regulator",
		"undecided": "nothing is proven and nothing disproven; repeat later or mend the named cause",
		"error":     "mend the named cause and repeat",
	},
}

// auditReasons says in Ukrainian what auditResult.Reason says in English, by
// step and verdict; the English detail follows it.
var auditReasons = map[string]string{
	stepState + " error":           "збережений стан не читається або його не підписано цим ключем",
	stepEntry + " undecided":       "журнал не дав цього запису",
	stepCheckpoint + " disproven":  "підпис під станом журналу підроблено",
	stepCheckpoint + " undecided":  "немає стану журналу, підписаного цим ключем",
	stepWitnesses + " disproven":   "підпис свідка під станом журналу підроблено",
	stepWitnesses + " undecided":   "стан журналу підписало замало свідків",
	stepConsistency + " disproven": "журнал переписано: він не продовжує того, що бачили раніше",
	stepConsistency + " undecided": "не вдалося отримати все потрібне для порівняння з минулим",
	stepReceipt + " disproven":     "запис у журналі не той, на який дано розписку",
	stepPromise + " disproven":     "журнал обіцяв цей запис і не має його",
	stepPromise + " undecided":     "час, до якого журнал обіцяв запис, ще не минув або це не показано",
	stepPromise + " error":         "розписку підписано не цим журналом",
	stepForm + " disproven":        "у журналі стоїть не той запис",
	stepMonth + " disproven":       "файл місяця змінено: він не веде до підписаного стану журналу",
	stepMonth + " error":           "це не файл місяця журналу",
	stepForm + " undecided":        "запис новішої версії: потрібна новіша програма",
	stepInclusion + " disproven":   "показаний запис не той, що стоїть у підписаному журналі",
	stepInclusion + " undecided":   "не вдалося отримати все потрібне для доведення",

	evidence.StepPackage + " disproven":  "пакет змінено після запечатування",
	evidence.StepPackage + " error":      "це не пакет доказів",
	evidence.StepSeal + " undecided":     "печатці пакета за цими сертифікатами довіряти не можна",
	evidence.StepReport + " disproven":   "звіт у пакеті не той, що названий у записі",
	evidence.StepReport + " undecided":   "у пакеті бракує частини звіту",
	evidence.StepAgain + " disproven":    "повторне судження дає інший звіт",
	evidence.StepAgain + " undecided":    "судити повторно не вдалося",
	evidence.StepDocument + " disproven": "документ не той, про який запис, або його підпис перевіряється інакше",
	evidence.StepDocument + " undecided": "документ за цими сертифікатами перевіряється інакше",
	evidence.StepSeed + " disproven":     "журнал не продовжує минулого, яке закріпив підписаний документ",
	evidence.StepSeed + " undecided":     "у пакеті бракує контрольної точки, яку закріпив документ",
}

// text is the report for people: verdict, then facts, a line each.
func (r *auditResult) text(lang string) string {
	w := auditText[lang]
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-13s %s\n", name, printable(value))
		}
	}
	b.WriteString(w.verdict[r.Verdict])
	switch {
	case r.Verdict != "proven":
		fmt.Fprintf(&b, "  %s\n", w.steps[r.Step])
		why := r.Reason
		if lang == "uk" {
			why = auditReasons[r.Step+" "+r.Verdict] + " (" + r.Reason + ")"
		}
		line(w.why, why)
		line(w.advice, auditAdvice[lang][r.Verdict])
		line(w.evidence, r.Evidence)
		return b.String()
	case r.Entry != nil:
		fmt.Fprintf(&b, "  "+w.proven+"\n", r.Entry.Index, printable(r.Checkpoint.Origin))
		e := &r.Entry.decoded
		if r.packaged {
			line("", evidence.ProvenWords(lang))
		}
		line(w.entry, string(e.Kind)+" · "+e.ID.String())
		line(w.when, e.Time.Format("02.01.2006 15:04:05.000000 UTC"))
		line(w.who, actorText(e))
		line(w.what, actText(e))
		if e.LegalBasis != nil {
			line(w.basis, joined(e.LegalBasis.Code, idText("", e.LegalBasis.Consent)))
		}
		line(w.fields, strings.Join(e.Fields, ", "))
		line(w.code, joined(e.Code, e.Reason))
	case r.Month != nil:
		fmt.Fprintf(&b, "  "+w.month+"\n", printable(r.Month.Month), printable(r.Checkpoint.Origin), r.Month.Entries, r.Month.Acts)
		line(w.place, fmt.Sprintf("%d-%d / %d", r.Month.First, r.Month.Last, r.Checkpoint.Size))
		line("SHA-256", r.Month.Manifest)
	case r.Kept != nil:
		fmt.Fprintf(&b, "  "+w.proven+"\n", r.Kept.Index, printable(r.Checkpoint.Origin))
		line(w.entry, r.Kept.ID.String())
	default:
		fmt.Fprintf(&b, "  "+w.grown+"\n", printable(r.Checkpoint.Origin))
	}
	if r.Entry != nil {
		line(w.place, fmt.Sprintf("%d / %d", r.Entry.Index, r.Checkpoint.Size))
	}
	line(w.tree, fmt.Sprintf("%d · %s", r.Checkpoint.Size, r.Checkpoint.Root))
	if len(r.Witnesses) == 0 {
		line(w.witnesses, w.unwitnessed)
	}
	for _, c := range r.Witnesses {
		line(w.witnesses, c.Name+" · "+c.Time.Format("02.01.2006 15:04:05 UTC"))
	}
	if r.Judgement != nil {
		line(w.judged, joined(evidence.SignatureWords(signature.Indication(r.Judgement.Indication), lang), r.Judgement.Indication, r.Judgement.Policy, r.Judgement.Report))
	}
	if r.Pinned != nil {
		line(w.pinned, fmt.Sprintf("%d → %d", *r.Pinned, r.Checkpoint.Size))
	}
	switch {
	case r.packaged, r.Month != nil && r.Consistency == nil:
		var left []string
		for _, s := range r.Skipped {
			left = append(left, w.steps[s])
		}
		line(w.skipped, strings.Join(left, ", "))
	case r.Consistency != nil:
		line(w.past, fmt.Sprintf("%d → %d", r.Consistency.From, r.Consistency.To))
	case !r.stateKept:
		line(w.past, w.notCompared)
	default:
		line(w.past, w.firstTime)
	}
	return b.String()
}

func actorText(e *audit.Entry) string {
	a := e.Actor
	return joined(e.Channel, idText("client", a.ClientID), idText("employee", a.EmployeeID), idText("legal entity", a.LegalEntityID), idText("user", a.UserID), a.XRoadClient)
}

func actText(e *audit.Entry) string {
	if e.Act == nil {
		return ""
	}
	container := ""
	if len(e.Act.Container) > 0 {
		container = "sha256:" + hex.EncodeToString(e.Act.Container)
	}
	return joined(e.Act.Kind, idText("", e.Act.ID), container)
}

func idText(name string, id registry.ID) string {
	if id.IsZero() {
		return ""
	}
	return strings.TrimSpace(name + " " + id.String())
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

// printable escapes what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}
