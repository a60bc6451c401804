// Package push is the words of Diia's push of notices: what the outbox carries to
// its three services and what they answer, and who is told by it: a notice goes
// to Diia first where the person consented to that, and by SMS where Diia does
// not tell in time.
package push

import "mist/registry/outbox"

// Diia is the destination; its three services by their codes (ЕСОЗ 3.5).
const (
	Diia         outbox.Destination = "diia"
	Create       outbox.Operation   = "NotificationCreate"
	Distribution outbox.Operation   = "DistributionStatus"
	Delivery     outbox.Operation   = "NotificationPushStatus"
)

// Parameter fills a place of the template at Diia's side.
type Parameter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Question asks Diia to tell one citizen.
type Question struct {
	Template   string      `json:"template"`
	ID         string      `json:"id"` // of the recipient within the distribution
	RNOKPP     string      `json:"rnokpp"`
	Parameters []Parameter `json:"parameters,omitempty"`
}

// Created answers [Create].
type Created struct {
	DistributionID string `json:"distribution_id"`
}

// StatusQuestion asks how a distribution stands.
type StatusQuestion struct {
	DistributionID string `json:"distribution_id"`
}

// Distributed answers [Distribution]: pending, in-progress, sent, closed.
type Distributed struct {
	Status string `json:"status"`
}

// MaxDevices bounds one answer.
const MaxDevices = 1000

// Delivered answers [Delivery]: what became of it at each device.
type Delivered struct {
	Devices []string `json:"devices"`
}
