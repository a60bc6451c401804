// Package web is the kit every page of Mist is made with: layout, languages,
// style sheet, accessible parts, security headers, error pages. A room of pages
// (the directory of doctors, the citizen's page, the developer's pages) brings
// templates, texts and handlers; the kit brings the rest:
//
//	//go:embed templates text
//	var files embed.FS
//
//	room, err := kit.Room("doctors", files)        // templates/*.html, text/{uk,en}.json, assets/*
//	room.Section("/doctors", "doctors.section")    // a link in the navigation
//	room.Get("/doctors/{id}", func(w http.ResponseWriter, q *web.Request) error {
//		d, err := doctors.ByID(q.Context(), q.Param("id"))
//		if err != nil {
//			return err                             // becomes an error page
//		}
//		return q.Render(w, web.Page{Template: "doctor", Title: d.Name, Data: d})
//	})
//
// templates/doctor.html defines "main" and finds d under .Data. A page lives at
// /uk/… and /en/…; the address without a language redirects. Ukrainian comes first.
//
// It refuses to start with a text missing in one language or a template that
// does not parse, executes no script but its own files (strict Content Security
// Policy with Trusted Types, no inline script or style), takes no form from
// another site and stores nothing but the reader's choice of light or dark. It
// trusts html/template for escaping: no room gives it ready HTML.
package web

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Kyiv time, also on a machine without the time zone database

	"github.com/go-chi/chi/v5"
)

//go:embed templates assets text
var kitFiles embed.FS

// Config of the kit. Log and Clock are required.
type Config struct {
	// BaseURL is the address readers know the site by; https makes cookies
	// Secure and adds HSTS.
	BaseURL string
	// Sandbox puts the ribbon on every page.
	Sandbox bool
	Log     *slog.Logger
	Clock   func() time.Time
}

// Kit holds what pages share. Rooms are added before Routes is called; nothing
// changes afterwards.
type Kit struct {
	Config
	text     map[Lang]Texts
	assets   *assets
	sections []section
	routes   []route
	zone     *time.Location
	own      *Room
	foreign  *http.CrossOriginProtection
}

type section struct {
	path, key string
	room      *Room
}

type route struct {
	method, pattern string
	handler         http.HandlerFunc
}

// New makes a kit with its home page and error pages.
func New(c Config) (*Kit, error) {
	if c.Log == nil || c.Clock == nil {
		return nil, errors.New("web: log and clock are required")
	}
	if base, err := url.Parse(c.BaseURL); err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("web: BaseURL is not an http or https address")
	}
	zone, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		return nil, fmt.Errorf("web: loading Kyiv time: %w", err)
	}
	k := &Kit{Config: c, zone: zone, assets: newAssets(), foreign: http.NewCrossOriginProtection()}
	if k.own, err = k.Room("", kitFiles); err != nil {
		return nil, err
	}
	k.own.Get("/", func(w http.ResponseWriter, q *Request) error {
		return q.Render(w, Page{Template: "home", Title: q.T("home.title"), MaxAge: time.Minute})
	})
	k.own.Post("/theme", chooseTheme)
	return k, nil
}

// Room reads templates/*.html, text/uk.json, text/en.json and, where there are
// any, assets/*. Templates named *.part.html are shared by the others
// of the room.
func (k *Kit) Room(name string, files fs.FS) (*Room, error) {
	text, err := readTexts(files)
	if err != nil {
		return nil, fmt.Errorf("web: room %q: %w", name, err)
	}
	for lang, own := range k.text {
		for key, m := range own {
			if _, taken := text[lang][key]; taken {
				return nil, fmt.Errorf("web: room %q: the text %q is one of the kit", name, key)
			}
			text[lang][key] = m
		}
	}
	if k.text == nil {
		k.text = map[Lang]Texts{}
		for lang, own := range text {
			k.text[lang] = Texts{}
			for key, m := range own {
				k.text[lang][key] = m
			}
		}
	}
	if err := k.assets.add(name, files); err != nil {
		return nil, fmt.Errorf("web: room %q: %w", name, err)
	}
	room := &Room{kit: k, name: name, text: text}
	if err := room.parse(files); err != nil {
		return nil, fmt.Errorf("web: room %q: %w", name, err)
	}
	return room, nil
}

// Routes mounts every page of every room, the assets, and an error page for
// every other address below /uk/ and /en/.
func (k *Kit) Routes(r chi.Router) {
	lost := k.own.page(func(http.ResponseWriter, *Request) error { return errNoPage })
	r.Get("/assets/{name}", func(w http.ResponseWriter, r *http.Request) { k.assets.serve(w, r, lost) })
	for _, one := range k.routes {
		for _, lang := range Langs {
			r.Method(one.method, "/"+string(lang)+one.pattern, one.handler)
		}
		if one.method == http.MethodGet {
			r.Get(one.pattern, k.toLanguage)
		}
	}
	for _, lang := range Langs {
		r.HandleFunc("/"+string(lang)+"/*", lost)
	}
}

// toLanguage sends a reader of an address without a language to the Ukrainian
// page, or to the English one when their browser asks for English and not for
// Ukrainian.
func (k *Kit) toLanguage(w http.ResponseWriter, r *http.Request) {
	lang := Ukrainian
	if wantsEnglish(r) {
		lang = English
	}
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Cache-Control", "no-store")
	to := url.URL{Path: "/" + string(lang) + r.URL.Path, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func wantsEnglish(r *http.Request) bool {
	accept := strings.ToLower(r.Header.Get("Accept-Language"))
	return strings.HasPrefix(accept, "en") && !strings.Contains(accept, "uk")
}

func (k *Kit) secure() bool { return strings.HasPrefix(k.BaseURL, "https://") }

// navigation gives the sections in the order they were added.
func (k *Kit) navigation(q *Request) []link {
	list := slices.Clone(k.sections)
	out := make([]link, len(list))
	for i, s := range list {
		path := "/" + string(q.Lang) + s.path
		out[i] = link{Href: path, Text: s.room.text[q.Lang].text(q.Lang, s.key), About: s.room.text[q.Lang].text(q.Lang, s.key+".about"),
			Here: q.URL.Path == path || strings.HasPrefix(q.URL.Path, path+"/")}
	}
	return out
}

type link struct {
	Href, Text, About string
	Here              bool
}
