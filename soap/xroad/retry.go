package xroad

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"mist/soap"
)

// Temporary reports whether the same call, with the same message id, may be
// answered another time: the network, a time-out, a server's trouble. What a
// provider or a security server refuses for good, or an answer that is not of
// the question, is not temporary. Repeating is safe because the id is kept:
// give [Call] its ID before the first try.
func Temporary(err error) bool {
	var fault *soap.Fault
	var status *soap.StatusError
	var inconsistent *InconsistentError
	switch {
	case err == nil, errors.As(err, &inconsistent), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &fault):
		return fault.Class == soap.ServerFault && !slices.Contains(final, lastPart(fault.Code))
	case errors.As(err, &status):
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests || status.Code == http.StatusRequestTimeout
	}
	var unreadable *soap.UnreadableError
	return !errors.As(err, &unreadable)
}

// final are the last parts of fault codes by which security servers refuse
// though they call it Server: another try changes nothing until somebody
// changes a configuration. Lower case without underscores: version 8 writes
// access_denied where others write AccessDenied.
var final = []string{
	"accessdenied", "unknownservice", "unknownmember", "servicedisabled", "invalidprotocolversion", "invalidsoap", "invalidsoapaction", "invalidhttpmethod",
	"invalidcontenttype", "invalidxml", "missingheader", "missingheaderfield", "duplicateheaderfield", "missingbody", "invalidbody", "inconsistentheaders",
	"servicemissingurl", "servicemalformedurl", "inconsistentresponse", "sslauthenticationfailed",
}

func lastPart(code string) string {
	return strings.ToLower(strings.ReplaceAll(code[strings.LastIndexByte(code, '.')+1:], "_", ""))
}
