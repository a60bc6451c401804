package explain

import (
	"fmt"
	"strings"

	"mist/signature"
	"mist/signature/facts"
)

var verdicts = map[signature.Indication]lang{
	signature.TotalPassed:      {"ЧИННИЙ", "VALID"},
	signature.TotalFailed:      {"НЕДІЙСНИЙ", "INVALID"},
	signature.Indeterminate:    {"НЕ ВИЗНАЧЕНО", "UNDECIDED"},
	signature.NoSignatureFound: {"ПІДПИСУ НЕМАЄ", "NO SIGNATURE"},
}

var words = map[string]lang{
	"no-signature":        {"У файлі немає жодного підпису.", "The file holds no signature."},
	"unsigned":            {"Не підписано", "Not signed"},
	"counter":             {"засвідчувальний підпис", "counter-signature"},
	"qualified-seal":      {"кваліфікована електронна печатка", "qualified electronic seal"},
	"seal":                {"електронна печатка", "electronic seal"},
	"qualified-signature": {"кваліфікований електронний підпис", "qualified electronic signature"},
	"signature":           {"електронний підпис", "electronic signature"},
	"advice":              {"Що робити", "What to do"},
	"signer":              {"Підписав", "Signed by"},
	"organization":        {"Організація", "Organisation"},
	"time":                {"Час", "Time"},
	"level":               {"Рівень", "Level"},
	"scope":               {"Обсяг", "Scope"},
	"trust":               {"Довіра", "Trust"},
	"revocation":          {"Відкликання", "Revocation"},
	"crypto":              {"Криптографія", "Cryptography"},
	"warning":             {"Увага", "Warning"},
	"stamp":               {"Позначка часу", "Time-stamp"},
	"rnokpp":              {"РНОКПП", "RNOKPP"},
	"edrpou":              {"ЄДРПОУ", "EDRPOU"},
	"unzr":                {"УНЗР", "UNZR"},
	"by-stamp":            {"за позначкою часу", "by time-stamp"},
	"claimed":             {"заявлено", "claimed"},
	"unproven":            {"не доведено", "not proven"},
	"no-revocation":       {"даних немає", "no data"},
	"in-file":             {"у файлі", "in the file"},
	"outside":             {"ззовні", "from outside"},
	"checks":              {"%d перевірок: %d так. Докладно --explain, для програм --json", "%d checks: %d yes. Details --explain, for programs --json"},
}

var statuses = map[string]lang{
	facts.StatusGood:    {"не відкликано", "not revoked"},
	facts.StatusRevoked: {"відкликано", "revoked"},
	facts.StatusUnknown: {"стан невідомий", "status unknown"},
}

var cryptoWords = map[string]lang{
	signature.CryptoIntact:       {"ціла: зміст не змінено, підпис збігається", "intact: the content is unchanged and the signature value holds"},
	signature.CryptoBroken:       {"порушена", "broken"},
	signature.CryptoNotEvaluable: {"не можна обчислити", "cannot be computed"},
}

var scopes = map[string]lang{
	facts.ScopePartial:          {"підписано лише частину документа", "only a part of the document is signed"},
	facts.ScopeDigest:           {"звірено лише геш, самого змісту не надано", "only the digest was compared, the content was not given"},
	facts.ScopeArchived:         {"вкладений архівний об’єкт", "an archived object"},
	facts.ScopeCounterSignature: {"інший підпис", "another signature"},
}

type reason struct{ sentence, advice lang }

// Reason says in a sentence why a signature did not pass, and what to do; "" for
// an indication that needs no reason.
func Reason(s signature.SubIndication, l string) (sentence, advice string) {
	r := reasons[s]
	if w, ok := withoutFlags[s]; ok {
		return r.sentence.in(l), w.in(l)
	}
	return r.sentence.in(l), r.advice.in(l)
}

// withoutFlags are the advices for readers of pages and protocols, where those
// for the command line name its flags.
var withoutFlags = map[signature.SubIndication]lang{
	signature.SigConstraintsFailure:   {"Вимогу названо серед запитань і відповідей.", "The questions and answers name the requirement."},
	signature.ChainConstraintsFailure: {"Сертифікат і вимогу названо серед запитань і відповідей.", "The questions and answers name the certificate and the requirement."},
	signature.CertificateChainGeneralFailure: {"Немає відповіді надавача, чи сертифікат не відкликано. Попросіть підпис рівня LT або LTA чи перевірте там, де відповідь можна запитати.",
		"There is no answer of the authority whether the certificate was revoked. Ask for a signature of level LT or LTA, or check where the answer can be asked for."},
	signature.NoSigningCertificateFound: {"Попросіть файл із сертифікатом підписувача всередині.", "Ask for a file that holds the signer's certificate."},
	signature.NoCertificateChainFound:   {"Центру, що видав сертифікат, немає серед довірених: перевірте, хто це.", "The authority that issued the certificate is not among those trusted: find out who it is."},
	signature.OutOfBoundsNotRevoked:     {"Потрібна позначка часу, зроблена в межах строку сертифіката.", "A time-stamp from within the certificate's period is needed."},
	signature.OutOfBoundsNoPOE:          {"Потрібна позначка часу, зроблена в межах строку сертифіката.", "A time-stamp from within the certificate's period is needed."},
	signature.TryLater:                  {"Повторіть перевірку пізніше або попросіть підпис рівня LT чи LTA, який несе дані про відкликання з собою.", "Check again later, or ask for a signature of level LT or LTA, which carries its revocation data."},
	signature.SignedDataNotFound:        {"Додайте файл, який було підписано.", "Add the file that was signed."},
}

var reasons = map[signature.SubIndication]reason{
	signature.FormatFailure: {
		lang{"Документ порушує формат підпису або читається двозначно.", "The document breaks the signature format or can be read in two ways."},
		lang{"Попросіть підписати наново справною програмою.", "Ask for a new signature made with a sound program."}},
	signature.HashFailure: {
		lang{"Зміст змінено після підписання.", "The content was changed after it was signed."},
		lang{"Не приймайте документ; попросіть оригінал.", "Do not accept the document; ask for the original."}},
	signature.SigCryptoFailure: {
		lang{"Значення підпису не відповідає ключу підписувача.", "The signature value does not match the signer's key."},
		lang{"Не приймайте документ; попросіть оригінал.", "Do not accept the document; ask for the original."}},
	signature.Revoked: {
		lang{"Підписано після відкликання сертифіката.", "Signed after the certificate was revoked."},
		lang{"Не приймайте документ; підписувач має новий ключ.", "Do not accept the document; the signer needs a new key."}},
	signature.Expired: {
		lang{"Підписано після закінчення строку сертифіката.", "Signed after the certificate had expired."},
		lang{"Попросіть підписати чинним ключем.", "Ask for a signature with a current key."}},
	signature.NotYetValid: {
		lang{"Підписано до початку строку сертифіката.", "Signed before the certificate became valid."},
		lang{"Не приймайте документ.", "Do not accept the document."}},
	signature.SigConstraintsFailure: {
		lang{"Підпис не відповідає вимогам політики.", "The signature does not meet the policy."},
		lang{"Перегляньте --explain: там названо вимогу.", "See --explain: it names the requirement."}},
	signature.ChainConstraintsFailure: {
		lang{"Ланцюжок сертифікатів не відповідає вимогам.", "The certificate chain does not meet the requirements."},
		lang{"Перегляньте --explain: там названо сертифікат і вимогу.", "See --explain: it names the certificate and the requirement."}},
	signature.CertificateChainGeneralFailure: {
		lang{"Ланцюжок сертифікатів не вдалося перевірити до кінця.", "The certificate chain could not be checked to the end."},
		lang{"Додайте дані про відкликання або перевірте онлайн.", "Add revocation data or check online."}},
	signature.CryptoConstraintsFailure: {
		lang{"Алгоритм або ключ заслабкі.", "An algorithm or key is too weak."},
		lang{"Попросіть підписати сучасним алгоритмом.", "Ask for a signature with a current algorithm."}},
	signature.CryptoConstraintsFailureNoPOE: {
		lang{"Алгоритм заслабкий нині, а часу підпису не доведено.", "An algorithm is too weak now and the time of signing is not proven."},
		lang{"Потрібна позначка часу, зроблена, коли алгоритм був надійним.", "A time-stamp from when the algorithm was sound is needed."}},
	signature.PolicyProcessingError: {
		lang{"Політику підпису не вдалося обробити.", "The signature policy could not be processed."},
		lang{"Надайте документ політики.", "Supply the policy document."}},
	signature.SignaturePolicyNotAvailable: {
		lang{"Документ політики підпису недоступний.", "The signature policy document is not available."},
		lang{"Надайте документ політики.", "Supply the policy document."}},
	signature.TimestampOrderFailure: {
		lang{"Позначки часу суперечать одна одній.", "The time-stamps contradict each other."},
		lang{"Не приймайте документ без пояснення.", "Do not accept the document without an explanation."}},
	signature.NoSigningCertificateFound: {
		lang{"Сертифікат підписувача не знайдено або підмінено.", "The signer's certificate was not found or was exchanged."},
		lang{"Додайте сертифікат підписувача до теки довіри.", "Add the signer's certificate to the trust folder."}},
	signature.NoCertificateChainFound: {
		lang{"Немає шляху до довіреного центру.", "There is no path to a trusted authority."},
		lang{"Перевірте теку --trust: чи є там сертифікат центру?", "Check the folder --trust: is the authority's certificate in it?"}},
	signature.NoCertificateChainFoundNoPOE: {
		lang{"Центр нині не є довіреним, а часу підпису не доведено.", "The authority is no longer trusted and the time of signing is not proven."},
		lang{"Потрібен доказ, що підпис існував, коли центр був довіреним.", "A proof is needed that the signature existed while it was."}},
	signature.RevokedNoPOE: {
		lang{"Сертифікат відкликано, а часу підпису не доведено.", "The certificate is revoked and the time of signing is not proven."},
		lang{"Потрібна позначка часу, раніша за відкликання.", "A time-stamp earlier than the revocation is needed."}},
	signature.RevokedCANoPOE: {
		lang{"Сертифікат центру відкликано, а часу підпису не доведено.", "A CA certificate is revoked and the time of signing is not proven."},
		lang{"Потрібна позначка часу, раніша за відкликання.", "A time-stamp earlier than the revocation is needed."}},
	signature.OutOfBoundsNotRevoked: {
		lang{"Строк сертифіката минув (його не відкликано), а часу підпису не доведено.", "The certificate is out of its period (it was not revoked) and the time of signing is not proven."},
		lang{"Потрібна позначка часу або перевірка на той час: --time.", "A time-stamp is needed, or a check as of that time: --time."}},
	signature.OutOfBoundsNoPOE: {
		lang{"Строк сертифіката минув або не почався, а часу підпису не доведено.", "The certificate is out of its period and the time of signing is not proven."},
		lang{"Потрібна позначка часу або перевірка на той час: --time.", "A time-stamp is needed, or a check as of that time: --time."}},
	signature.RevocationOutOfBoundsNoPOE: {
		lang{"Строк сертифіката того, хто відповів про відкликання, минув.", "The certificate that signed the revocation data is out of its period."},
		lang{"Потрібні свіжіші дані про відкликання.", "Newer revocation data is needed."}},
	signature.NoPOE: {
		lang{"Бракує доказу існування.", "A proof of existence is missing."},
		lang{"Потрібна позначка часу.", "A time-stamp is needed."}},
	signature.TryLater: {
		lang{"Достатньо свіжих даних про відкликання ще немає.", "Revocation data that is fresh enough does not exist yet."},
		lang{"Повторіть перевірку пізніше.", "Check again later."}},
	signature.SignedDataNotFound: {
		lang{"Підписаного змісту не надано.", "The signed content was not given."},
		lang{"Додайте його: --content ФАЙЛ.", "Supply it: --content FILE."}},
}

var warnings = map[string]lang{
	"POLICY_ARCHIVE_TEST_NO_REVOCATION_DATA": {"політика archive-test: дані про відкликання не вимагалися", "policy archive-test: revocation data was not demanded"},
	"SIGNED_ATTRIBUTES_NOT_DER":              {"підписані атрибути не в порядку DER, перевірено як є", "signed attributes are not in DER order, verified as received"},
	"SIGNED_ATTRIBUTES_REENCODED":            {"підписані атрибути перевірено лише після перекодування в DER", "signed attributes verified only after re-encoding as DER"},
}

func warning(code, l string) string {
	if w, ok := warnings[code]; ok {
		return w.in(l) + " (" + code + ")"
	}
	for name, w := range questions {
		if signature.ReasonCode(name) == code {
			return fmt.Sprintf(lang{"«%s» — ні", "“%s” — no"}.in(l), w.in(l)) + " (" + code + ")"
		}
	}
	return Escape(code)
}

// algorithm names an algorithm the way people know it.
func algorithm(s, l string) string {
	enc, dig := s, ""
	for _, e := range []string{"DSTU4145", "RSASSA-PSS", "PLAIN-ECDSA", "ECDSA", "RSA"} {
		if strings.HasPrefix(s, e+"-") {
			enc, dig = e, s[len(e)+1:]
			break
		}
	}
	names := map[string]lang{
		"DSTU4145": {"ДСТУ 4145", "DSTU 4145"}, "GOST34311": {"ГОСТ 34.311", "GOST 34.311"},
		"KUPYNA256": {"Купина-256", "Kupyna-256"}, "KUPYNA384": {"Купина-384", "Kupyna-384"}, "KUPYNA512": {"Купина-512", "Kupyna-512"},
		"SHA256": {"SHA-256", "SHA-256"}, "SHA384": {"SHA-384", "SHA-384"}, "SHA512": {"SHA-512", "SHA-512"}, "SHA1": {"SHA-1", "SHA-1"},
		"PLAIN-ECDSA": {"ECDSA", "ECDSA"},
	}
	say := func(n string) string {
		if w, ok := names[n]; ok {
			return w.in(l)
		}
		return Escape(n)
	}
	if dig == "" {
		return say(enc)
	}
	return say(enc) + ", " + say(dig)
}
