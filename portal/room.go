package portal

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry/query"
)

// Room is a room with addresses of its own: it adds them to the router.
type Room interface {
	mount(p *portal, r chi.Router)
}

// room makes a Room of a function.
type room func(p *portal, r chi.Router)

func (f room) mount(p *portal, r chi.Router) { f(p, r) }

// Together makes one room of several.
func Together(rooms ...Room) Room {
	return room(func(p *portal, r chi.Router) {
		for _, one := range rooms {
			one.mount(p, r)
		}
	})
}

// raw reads a body that its room decodes by its own rules: here it only has to
// be a JSON object.
func (p *portal) raw(r *http.Request) ([]byte, error) {
	_, body, err := readObject(r, p.limits.SmallBody, false)
	return body, err
}

// container takes the signed container out of {field, signed_content_encoding}.
func (p *portal) container(r *http.Request, field string) ([]byte, error) {
	o, _, err := readObject(r, p.limits.Body, false)
	if err != nil {
		return nil, err
	}
	f := o.fields()
	text, encoding := f.text(field, true), f.text("signed_content_encoding", true)
	if encoding != "base64" && encoding != "" {
		f.wrong("signed_content_encoding", "inclusion", "value is not allowed in enum", "base64")
	}
	b, err := decodeBase64(text)
	if err != nil {
		f.wrong(field, "invalid", "Not a base64 string")
	}
	return b, f.done()
}

// flag takes a boolean; absent gives the value meant otherwise.
func (f *fields) flag(name string, otherwise bool) bool {
	v, given := f.object[name]
	delete(f.object, name)
	if !given {
		return otherwise
	}
	b, ok := v.(bool)
	if !ok {
		f.wrong(name, "cast", "type mismatch. Expected Boolean")
	}
	return b
}

// words reads a body of one text, as decisions take their reason.
func (p *portal) words(r *http.Request, name string) (string, error) {
	o, _, err := readObject(r, p.limits.SmallBody, false)
	if err != nil {
		return "", err
	}
	f := o.fields()
	text := f.text(name, true)
	return text, f.done()
}

// nothing reads a body that may be absent and holds no members.
func (p *portal) nothing(r *http.Request) error {
	o, _, err := readObject(r, p.limits.SmallBody, true)
	if err != nil {
		return err
	}
	return o.fields().done()
}

// pages answers with a part of a numbered list.
func pages[T any](p *portal, w http.ResponseWriter, r *http.Request, list []T, view func(T) any, page, size, total int) error {
	views := make([]any, len(list))
	for i, v := range list {
		views[i] = view(v)
	}
	return p.list(w, r, views, query.Paging{Number: page, Size: size, TotalEntries: total, TotalPages: (total + size - 1) / size})
}

// open is a public read: without a token, counted by address, and kept by
// whoever asks for a short while.
func (p *portal) open(h handler) http.HandlerFunc {
	return p.public(func(w http.ResponseWriter, r *http.Request) error {
		if err := p.visits.take(w, remoteHost(r), p); err != nil {
			return err
		}
		return h(w, r)
	})
}
