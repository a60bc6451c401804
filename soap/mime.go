package soap

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"net/url"
	"os"
	"strings"
)

// Attachment is one MIME part beside the SOAP part, its transfer encoding
// removed. Small ones stay in memory, larger ones in an unlinked file.
type Attachment struct {
	// ContentID is without angle brackets; empty if the part has none.
	ContentID   string
	ContentType string
	Size        int64

	memory []byte
	file   *os.File
}

// Open gives the bytes from the beginning. Attachments are read by one
// goroutine at a time and only while their message is being answered.
func (a *Attachment) Open() (io.Reader, error) {
	if a.file == nil {
		return bytes.NewReader(a.memory), nil
	}
	return io.NewSectionReader(a.file, 0, a.Size), nil
}

// contentType is a Content-Type header taken apart.
type contentType struct {
	media  string // lower case
	params map[string]string
}

// parseContentType reads a Content-Type. X-Road clients write boundaries such
// as :a:b: without quotes and types in single quotes, which RFC 2045 forbids
// and mime.ParseMediaType refuses; those are read here as they are meant.
func parseContentType(v string) (contentType, bool) {
	if media, params, err := mime.ParseMediaType(v); err == nil {
		for k, p := range params {
			params[k] = strings.Trim(p, "'")
		}
		return contentType{media, params}, true
	}
	media, rest, _ := strings.Cut(v, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if kind, sub, ok := strings.Cut(media, "/"); !ok || kind == "" || sub == "" || strings.ContainsAny(media, " \t\"") {
		return contentType{}, false
	}
	ct := contentType{media: media, params: map[string]string{}}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return contentType{}, false
		}
		key = strings.ToLower(strings.TrimSpace(key))
		after = strings.TrimLeft(after, " \t")
		var value string
		if after != "" && (after[0] == '"' || after[0] == '\'') {
			end := strings.IndexByte(after[1:], after[0])
			if end < 0 {
				return contentType{}, false
			}
			value, after = after[1:1+end], strings.TrimLeft(after[2+end:], " \t")
			rest, ok = strings.CutPrefix(after, ";")
			if !ok && rest != "" {
				return contentType{}, false
			}
		} else {
			value, rest, _ = strings.Cut(after, ";")
			value = strings.TrimSpace(value)
		}
		if _, twice := ct.params[key]; twice || key == "" {
			return contentType{}, false
		}
		ct.params[key] = value
	}
	return ct, true
}

// soapMedia reports whether a media type may hold an envelope.
func soapMedia(media string) bool {
	return media == "text/xml" || media == "application/soap+xml" || media == "application/xop+xml"
}

// multipartReader reads multipart/related bodies (RFC 2046 section 5.1, RFC
// 2387) as X-Road sends them: line ends may be bare LF, the SOAP part is the
// first whatever start says, and the close delimiter is required, so that a
// cut-off body is never taken for a whole one.
type multipartReader struct {
	br      *bufio.Reader
	delim   []byte // --boundary
	pending []byte // line end held back: it belongs to a delimiter that may follow
	mid     bool   // the last slice ended inside a line
	partEnd bool   // the current part is over
	closed  bool   // the close delimiter was seen
}

var (
	errMIME     = Faultf("MimeParsingFailed", "the multipart body does not match its declared boundary or ends too early")
	errMIMEHead = Faultf("InvalidContentType", "a MIME part has a malformed header or no Content-Type")
	errBigHead  = Faultf("TooLarge", "the header of a MIME part is too large")
)

func newMultipartReader(r io.Reader, boundary string) (*multipartReader, *Fault) {
	if boundary == "" || len(boundary) > 200 {
		return nil, Faultf("InvalidContentType", "multipart/related without a boundary")
	}
	m := &multipartReader{br: bufio.NewReaderSize(r, 32<<10), delim: []byte("--" + boundary)}
	// The preamble before the first delimiter is read and thrown away.
	if _, err := io.Copy(io.Discard, readerFunc(m.readPart)); err != nil {
		return nil, mimeFault(err)
	}
	return m, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func mimeFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	c := *errMIME
	c.Err = err
	return &c
}

// delimiter reports whether a line is a delimiter, and the closing one.
func (m *multipartReader) delimiter(line []byte) (is, closing bool) {
	rest, ok := bytes.CutPrefix(line, m.delim)
	if !ok {
		return false, false
	}
	rest, closing = bytes.CutPrefix(rest, []byte("--"))
	return len(bytes.TrimRight(rest, " \t\r\n")) == 0, closing
}

// readPart gives the next bytes of the current part, io.EOF at its delimiter.
// p must be larger than the line buffer's remains or the rest waits in br.
func (m *multipartReader) readPart(p []byte) (int, error) {
	if m.partEnd || m.closed {
		return 0, io.EOF
	}
	n := 0
	for n == 0 {
		// Room for a held-back line end and at least one byte more.
		if len(p) < 4 {
			return 0, io.ErrShortBuffer
		}
		line, err := m.br.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full && len(line) == 0 {
			if errors.Is(err, io.EOF) {
				return 0, errMIME
			}
			return 0, err
		}
		if !m.mid {
			if is, closing := m.delimiter(line); is && !full {
				m.pending = m.pending[:0]
				m.partEnd, m.closed = true, closing
				return 0, io.EOF
			}
		}
		if err != nil && !full {
			return 0, errMIME // the body ends without close delimiter
		}
		if len(line)+len(m.pending) > len(p) {
			// io.Copy's buffer equals br's: cannot happen with our own callers.
			return 0, io.ErrShortBuffer
		}
		if m.mid && len(m.pending) == 1 && m.pending[0] == '\r' && len(line) == 1 {
			m.pending, m.mid = append(m.pending[:0], "\r\n"...), false
			continue
		}
		n = copy(p, m.pending)
		body := line
		m.pending = m.pending[:0]
		switch {
		case bytes.HasSuffix(body, []byte("\r\n")):
			body = body[:len(body)-2]
			m.pending, m.mid = append(m.pending, "\r\n"...), false
		case bytes.HasSuffix(body, []byte("\n")):
			body = body[:len(body)-1]
			m.pending, m.mid = append(m.pending, '\n'), false
		case bytes.HasSuffix(body, []byte("\r")):
			body = body[:len(body)-1]
			m.pending, m.mid = append(m.pending, '\r'), true
		default:
			m.mid = true
		}
		n += copy(p[n:], body)
	}
	return n, nil
}

// nextPart moves to the next part and reads its header; io.EOF after the last.
func (m *multipartReader) nextPart(maxHeader int) (textproto.MIMEHeader, error) {
	if m.closed {
		return nil, io.EOF
	}
	m.partEnd, m.mid, m.pending = false, false, m.pending[:0]
	var head bytes.Buffer
	for {
		line, err := m.br.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, errMIME
		}
		if head.Len()+len(line) > maxHeader || err != nil {
			return nil, errBigHead
		}
		if is, closing := m.delimiter(line); is { // a part without header and body
			m.partEnd, m.closed = true, closing
			return nil, errMIMEHead
		}
		head.Write(line)
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	h, err := textproto.NewReader(bufio.NewReader(&head)).ReadMIMEHeader()
	if err != nil {
		return nil, errMIMEHead
	}
	// A blank line read as header end puts the part's first line at line start.
	return h, nil
}

// body is the current part with its transfer encoding removed.
func (m *multipartReader) body(encoding string) (io.Reader, *Fault) {
	var r io.Reader = bufio.NewReaderSize(readerFunc(m.readPart), 33<<10)
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		return r, nil
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, &base64Cleaner{r: r}), nil
	case "quoted-printable":
		return quotedprintable.NewReader(r), nil
	}
	return nil, Faultf("InvalidContentType", "a MIME part has an unknown Content-Transfer-Encoding")
}

// base64Cleaner drops blanks and tabs; line ends the decoder skips itself.
type base64Cleaner struct{ r io.Reader }

func (c *base64Cleaner) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	kept := 0
	for _, b := range p[:n] {
		if b != ' ' && b != '\t' {
			p[kept] = b
			kept++
		}
	}
	return kept, err
}

// contentID takes the angle brackets off a Content-ID.
func contentID(v string) string {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, "<") && strings.HasSuffix(v, ">") {
		v = v[1 : len(v)-1]
	}
	return v
}

// readRelated reads a multipart/related body: the SOAP part appended to buf,
// its charset, and the attachments.
func readRelated(r io.Reader, boundary string, lim Limits, spillDir string, buf []byte, mem *ledger) (soapPart []byte, charset string, atts []*Attachment, err error) {
	m, fault := newMultipartReader(r, boundary)
	if fault != nil {
		return nil, "", nil, fault
	}
	defer func() {
		if err != nil {
			closeAttachments(atts)
			atts = nil
		}
	}()
	total, inMemory, seen := int64(0), int64(0), map[string]bool{}
	for i := 0; ; i++ {
		head, err := m.nextPart(lim.PartHeaderBytes)
		if errors.Is(err, io.EOF) {
			if i == 0 {
				return nil, "", nil, Faultf("MissingSoap", "the multipart body has no parts")
			}
			return soapPart, charset, atts, nil
		}
		if err != nil {
			return nil, "", atts, mimeFault(err)
		}
		if i >= lim.Parts {
			return nil, "", atts, Faultf("TooLarge", "too many MIME parts")
		}
		ct, ok := parseContentType(head.Get("Content-Type"))
		if !ok || len(head.Values("Content-Type")) > 1 {
			return nil, "", atts, errMIMEHead
		}
		body, fault := m.body(head.Get("Content-Transfer-Encoding"))
		if fault != nil {
			return nil, "", atts, fault
		}
		if i == 0 {
			if !soapMedia(ct.media) {
				return nil, "", atts, Faultf("InvalidContentType", "the first MIME part must be the SOAP message")
			}
			charset = ct.params["charset"]
			if soapPart, err = readAtMost(body, buf, lim.EnvelopeBytes, mem); err != nil {
				return nil, "", atts, readFault(err)
			}
			inMemory = int64(cap(soapPart))
			continue
		}
		a := &Attachment{ContentID: contentID(head.Get("Content-ID")), ContentType: head.Get("Content-Type")}
		if a.ContentID != "" && seen[a.ContentID] {
			return nil, "", atts, Faultf("InvalidAttachmentRef", "two MIME parts with the same Content-ID")
		}
		seen[a.ContentID] = true
		atts = append(atts, a)
		if err := a.fill(body, lim, spillDir); err != nil {
			return nil, "", atts, readFault(err)
		}
		inMemory += int64(len(a.memory))
		if err := mem.hold(inMemory); err != nil {
			return nil, "", atts, err
		}
		if total += a.Size; total > lim.TotalBytes {
			return nil, "", atts, errTooLarge
		}
	}
}

var errTooLarge = Faultf("TooLarge", "the message is over its size limit")

// fill reads the part, moving to an unlinked file when it outgrows memory.
func (a *Attachment) fill(r io.Reader, lim Limits, dir string) error {
	head, err := io.ReadAll(io.LimitReader(r, int64(lim.SpillBytes)+1))
	if err != nil {
		return err
	}
	if len(head) <= lim.SpillBytes {
		a.memory, a.Size = head, int64(len(head))
		if a.Size > lim.AttachmentBytes {
			return errTooLarge
		}
		return nil
	}
	f, err := os.CreateTemp(dir, "attachment-*")
	if err != nil {
		return &Fault{Class: ServerFault, Code: "Unavailable", Reason: "no room for the attachment; try later", Err: err}
	}
	a.file = f
	// Unlinked at once: nothing is left behind if the process dies.
	if err := os.Remove(f.Name()); err != nil {
		return &Fault{Class: ServerFault, Code: "Internal", Reason: "internal error", Err: err}
	}
	n, err := io.Copy(f, io.LimitReader(io.MultiReader(bytes.NewReader(head), r), lim.AttachmentBytes+1))
	if err != nil {
		return err
	}
	if a.Size = n; n > lim.AttachmentBytes {
		return errTooLarge
	}
	return nil
}

func closeAttachments(atts []*Attachment) {
	for _, a := range atts {
		if a.file != nil {
			a.file.Close()
		}
	}
}

// attachmentByRef finds the part a cid: reference means (RFC 2392: the
// reference is percent-encoded, the Content-ID is not).
func attachmentByRef(atts []*Attachment, href string) (*Attachment, *Fault) {
	id, ok := strings.CutPrefix(href, "cid:")
	if ok {
		if dec, err := url.PathUnescape(id); err == nil {
			id = dec
		}
		for _, a := range atts {
			if a.ContentID == id {
				return a, nil
			}
		}
	}
	return nil, Faultf("InvalidAttachmentRef", "the message refers to an attachment it does not carry")
}
