package portal

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/approval"
	"mist/registry/emergency"
	"mist/registry/query"
)

// Approvals asks patients for access; *approval.Service is one.
type Approvals interface {
	Create(ctx context.Context, c registry.Caller, r approval.Request) (approval.Approval, error)
	Verify(ctx context.Context, c registry.Caller, id registry.ID, code string) (approval.Approval, error)
	ResendOTP(ctx context.Context, c registry.Caller, id registry.ID) (approval.Approval, error)
	Cancel(ctx context.Context, c registry.Caller, id registry.ID) (approval.Approval, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (approval.Approval, error)
	List(ctx context.Context, c registry.Caller, person registry.ID) ([]approval.Approval, error)
}

// Emergencies opens records in an emergency and reviews it; *emergency.Service is one.
type Emergencies interface {
	Open(ctx context.Context, c registry.Caller, person registry.ID, reason, explanation string) (emergency.Access, error)
	Reviews(ctx context.Context, c registry.Caller, status string, after registry.ID, limit int) ([]emergency.Access, error)
	Close(ctx context.Context, c registry.Caller, id registry.ID, decision, comment string) (emergency.Access, error)
}

type resourceRef struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type approvalView struct {
	ID            registry.ID   `json:"id"`
	PatientID     registry.ID   `json:"patient_id"`
	GrantedTo     resourceRef   `json:"granted_to"`
	Resources     []resourceRef `json:"resources"`
	AccessLevel   string        `json:"access_level"`
	Reason        string        `json:"reason"`
	Status        string        `json:"status"`
	IsVerified    bool          `json:"is_verified"`
	AuthorizeWith string        `json:"authorize_with"`
	CreatedBy     registry.ID   `json:"created_by"`
	CreatedAt     time.Time     `json:"created_at"`
	ExpiresAt     time.Time     `json:"expires_at"`
}

func split(name string) resourceRef {
	kind, id, _ := strings.Cut(name, "/")
	return resourceRef{kind, id}
}

func viewOfApproval(a approval.Approval) approvalView {
	v := approvalView{
		ID: a.ID, PatientID: a.PersonID, GrantedTo: split(a.Recipient), AccessLevel: a.AccessLevel, Reason: a.Purpose, Status: string(a.Status),
		IsVerified: a.Status != "new", AuthorizeWith: a.AuthMethod, CreatedBy: a.CreatedBy, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt,
		Resources: []resourceRef{},
	}
	for _, name := range a.Scope {
		v.Resources = append(v.Resources, split(name))
	}
	return v
}

const approvalsPath = "/api/v3/approvals"

func (p *portal) approvalRoutes(r chi.Router, room Approvals) {
	r.Post(approvalsPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		request, err := approvalRequest(o)
		if err != nil {
			return err
		}
		a, err := room.Create(r.Context(), c, request)
		if err != nil {
			return err
		}
		w.Header().Set("Location", approvalsPath+"/"+a.ID.String())
		return p.answer(w, r, http.StatusCreated, viewOfApproval(a), nil)
	}))
	r.Get(approvalsPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		person := q.id("patient_id")
		if err := q.done(); err != nil {
			return err
		}
		list, err := room.List(r.Context(), c, person)
		if err != nil {
			return err
		}
		views := make([]approvalView, len(list))
		for i, a := range list {
			views[i] = viewOfApproval(a)
		}
		return p.list(w, r, views, wholeList(len(views)))
	}))
	one := approvalsPath + "/{id}"
	answer := func(w http.ResponseWriter, r *http.Request, a approval.Approval, err error) error {
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, viewOfApproval(a), nil)
	}
	r.Get(one, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		a, err := room.Get(r.Context(), c, id)
		return answer(w, r, a, err)
	}))
	r.Patch(one+"/actions/verify", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		code := f.digits("code")
		if err := f.done(); err != nil {
			return err
		}
		a, err := room.Verify(r.Context(), c, id, code)
		return answer(w, r, a, err)
	}))
	for action, do := range map[string]func(context.Context, registry.Caller, registry.ID) (approval.Approval, error){"resend_otp": room.ResendOTP, "cancel": room.Cancel} {
		r.Patch(one+"/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			if _, _, err := readObject(r, p.limits.SmallBody, true); err != nil {
				return err
			}
			a, err := do(r.Context(), c, id)
			return answer(w, r, a, err)
		}))
	}
}

// wholeList is the paging of a list that is short by nature.
func wholeList(n int) query.Paging {
	return query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1}
}

func approvalRequest(o object) (approval.Request, error) {
	f := o.fields()
	request := approval.Request{PatientID: f.id("patient_id"), AccessLevel: f.text("access_level", false), Reason: f.text("reason", true)}
	if to, given := f.member("granted_to"); given {
		kind := to.text("type", true)
		request.GrantedTo, request.ToLegalEntity = to.id("employee_id"), kind == "legal_entity"
		f.join("granted_to", to)
	}
	for _, item := range f.objects("resources") {
		request.Resources = append(request.Resources, approval.Resource{Type: item.text("type", true), ID: item.id("id")})
		f.join("resources", item)
	}
	return request, f.done()
}

func (p *portal) emergencyRoutes(r chi.Router, room Emergencies) {
	r.Post(personsPath+"/{id}/emergency_accesses", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		reason, explanation := f.text("reason", true), f.text("explanation", true)
		if err := f.done(); err != nil {
			return err
		}
		a, err := room.Open(r.Context(), c, id, reason, explanation)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusCreated, a, nil)
	}))
	r.Get("/api/v3/access_reviews", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		status, after, limit := q.text("status"), q.id("starting_after"), q.number("limit", 50)
		if err := q.done(); err != nil {
			return err
		}
		list, err := room.Reviews(r.Context(), c, status, after, limit)
		if err != nil {
			return err
		}
		views := make([]reviewView, len(list))
		for i, a := range list {
			views[i] = reviewOf(a)
		}
		return p.list(w, r, views, wholeList(len(views)))
	}))
	r.Patch("/api/v3/access_reviews/{id}/actions/close", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		decision, comment := f.text("decision", true), f.text("comment", true)
		if err := f.done(); err != nil {
			return err
		}
		a, err := room.Close(r.Context(), c, id, decision, comment)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, reviewOf(a), nil)
	}))
}

// reviewView shows the reviewer what the doctor wrote.
type reviewView struct {
	emergency.Access
	Explanation string `json:"explanation"`
	Comment     string `json:"comment,omitempty"`
}

func reviewOf(a emergency.Access) reviewView {
	return reviewView{a, a.Words.Explanation, a.Words.Review}
}
