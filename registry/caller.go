package registry

import "slices"

// Channel names the way a request came in.
type Channel string

// Channels.
const (
	ChannelREST Channel = "rest"
	ChannelSOAP Channel = "soap"
	ChannelJob  Channel = "job"
)

// Caller is who asks, as established by the transport's authentication. The
// rooms believe it; only portal and soap (and jobs) make one.
type Caller struct {
	Channel   Channel
	RequestID string // X-Request-ID of REST, message id of X-Road

	// ClientID and ClientName name the information system (MIS, portal).
	ClientID   ID
	ClientName string
	ClientType string // MIS, NHS, AUDITOR, CABINET …
	Scopes     []string

	// User is the human who logged in with their КЕП; zero for a system by
	// itself. Role is in which capacity: the type of the employee, PATIENT for a
	// citizen.
	User ID
	Role string
	// PersonID is the citizen's own record; set with the role PATIENT alone.
	PersonID ID

	// EmployeeID, PartyID and LegalEntityID are set when the system acts for an employee.
	EmployeeID    ID
	PartyID       ID
	LegalEntityID ID

	// KeyID is the hospital's API key the request came with; zero for tokens.
	KeyID ID

	// Rows is whose rows the database lets this caller's transactions see,
	// whatever the rooms decide.
	Rows Reach

	// XRoad is INSTANCE/CLASS/MEMBER/SUBSYSTEM of a Trembita client.
	XRoad string
	// UserID is the X-Road userId as given. It carries a person's identifier and
	// is neither logged nor recorded.
	UserID string
}

// RolePatient is the role of a citizen who logged in for themselves.
const RolePatient = "PATIENT"

// Patient gives the record of a citizen who asks about themselves; forbidden
// to everybody else.
func (c Caller) Patient() (ID, error) {
	if c.Role != RolePatient || c.PersonID.IsZero() {
		return ID{}, Errorf(CodeForbidden, "this is for a citizen who has logged in with their own КЕП").WithReason("citizens_only")
	}
	return c.PersonID, nil
}

// Allows reports whether the caller's token holds the scope.
func (c Caller) Allows(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Require answers the eHealth refusal when the scope is missing.
func (c Caller) Require(scope string) error {
	if c.Allows(scope) {
		return nil
	}
	return Errorf(CodeForbidden, "Your scope does not allow to access this resource. Missing allowances: %s", scope)
}
