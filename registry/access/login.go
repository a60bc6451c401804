package access

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
	"mist/signature/facts"
)

// Verifier judges signed challenges; *signature.Verifier is one.
type Verifier interface {
	Verify(ctx context.Context, in signature.Input, p signature.Policy) (*signature.Result, error)
}

// Policies says what a signed challenge must satisfy at a time.
type Policies interface {
	For(kind string, at time.Time) (signature.Policy, error)
}

// loginKind is the row of the policy table for signed challenges.
const loginKind = "login"

// challengeVersion is the version of the document read here.
const challengeVersion = 1

// Challenge is the document a person signs to log in: to which system, with
// which rights, for how long it may be used. The server keeps none of them: a
// challenge proves by its own proof that this server made it, and only its use
// is remembered.
type Challenge struct {
	Version       int         `json:"version"`
	Type          string      `json:"type"`
	ID            registry.ID `json:"id"`
	Text          string      `json:"text"` // what the person reads
	Audience      string      `json:"audience"`
	ClientID      registry.ID `json:"client_id"`
	ClientName    string      `json:"client_name"`
	Scope         []string    `json:"scope"`
	RedirectURI   string      `json:"redirect_uri,omitempty"`
	State         string      `json:"state,omitempty"`
	CodeChallenge string      `json:"code_challenge,omitempty"`
	IssuedAt      time.Time   `json:"issued_at"`
	ExpiresAt     time.Time   `json:"expires_at"`
	// Proof is HMAC-SHA-256 over the RFC 8785 form of all else, under a key of
	// the server alone.
	Proof string `json:"proof"`
}

// AuthorizationRequest asks for a challenge. Without RedirectURI the signed
// challenge is exchanged at the token endpoint; with it, for a code (RFC 6749,
// 4.1), and then CodeChallenge is demanded (RFC 7636).
type AuthorizationRequest struct {
	ClientID      string
	Scope         string
	RedirectURI   string
	State         string
	CodeChallenge string
	Method        string // code_challenge_method; S256 alone
}

// maxState keeps a challenge small.
const maxState = 512

// Challenge makes the document to be signed and says until when it is good.
func (s *Service) Challenge(ctx context.Context, r AuthorizationRequest) (document []byte, c Challenge, err error) {
	client, err := s.client(ctx, r.ClientID)
	if err != nil {
		return nil, Challenge{}, err
	}
	if err := r.check(client); err != nil {
		return nil, Challenge{}, err
	}
	scopes, err := narrow(client.allowed(), r.Scope)
	if err != nil {
		return nil, Challenge{}, err
	}
	now := s.source.Now().Truncate(time.Second)
	c = Challenge{
		Version: challengeVersion, Type: loginKind, ID: s.source.NewID(), Audience: s.audience, ClientID: client.ID, ClientName: client.Name,
		Scope: scopes, RedirectURI: r.RedirectURI, State: r.State, CodeChallenge: r.CodeChallenge, IssuedAt: now, ExpiresAt: now.Add(s.lives.Challenge),
		Text: fmt.Sprintf("Я входжу до системи %s через реєстр %s і дозволяю їй діяти від мого імені в межах переліку scope.", client.Name, s.audience),
	}
	if c.Proof, err = s.prove(c); err != nil {
		return nil, Challenge{}, err
	}
	document, err = jcs.Marshal(c)
	return document, c, err
}

// check holds the rules of RFC 6749, 4.1.1 with RFC 9700: a registered address
// exactly, PKCE always, S256 alone.
func (r AuthorizationRequest) check(client Client) error {
	invalid := func(format string, args ...any) error {
		return registry.Errorf(registry.CodeInvalid, format, args...).WithReason("invalid_request")
	}
	if r.RedirectURI == "" {
		if r.CodeChallenge != "" || r.Method != "" || r.State != "" {
			return invalid("state and code_challenge belong to a request with redirect_uri")
		}
		return nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(r.CodeChallenge)
	switch {
	case !slices.Contains(client.RedirectURIs, r.RedirectURI):
		return registry.Errorf(registry.CodeInvalid, "redirect_uri is not one of the client's registered addresses").WithReason("redirect_uri")
	case r.Method != "S256":
		return invalid("code_challenge_method must be S256")
	case err != nil || len(raw) != sha256.Size:
		return invalid("code_challenge must be the base64url form of a SHA-256 (43 characters)")
	case len(r.State) > maxState:
		return invalid("state is longer than %d bytes", maxState)
	}
	return nil
}

func (s *Service) prove(c Challenge) (string, error) {
	c.Proof = ""
	b, err := jcs.Marshal(c)
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, s.key)
	m.Write(b)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)), nil
}

// client reads a client system that may act.
func (s *Service) client(ctx context.Context, text string) (client Client, err error) {
	id, err := registry.ParseID(text)
	if err != nil {
		return Client{}, errClient
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { client, err = tx.Client(ctx, id); return err })
	if registry.CodeOf(err) == registry.CodeNotFound || err == nil && client.Blocked {
		return Client{}, errClient
	}
	return client, err
}

// User is a human who has logged in at least once.
type User struct {
	ID      registry.ID
	Form    string // tax-id, national-id, passport
	Number  string // the identifier in the certificate
	Name    string
	Blocked bool
	Reason  string // why they are blocked
	SeenAt  time.Time
}

// Position is a capacity in which a human may act.
type Position struct {
	Role            string      `json:"role"`
	EmployeeID      registry.ID `json:"employee_id,omitzero"`
	LegalEntityID   registry.ID `json:"legal_entity_id,omitzero"`
	LegalEntityName string      `json:"legal_entity_name,omitempty"`
	PersonID        registry.ID `json:"person_id,omitzero"`
	PartyID         registry.ID `json:"-"`
}

// ChoiceError tells that the person holds several positions and has to choose
// one by employee_id.
type ChoiceError struct {
	Challenge Challenge
	Positions []Position
}

// Error implements error.
func (e *ChoiceError) Error() string {
	return fmt.Sprintf("the person holds %d positions: choose one by employee_id", len(e.Positions))
}

// signed reads a signed challenge: the signature is verified, and only what
// the verifier hands out is read. No transaction is open.
func (s *Service) signed(ctx context.Context, container []byte) (Challenge, signature.Signer, error) {
	refused := func(reason, text string, cause error) error {
		return registry.Errorf(registry.CodeForbidden, "%s", text).WithReason(reason).WithCause(cause)
	}
	policy, err := s.policies.For(loginKind, s.source.Now())
	if err != nil {
		return Challenge{}, signature.Signer{}, err
	}
	result, err := s.verifier.Verify(ctx, signature.Input{Document: facts.Bytes(container)}, policy)
	if signature.IsUnreadable(err) {
		return Challenge{}, signature.Signer{}, refused("container_unreadable", "signed_content is not a readable signed container", err)
	}
	if err != nil {
		return Challenge{}, signature.Signer{}, registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; send it again").WithCause(err)
	}
	document, signer, err := result.MustBePassed()
	if np, ok := signature.AsNotPassed(err); ok {
		why := string(np.SubIndication)
		if why == "" {
			why = np.Reason
		}
		if np.Indication == signature.NoSignatureFound {
			return Challenge{}, signature.Signer{}, refused("no_signature", "signed_content carries no signature", err)
		}
		return Challenge{}, signature.Signer{}, refused("signature_"+strings.ToLower(why), "the signature was not accepted: "+string(np.Indication)+" / "+why, err)
	}
	if err != nil {
		return Challenge{}, signature.Signer{}, err
	}
	b, err := document.Bytes()
	if err != nil {
		return Challenge{}, signature.Signer{}, fmt.Errorf("reading the signed challenge: %w", err)
	}
	c, err := s.ours(b)
	if err != nil {
		return Challenge{}, signature.Signer{}, refused("challenge", "the signed document is not a challenge of this server", err)
	}
	if !s.source.Now().Before(c.ExpiresAt) {
		return Challenge{}, signature.Signer{}, refused("challenge_expired", "the challenge has expired; ask for a new one", nil)
	}
	if signer.RNOKPP == "" {
		return Challenge{}, signature.Signer{}, refused("signer_without_identifier", "the signer's certificate carries no РНОКПП or document number", nil)
	}
	return c, signer, nil
}

// ours reads a challenge strictly and checks that this server made it.
func (s *Service) ours(b []byte) (Challenge, error) {
	if _, err := jcs.Parse(b); err != nil {
		return Challenge{}, err
	}
	var c Challenge
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Challenge{}, err
	}
	proof, err := s.prove(c)
	if err != nil {
		return Challenge{}, err
	}
	if subtle.ConstantTimeCompare([]byte(proof), []byte(c.Proof)) != 1 || c.Version != challengeVersion || c.Type != loginKind || c.Audience != s.audience {
		return Challenge{}, fmt.Errorf("the proof of the challenge is wrong")
	}
	return c, nil
}

// LogInTx is what a login needs of a transaction.
type LogInTx interface {
	// User finds a human by the identifier of their certificate.
	User(ctx context.Context, form, number string) (u User, found bool, err error)
	PutUser(ctx context.Context, u User) error
	// EmployeesByIdentifier gives approved employees whose party has one of the numbers.
	EmployeesByIdentifier(ctx context.Context, numbers []string) ([]prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	FindPerson(ctx context.Context, q patient.Query) (p patient.Person, found bool, err error)
	// SpendChallenge reports false when the challenge was used before.
	SpendChallenge(ctx context.Context, id registry.ID, expires time.Time) (bool, error)
}

// logIn does everything of a login that needs the database: the human, the
// position, the single use of the challenge, the grant and its entry.
func (s *Service) logIn(ctx context.Context, tx Tx, c registry.Caller, ch Challenge, signer signature.Signer, choice string, scope []string) (Authorization, error) {
	now := s.source.Now()
	client, err := tx.Client(ctx, ch.ClientID)
	if err != nil || client.Blocked {
		return Authorization{}, errClient
	}
	u, found, err := tx.User(ctx, signer.RNOKPPForm, signer.RNOKPP)
	if err != nil {
		return Authorization{}, err
	}
	if !found {
		u = User{ID: s.source.NewID(), Form: signer.RNOKPPForm, Number: signer.RNOKPP}
	}
	if u.Blocked {
		return Authorization{}, registry.Errorf(registry.CodeForbidden, "the user is blocked").WithReason("user_blocked")
	}
	positions, err := positionsOf(ctx, tx, client, signer)
	if err != nil {
		return Authorization{}, err
	}
	p, err := choose(positions, choice, ch)
	if err != nil {
		return Authorization{}, err
	}
	scopes := intersect(scope, client.allowed(), roleScopes(p.Role))
	if len(scopes) == 0 {
		return Authorization{}, registry.Errorf(registry.CodeForbidden, "the role %s has none of the scopes asked for", p.Role).WithReason("invalid_scope")
	}
	fresh, err := tx.SpendChallenge(ctx, ch.ID, ch.ExpiresAt)
	if err != nil {
		return Authorization{}, err
	}
	if !fresh {
		return Authorization{}, registry.Errorf(registry.CodeForbidden, "the challenge was used before; ask for a new one").WithReason("challenge_used")
	}
	u.Name, u.SeenAt = strings.TrimSpace(signer.Surname+" "+signer.GivenName), now
	if err := tx.PutUser(ctx, u); err != nil {
		return Authorization{}, err
	}
	g := Authorization{
		ID: s.source.NewID(), ClientID: client.ID, UserID: u.ID, Position: p, Scopes: scopes, CreatedAt: now, ExpiresAt: now.Add(s.lives.Grant),
	}
	if err := tx.InsertGrant(ctx, g); err != nil {
		return Authorization{}, err
	}
	_, err = tx.Audit(ctx, g.entry("access.login", c, client))
	return g, err
}

// positionsOf lists in which capacities a human may use a client: employees of
// the client's legal entity (of any, if the client is bound to none), and for
// the systems of citizens their own record.
func positionsOf(ctx context.Context, tx Tx, client Client, signer signature.Signer) ([]Position, error) {
	if forCitizens(client.Type) {
		p, found, err := personOf(ctx, tx, signer)
		if err != nil || !found {
			return nil, err
		}
		return []Position{{Role: registry.RolePatient, PersonID: p.ID}}, nil
	}
	employees, err := tx.EmployeesByIdentifier(ctx, numbersOf(signer))
	if err != nil {
		return nil, err
	}
	var list []Position
	for _, e := range employees {
		if !client.LegalEntityID.IsZero() && e.LegalEntityID != client.LegalEntityID {
			continue
		}
		if signer.RNOKPPForm == "passport" && latinSeries(strings.ToUpper(signer.RNOKPP)) && !named(signer, e.Party.LastName) {
			continue
		}
		l, err := tx.LegalEntity(ctx, e.LegalEntityID)
		if err != nil {
			return nil, err
		}
		if err := mayAct(ctx, tx, e.Party.TaxID); err != nil {
			return nil, err
		}
		if l.Active() {
			list = append(list, Position{Role: e.Type, EmployeeID: e.ID, PartyID: e.Party.ID, LegalEntityID: l.ID, LegalEntityName: l.Name})
		}
	}
	// The order in which a person chooses does not depend on the database's.
	slices.SortFunc(list, func(a, b Position) int {
		return cmp.Or(cmp.Compare(a.LegalEntityName, b.LegalEntityName), cmp.Compare(a.Role, b.Role), bytes.Compare(a.EmployeeID[:], b.EmployeeID[:]))
	})
	return list, nil
}

// personOf finds the citizen's own active record: by tax number or document,
// else by the УНЗР of the certificate.
func personOf(ctx context.Context, tx Tx, signer signature.Signer) (patient.Person, bool, error) {
	type asked struct {
		patient.Query
		transcribed bool
	}
	var queries []asked
	for i, n := range numbersOf(signer) {
		switch signer.RNOKPPForm {
		case "tax-id":
			queries = append(queries, asked{patient.Query{TaxID: registry.RNOKPP(n)}, false})
		case "national-id":
			queries = append(queries, asked{patient.Query{DocumentType: "NATIONAL_ID", DocumentNumber: n}, false})
		default:
			// The index reads a number with its look-alikes: in Latin, the first one is transcribed, too.
			queries = append(queries, asked{patient.Query{DocumentType: "PASSPORT", DocumentNumber: n}, i > 0 || latinSeries(n)})
		}
	}
	if signer.UNZR != "" {
		queries = append(queries, asked{patient.Query{UNZR: registry.UNZR(signer.UNZR)}, false})
	}
	for _, q := range queries {
		p, found, err := tx.FindPerson(ctx, q.Query)
		if err != nil {
			return patient.Person{}, false, err
		}
		if found && p.Status == patient.StatusActive && p.DeathDate.IsZero() && (!q.transcribed || named(signer, p.LastName)) {
			return p, true, nil
		}
	}
	return patient.Person{}, false, nil
}

// latinSeries tells a passport's number whose series the issuer wrote in Latin letters.
func latinSeries(number string) bool {
	return strings.IndexFunc(number, func(r rune) bool { return r >= 'A' && r <= 'Z' }) >= 0
}

// named reports whether a certificate is of somebody of this surname: a series in
// Latin letters may stand for the passports of several people.
func named(signer signature.Signer, lastName string) bool {
	return signer.Surname != "" && patient.NormalizeName(signer.Surname) == patient.NormalizeName(lastName)
}

// numbersOf gives the forms in which the registry may keep the identifier, the
// one of the certificate first: issuers write the series of a passport in either
// alphabet, by look or by the official transliteration.
func numbersOf(signer signature.Signer) []string {
	if signer.RNOKPPForm == "passport" {
		return registry.SeriesOf(signer.RNOKPP)
	}
	return []string{strings.ToUpper(strings.Join(strings.Fields(signer.RNOKPP), ""))}
}

func choose(positions []Position, choice string, ch Challenge) (Position, error) {
	if len(positions) == 0 {
		return Position{}, registry.Errorf(registry.CodeForbidden, "no record of this person allows the use of the system: no approved position in its legal entity, or no active patient").WithReason("no_position")
	}
	if choice != "" {
		for _, p := range positions {
			if !p.EmployeeID.IsZero() && p.EmployeeID.String() == strings.ToLower(choice) {
				return p, nil
			}
		}
		return Position{}, registry.Errorf(registry.CodeForbidden, "employee_id is not an approved position of this person in the client's legal entity").WithReason("invalid_employee")
	}
	if len(positions) > 1 {
		choice := &ChoiceError{ch, positions}
		return Position{}, registry.Errorf(registry.CodeConflict, "%s", choice.Error()).WithReason("interaction_required").WithCause(choice)
	}
	return positions[0], nil
}

// refuseLogin records a refusal after the signature passed: who signed is then
// known to be a holder of a key, though perhaps of no right here.
func (s *Service) refuseLogin(ctx context.Context, c registry.Caller, ch Challenge, cause error) error {
	refusal := registry.AsError(cause)
	if refusal.Code == registry.CodeInternal || refusal.Code == registry.CodeUnavailable {
		return cause
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		c.ClientID = ch.ClientID
		_, err := tx.Audit(ctx, audit.Entry{Kind: "access.login_refused", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Code: string(refusal.Code), Reason: refusal.Reason})
		return err
	})
	if err != nil {
		return fmt.Errorf("recording a refused login: %w", err)
	}
	return cause
}
