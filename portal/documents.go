package portal

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/query"
)

// Documents takes and gives the scans of drafts; *intake.Documents is one.
type Documents interface {
	Receive(ctx context.Context, c registry.Caller, id registry.ID, b []byte) error
	Give(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, intake.Document, error)
}

// DocumentLinks makes and checks links to one document; *media.Links is one.
type DocumentLinks interface {
	Sign(method string, document registry.ID, life time.Duration) string
	Check(method string, document registry.ID, until, mac string) error
}

const mediaPath = "/media"

// linkLife is how long a link to a document works: a scan has to be made first.
const linkLife = 30 * time.Minute

func (p *portal) documentRoutes(r chi.Router, documents Documents) {
	r.Put(mediaPath+"/{id}", p.linked(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		b, err := readBody(r, intake.MaxDocument)
		if err != nil {
			return err
		}
		if err := documents.Receive(r.Context(), c, id, b); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	r.Get(mediaPath+"/{id}", p.linked(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		b, d, err := documents.Give(r.Context(), c, id)
		if err != nil {
			return err
		}
		// What was uploaded is never shown as a page of ours: it is saved, not
		// sniffed, and whatever stands in it runs nothing.
		h := w.Header()
		h.Set("Content-Type", d.MediaType)
		h.Set("Content-Disposition", `attachment; filename="`+d.ID.String()+`"`)
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		h.Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(http.StatusOK)
		if _, err := w.Write(b); err != nil {
			p.log.Debug("client went away", "cause", err.Error())
		}
		return nil
	}))
}

// linked demands a link of ours instead of a token. Whoever holds it acts for
// the clinic it was given to.
func (p *portal) linked(h func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error) http.HandlerFunc {
	return p.public(func(w http.ResponseWriter, r *http.Request) error {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		q := r.URL.Query()
		id, err := registry.ParseID(chi.URLParam(r, "id"))
		if err != nil {
			return registry.Errorf(registry.CodeForbidden, "this link is not one of the registry").WithReason("link_foreign")
		}
		if err := p.links.Check(method, id, q.Get("until"), q.Get("mac")); err != nil {
			return err
		}
		return h(w, r, registry.Caller{Channel: registry.ChannelREST, RequestID: requestOf(r).id}, id)
	})
}

func (p *portal) documentLink(method string, id registry.ID) string {
	return p.base + mediaPath + "/" + id.String() + "?" + p.links.Sign(method, id, linkLife)
}

// documentUpload is one of urgent.documents: where a scan is to be put.
type documentUpload struct {
	Type     string `json:"type"`
	URL      string `json:"url"`
	Uploaded bool   `json:"uploaded"`
}

func (p *portal) uploads(d intake.Draft) (list []documentUpload) {
	if d.Status != intake.StatusNew {
		return nil
	}
	for _, doc := range d.Documents {
		list = append(list, documentUpload{doc.Type, p.documentLink(http.MethodPut, doc.ID), doc.Uploaded()})
	}
	return list
}

// documentView is one document of a request; the link is there once it was uploaded.
type documentView struct {
	Type       string `json:"type"`
	URL        string `json:"url,omitempty"`
	MediaType  string `json:"media_type,omitempty"`
	Size       int    `json:"size,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	UploadedAt string `json:"uploaded_at,omitempty"`
}

func (a acts) documents(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	list, err := a.act.Service.Documents(r.Context(), c, id)
	if err != nil {
		return err
	}
	return a.portal.documents(w, r, list)
}

// documents answers with scans and links to them.
func (p *portal) documents(w http.ResponseWriter, r *http.Request, list []intake.Document) error {
	views := make([]documentView, len(list))
	for i, d := range list {
		views[i] = documentView{Type: d.Type}
		if d.Uploaded() {
			views[i] = documentView{d.Type, p.documentLink(http.MethodGet, d.ID), d.MediaType, d.Size, hex.EncodeToString(d.Digest[:]), stamp(d.UploadedAt)}
		}
	}
	return p.list(w, r, views, query.Paging{Number: 1, Size: max(len(views), 1), TotalEntries: len(views), TotalPages: 1})
}
