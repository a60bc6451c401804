package c14n

import (
	"strings"

	"mist/signature/xmldom"
)

// inheritXMLAttributes gives an element whose parent is not in the output the attributes of the xml namespace that hold
// for it: all of them in Canonical XML 1.0 (2.4), lang and space and a joined base in 1.1 (2.4).
func (w *writer) inheritXMLAttributes(i xmldom.ID) error {
	base := len(w.attributes)
	has := func(local string) bool {
		for j := range w.attributes {
			if a := w.attributes[j].Name; a.Space == xmldom.XMLNamespace && a.Local == local {
				return true
			}
		}
		return false
	}
	omitted := true // still in the run of omitted ancestors next to the element
	var bases []string
	depth := len(w.open)
	for p := w.doc.Parent(i); p > 0; p = w.doc.Parent(p) {
		if depth > 0 {
			depth--
			omitted = omitted && !w.open[depth].visible
		}
		if w.work++; w.work > workBudget {
			return ErrTooMuchWork
		}
		w.above = w.doc.Attributes(w.above[:0], p)
		for _, a := range w.above {
			if a.Name.Space != xmldom.XMLNamespace {
				continue
			}
			switch {
			case !w.version11:
				if !has(a.Name.Local) {
					w.attributes = append(w.attributes, a)
				}
			case a.Name.Local == "base":
				if omitted {
					bases = append(bases, a.Value)
				}
			case a.Name.Local == "lang" || a.Name.Local == "space":
				if !has(a.Name.Local) {
					w.attributes = append(w.attributes, a)
				}
			}
		}
	}
	if len(bases) == 0 {
		return nil
	}
	// Canonical XML 1.1, 2.4: reduce from the innermost outwards.
	at := -1
	joined := ""
	for j := range w.attributes[:base] {
		if a := w.attributes[j].Name; a.Space == xmldom.XMLNamespace && a.Local == "base" {
			at, joined = j, w.attributes[j].Value
		}
	}
	for _, b := range bases {
		joined = joinURI(b, joined)
	}
	switch {
	case at >= 0 && joined == "":
		w.attributes = append(w.attributes[:at], w.attributes[at+1:]...)
	case at >= 0:
		w.attributes[at].Value = joined
	case joined != "":
		w.attributes = append(w.attributes, xmldom.Attr{
			Name: &xmldom.Name{Prefix: "xml", Local: "base", Space: xmldom.XMLNamespace}, Value: joined, PrefixIndex: xmlPrefix,
		})
	}
	return nil
}

type uri struct {
	scheme, authority, path, query string
	hasAuthority, hasQuery         bool
}

func splitURI(s string) (u uri) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	if i := strings.IndexAny(s, ":/?"); i > 0 && s[i] == ':' {
		u.scheme, s = s[:i], s[i+1:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		u.query, u.hasQuery, s = s[i+1:], true, s[:i]
	}
	if rest, found := strings.CutPrefix(s, "//"); found {
		u.hasAuthority = true
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			u.authority, s = rest[:i], rest[i:]
		} else {
			u.authority, s = rest, ""
		}
	}
	u.path = s
	return u
}

func (u uri) String() string {
	var b strings.Builder
	if u.scheme != "" {
		b.WriteString(u.scheme + ":")
	}
	if u.hasAuthority {
		b.WriteString("//" + u.authority)
	}
	b.WriteString(u.path)
	if u.hasQuery {
		b.WriteString("?" + u.query)
	}
	return b.String()
}

// joinURI is the join-URI-References function of Canonical XML 1.1, appendix A: RFC 3986, 5.2, without requiring an
// absolute base, with fragments dropped and leading ".." segments kept.
func joinURI(base, ref string) string {
	if strings.HasSuffix(base, "..") {
		base += "/" // a base that ends in ".." names a directory
	}
	b, r := splitURI(base), splitURI(ref)
	if r.scheme != "" {
		r.path = removeDots(r.path)
		return r.String()
	}
	out := uri{scheme: b.scheme}
	switch {
	case r.hasAuthority:
		out.hasAuthority, out.authority = true, r.authority
		out.path, out.query, out.hasQuery = removeDots(r.path), r.query, r.hasQuery
		return out.String()
	case r.path == "":
		out.path, out.query, out.hasQuery = b.path, b.query, b.hasQuery
		if r.hasQuery {
			out.query, out.hasQuery = r.query, true
		}
		out.path = removeDots(out.path)
	default:
		path := r.path
		if !strings.HasPrefix(path, "/") {
			switch i := strings.LastIndexByte(b.path, '/'); {
			case b.hasAuthority && b.path == "":
				path = "/" + path
			case i >= 0:
				path = b.path[:i+1] + path
			}
		}
		out.path, out.query, out.hasQuery = removeDots(path), r.query, r.hasQuery
	}
	out.hasAuthority, out.authority = b.hasAuthority, b.authority
	return out.String()
}

// removeDots is RFC 3986, 5.2.4, as Canonical XML 1.1 changes it: segments ".." that have nothing to remove stay in a
// relative path, runs of slashes become one, and a trailing "." or ".." leaves a slash.
func removeDots(path string) string {
	absolute := strings.HasPrefix(path, "/")
	var out []string
	segments := strings.Split(path, "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case "":
			if last && i > 0 {
				out = append(out, "")
			}
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if n := len(out); n > 0 && out[n-1] != ".." {
				out = out[:n-1]
			} else if !absolute {
				out = append(out, "..")
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	joined := strings.Join(out, "/")
	if absolute {
		return "/" + joined
	}
	return joined
}
