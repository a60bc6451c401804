package portal

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	capitation "mist/registry/contract"
	"mist/registry/prm"
)

// The answers about providers hold every field the domain notes list (1.5, 1.6),
// or the field stands here with the reason why it does not.
func TestFieldsOfProviders(t *testing.T) {
	now := time.Now()
	day := registry.Date{Year: 2026, Month: 1, Day: 2}
	id := registry.ID{1}
	price := 1.0
	address := prm.Address{Type: "RESIDENCE", Country: "UA", Area: "a", Region: "r", Settlement: "s", SettlementType: "CITY", SettlementID: id.String(), StreetType: "STREET", Street: "x", Building: "1", Apartment: "2", Zip: "01001"}
	phones := []prm.Phone{{Type: "MOBILE", Number: "+380390000001"}}
	request := prm.EmployeeRequest{ID: id, LegalEntityID: id, DivisionID: id, EmployeeID: id, Body: prm.EmployeeRequestBody{StartDate: day,
		Additional: prm.Additional{Educations: []prm.Education{{}}, Qualifications: []prm.Qualification{{}}, Specialities: []prm.Speciality{{}}, ScienceDegree: &prm.ScienceDegree{}},
		Party:      prm.PartyInput{SecondName: "x", NoTaxID: true, Documents: []prm.PartyDocument{}, Phones: phones, AboutMyself: "x", WorkingExperience: 1}}}
	for _, c := range []struct {
		name    string
		view    any
		fields  string
		without map[string]string
	}{
		{"legal entity", viewLegalEntity(prm.LegalEntity{ID: id, StatusReason: "x", NHSComment: "x", MergedTo: id, InsertedAt: now, UpdatedAt: now,
			Details: prm.Details{LegalForm: "240", OwnerPropertyType: "STATE", Website: "x", Beneficiary: "x", ReceiverFundsCode: "x", Accreditation: &prm.Accreditation{}}}),
			"id name short_name public_name edrpou type status legal_form owner_property_type kveds addresses phones email website beneficiary archive receiver_funds_code accreditation license " +
				"owner security public_offer mis_verified nhs_verified nhs_unverified_at nhs_reviewed nhs_comment edr_verified edr_data created_by_mis_client_id is_active status_reason reason merged_to merged_from signed_content_history inserted_at updated_at",
			map[string]string{"owner": "a person: told by the employees of the legal entity", "security": "told once, at the registration", "public_offer": "must be true, so it says nothing",
				"nhs_unverified_at": "the audit log tells when", "edr_verified": "no connection to the EDR (row 62, later)", "edr_data": "no connection to the EDR",
				"created_by_mis_client_id": "the audit log tells who", "reason": "status_reason", "merged_from": "asked from the other side: merged_to", "signed_content_history": "acts of the legal entity in the audit log"}},
		{"division", viewDivision(prm.Division{ID: id, WorkingHours: `{"mon":[["08:00","12:00"]]}`, InsertedAt: now, UpdatedAt: now,
			Details: prm.DivisionDetails{Addresses: []prm.Address{address}, Location: &prm.Location{}, ExternalID: "x", DLSID: "x"}}),
			"id legal_entity_id name type addresses phones email external_id mountain_group location working_hours dls_id dls_verified status is_active inserted_at updated_at", nil},
		{"employee", viewEmployee(prm.Employee{ID: id, DivisionID: id, Speciality: "x", StatusReason: "x", StartDate: day, EndDate: day}),
			"id position employee_type start_date end_date division_id legal_entity_id party_id speciality additional_info status is_active status_reason updated_by",
			map[string]string{"party_id": "party.id", "updated_by": "the audit log tells who"}},
		{"party of a request", viewEmployeeRequest(request).(employeeRequestView).Party,
			"first_name last_name second_name birth_date gender tax_id no_tax_id email phones documents about_myself working_experience educations qualifications specialities science_degree declaration_limit declaration_count",
			map[string]string{"educations": "additional of the request", "qualifications": "additional of the request", "specialities": "additional of the request", "science_degree": "additional of the request",
				"declaration_limit": "of the speciality; the directory tells free places", "declaration_count": "nobody counts patients"}},
		{"additional of a request", viewEmployeeRequest(request).(employeeRequestView).Additional, "educations qualifications specialities science_degree", nil},
		{"address", address, "type country area region settlement settlement_type settlement_id street_type street building apartment zip", nil},
		{"contract request", viewContractRequest(capitation.Request{ID: id, StatusReason: "x", Document: `{}`, Body: capitation.Body{ContractNumber: "x", ContractID: id,
			Input: capitation.Input{ExternalContractors: []capitation.ExternalContractor{{}}, StartDate: day, EndDate: day},
			NHS:   capitation.NHS{AssigneeID: id, SignerID: id, SignerBase: "x", ContractPrice: &price, PaymentMethod: "x", IssueCity: "x", Misc: "x", LegalEntityID: id}}}),
			"id contractor_legal_entity_id contractor_owner_id contractor_base contractor_payment_details contractor_rmsp_amount contractor_divisions contractor_employee_divisions external_contractors external_contractor_flag " +
				"start_date end_date id_form contract_number parent_contract_id assignee_id nhs_signer_id nhs_signer_base nhs_contract_price nhs_payment_method issue_city misc nhs_legal_entity_id status status_reason inserted_at updated_at data_to_be_signed",
			map[string]string{"parent_contract_id": "no prolongation yet"}},
	} {
		b, err := json.Marshal(c.view)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(b, &got))
		wanted := strings.Fields(c.fields)
		for _, field := range wanted {
			_, told := got[field]
			_, excused := c.without[field]
			require.True(t, told != excused, "%s.%s: told %v, excused %v", c.name, field, told, excused)
		}
		for field := range c.without {
			require.True(t, slices.Contains(wanted, field), "%s.%s is no field of the notes", c.name, field)
		}
	}
}
