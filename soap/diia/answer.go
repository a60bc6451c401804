package diia

import (
	"encoding/base64"
	"time"

	"mist/registry"
	"mist/registry/query"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

// encode writes an answer under its name in the contract's namespace.
func (b *binding) encode(v any, name string) ([]byte, error) {
	return xroad.EncodeBody(v, b.Contract.TargetNamespace, name)
}

func resultOf(o query.Outcome) *diia.Result {
	message := o.Message
	if message == "" {
		message = "answered"
	}
	return &diia.Result{Code: string(o.Code), Message: message, RequestId: diia.UUID(o.RequestID.String()), AnsweredAt: instant(o.AnsweredAt)}
}

// auditID of a question that is still worked on is all zero: nothing was told yet.
func auditID(o query.Outcome) diia.UUID { return diia.UUID(o.AuditID.String()) }

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func idText(id registry.ID) diia.UUID {
	if id.IsZero() {
		return ""
	}
	return diia.UUID(id.String())
}

func declarationOf(d query.DeclarationView) diia.Declaration {
	out := diia.Declaration{
		DeclarationNumber: d.Number, Id: idText(d.ID), Status: diia.DeclarationStatus(d.Status), StatusReason: d.StatusReason,
		StartDate: d.StartDate.String(), EndDate: d.EndDate.String(), SignedAt: instant(d.SignedAt),
	}
	if v := d.Doctor; v != nil {
		out.Doctor = &diia.Doctor{
			LastName: v.LastName, FirstName: v.FirstName, Patronymic: v.Patronymic, Position: v.Position,
			Speciality: v.Speciality, EmployeeId: idText(v.EmployeeID), WorkPhone: v.WorkPhones,
		}
	}
	if v := d.Division; v != nil {
		out.Division = &diia.Division{
			Name: v.Name, Type_: v.Type, Address: v.Address, Phone: v.Phones, Email: v.Email,
			WorkingHours: v.WorkingHours, MountainGroup: v.MountainGroup,
		}
	}
	if v := d.LegalEntity; v != nil {
		out.LegalEntity = &diia.LegalEntity{
			Name: v.Name, PublicName: v.PublicName, Edrpou: v.EDRPOU, Type_: v.Type, Phone: v.Phones, Address: v.Address,
		}
	}
	return out
}
