package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/portal"
	"mist/registry"
)

// Room is a group of pages with templates and texts of its own.
type Room struct {
	kit   *Kit
	name  string
	text  map[Lang]Texts
	pages map[Lang]map[string]*template.Template
}

// Handler answers one request, mostly by Request.Render. An error becomes an
// error page of the status its registry.Code has by REST.
type Handler func(w http.ResponseWriter, q *Request) error

// Get serves GET and HEAD of a pattern of chi ("/doctors/{id}") in each language.
func (r *Room) Get(pattern string, h Handler) { r.add(http.MethodGet, pattern, h) }

// Post serves POST. A form sent by a page of another site is refused.
func (r *Room) Post(pattern string, h Handler) { r.add(http.MethodPost, pattern, h) }

func (r *Room) add(method, pattern string, h Handler) {
	r.kit.routes = append(r.kit.routes, route{method, pattern, r.page(h)})
}

// Section puts a link into the navigation and onto the home page. key and
// key.about are texts of the room.
func (r *Room) Section(path, key string) {
	r.kit.sections = append(r.kit.sections, section{path, key, r})
}

// parse makes one template set per page and language, with the kit's layout
// and parts and the room's shared templates in each.
func (r *Room) parse(files fs.FS) error {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	r.pages = map[Lang]map[string]*template.Template{}
	for _, lang := range Langs {
		base := template.New("").Funcs(r.functions(lang))
		if r.name != "" {
			if base, err = base.ParseFS(kitFiles, "templates/*.part.html"); err != nil {
				return err
			}
		}
		var pages []string
		for _, name := range names {
			if !strings.HasSuffix(name, ".part.html") {
				pages = append(pages, name)
				continue
			}
			if base, err = base.ParseFS(files, name); err != nil {
				return err
			}
		}
		r.pages[lang] = map[string]*template.Template{}
		for _, name := range pages {
			one, err := template.Must(base.Clone()).ParseFS(files, name)
			if err != nil {
				return err
			}
			if one.Lookup("main") == nil {
				return fmt.Errorf("%s does not define main", name)
			}
			r.pages[lang][strings.TrimSuffix(path.Base(name), ".html")] = one
		}
	}
	return nil
}

// page wraps a handler: headers, language, refusal of foreign forms, panics and
// errors as pages.
func (r *Room) page(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) { r.serve(w, hr, langOf(hr.URL.Path), h) }
}

// Show answers with a page at an address without a language, which a standard
// gives and the portal serves: the language is that of the parameter ui_locales
// (OpenID Connect Core 1.0, 3.1.2.1), else what the browser asks for.
func (r *Room) Show(w http.ResponseWriter, hr *http.Request, h Handler) {
	lang := Ukrainian
	asked := hr.URL.Query().Get(localeParameter)
	if strings.HasPrefix(asked, string(English)) || asked == "" && wantsEnglish(hr) {
		lang = English
	}
	r.serve(w, hr, lang, h)
}

const localeParameter = "ui_locales"

func (r *Room) serve(w http.ResponseWriter, hr *http.Request, lang Lang, h Handler) {
	q := &Request{Request: hr, Lang: lang, room: r}
	r.kit.headers(w.Header(), nil)
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		r.kit.Log.LogAttrs(hr.Context(), slog.LevelError, "panic in a page", slog.String("request_id", portal.RequestID(hr)),
			slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
		q.fail(w, registry.Errorf(registry.CodeInternal, "panic"))
	}()
	if err := r.kit.foreign.Check(hr); err != nil {
		q.fail(w, registry.Errorf(registry.CodeForbidden, "a form of another site is not taken").WithReason("foreign_form"))
		return
	}
	if err := h(w, q); err != nil {
		q.fail(w, err)
	}
}

func langOf(path string) Lang {
	if path == "/en" || strings.HasPrefix(path, "/en/") {
		return English
	}
	return Ukrainian
}

var errNoPage = registry.Errorf(registry.CodeNotFound, "there is no page at this address")

// Request is one request for a page.
type Request struct {
	*http.Request
	Lang Lang
	room *Room
}

// T gives a text of the room or of the kit in the reader's language. Values
// come in pairs: q.T("doctors.found", "n", 12).
func (q *Request) T(key string, values ...any) string {
	return q.room.text[q.Lang].text(q.Lang, key, values...)
}

// Param gives a parameter of the route's pattern.
func (q *Request) Param(name string) string { return chi.URLParam(q.Request, name) }

// Path gives the address of a page in the reader's language: "/doctors" → "/uk/doctors".
func (q *Request) Path(path string) string { return "/" + string(q.Lang) + path }

// With gives the address of this page with one parameter of the query changed,
// or taken away by an empty value: filters and pagers keep the others.
func (q *Request) With(name, value string) string {
	to := url.URL{Path: q.URL.Path, RawQuery: query(q.URL, name, value)}
	return to.String()
}

// query gives an address's query with one parameter changed.
func query(u *url.URL, name, value string) string {
	values := u.Query()
	values.Del(name)
	if value != "" {
		values.Set(name, value)
	}
	return values.Encode()
}

// Zone is the time zone pages show times in.
func (q *Request) Zone() *time.Location { return q.room.kit.zone }

// Redirect answers 303 to a page of this site, as after a form.
func (q *Request) Redirect(w http.ResponseWriter, path string) {
	http.Redirect(w, q.Request, q.Path(path), http.StatusSeeOther)
}

// maxForm bounds the body of a form, in bytes.
const maxForm = 64 << 10

// Form reads a posted form of at most 64 KiB.
func (q *Request) Form() (url.Values, error) {
	q.Body = http.MaxBytesReader(nil, q.Body, maxForm)
	if err := q.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, registry.Errorf(registry.CodeTooLarge, "the form is larger than %d bytes", maxForm)
		}
		return nil, registry.Errorf(registry.CodeMalformed, "the form cannot be read").WithCause(err)
	}
	return q.PostForm, nil
}

// Page is one answer.
type Page struct {
	// Template is a file of templates/ without its ending.
	Template string
	// Title is shown in the browser's title and in no other place: a page has its own h1.
	Title string
	// Status is 200 when zero.
	Status int
	// Data is .Data in the template.
	Data any
	// MaxAge lets a page without personal data be kept by caches; zero is no-store.
	MaxAge time.Duration
	// Scripts are modules of the room's assets ("proof.js").
	Scripts []string
	// FormTo are origins besides our own that a form of this page may lead to
	// (an OAuth redirect). They are part of the Content Security Policy.
	FormTo []string
	// Computes are paths of this host that a page with a worker may ask; no
	// other address can be reached from it (WorkerPolicy).
	Computes []string
	// Refresh loads the page again after so many seconds where there is no
	// JavaScript to bring it up to date.
	Refresh int
}

// view is what templates see.
type view struct {
	Lang      Lang
	Title     string
	Data      any
	Nav       []link
	Others    []language
	Theme     string
	Back      string
	Sandbox   bool
	Scripts   []string
	Refresh   int
	RequestID string
	Address   string
	Now       time.Time
}

type language struct {
	Lang Lang
	Name string
	Href string
}

// Render writes a page. Nothing is sent before the whole page was made.
func (q *Request) Render(w http.ResponseWriter, p Page) error {
	t := q.room.pages[q.Lang][p.Template]
	if t == nil {
		return fmt.Errorf("web: room %q has no template %q", q.room.name, p.Template)
	}
	k := q.room.kit
	v := view{
		Lang: q.Lang, Title: p.Title, Data: p.Data, Nav: k.navigation(q), Theme: themeOf(q.Request), Sandbox: k.Sandbox, Scripts: p.Scripts, Refresh: p.Refresh,
		RequestID: portal.RequestID(q.Request), Address: strings.TrimSuffix(k.BaseURL, "/") + q.URL.Path, Now: k.Clock(),
	}
	rest := strings.TrimPrefix(q.URL.Path, "/"+string(q.Lang))
	back := url.URL{Path: q.URL.Path, RawQuery: q.URL.RawQuery}
	v.Back = back.String()
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		// The answer to a form cannot be asked for again by its address.
		rest, v.Back = "/", q.Path("/")
	}
	names := map[Lang]string{Ukrainian: "Українською", English: "English"}
	for _, lang := range Langs {
		if lang != q.Lang {
			to := url.URL{Path: "/" + string(lang) + rest}
			switch {
			case v.Back != back.String():
			case rest == q.URL.Path: // an address without a language
				to.Path, to.RawQuery = rest, query(q.URL, localeParameter, string(lang))
			default:
				to.RawQuery = q.URL.RawQuery
			}
			v.Others = append(v.Others, language{lang, names[lang], to.String()})
		}
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", v); err != nil {
		return fmt.Errorf("web: making page %q: %w", p.Template, err)
	}
	h := w.Header()
	k.headersOf(h, p.FormTo, q.Host, p.Computes)
	if p.MaxAge > 0 {
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(p.MaxAge.Seconds())))
		h.Set("Vary", "Cookie")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(q.Lang))
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	w.WriteHeader(p.Status)
	if _, err := w.Write(b.Bytes()); err != nil {
		k.Log.Debug("reader went away", slog.String("cause", err.Error()))
	}
	return nil
}

// failure is the Data of the error page.
type failure struct {
	// Heading and Advice are texts by code; Detail is the registry's own
	// sentence, in English, for whoever is called for help.
	Heading, Advice, Detail string
}

// fail answers with an error page. What is internal stays in the log.
func (q *Request) fail(w http.ResponseWriter, err error) {
	e := portal.Observed(q.Request, err)
	status := portal.StatusOf(e.Code)
	f := failure{Heading: q.T("error." + string(e.Code)), Advice: q.T("error." + string(e.Code) + ".advice")}
	if status < http.StatusInternalServerError {
		f.Detail = e.Detail
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	own := *q
	own.room = q.room.kit.own
	if err := own.Render(w, Page{Template: "error", Title: f.Heading, Status: status, Data: f}); err != nil {
		q.room.kit.Log.Error("the error page cannot be made", slog.String("cause", err.Error()))
		http.Error(w, http.StatusText(status), status)
	}
}

// Names lists the room's templates, for tests.
func (r *Room) Names() []string {
	return slices.Sorted(maps.Keys(r.pages[Ukrainian]))
}
