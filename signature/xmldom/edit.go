package xmldom

import "strings"

// InnerEnd returns where the end tag of an element starts, in bytes of the decoded source, for whoever adds something to
// it; ok is false for an empty-element tag, which has no inside, and for other nodes. The document was well-formed when
// it was read, so the tags are only counted.
func (n Node) InnerEnd() (offset int, ok bool) {
	if n.doc == nil || n.Kind() != ElementNode {
		return 0, false
	}
	src, depth := n.doc.source, 0
	for i := n.Offset(); i < len(src); {
		if src[i] != '<' {
			next := strings.IndexByte(src[i:], '<')
			if next < 0 {
				return 0, false
			}
			i += next
		}
		rest := src[i:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			i += 4 + strings.Index(rest[4:], "-->") + 3
		case strings.HasPrefix(rest, "<![CDATA["):
			i += 9 + strings.Index(rest[9:], "]]>") + 3
		case strings.HasPrefix(rest, "<?"):
			i += 2 + strings.Index(rest[2:], "?>") + 2
		case strings.HasPrefix(rest, "</"):
			if depth--; depth == 0 {
				return i, true
			}
			i += strings.IndexByte(rest, '>') + 1
		default:
			end := tagEnd(rest)
			if src[i+end-1] == '/' {
				if depth == 0 {
					return 0, false
				}
			} else {
				depth++
			}
			i += end + 1
		}
	}
	return 0, false
}

// tagEnd is where the ">" of a start tag stands; one inside a quoted value is part of the value.
func tagEnd(s string) int {
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return len(s) - 1
}
