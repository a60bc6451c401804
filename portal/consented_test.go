package portal

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/approval"
	"mist/registry/consent"
	"mist/registry/emergency"
)

// consented stands for the rooms behind; their rules are shown by scripts.
type consented struct {
	asked  *approval.Request
	opened *[3]string
	keys   *access.KeyRequest
}

func newConsented() consented {
	return consented{&approval.Request{}, &[3]string{}, &access.KeyRequest{}}
}

func (f consented) one() (approval.Approval, error) {
	return approval.Approval{Record: consent.Record{ID: registry.ID{3}, PersonID: registry.ID{4}, Recipient: "employee/" + registry.ID{5}.String(),
		Scope: []string{"patient/" + registry.ID{4}.String()}, AccessLevel: "read", Purpose: "огляд", Status: consent.StatusNew, CreatedAt: time.Unix(0, 0).UTC()},
		AuthMethod: "OTP", OTPMAC: []byte("mac")}, nil
}

func (f consented) Create(_ context.Context, _ registry.Caller, r approval.Request) (approval.Approval, error) {
	*f.asked = r
	return f.one()
}
func (f consented) Verify(context.Context, registry.Caller, registry.ID, string) (approval.Approval, error) {
	return f.one()
}
func (f consented) ResendOTP(context.Context, registry.Caller, registry.ID) (approval.Approval, error) {
	return f.one()
}
func (f consented) Cancel(context.Context, registry.Caller, registry.ID) (approval.Approval, error) {
	return f.one()
}
func (f consented) Get(context.Context, registry.Caller, registry.ID) (approval.Approval, error) {
	return f.one()
}
func (f consented) List(context.Context, registry.Caller, registry.ID) ([]approval.Approval, error) {
	a, err := f.one()
	return []approval.Approval{a}, err
}

type emergencies struct{ consented }

func (f emergencies) Open(_ context.Context, _ registry.Caller, person registry.ID, reason, explanation string) (emergency.Access, error) {
	*f.opened = [3]string{person.String(), reason, explanation}
	return emergency.Access{ID: registry.ID{6}, Words: emergency.Words{Explanation: explanation}}, nil
}
func (f emergencies) Reviews(context.Context, registry.Caller, string, registry.ID, int) ([]emergency.Access, error) {
	return []emergency.Access{{Words: emergency.Words{Explanation: "непритомна"}}}, nil
}
func (f emergencies) Close(context.Context, registry.Caller, registry.ID, string, string) (emergency.Access, error) {
	return emergency.Access{Status: "closed"}, nil
}

type apiKeys struct{ consented }

func (f apiKeys) CreateKey(_ context.Context, _ registry.Caller, r access.KeyRequest) (access.APIKey, string, error) {
	*f.keys = r
	return access.APIKey{Name: r.Name, SecretHash: []byte("hash")}, "mist_test_key", nil
}
func (f apiKeys) Keys(context.Context, registry.Caller) ([]access.APIKey, error) {
	return []access.APIKey{{Name: "звіт", SecretHash: []byte("hash")}}, nil
}
func (f apiKeys) RevokeKey(context.Context, registry.Caller, registry.ID) error { return nil }

func TestApprovalIsAskedAsItWasWritten(t *testing.T) {
	f := newConsented()
	b := newBench(t, func(c *Config) { c.Approvals = f })
	patient, episode, doctor := registry.ID{9}.String(), registry.ID{8}.String(), registry.ID{7}.String()
	w := b.do("POST", "/api/v3/approvals", `{"patient_id":"`+patient+`","reason":"огляд","access_level":"write","granted_to":{"type":"employee","employee_id":"`+doctor+`"},"resources":[{"type":"episode","id":"`+episode+`"}]}`)
	require.Equal(t, 201, w.Code, w.Body.String())
	require.Equal(t, approval.Request{PatientID: registry.ID{9}, Reason: "огляд", AccessLevel: "write", GrantedTo: registry.ID{7}, Resources: []approval.Resource{{Type: "episode", ID: registry.ID{8}}}}, *f.asked)
	require.NotContains(t, w.Body.String(), "mac", "the code's MAC is nobody's business")
	for name, body := range map[string]string{
		"no reason":       `{"patient_id":"` + patient + `"}`,
		"resource number": `{"patient_id":"` + patient + `","reason":"огляд","resources":[1]}`,
		"resource type":   `{"patient_id":"` + patient + `","reason":"огляд","resources":[{"type":"wallet","id":"` + episode + `"}]}`,
		"unknown member":  `{"patient_id":"` + patient + `","reason":"огляд","forever":true}`,
	} {
		require.Equal(t, 422, b.do("POST", "/api/v3/approvals", body).Code, name)
	}
	require.Equal(t, 422, b.do("GET", "/api/v3/approvals", "").Code, "a patient is named")
	require.Equal(t, 200, b.do("GET", "/api/v3/approvals?patient_id="+patient, "").Code)
}

func TestEmergencyShowsTheWordsToReviewersAlone(t *testing.T) {
	f := newConsented()
	b := newBench(t, func(c *Config) { c.Emergencies = emergencies{f} })
	person := registry.ID{9}.String()
	w := b.do("POST", "/api/v3/persons/"+person+"/emergency_accesses", `{"reason":"UNCONSCIOUS","explanation":"доставлена непритомною з вулиці"}`)
	require.Equal(t, 201, w.Code, w.Body.String())
	require.Equal(t, [3]string{person, "UNCONSCIOUS", "доставлена непритомною з вулиці"}, *f.opened)
	require.NotContains(t, w.Body.String(), "непритомною")
	require.Contains(t, b.do("GET", "/api/v3/access_reviews?status=open", "").Body.String(), "непритомна")
	require.Equal(t, 422, b.do("POST", "/api/v3/persons/"+person+"/emergency_accesses", `{"reason":"CURIOSITY","explanation":"доставлена непритомною з вулиці"}`).Code)
	require.Equal(t, 422, b.do("POST", "/api/v3/persons/"+person+"/emergency_accesses", `{"reason":"UNCONSCIOUS"}`).Code)
}

func TestKeyIsShownOnceAndItsHashNever(t *testing.T) {
	f := newConsented()
	b := newBench(t, func(c *Config) { c.APIKeys = apiKeys{f} })
	w := b.do("POST", "/api/v3/api_keys", `{"name":"нічний звіт","scopes":["declaration:read"],"days":30}`)
	require.Equal(t, 201, w.Code, w.Body.String())
	require.Equal(t, access.KeyRequest{Name: "нічний звіт", Scopes: []string{"declaration:read"}, Days: 30}, *f.keys)
	require.Contains(t, w.Body.String(), `"api_key":"mist_test_key"`)
	list := b.do("GET", "/api/v3/api_keys", "").Body.String()
	require.NotContains(t, list, "api_key\"")
	require.NotContains(t, list, "hash")
}
