package c14n

import "mist/signature/xmldom"

func appendName(out []byte, n *xmldom.Name) []byte {
	if n.Prefix != "" {
		out = append(out, n.Prefix...)
		out = append(out, ':')
	}
	return append(out, n.Local...)
}

// The escapes of Canonical XML 1.0, 2.3, by byte. An empty entry stands for itself.
var (
	textEscapes   = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;"}
	attrEscapes   = [256]string{'&': "&amp;", '<': "&lt;", '"': "&quot;", '\t': "&#x9;", '\n': "&#xA;", '\r': "&#xD;"}
	markupEscapes = [256]string{'\r': "&#xD;"}
)

func appendText(out []byte, s string) []byte      { return appendEscaped(out, s, &textEscapes) }
func appendAttribute(out []byte, s string) []byte { return appendEscaped(out, s, &attrEscapes) }
func appendMarkup(out []byte, s string) []byte    { return appendEscaped(out, s, &markupEscapes) }

func appendEscaped(out []byte, s string, escapes *[256]string) []byte {
	start := 0
	for i := range len(s) {
		if e := escapes[s[i]]; e != "" {
			out = append(out, s[start:i]...)
			out = append(out, e...)
			start = i + 1
		}
	}
	return append(out, s[start:]...)
}
