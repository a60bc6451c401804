package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/access"
)

// APIKeys are the keys of hospitals; *access.Service is one.
type APIKeys interface {
	CreateKey(ctx context.Context, c registry.Caller, r access.KeyRequest) (access.APIKey, string, error)
	Keys(ctx context.Context, c registry.Caller) ([]access.APIKey, error)
	RevokeKey(ctx context.Context, c registry.Caller, id registry.ID) error
}

type apiKeyView struct {
	ID        registry.ID `json:"id"`
	Name      string      `json:"name"`
	Scopes    []string    `json:"scopes"`
	CreatedBy registry.ID `json:"created_by,omitzero"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	RevokedAt time.Time   `json:"revoked_at,omitzero"`
	// Key is there in the answer to its making alone.
	Key string `json:"api_key,omitempty"`
}

func viewOfKey(k access.APIKey) apiKeyView {
	return apiKeyView{ID: k.ID, Name: k.Name, Scopes: k.Scopes, CreatedBy: k.CreatedBy, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt}
}

const apiKeysPath = "/api/v3/api_keys"

func (p *portal) apiKeyRoutes(r chi.Router, room APIKeys) {
	r.Post(apiKeysPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		request := access.KeyRequest{Name: f.text("name", true), Scopes: f.texts("scopes"), Days: f.number("days")}
		if err := f.done(); err != nil {
			return err
		}
		k, key, err := room.CreateKey(r.Context(), c, request)
		if err != nil {
			return err
		}
		v := viewOfKey(k)
		v.Key = key
		return p.answer(w, r, http.StatusCreated, v, nil)
	}))
	r.Get(apiKeysPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		list, err := room.Keys(r.Context(), c)
		if err != nil {
			return err
		}
		views := make([]apiKeyView, len(list))
		for i, k := range list {
			views[i] = viewOfKey(k)
		}
		return p.list(w, r, views, wholeList(len(views)))
	}))
	r.Patch(apiKeysPath+"/{id}/actions/revoke", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		if _, _, err := readObject(r, p.limits.SmallBody, true); err != nil {
			return err
		}
		if err := room.RevokeKey(r.Context(), c, id); err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, map[string]any{"id": id, "status": "revoked"}, nil)
	}))
}
