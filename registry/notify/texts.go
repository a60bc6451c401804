package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Template names a text. Texts say no more than is needed: an SMS is read on a
// locked screen by whoever holds the telephone.
type Template string

// Templates with the places they fill.
const (
	// OTP: code, minutes.
	OTP Template = "otp"
	// DeclarationSigned: number.
	DeclarationSigned Template = "declaration_signed"
	// DeclarationEnded: number.
	DeclarationEnded Template = "declaration_ended"
	// ActRefused: number. A signed act that waited was refused.
	ActRefused Template = "act_refused"
	// RecordsOpened: clinic, date. Break-glass access to the person's records.
	RecordsOpened Template = "records_opened"
	// RecordIssued: what, number, until; RecordEnded: what, number. A referral, a
	// prescription, whatever else a patient is given a number of.
	RecordIssued Template = "record_issued"
	RecordEnded  Template = "record_ended"
	// EmployeeInvited: clinic, request, token, until. An invitation to work.
	EmployeeInvited Template = "employee_invited"
	// ConclusionSigned, ConclusionCancelled, SickLeaveOpened: number of a medical conclusion.
	ConclusionSigned    Template = "conclusion_signed"
	ConclusionCancelled Template = "conclusion_cancelled"
	SickLeaveOpened     Template = "sick_leave_opened"
	// PrescriptionCode: number, code. A prescription was made, or is told again.
	PrescriptionCode Template = "prescription_code"
	// PrescriptionRejected, PrescriptionBlocked, PrescriptionUnblocked: number.
	PrescriptionRejected  Template = "prescription_rejected"
	PrescriptionBlocked   Template = "prescription_blocked"
	PrescriptionUnblocked Template = "prescription_unblocked"
	// AlarmOn and AlarmOff: alarm, what, runbook. For people who keep the system.
	AlarmOn  Template = "alarm_on"
	AlarmOff Template = "alarm_off"
)

type text struct{ subject, text string }

var texts = map[Template]text{
	OTP:                   {"Код підтвердження", "Код підтвердження: {code}. Назвіть його лише лікарю, який оформлює Ваш запит. Діє {minutes} хв."},
	DeclarationSigned:     {"Декларацію підписано", "Декларацію № {number} з лікарем підписано. Якщо Ви її не подавали, повідомте НСЗУ: 16-77."},
	DeclarationEnded:      {"Декларацію припинено", "Дію декларації № {number} припинено. Довідки: НСЗУ, 16-77."},
	ActRefused:            {"Підпис не підтверджено", "Документ № {number} не набув чинності: кваліфікований підпис не підтверджено. Зверніться до закладу, де його оформлено."},
	RecordIssued:          {"Документ оформлено", "{what} № {number} оформлено, діє до {until}. Номер назвіть лише закладу, до якого звертаєтесь."},
	RecordEnded:           {"Документ не чинний", "{what} № {number} більше не чинне. Довідки: заклад, де його оформлено, або НСЗУ, 16-77."},
	EmployeeInvited:       {"Запрошення до роботи", "Заклад «{clinic}» запрошує Вас до роботи в системі охорони здоровʼя. Заявка {request}, код запрошення {token}, діє до {until}. Введіть код у системі закладу або відхиліть запрошення там само. Нікому його не передавайте."},
	AlarmOn:               {"Mist: тривога", "Mist: тривога {alarm}. {what}. Що робити: RUNBOOK, «{runbook}»."},
	AlarmOff:              {"Mist: тривогу знято", "Mist: тривогу {alarm} знято. Тривала {what}. RUNBOOK, «{runbook}»."},
	RecordsOpened:         {"Доступ до Ваших медичних записів", "{date} заклад «{clinic}» відкрив Ваші медичні записи в екстреному порядку. Доступ буде перевірено. Якщо Ви про це не знаєте: НСЗУ, 16-77."},
	ConclusionSigned:      {"Медичний висновок підписано", "Медичний висновок № {number} підписано. Номер потрібен лише Вам і роботодавцю. Довідки: 16-77."},
	ConclusionCancelled:   {"Медичний висновок скасовано", "Медичний висновок № {number} скасовано лікарем. Довідки: заклад або 16-77."},
	SickLeaveOpened:       {"Листок непрацездатності", "За висновком № {number} сформовано електронний листок непрацездатності. Стан: портал Пенсійного фонду."},
	PrescriptionCode:      {"Електронний рецепт", "Ваш рецепт № {number}. Код: {code}. Назвіть його лише фармацевту, коли отримуєте ліки."},
	PrescriptionRejected:  {"Рецепт скасовано", "Ваш рецепт № {number} скасовано лікарем. Зверніться до вашого лікаря."},
	PrescriptionBlocked:   {"Рецепт заблоковано", "Ваш рецепт № {number} заблоковано. Зверніться до вашого лікаря."},
	PrescriptionUnblocked: {"Рецепт розблоковано", "Ваш рецепт № {number} розблоковано. Можете отримати ліки в аптеці."},
}

// Templates lists the names of all texts.
func Templates() []Template { return slices.Sorted(maps.Keys(texts)) }

// render fills the places; each place needs its value and each value a place.
func (t Template) render(values map[string]string) (subject, body string, err error) {
	form, ok := texts[t]
	if !ok {
		return "", "", fmt.Errorf("notify: no text %q", t)
	}
	var pairs []string
	for name, value := range values {
		if !strings.Contains(form.text, "{"+name+"}") {
			return "", "", fmt.Errorf("notify: the text %s has no place for %q", t, name)
		}
		// A value cannot make places of its own, nor lines.
		clean := strings.Map(func(r rune) rune {
			if r < ' ' || r == '{' || r == '}' {
				return -1
			}
			return r
		}, value)
		pairs = append(pairs, "{"+name+"}", clean)
	}
	body = strings.NewReplacer(pairs...).Replace(form.text)
	if i := strings.IndexByte(body, '{'); i >= 0 {
		return "", "", fmt.Errorf("notify: the text %s lacks a value", t)
	}
	return form.subject, body, nil
}
