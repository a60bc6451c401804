package patient

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatMustBeUploaded(t *testing.T) {
	adult, child := goodAdult(), goodChild()
	require.Empty(t, UploadsForRecord(adult, "OTP"), "a code of the phone confirms")
	require.Empty(t, UploadsForDeclaration(adult, "OTP"))
	require.Equal(t, []string{"person.tax_id", "person.NATIONAL_ID"}, UploadsForRecord(adult, "OFFLINE"))
	require.Equal(t, []string{"person.tax_id", "person.NATIONAL_ID"}, UploadsForDeclaration(adult, "OFFLINE"))
	refused := adult
	refused.TaxID, refused.NoTaxID = "", true
	require.Equal(t, []string{"person.no_tax_id", "person.NATIONAL_ID"}, UploadsForDeclaration(refused, "OTP"))

	require.Equal(t, []string{"person.BIRTH_CERTIFICATE"}, UploadsForRecord(child, "OTP"), "the certificate is not asked for twice")
	child.ConfidantPersons[0].DocumentsRelationship[0].Type = "COURT_DECISION"
	require.Equal(t, []string{"person.BIRTH_CERTIFICATE", "confidant_person.0.PRIMARY.RELATIONSHIP.COURT_DECISION"}, UploadsForRecord(child, "OTP"))
	require.Equal(t, UploadsForRecord(child, "OTP"), UploadsForRecord(child, "OFFLINE"))
	require.Empty(t, UploadsForDeclaration(child, "OTP"), "the relation was proven when the record was written")
}
