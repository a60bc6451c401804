// Package registry holds the domain words of Mist: identifiers, callers, acts,
// kinds of acts and one vocabulary of errors. It depends on the standard
// library alone and every other room of the registry depends on it.
//
// It refuses nothing by itself and trusts nobody: rules live in the rooms
// (patient, prm, declaration …), decisions in access, transactions in postgres.
package registry

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Code names one outcome a caller can act on. Two tables translate codes to
// the outside: portal/problem.go (REST) and soap/fault.go (SOAP); both are
// tested for completeness over [Codes].
type Code string

// The codes, from "your request" to "our trouble".
const (
	CodeMalformed              Code = "malformed"               // not readable as what it claims to be
	CodeTooLarge               Code = "too-large"               // over a size limit
	CodeUnsupportedMedia       Code = "unsupported-media"       // content type, encoding or charset we do not read
	CodeMethodNotAllowed       Code = "method-not-allowed"      // the path exists, the method does not
	CodeInvalid                Code = "invalid"                 // readable, but fields break the schema
	CodeUnauthenticated        Code = "unauthenticated"         // no or bad credentials
	CodeForbidden              Code = "forbidden"               // known caller, no right
	CodeNotFound               Code = "not-found"               // absent, or not to be seen by this caller
	CodeConflict               Code = "conflict"                // the state does not allow the action
	CodeAlreadyDone            Code = "already-done"            // the same thing was done before with other content
	CodeRuleViolated           Code = "rule-violated"           // a rule of the registry says no
	CodeSignatureInvalid       Code = "signature-invalid"       // TOTAL-FAILED, or not the required signer
	CodeSignatureIndeterminate Code = "signature-indeterminate" // INDETERMINATE: refused now, may pass later
	CodeConsentMissing         Code = "consent-missing"         // no consent or other legal basis
	CodeRateLimited            Code = "rate-limited"            // slow down
	CodeUnavailable            Code = "unavailable"             // a dependency is down; retry later
	CodeInternal               Code = "internal"                // our own failure; logged under the request id
)

var codes = []Code{
	CodeMalformed, CodeTooLarge, CodeUnsupportedMedia, CodeMethodNotAllowed, CodeInvalid,
	CodeUnauthenticated, CodeForbidden, CodeNotFound, CodeConflict, CodeAlreadyDone,
	CodeRuleViolated, CodeSignatureInvalid, CodeSignatureIndeterminate, CodeConsentMissing,
	CodeRateLimited, CodeUnavailable, CodeInternal,
}

// Codes lists every code once, in the order of their declaration.
func Codes() []Code { return slices.Clone(codes) }

// FieldError points at one value of the request that breaks a rule.
type FieldError struct {
	// Entry is a JSON path in the manner of the eHealth API: $.person.documents.[0].number.
	Entry string
	// EntryType is json_data_property, query_parameter, header, request or content;
	// empty means json_data_property.
	EntryType string
	// Rule is the eHealth name of the broken rule: required, format, inclusion, invalid …
	Rule string
	// Description says in words what is wrong; it never repeats the value.
	Description string
	// Params carries the limits of the rule (allowed values, maximum length).
	Params []string
}

// Error is what a room returns when the caller can act on the outcome.
// Detail and Fields may be shown to the caller; Err is for the log only.
type Error struct {
	Code   Code
	Detail string
	Fields []FieldError
	// ReportID names the stored signature report, where there is one.
	ReportID string
	// Reason is a stable machine word below the code (CONSENT_EXPIRED,
	// otp_expired, OUT_OF_BOUNDS_NO_POE …); empty where the code says it all.
	Reason string
	// RetryAfter is how long the caller should wait before another try; zero: not known.
	RetryAfter time.Duration
	Err        error
}

// Error implements error. The text carries code, reason and detail; it never
// carries a field's value, so it may be logged.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error whose Detail is the formatted text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid makes the error of a request with broken fields.
func Invalid(fields ...FieldError) *Error {
	return &Error{Code: CodeInvalid, Detail: "validation failed", Fields: fields}
}

// WithReason sets the machine word and returns the same error.
func (e *Error) WithReason(reason string) *Error {
	e.Reason = reason
	return e
}

// WithRetryAfter sets how long to wait and returns the same error.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// WithCause sets the private cause and returns the same error.
func (e *Error) WithCause(err error) *Error {
	e.Err = err
	return e
}

// AsError finds the registry error in a chain. Anything else is CodeInternal
// with the original as its private cause, so that no foreign text leaks out.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Detail: "internal error", Err: err}
}

// CodeOf gives the code of err; CodeInternal for foreign errors, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
