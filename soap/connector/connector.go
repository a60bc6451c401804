// Package connector speaks to other registers for the outbox: it makes the wire
// message of a question and reads the answer strictly, by the contracts in
// wsdl/consumed. A question makes the same bytes at every attempt and keeps its
// message id, so that a register can tell a repetition.
//
// It refuses what is no answer of its question ([outbox.Rubbish]) and passes on
// what a register refuses ([outbox.Refused]) by its code alone: texts of other
// registers may name people, and errors are kept readable. It trusts the
// security server, whose certificate is pinned, for who answered.
package connector

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"

	"mist/registry/audit"
	"mist/registry/outbox"
	"mist/signature/gost34311"
	"mist/soap"
	"mist/soap/xroad"
	"mist/wsdl"
)

// Service is one service of a register: how its question is made and its
// answer read. Encode and Decode are pure.
type Service struct {
	Version soap.Version
	// Action is the SOAPAction, or the action of SOAP 1.2.
	Action string
	// Encode makes the body element of the outbox message's body.
	Encode func(body []byte) ([]byte, error)
	// Decode reads a body element that obeys the contract into the form the room
	// is promised. Errors are of [outbox.Refused] or [outbox.Rubbish], or the
	// trouble may pass.
	Decode func(doc []byte) ([]byte, error)
	// Contract is what the answer must obey.
	Contract *wsdl.Contract
}

// Services of a register by operation.
type Services map[outbox.Operation]Service

// Register asks one register through our security server; it is an
// [outbox.Connector].
type Register struct {
	Caller   *xroad.Caller
	Provider xroad.ClientID // subsystem that publishes the services
	// ServiceVersion stands in the service identifier where the register wants one.
	ServiceVersion string
	UserID         string
	Services       Services
}

// Send implements [outbox.Connector].
func (r *Register) Send(ctx context.Context, m outbox.Message) (outbox.Reply, error) {
	s, ok := r.Services[m.Operation]
	if !ok {
		return outbox.Reply{}, outbox.Refused("UnknownService", fmt.Errorf("no service %s is configured", m.Operation))
	}
	body, err := s.Encode(m.Body)
	if err != nil {
		// Nothing was sent, and the same question will not become better.
		return outbox.Reply{}, outbox.Refused("Unsendable", fmt.Errorf("the question cannot be sent: %w", err))
	}
	call := xroad.Call{
		Service: xroad.ServiceID{Provider: r.Provider, Code: string(m.Operation), Version: r.ServiceVersion},
		Body:    body, ID: m.ID.String(), Version: s.Version, Action: s.Action,
	}
	if r.UserID != "" {
		call.UserID = xroad.Value{Text: r.UserID, Set: true}
	}
	answer, err := r.Caller.Do(ctx, call)
	if err != nil {
		return outbox.Reply{}, judged(err)
	}
	defer answer.Close()
	reply := outbox.Reply{Wire: digests(answer.Request, answer.Payload.Raw)}
	doc := answer.Payload.Standalone()
	if err := xroad.SchemaCheck(s.Contract)(doc); err != nil {
		return outbox.Reply{}, outbox.Rubbish(errors.New("the answer breaks the contract"))
	}
	reply.Body, err = s.Decode(doc)
	return reply, err
}

// word is what of a foreign code may be kept.
var word = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,80}$`)

func clean(code string) string {
	if !word.MatchString(code) {
		return "other"
	}
	return code
}

// judged says of a failed call what the outbox wants to know, without the
// other side's words.
func judged(err error) error {
	var fault *soap.Fault
	var status *soap.StatusError
	var unreadable *soap.UnreadableError
	var inconsistent *xroad.InconsistentError
	switch {
	case errors.As(err, &inconsistent):
		return outbox.Rubbish(fmt.Errorf("the answer is not of this question: %s differs", clean(inconsistent.Field)))
	case errors.As(err, &fault):
		told := fmt.Errorf("fault %s", clean(fault.Code))
		if xroad.Temporary(err) {
			return told
		}
		return outbox.Refused(clean(fault.Code), told)
	case errors.As(err, &status):
		told := fmt.Errorf("HTTP status %d", status.Code)
		if xroad.Temporary(err) {
			return told
		}
		return outbox.Rubbish(told)
	case errors.As(err, &unreadable):
		return outbox.Rubbish(errors.New("the answer is no SOAP message"))
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	}
	// The rest is the network's; its own words are not kept.
	return errors.New("the security server cannot be reached or broke off")
}

// digests are the hashes under which X-Road and Trembita keep the two messages:
// of the whole request and of the answer's body element, as in the trail of
// what we answer ourselves.
func digests(request, answer []byte) audit.Exchange {
	q, a := sha512.Sum512(request), sha512.Sum512(answer)
	qg, ag := gost34311.Sum256(request), gost34311.Sum256(answer)
	return audit.Exchange{RequestSHA512: q[:], ResponseSHA512: a[:], RequestGOST: qg[:], ResponseGOST: ag[:]}
}

// service joins a question of type Q and an answer read from the wire type W.
func service[Q, W any](c *wsdl.Contract, code, action string, v soap.Version, encode func(Q) any, decode func(W) (any, error)) Service {
	return Service{
		Version: v, Action: action, Contract: c,
		Encode: func(body []byte) ([]byte, error) {
			var q Q
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, errors.New("it is not readable")
			}
			b, err := xroad.EncodeBody(encode(q), c.TargetNamespace, code)
			if err != nil {
				return nil, err
			}
			if err := xroad.SchemaCheck(c)(b); err != nil {
				return nil, errors.New("it breaks the contract")
			}
			return b, nil
		},
		Decode: func(doc []byte) ([]byte, error) {
			var w W
			if err := xml.Unmarshal(doc, &w); err != nil {
				return nil, outbox.Rubbish(errors.New("the answer cannot be read"))
			}
			a, err := decode(w)
			if err != nil {
				return nil, err
			}
			return json.Marshal(a)
		},
	}
}

// load reads a contract of a service that we call; it is part of the build.
func load(name string) (*wsdl.Contract, error) { return wsdl.Load("consumed/" + name) }
