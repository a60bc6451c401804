package web

import (
	"net/http"
	"strings"
)

// headers of every page. Scripts and styles are files of this site, there is
// no inline script or style, and no script may make HTML out of a string
// (Trusted Types with no policy at all), so a name with markup in it stays text
// even where escaping were forgotten.
func (k *Kit) headers(h http.Header, formTo []string) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action "+strings.Join(append([]string{"'self'"}, formTo...), " ")+"; base-uri 'none'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'; trusted-types 'none'")
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
