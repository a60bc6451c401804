package trail

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/facts"
)

// SignerRead is the entry of whoever looked at what one employee signed.
const SignerRead audit.Kind = "audit.signer_read"

// SignerActs is how many of the latest acts are opened for their certificates,
// SignerEntries how many entries are counted.
const (
	SignerActs    = 40
	SignerEntries = 20_000
)

// Signed is what the log's index holds of an employee.
type Signed struct {
	Days     []DayCount
	Refusals []CodeCount
	Acts     []SignedAct
	// Read is how many entries were counted; at the limit there are more.
	Read int64
}

// SignedAct is an act with its report.
type SignedAct struct {
	Entry       registry.ID
	Container   []byte
	Digest      string
	LegalEntity registry.ID
}

// UsedCertificate is a certificate an employee signed with.
type UsedCertificate struct {
	facts.Certificate
	First, Last time.Time // acts among the latest
	Acts        int
}

// Signer is one employee as the log knows them. Nobody is named.
type Signer struct {
	Employee      registry.ID
	Since         time.Time
	Days          []DayCount
	Refusals      []CodeCount
	Certificates  []UsedCertificate
	LegalEntities map[registry.ID]string
	// Opened is how many acts the certificates are from; Cut says that not
	// all entries of the period were counted.
	Opened int
	Cut    bool
}

// SignerDays is how far back a signer's page looks.
const SignerDays = 90

// Signer reads what one employee signed in the last 90 days.
func (s *Service) Signer(ctx context.Context, c registry.Caller, employee registry.ID) (out Signer, err error) {
	since := s.Clock().AddDate(0, 0, -SignerDays)
	err = s.read(ctx, c, SignerRead, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		out = Signer{Employee: employee, Since: since}
		signed, err := tx.SignedBy(ctx, employee, since, SignerEntries)
		if err != nil {
			return nil, err
		}
		if signed.Read == 0 {
			return nil, registry.Errorf(registry.CodeNotFound, "no entry of the last %d days is by this employee", SignerDays)
		}
		out.Days, out.Cut = signed.Days, signed.Read >= SignerEntries
		for _, r := range signed.Refusals {
			out.Refusals = addCount(out.Refusals, r)
		}
		at := map[string]int{}
		var clinics []registry.ID
		for _, a := range signed.Acts {
			clinics = append(clinics, a.LegalEntity)
			j, found, err := tx.Judgement(ctx, a.Container, a.Digest)
			if err != nil {
				return nil, err
			}
			signer := j.Signer()
			if !found || signer == nil {
				continue
			}
			out.Opened++
			when := j.Report.Time
			i, seen := at[signer.ID]
			if !seen {
				i = len(out.Certificates)
				at[signer.ID] = i
				out.Certificates = append(out.Certificates, UsedCertificate{Certificate: *signer, First: when, Last: when})
			}
			u := &out.Certificates[i]
			u.Acts++
			if when.Before(u.First) {
				u.First = when
			}
			if when.After(u.Last) {
				u.Last = when
			}
		}
		out.LegalEntities, err = tx.Titles(ctx, clinics)
		return &audit.ObjectRef{Type: "employee", ID: employee.String()}, err
	})
	return out, err
}

func addCount(list []CodeCount, one CodeCount) []CodeCount {
	for i := range list {
		if list[i].Code == one.Code {
			list[i].N += one.N
			return list
		}
	}
	return append(list, one)
}

// Exchanged are the entries of one message of a security server: what was asked
// and answered, and what the registry told on it.
type Exchanged struct {
	RequestID string
	Records   []Record
	Titles    map[registry.ID]string
}

// Exchange reads the entries of one message by the request id they share.
func (s *Service) Exchange(ctx context.Context, c registry.Caller, requestID string) (out Exchanged, err error) {
	err = s.read(ctx, c, EntryRead, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		out = Exchanged{RequestID: requestID}
		ids, err := tx.Lookup(ctx, Key{RequestID: requestID}, maxGuess)
		if err != nil {
			return nil, err
		}
		var names []registry.ID
		exchange := false
		for _, id := range ids {
			r, err := tx.Record(ctx, id)
			if err != nil {
				return nil, err
			}
			exchange = exchange || r.Exchange != nil
			names = append(names, r.Actor.ClientID, r.Actor.LegalEntityID)
			out.Records = append(out.Records, r)
		}
		if !exchange {
			return nil, registry.Errorf(registry.CodeNotFound, "no message of a security server has this request id")
		}
		out.Titles, err = tx.Titles(ctx, names)
		return &audit.ObjectRef{Type: "audit_exchange", ID: requestID}, err
	})
	return out, err
}
