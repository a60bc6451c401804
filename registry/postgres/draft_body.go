package postgres

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"mist/registry"
	"mist/registry/intake"
)

// draftBody is the sealed part of a draft: the person's data and phone. In
// rows of before there were frames Data and ToBeSigned stand in it too.
type draftBody struct {
	Data       []byte `json:"data,omitempty"`
	ToBeSigned []byte `json:"to_be_signed,omitempty"`
	Phone      string `json:"phone,omitempty"`
	// Earlier are MACs of superseded codes.
	Earlier [][]byte `json:"otp_earlier,omitempty"`
	// Of a draft that the patient began.
	Channel   string      `json:"channel,omitempty"`
	Applicant registry.ID `json:"applicant,omitzero"`
	Patient   []byte      `json:"patient_container,omitempty"`
}

// draftFrame begins a body in which the two documents follow their lengths as
// they are: frame, length, JSON of draftBody, length, data, to be signed. JSON
// begins otherwise.
const draftFrame = 0x02

func (tx *Tx) sealDraft(d intake.Draft) ([]byte, error) {
	body := draftBody{Phone: d.Phone, Earlier: d.OTPEarlier, Channel: d.Channel, Applicant: d.ApplicantID}
	if d.PatientContainer != (registry.Digest{}) {
		body.Patient = d.PatientContainer[:]
	}
	head, err := json.Marshal(body)
	if err != nil {
		return nil, tx.fail(err)
	}
	b := make([]byte, 0, 1+2*binary.MaxVarintLen32+len(head)+len(d.Data)+len(d.ToBeSigned))
	b = append(b, draftFrame)
	for _, part := range [][]byte{head, d.Data} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return tx.sealShort("drafts", d.ID.String(), append(b, d.ToBeSigned...))
}

var errDraftBody = errors.New("the body of a draft is torn")

// openDraft fills in what is sealed of a draft.
func (tx *Tx) openDraft(d *intake.Draft, sealed []byte) error {
	plain, err := tx.openShort("drafts", d.ID.String(), sealed)
	if err != nil {
		return err
	}
	var body draftBody
	head, framed := plain, len(plain) > 0 && plain[0] == draftFrame
	if framed {
		rest := plain[1:]
		var parts [2][]byte
		for i := range parts {
			n, size := binary.Uvarint(rest)
			if size <= 0 || n > uint64(len(rest)-size) {
				return tx.fail(errDraftBody)
			}
			parts[i], rest = rest[size:size+int(n)], rest[size+int(n):]
		}
		head, d.Data, d.ToBeSigned = parts[0], filled(parts[1]), filled(rest)
	}
	if err := json.Unmarshal(head, &body); err != nil {
		return tx.fail(err)
	}
	if !framed {
		d.Data, d.ToBeSigned = body.Data, body.ToBeSigned
	}
	d.Phone, d.OTPEarlier, d.Channel, d.ApplicantID = body.Phone, body.Earlier, body.Channel, body.Applicant
	copy(d.PatientContainer[:], body.Patient)
	return nil
}

// filled gives nil for nothing.
func filled(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b[:len(b):len(b)]
}
