package soap

import (
	"bytes"
	"encoding/base64"
	"io"
)

// xopNS is the namespace of xop:Include (XML-binary Optimized Packaging 1.0).
const xopNS = "http://www.w3.org/2004/08/xop/include"

var (
	errXOP     = Faultf("InvalidAttachmentRef", "an xop:Include must be empty, have an href and be the only content of its element")
	errXOPSize = Faultf("TooLarge", "the attachments referred to are too large to be part of the body")
)

// Document gives the body element as a document of its own under the name
// local, with every xop:Include replaced by the base64 text of its attachment,
// as if the sender had not optimised the message (XOP 1.0 section 3.2). maxBytes bounds
// the result.
func (m *Message) Document(local string, maxBytes int) ([]byte, error) {
	p := &m.Payload
	var doc []byte
	if p.Local == local {
		doc = p.Standalone()
	} else {
		doc = p.StandaloneAs(local)
	}
	if len(m.Attachments) == 0 || !bytes.Contains(doc, []byte(xopNS)) {
		return doc, nil
	}
	sc := new(scanner)
	sc.reset(doc)
	var out []byte
	at := 0
	type level struct{ children, includes, text int }
	levels := make([]level, 1, maxDepth+1)
	for {
		ev, err := sc.next()
		if err != nil {
			return nil, err
		}
		top := &levels[len(levels)-1]
		switch ev {
		case evEOF:
			if out == nil {
				return doc, nil
			}
			return append(out, doc[at:]...), nil
		case evText:
			if !sc.blank {
				top.text++
			}
		case evStart:
			top.children++
			if string(sc.space) != xopNS || string(sc.local) != "Include" {
				levels = append(levels, level{})
				continue
			}
			top.includes++
			start := sc.elem.start
			href := ""
			for i := range sc.attrs {
				if a := &sc.attrs[i]; string(a.name) == "href" {
					href = string(attributeText(doc[a.value.start:a.value.end]))
				}
			}
			if ev, err = sc.next(); err != nil {
				return nil, err
			}
			if ev == evText && sc.blank {
				if ev, err = sc.next(); err != nil {
					return nil, err
				}
			}
			if ev != evEnd || href == "" {
				return nil, errXOP
			}
			a, err := m.Attachment(href)
			if err != nil {
				return nil, err
			}
			if int64(len(out)+len(doc)-at)+int64(base64.StdEncoding.EncodedLen(int(a.Size))) > int64(maxBytes) {
				return nil, errXOPSize
			}
			out = append(out, doc[at:start]...)
			if out, err = a.appendBase64(out); err != nil {
				return nil, err
			}
			at = sc.elem.end
		case evEnd:
			if top.includes > 0 && (top.children > 1 || top.text > 0) {
				return nil, errXOP
			}
			levels = levels[:len(levels)-1]
		}
	}
}

func (a *Attachment) appendBase64(out []byte) ([]byte, error) {
	r, err := a.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(out, b), nil
}

// TextAt gives the text of the first element at a path of local names below
// the root of a document that has been read before; ok is false when there is
// none or it has child elements.
func TextAt(doc []byte, path ...string) (text string, ok bool) {
	if len(path) == 0 {
		return "", false
	}
	sc := new(scanner)
	sc.reset(doc)
	depth, matched := 0, 0 // matched elements of path are open, all of them ancestors
	for {
		ev, err := sc.next()
		if err != nil || ev == evEOF {
			return "", false
		}
		switch ev {
		case evStart:
			if depth == matched+1 && string(sc.local) == path[matched] {
				if matched++; matched == len(path) {
					return sc.leafText()
				}
			}
			depth++
		case evEnd:
			if depth--; depth > 0 && depth == matched {
				matched--
			}
		}
	}
}

// leafText reads the text of the element just started; ok is false when it has
// child elements.
func (s *scanner) leafText() (string, bool) {
	var text []byte
	for {
		ev, err := s.next()
		if err != nil {
			return "", false
		}
		switch ev {
		case evText:
			text = appendText(text, s.data[s.text.start:s.text.end])
		case evEnd:
			return string(text), true
		default:
			return "", false
		}
	}
}
