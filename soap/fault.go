package soap

import (
	"context"
	"errors"
	"fmt"

	"mist/registry"
)

// Class says who has to act on a fault (SOAP 1.1 section 4.4.1; SOAP 1.2 part 1
// section 5.4.6 calls Client Sender and Server Receiver).
type Class uint8

// Classes.
const (
	ClientFault Class = iota
	ServerFault
	MustUnderstand
	VersionMismatch
)

// name is the local part of the fault code in a SOAP version.
func (c Class) name(v Version) string {
	switch c {
	case ServerFault:
		if v == V12 {
			return "Receiver"
		}
		return "Server"
	case MustUnderstand:
		return "MustUnderstand"
	case VersionMismatch:
		return "VersionMismatch"
	}
	if v == V12 {
		return "Sender"
	}
	return "Client"
}

// Fault is a technical refusal. Code is stable and stands in the detail
// element; Reason says what to do and repeats nothing of the message. Codes
// never begin with Client. or Server.: operators find the failing hop of
// X-Road by those.
type Fault struct {
	Class  Class
	Code   string
	Reason string
	// Fields point at the places of a payload that break its schema: path and rule, no values.
	Fields []registry.FieldError
	// TrackingID joins the answer to the log; the handler sets it.
	TrackingID string
	// Err is the private cause, for the log.
	Err error
}

// Error implements error.
func (f *Fault) Error() string {
	s := fmt.Sprintf("soap fault %s %s: %s", f.Class.name(V11), f.Code, f.Reason)
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap gives the private cause.
func (f *Fault) Unwrap() error { return f.Err }

// Faultf makes a Client fault.
func Faultf(code, format string, args ...any) *Fault {
	return &Fault{Class: ClientFault, Code: code, Reason: fmt.Sprintf(format, args...)}
}

// faultRow is how one registry code leaves by SOAP.
type faultRow struct {
	Class  Class
	Code   string
	Reason string // used when the error has no detail of its own
}

// faultTable translates registry codes; TestFaultTableIsComplete holds it
// against registry.Codes(). Answers a caller can plan for (not found, consent
// refused) are normal responses of the bindings, not faults; the rows exist
// because an operation without such a response still has to say something.
var faultTable = map[registry.Code]faultRow{
	registry.CodeMalformed:              {ClientFault, "Malformed", "the message cannot be read"},
	registry.CodeTooLarge:               {ClientFault, "TooLarge", "the message is over a size limit"},
	registry.CodeUnsupportedMedia:       {ClientFault, "InvalidContentType", "the content type, encoding or charset is not supported"},
	registry.CodeMethodNotAllowed:       {ClientFault, "MethodNotAllowed", "use POST"},
	registry.CodeInvalid:                {ClientFault, "SchemaValidation", "the message breaks its schema"},
	registry.CodeUnauthenticated:        {ClientFault, "AccessDenied", "the caller is not known"},
	registry.CodeForbidden:              {ClientFault, "AccessDenied", "the caller may not do this"},
	registry.CodeNotFound:               {ClientFault, "NotFound", "nothing was found"},
	registry.CodeConflict:               {ClientFault, "Conflict", "the state does not allow this"},
	registry.CodeAlreadyDone:            {ClientFault, "IdReuse", "the message id was used before with another body"},
	registry.CodeRuleViolated:           {ClientFault, "RuleViolated", "a rule of the registry says no"},
	registry.CodeSignatureInvalid:       {ClientFault, "SignatureInvalid", "the signature is not valid"},
	registry.CodeSignatureIndeterminate: {ClientFault, "SignatureIndeterminate", "the signature cannot be decided now; try later"},
	registry.CodeConsentMissing:         {ClientFault, "ConsentRequired", "a consent is needed"},
	registry.CodeRateLimited:            {ServerFault, "RateLimited", "too many requests; try later"},
	registry.CodeUnavailable:            {ServerFault, "Unavailable", "the service is not available now; try later"},
	registry.CodeInternal:               {ServerFault, "Internal", "internal error; quote the tracking id to the operator"},
}

// FaultOf translates any error. What is neither a fault, a syntax error nor a
// registry error leaves as Internal, its text kept for the log.
func FaultOf(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		c := *f
		return &c
	}
	var syn *SyntaxError
	if errors.As(err, &syn) {
		code := "InvalidSoap"
		if syn.TooLarge {
			code = "TooLarge"
		}
		return &Fault{Class: ClientFault, Code: code, Reason: syn.Error()}
	}
	var re *registry.Error
	if !errors.As(err, &re) {
		if errors.Is(err, context.DeadlineExceeded) {
			return &Fault{Class: ServerFault, Code: "Timeout", Reason: "the answer took too long; send the same message again", Err: err}
		}
		re = registry.AsError(err)
	}
	row, known := faultTable[re.Code]
	if !known {
		row = faultTable[registry.CodeInternal]
	}
	out := &Fault{Class: row.Class, Code: row.Code, Reason: row.Reason, Fields: re.Fields, Err: re}
	// The detail of an internal error may carry what is not the caller's business.
	if re.Detail != "" && known && re.Code != registry.CodeInternal {
		out.Reason = re.Detail
	}
	// Descriptions of fields say what is wrong and never repeat a value.
	for _, field := range re.Fields {
		if field.Description != "" {
			out.Reason += "; " + field.Entry + ": " + field.Description
		}
	}
	return out
}

// AppendBody appends the fault as the content of a Body whose prefix is bound
// to the envelope namespace. detailNS is the namespace of the declared fault
// element ServiceFault (code, message, trackingId, field*).
func (f *Fault) AppendBody(out []byte, v Version, prefix []byte, detailNS string) []byte {
	q := func(local string) []byte {
		b := make([]byte, 0, len(prefix)+len(local)+1)
		if len(prefix) > 0 {
			b = append(append(b, prefix...), ':')
		}
		return append(b, local...)
	}
	open := func(name []byte) { out = append(append(append(out, '<'), name...), '>') }
	closeTag := func(name []byte) { out = append(append(append(out, "</"...), name...), '>') }

	// The fault code is a QName value; its prefix is declared here, since not
	// every consumer resolves values by a default namespace. The caller's own
	// default namespace must not reach the unqualified children of SOAP 1.1.
	out = append(append(out, '<'), q("Fault")...)
	if len(prefix) > 0 {
		out = append(out, ` xmlns=""`...)
	}
	out = append(append(append(out, ` xmlns:f="`...), v.Namespace()...), `">`...)
	if v == V12 {
		open(q("Code"))
		open(q("Value"))
		out = append(append(out, "f:"...), f.Class.name(v)...)
		closeTag(q("Value"))
		if f.Class == ClientFault || f.Class == ServerFault {
			open(q("Subcode"))
			out = append(append(out, '<'), q("Value")...)
			out = append(append(append(out, ` xmlns:m="`...), detailNS...), `">m:`...)
			out = append(out, f.Code...)
			closeTag(q("Value"))
			closeTag(q("Subcode"))
		}
		closeTag(q("Code"))
		open(q("Reason"))
		out = append(append(out, '<'), q("Text")...)
		out = append(out, ` xml:lang="en">`...)
		out = appendEscaped(out, []byte(f.Reason))
		closeTag(q("Text"))
		closeTag(q("Reason"))
		open(q("Detail"))
		out = f.appendDetail(out, detailNS)
		closeTag(q("Detail"))
	} else {
		// SOAP 1.1 fault children are in no namespace.
		noNS := ""
		if len(prefix) == 0 {
			noNS = ` xmlns=""`
		}
		out = append(append(append(append(out, "<faultcode"...), noNS...), ">f:"...), f.Class.name(v)...)
		out = append(append(append(out, "</faultcode><faultstring"...), noNS...), '>')
		out = appendEscaped(out, []byte(f.Reason))
		out = append(append(append(out, "</faultstring><detail"...), noNS...), '>')
		out = f.appendDetail(out, detailNS)
		out = append(out, "</detail>"...)
	}
	closeTag(q("Fault"))
	return out
}

func (f *Fault) appendDetail(out []byte, ns string) []byte {
	out = append(append(append(out, `<ServiceFault xmlns="`...), ns...), `"><code>`...)
	out = append(append(out, f.Code...), "</code><message>"...)
	out = appendEscaped(out, []byte(f.Reason))
	out = append(out, "</message>"...)
	if f.TrackingID != "" {
		out = append(append(append(out, "<trackingId>"...), f.TrackingID...), "</trackingId>"...)
	}
	for _, field := range f.Fields {
		out = append(out, "<field><path>"...)
		out = appendEscaped(out, []byte(field.Entry))
		out = append(out, "</path><rule>"...)
		out = appendEscaped(out, []byte(field.Rule))
		out = append(out, "</rule></field>"...)
	}
	return append(out, "</ServiceFault>"...)
}
