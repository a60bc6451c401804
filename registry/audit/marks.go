package audit

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"mist/registry"
)

// Marks are what an index of entries needs of one.
type Marks struct {
	Time                                               time.Time
	Kind                                               Kind
	Code                                               string
	ClientID, UserID, EmployeeID, LegalEntityID, ActID registry.ID
	RequestID                                          string
	Container                                          []byte // SHA-256 of the act's container
}

// ReadMarks reads the marks of an encoded entry and no more: at a third of what
// Decode costs, without its checks. An index proves nothing; whoever shows the
// entry decodes it.
func ReadMarks(entry []byte) (Marks, error) {
	var w struct {
		Act struct {
			Container string      `json:"container"`
			ID        registry.ID `json:"id"`
		} `json:"act"`
		Actor struct {
			Client      registry.ID `json:"client"`
			Employee    registry.ID `json:"employee"`
			LegalEntity registry.ID `json:"legal_entity"`
			User        registry.ID `json:"user"`
		} `json:"actor"`
		Code      string    `json:"code"`
		Kind      Kind      `json:"kind"`
		RequestID string    `json:"request_id"`
		Time      time.Time `json:"time"`
	}
	if len(entry) > MaxEntryBytes || json.Unmarshal(entry, &w) != nil {
		return Marks{}, &EntryError{"entry", "not a JSON object of the expected types"}
	}
	m := Marks{Time: w.Time, Kind: w.Kind, Code: w.Code, ClientID: w.Actor.Client, UserID: w.Actor.User, EmployeeID: w.Actor.Employee,
		LegalEntityID: w.Actor.LegalEntity, ActID: w.Act.ID, RequestID: w.RequestID}
	if w.Act.Container != "" {
		var err error
		if m.Container, err = hex.DecodeString(w.Act.Container); err != nil {
			return Marks{}, &EntryError{"act.container", "hexadecimal digits expected"}
		}
	}
	return m, nil
}
