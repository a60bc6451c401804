package connector

import (
	"encoding/xml"
	"errors"
	"fmt"

	"mist/registry/outbox"
	"mist/registry/push"
	"mist/soap"
)

// Diia is the push of the Diia portal; partner is our id there. The business
// error of an answer refuses for good: its text is Diia's and is not kept.
func Diia(partner string) (Services, error) {
	create, err := load("diia_create")
	if err != nil {
		return nil, err
	}
	distribution, err := load("diia_distribution")
	if err != nil {
		return nil, err
	}
	delivery, err := load("diia_push_status")
	if err != nil {
		return nil, err
	}
	if partner == "" {
		return nil, errors.New("connector: Diia wants a partner id")
	}
	refuses := func(what string) error {
		return outbox.Refused("error", fmt.Errorf("Diia answers with an error to %s", what))
	}
	type parameter struct {
		Key   string `xml:"notification.notification_distribution_push key"`
		Value string `xml:"notification.notification_distribution_push value"`
	}
	type recipient struct {
		XMLName    xml.Name    `xml:"notification.notification_distribution_push RecipientsNotification"`
		ID         string      `xml:"notification.notification_distribution_push id"`
		RNOKPP     string      `xml:"notification.notification_distribution_push rnokpp"`
		Parameters []parameter `xml:"notification.notification_distribution_push parameters>parameter,omitempty"`
	}
	type createQuestion struct {
		Partner    string      `xml:"partnerId"`
		Template   string      `xml:"templateId"`
		Recipients []recipient `xml:"recipients>RecipientsNotification"`
	}
	type createAnswer struct {
		ID    string  `xml:"distributionId"`
		Error *string `xml:"error"`
	}
	type question struct {
		Partner      string `xml:"partnerId"`
		Distribution string `xml:"distributionId"`
	}
	ask := func(q push.StatusQuestion) any { return question{partner, q.DistributionID} }
	type distributionAnswer struct {
		Status string  `xml:"status"`
		Error  *string `xml:"error"`
	}
	type deliveryAnswer struct {
		Devices []string `xml:"Recipients>Recipient>Devices>Device>status"`
		Error   *string  `xml:"error"`
	}
	return Services{
		push.Create: service(create, string(push.Create), string(push.Create), soap.V11, func(q push.Question) any {
			r := recipient{ID: q.ID, RNOKPP: q.RNOKPP}
			for _, p := range q.Parameters {
				r.Parameters = append(r.Parameters, parameter{p.Key, p.Value})
			}
			return createQuestion{partner, q.Template, []recipient{r}}
		}, func(a createAnswer) (any, error) {
			if a.Error != nil {
				return nil, refuses(string(push.Create))
			}
			if a.ID == "" {
				return nil, outbox.Rubbish(errors.New("the answer names no distribution"))
			}
			return push.Created{DistributionID: a.ID}, nil
		}),
		push.Distribution: service(distribution, string(push.Distribution), string(push.Distribution), soap.V11, ask, func(a distributionAnswer) (any, error) {
			if a.Error != nil {
				return nil, refuses(string(push.Distribution))
			}
			return push.Distributed{Status: a.Status}, nil
		}),
		push.Delivery: service(delivery, string(push.Delivery), string(push.Delivery), soap.V11, ask, func(a deliveryAnswer) (any, error) {
			if a.Error != nil {
				return nil, refuses(string(push.Delivery))
			}
			if len(a.Devices) > push.MaxDevices {
				return nil, outbox.Rubbish(errors.New("the answer has too many devices"))
			}
			return push.Delivered{Devices: a.Devices}, nil
		}),
	}, nil
}
