package web

import (
	"net/http"
	"regexp"
	"strings"
)

// headers of every page. Scripts and styles are files of this site, there is
// no inline script or style, and no script may make HTML out of a string
// (Trusted Types with no policy at all), so a name with markup in it stays text
// even where escaping were forgotten.
func (k *Kit) headers(h http.Header, formTo []string) { k.headersOf(h, formTo, "", nil) }

// WorkerPolicy names the one Trusted Types policy a page that computes may make:
// it gives the address of its worker, and no HTML and no script.
const WorkerPolicy = "mist-worker"

// headersOf are the headers of a page; one that computes has a worker of ours,
// and may ask the addresses of computes on this host and nothing else.
func (k *Kit) headersOf(h http.Header, formTo []string, host string, computes []string) {
	connect, types, worker := "'self'", "'none'", ""
	if len(computes) > 0 {
		connect, types, worker = "'none'", WorkerPolicy, "worker-src 'self'; "
		if hostname.MatchString(host) {
			connect = host + strings.Join(computes, " "+host)
		}
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; "+worker+"style-src 'self'; img-src 'self'; connect-src "+connect+"; "+
		"form-action "+strings.Join(append([]string{"'self'"}, formTo...), " ")+"; base-uri 'none'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'; trusted-types "+types)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	if k.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// hostname is what may stand in a policy.
var hostname = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:]+\](:[0-9]+)?$`)

// WorkerHeaders are those of a worker's script that computes over a reader's
// file: it may compile WebAssembly and can ask no address at all.
func WorkerHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'")
}

const themeCookie = "mist_theme"

// themeOf gives light, dark or, for whoever chose nothing, "".
func themeOf(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// chooseTheme keeps the reader's choice and goes back where they were.
func chooseTheme(w http.ResponseWriter, q *Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	c := &http.Cookie{Name: themeCookie, Value: form.Get("theme"), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: q.room.kit.secure(), SameSite: http.SameSiteLaxMode}
	if c.Value != "light" && c.Value != "dark" {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(w, c)
	back := form.Get("back")
	// Only to a page of this site: //host and /\host are addresses of others.
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n\t") {
		back = q.Path("/")
	}
	http.Redirect(w, q.Request, back, http.StatusSeeOther)
	return nil
}
