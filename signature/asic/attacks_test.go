package asic_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/asic"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// The attacks on containers of the validation brief, section 4, by its numbers. Every attack starts from a container
// that passes.

type workshop struct {
	signer   sign.Signer
	verifier *signature.Verifier
	policy   signature.Policy
	now      time.Time
}

func newWorkshop(t testing.TB, kind string) *workshop {
	t.Helper()
	w := &workshop{now: time.Now().Truncate(time.Second)}
	issue := func(p pki.Profile, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: "Зразок"}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	root := issue(pki.Root, nil)
	doctor := issue(pki.Seal, &root)
	w.signer = sign.Signer{Key: doctor.Key, Certificate: doctor.Certificate.Raw}
	anchor := trust.Anchor{Certificate: root.Certificate, Trust: []facts.Trust{{Source: "test", Purposes: []string{facts.PurposeSigner}}}}
	var err error
	w.verifier, err = signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("test", []trust.Anchor{anchor}, nil, nil))})
	require.NoError(t, err)
	w.policy, err = signature.NamedPolicy("archive-test")
	require.NoError(t, err)
	return w
}

func (w *workshop) verify(t testing.TB, container []byte) *signature.Result {
	t.Helper()
	r, err := w.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(container)}, w.policy)
	require.NoError(t, err)
	return r
}

// lift asks the signer's own key for time-stamps: what is fuzzed is how they are read.
func (w *workshop) lift() sign.Lift {
	return sign.Lift{Digest: w.signer.Key.Digest(), Random: rand.Reader, TSA: func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		c, err := cert.Parse(w.signer.Certificate)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, pki.Issuer{Certificate: c, Key: w.signer.Key}, w.now, rand.Reader)
		return pki.StampResponse(token), err
	}}
}

// file is one entry of an archive written octet by octet, honest unless a field says otherwise.
type file struct {
	name      string
	body      []byte
	deflate   bool
	localName string // when the local header lies
	flags     uint16
	method    uint16 // overrides
	size      uint32 // overrides the central size
	localSize uint32 // overrides the local size
	extra     []byte // of the local header
	external  uint32
	madeBy    byte
	streamed  bool // with a data descriptor
	badDesc   bool
	after     []byte // hidden octets after the file
}

type archive struct {
	prefix  []byte
	files   []file
	comment []byte
	suffix  []byte
	count   int // added to the count in the end record
	shared  bool
}

func (a archive) bytes() []byte {
	le := binary.LittleEndian
	out := append([]byte(nil), a.prefix...)
	var dir []byte
	for i, f := range a.files {
		packed := f.body
		method := uint16(0)
		if f.deflate {
			var b bytes.Buffer
			level := flate.BestCompression
			if len(f.body) > 16<<20 {
				level = flate.BestSpeed
			}
			z, _ := flate.NewWriter(&b, level)
			z.Write(f.body)
			z.Close()
			packed, method = b.Bytes(), 8
		}
		if f.method != 0 {
			method = f.method
		}
		crc, size := crc32.ChecksumIEEE(f.body), uint32(len(f.body))
		flags := f.flags
		if f.streamed {
			flags |= 8
		}
		local := f.localName
		if local == "" {
			local = f.name
		}
		offset := uint32(len(out))
		if a.shared && i > 0 {
			offset = 0 // all entries share the first file
		}
		h := le.AppendUint32(nil, 0x04034b50)
		h = le.AppendUint16(h, 20)
		h = le.AppendUint16(h, flags)
		h = le.AppendUint16(h, method)
		h = le.AppendUint32(h, 0x21<<16)
		ls := size
		if f.localSize != 0 {
			ls = f.localSize
		}
		if f.streamed {
			h = append(h, make([]byte, 12)...)
		} else {
			h = le.AppendUint32(h, crc)
			h = le.AppendUint32(h, uint32(len(packed)))
			h = le.AppendUint32(h, ls)
		}
		h = le.AppendUint16(h, uint16(len(local)))
		h = le.AppendUint16(h, uint16(len(f.extra)))
		out = append(append(append(append(out, h...), local...), f.extra...), packed...)
		if f.streamed {
			d := le.AppendUint32(nil, 0x08074b50)
			d = le.AppendUint32(d, crc)
			d = le.AppendUint32(d, uint32(len(packed)))
			if f.badDesc {
				size++
			}
			out = append(out, le.AppendUint32(d, size)...)
			size = uint32(len(f.body))
		}
		out = append(out, f.after...)
		if f.size != 0 {
			size = f.size
		}
		c := le.AppendUint32(nil, 0x02014b50)
		c = append(c, 20, f.madeBy)
		c = le.AppendUint16(c, 20)
		c = le.AppendUint16(c, flags)
		c = le.AppendUint16(c, method)
		c = le.AppendUint32(c, 0x21<<16)
		c = le.AppendUint32(c, crc)
		c = le.AppendUint32(c, uint32(len(packed)))
		c = le.AppendUint32(c, size)
		c = le.AppendUint16(c, uint16(len(f.name)))
		c = append(c, make([]byte, 8)...)
		c = le.AppendUint32(c, f.external)
		c = le.AppendUint32(c, offset)
		dir = append(append(dir, c...), f.name...)
	}
	at := uint32(len(out))
	out = append(out, dir...)
	e := le.AppendUint32(nil, 0x06054b50)
	e = append(e, 0, 0, 0, 0)
	e = le.AppendUint16(e, uint16(len(a.files)+a.count))
	e = le.AppendUint16(e, uint16(len(a.files)+a.count))
	e = le.AppendUint32(e, uint32(len(dir)))
	e = le.AppendUint32(e, at)
	e = le.AppendUint16(e, uint16(len(a.comment)))
	return append(append(append(out, e...), a.comment...), a.suffix...)
}

func (a archive) find(name string) *file {
	for i := range a.files {
		if strings.Contains(a.files[i].name, name) {
			return &a.files[i]
		}
	}
	panic("no file " + name)
}

func (w *workshop) archive(t testing.TB, extended, xml bool, objects ...sign.DataObject) archive {
	t.Helper()
	var out bytes.Buffer
	o := sign.ASiCOptions{Extended: extended, XAdES: xml, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: w.now}}}
	require.NoError(t, sign.ASiC(t.Context(), &out, w.signer, o, objects...))
	got, err := asic.Read(t.Context(), facts.Bytes(out.Bytes()), facts.Environment{})
	require.NoError(t, err)
	require.NotEmpty(t, got.Signatures)
	return explode(t, out.Bytes())
}

var one = sign.DataObject{Name: "message.xml", MediaType: "text/xml", Content: facts.Bytes([]byte("<m>вміст</m>"))}
var two = sign.DataObject{Name: "знімок 1.txt", Content: facts.Bytes([]byte("два"))}

const (
	total = signature.TotalFailed
)

func TestContainerAttacks(t *testing.T) {
	evil := file{name: "evil.txt", body: []byte("зло")}
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		w := newWorkshop(t, kind)
		type shape struct {
			name          string
			extended, xml bool
		}
		for _, sh := range []shape{{"S-CAdES", false, false}, {"S-XAdES", false, true}, {"E-CAdES", true, false}, {"E-XAdES", true, true}} {
			objects := []sign.DataObject{one}
			if sh.extended {
				objects = append(objects, two)
			}
			for _, a := range []struct {
				name       string
				mutate     func(a *archive)
				indication signature.Indication
				sub        signature.SubIndication
			}{
				{"72 traversal", func(a *archive) { a.files = append(a.files, file{name: "../evil"}) }, total, signature.FormatFailure},
				{"72 absolute path", func(a *archive) { a.files = append(a.files, file{name: "/etc/evil"}) }, total, signature.FormatFailure},
				{"72 backslash", func(a *archive) { a.files = append(a.files, file{name: `a\evil`}) }, total, signature.FormatFailure},
				{"72 drive letter", func(a *archive) { a.files = append(a.files, file{name: "C:evil"}) }, total, signature.FormatFailure},
				{"72 nul", func(a *archive) { a.files = append(a.files, file{name: "evil\x00.txt"}) }, total, signature.FormatFailure},
				{"72 dot segment", func(a *archive) { a.files = append(a.files, file{name: "a/./evil"}) }, total, signature.FormatFailure},
				{"72 symbolic link", func(a *archive) {
					a.files = append(a.files, file{name: "link", body: []byte("/etc/passwd"), madeBy: 3, external: 0xa1ff0000})
				}, total, signature.FormatFailure},
				{"74 two files with one name", func(a *archive) { a.files = append(a.files, file{name: "message.xml", body: []byte("<evil/>")}) }, total, signature.FormatFailure},
				{"74 names equal but for case", func(a *archive) { a.files = append(a.files, file{name: "MESSAGE.xml", body: []byte("<evil/>")}) }, total, signature.FormatFailure},
				{"74 names equal but for unicode form", func(a *archive) {
					a.files = append(a.files, file{name: "i\u0308.txt", flags: 1 << 11}, file{name: "\u00ef.txt", flags: 1 << 11})
				}, total, signature.FormatFailure},
				{"74 file and folder", func(a *archive) { a.files = append(a.files, file{name: "message.xml/"}) }, total, signature.FormatFailure},
				{"75 local name lies", func(a *archive) { a.find("message.xml").localName = "massage.xml" }, total, signature.FormatFailure},
				{"75 local size lies", func(a *archive) { a.find("message.xml").localSize = 4 }, total, signature.FormatFailure},
				{"75 central size lies", func(a *archive) { a.find("message.xml").size = 4 }, total, signature.FormatFailure},
				{"75 data descriptor lies", func(a *archive) { f := a.find("message.xml"); f.streamed, f.badDesc = true, true }, total, signature.FormatFailure},
				{"75 octets between files", func(a *archive) { a.find("message.xml").after = []byte("hidden") }, total, signature.FormatFailure},
				{"75 a file no directory names", func(a *archive) {
					hidden := archive{files: []file{evil}}.bytes()
					a.find("message.xml").after = hidden[:30+len(evil.name)+len(evil.body)]
				}, total, signature.FormatFailure},
				{"75 comment with a second archive", func(a *archive) { a.comment = archive{files: []file{evil}}.bytes() }, total, signature.FormatFailure},
				{"75 octets after the archive", func(a *archive) { a.suffix = []byte{0} }, total, signature.FormatFailure},
				{"75 count lies", func(a *archive) { a.count = -1 }, total, signature.FormatFailure},
				{"73 overlapping files", func(a *archive) {
					a.shared = true
					a.files[1].name, a.files[2].name = "b", "c"
				}, total, signature.FormatFailure},
				{"73 too many files", func(a *archive) {
					for i := range 1001 {
						a.files = append(a.files, file{name: strings.Repeat("x", i%400+1) + string(rune('a'+i/400))})
					}
				}, total, signature.FormatFailure},
				{"73 compression bomb", func(a *archive) {
					a.files = append(a.files, file{name: "bomb", deflate: true, body: make([]byte, 8<<20)})
				}, total, signature.FormatFailure},
				{"83 encrypted file", func(a *archive) { a.find("message.xml").flags = 1 }, total, signature.FormatFailure},
				{"83 unknown method", func(a *archive) { a.find("message.xml").method = 93 }, total, signature.FormatFailure},
				{"83 zip64 lie", func(a *archive) { a.find("message.xml").size = 0xffffffff }, total, signature.FormatFailure},
				{"80 content swapped", func(a *archive) { a.find("message.xml").body = []byte("<m>зло</m>") }, total, signature.HashFailure},
				{"checksum", func(a *archive) { a.find("signature").deflate = false; a.find("signature").body = nil }, total, signature.FormatFailure},
			} {
				t.Run(kind+"/"+sh.name+"/"+a.name, func(t *testing.T) {
					c := w.archive(t, sh.extended, sh.xml, objects...)
					r := w.verify(t, c.bytes())
					require.Equal(t, signature.TotalPassed, r.Indication, "%s %s", r.Signatures[0].SubIndication, r.Signatures[0].Reason)
					require.Empty(t, r.UnsignedParts)
					if !sh.extended {
						b, _, err := r.MustBePassed()
						require.NoError(t, err)
						content, err := b.Bytes()
						require.NoError(t, err)
						require.Equal(t, "<m>вміст</m>", string(content))
					}
					a.mutate(&c)
					r = w.verify(t, c.bytes())
					require.Equal(t, a.indication, r.Indication)
					require.Equal(t, a.sub, r.Signatures[0].SubIndication, r.Signatures[0].Reason)
					_, _, err := r.MustBePassed()
					require.Error(t, err)
				})
			}
		}
	}
}

// allFiles is a policy for containers that are the document of record.
const allFiles = `{"id": "all-files", "version": "1", "extends": "archive-test", "title": {"uk": "Усі файли підписано", "en": "All files signed"},
	"legalSource": "test", "rules": {"container": {"AllFilesSigned": "FAIL"}}}`

func TestContainerContents(t *testing.T) {
	w := newWorkshop(t, sign.KindDSTU257)
	passed := func(t *testing.T, c archive) *signature.Result {
		t.Helper()
		r := w.verify(t, c.bytes())
		require.Equal(t, signature.TotalPassed, r.Indication, "%s %s", r.Signatures[0].SubIndication, r.Signatures[0].Reason)
		return r
	}
	remarks := func(r *signature.Result) (out []string) {
		for _, p := range r.Facts.Problems {
			out = append(out, p.Detail)
		}
		return out
	}
	t.Run("76 mimetype", func(t *testing.T) {
		for name, c := range map[string]struct {
			mutate func(a *archive)
			remark string
		}{
			"missing":          {func(a *archive) { a.files = a.files[1:] }, "mimetype is missing"},
			"not first":        {func(a *archive) { a.files[0], a.files[1] = a.files[1], a.files[0] }, "mimetype is not the first file"},
			"compressed":       {func(a *archive) { a.files[0].deflate = true }, "mimetype is compressed"},
			"extra field":      {func(a *archive) { a.files[0].extra = []byte{1, 2, 0, 0} }, "mimetype has an extra field"},
			"trailing newline": {func(a *archive) { a.files[0].body = append(a.files[0].body, '\n') }, "mimetype has white space around it"},
			"wrong content":    {func(a *archive) { a.files[0].body = []byte("text/plain") }, "mimetype is not that of an ASiC container"},
		} {
			a := w.archive(t, true, false, one)
			require.Empty(t, remarks(passed(t, a)))
			c.mutate(&a)
			require.Contains(t, remarks(w.verify(t, a.bytes())), c.remark, name)
		}
	})
	t.Run("77 missing file", func(t *testing.T) {
		for _, xml := range []bool{false, true} {
			a := w.archive(t, true, xml, one, two)
			passed(t, a)
			a.files = append(a.files[:1], a.files[2:]...)
			r := w.verify(t, a.bytes())
			require.Equal(t, signature.Indeterminate, r.Indication)
			require.Equal(t, signature.SignedDataNotFound, r.Signatures[0].SubIndication)
		}
	})
	t.Run("77 file differs from its digest", func(t *testing.T) {
		for _, xml := range []bool{false, true} {
			a := w.archive(t, true, xml, one, two)
			passed(t, a)
			a.find("знімок").body = []byte("три")
			r := w.verify(t, a.bytes())
			require.Equal(t, signature.TotalFailed, r.Indication)
			require.Equal(t, signature.HashFailure, r.Signatures[0].SubIndication)
		}
	})
	t.Run("78 extra file where all must be signed", func(t *testing.T) {
		strict, err := signature.ParsePolicy([]byte(allFiles))
		require.NoError(t, err)
		for _, xml := range []bool{false, true} {
			a := w.archive(t, true, xml, one)
			verify := func() *signature.Result {
				r, err := w.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(a.bytes())}, strict)
				require.NoError(t, err)
				return r
			}
			r := verify()
			require.Equal(t, signature.TotalPassed, r.Indication, "%s %s", r.Signatures[0].SubIndication, r.Signatures[0].Reason)
			a.files = append(a.files, file{name: "extra.txt", body: []byte("x")})
			r = verify()
			require.Equal(t, signature.TotalFailed, r.Indication)
			require.Equal(t, signature.FormatFailure, r.Signatures[0].SubIndication)
			require.Equal(t, []string{"extra.txt"}, r.UnsignedParts)
		}
	})
	t.Run("82 unsigned macro of an office document", func(t *testing.T) {
		a := w.archive(t, true, true, sign.DataObject{Name: "content.xml", MediaType: "text/xml", Content: facts.Bytes([]byte("<office/>"))})
		a.files[0].body = []byte("application/vnd.oasis.opendocument.text")
		a.find("signatures").name = "META-INF/documentsignatures.xml"
		r := passed(t, a)
		require.Empty(t, r.UnsignedParts)
		a.files = append(a.files, file{name: "Basic/Standard/Module1.xml", body: []byte("<script/>")}, file{name: "ObjectReplacements/http.txt"})
		r = w.verify(t, a.bytes())
		require.Equal(t, []string{"Basic/Standard/Module1.xml", "ObjectReplacements/http.txt"}, r.UnsignedParts)
		require.Equal(t, "content.xml", r.Facts.Signatures[0].Scopes[0].Name)
	})
	t.Run("78 extra file in ASiC-E is named", func(t *testing.T) {
		for _, xml := range []bool{false, true} {
			a := w.archive(t, true, xml, one)
			a.files = append(a.files, file{name: "extra.txt", body: []byte("x")})
			r := w.verify(t, a.bytes())
			require.Equal(t, []string{"extra.txt"}, r.UnsignedParts)
		}
	})
	t.Run("78 two data objects in ASiC-S", func(t *testing.T) {
		for _, xml := range []bool{false, true} {
			a := w.archive(t, false, xml, one)
			a.files = append(a.files, file{name: "extra.txt", body: []byte("x")})
			r := w.verify(t, a.bytes())
			require.Equal(t, signature.TotalFailed, r.Indication)
			require.Equal(t, signature.FormatFailure, r.Signatures[0].SubIndication)
		}
	})
	t.Run("79 two manifests for one signature", func(t *testing.T) {
		a := w.archive(t, true, false, one)
		m := *a.find("ASiCManifest")
		m.name = "META-INF/ASiCManifest002.xml"
		a.files = append(a.files, m)
		r := w.verify(t, a.bytes())
		require.Equal(t, signature.TotalFailed, r.Indication)
		require.Equal(t, signature.FormatFailure, r.Signatures[0].SubIndication)
	})
	t.Run("79 manifest of another signature", func(t *testing.T) {
		a := w.archive(t, true, false, one)
		m := a.find("ASiCManifest")
		m.body = bytes.Replace(m.body, []byte("signature001"), []byte("signature002"), 1)
		r := w.verify(t, a.bytes())
		require.Equal(t, signature.Indeterminate, r.Indication)
		require.Equal(t, signature.SignedDataNotFound, r.Signatures[0].SubIndication)
	})
	t.Run("81 one normalisation of names", func(t *testing.T) {
		for _, xml := range []bool{false, true} {
			a := w.archive(t, true, xml, two)
			passed(t, a)
			f := a.find("знімок")
			f.name = "%D0%B7%D0%BD%D1%96%D0%BC%D0%BE%D0%BA%201.txt" // the URI as a name: found as written
			f.flags = 0
			passed(t, a)
			f.name = "знімок+1.txt"
			f.flags = 1 << 11
			r := w.verify(t, a.bytes())
			require.NotEqual(t, signature.TotalPassed, r.Indication, "a plus is not a space")
		}
	})
	t.Run("75 honest data descriptor", func(t *testing.T) {
		a := w.archive(t, false, true, one)
		a.find("message.xml").streamed = true
		passed(t, a)
		a.find("message.xml").deflate = true
		passed(t, a)
	})
	t.Run("octets before the archive", func(t *testing.T) {
		a := w.archive(t, false, true, one)
		a.prefix = []byte("MZ")
		none, err := w.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(a.bytes())}, w.policy)
		require.NoError(t, err)
		require.Equal(t, signature.NoSignatureFound, none.Indication, "not a container at all")
		a.prefix = archive{files: []file{{name: "evil.txt"}}}.bytes()
		r := w.verify(t, a.bytes())
		require.Equal(t, signature.FormatFailure, r.Signatures[0].SubIndication)
	})
}

func explode(t testing.TB, b []byte) archive {
	t.Helper()
	var a archive
	le := binary.LittleEndian
	for at := 0; le.Uint32(b[at:]) == 0x04034b50; {
		n, x, packed := int(le.Uint16(b[at+26:])), int(le.Uint16(b[at+28:])), int(le.Uint32(b[at+18:]))
		f := file{name: string(b[at+30 : at+30+n]), flags: le.Uint16(b[at+6:]), deflate: le.Uint16(b[at+8:]) == 8}
		body := b[at+30+n+x : at+30+n+x+packed]
		if f.deflate {
			plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(body)))
			require.NoError(t, err)
			body = plain
		}
		f.body = append([]byte(nil), body...)
		a.files = append(a.files, f)
		at += 30 + n + x + packed
	}
	return a
}

func FuzzRead(f *testing.F) {
	w := newWorkshop(f, sign.KindP256)
	for _, extended := range []bool{false, true} {
		for _, xml := range []bool{false, true} {
			b := w.archive(f, extended, xml, one).bytes()
			f.Add(b)
			for range 2 { // archived, and archived over that
				var err error
				b, err = w.lift().Archive(context.Background(), b, nil)
				require.NoError(f, err)
				f.Add(b)
			}
		}
	}
	f.Add(archive{files: []file{{name: "mimetype", body: []byte(asic.MimetypeE), streamed: true, deflate: true}}}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := asic.Read(context.Background(), facts.Bytes(b), facts.Environment{Limits: facts.Limits{Document: 1 << 20, Hashed: 1 << 22}})
		if err != nil {
			return
		}
		_, err = asic.Open(facts.Bytes(b))
		require.NoError(t, err, "what is read can be taken apart")
		for _, token := range r.Tokens {
			if token.Message != nil {
				_ = token.Message(io.Discard)
			}
		}
		for _, s := range r.Signatures {
			require.NotEmpty(t, s.ID)
			require.Len(t, r.Octets[s.ID], len(s.Scopes))
		}
	})
}
