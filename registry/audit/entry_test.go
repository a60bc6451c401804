package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/jcs"
)

func id(t testing.TB, s string) registry.ID {
	t.Helper()
	v, err := registry.ParseID(s)
	require.NoError(t, err)
	return v
}

// full is an entry with every member set.
func full(t testing.TB) Entry {
	u := func(last string) registry.ID { return id(t, "019a0000-0000-7000-8000-0000000000"+last) }
	person := u("99")
	return Entry{
		ID: u("01"), Kind: Disclosure, Time: time.Date(2026, 11, 21, 12, 0, 0, 1000, time.UTC), Writer: Writer{u("02"), 7},
		Actor:   Actor{ClientID: u("03"), UserID: u("04"), EmployeeID: u("05"), LegalEntityID: u("06"), XRoadClient: "UA/GOV/00000001/ПОРТАЛ \"Дія\""},
		Channel: "soap", RequestID: `m\1`, Subject: Commitment(bytes.Repeat([]byte{1}, SaltSize), person),
		Act:        &ActRef{u("07"), "declaration", bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)},
		Report:     &ReportRef{"sha256:" + strings.Repeat("ab", 32), "TOTAL-PASSED", "act"},
		LegalBasis: &LegalBasis{"consent", u("08"), bytes.Repeat([]byte{4}, 32), "citizen_signed", "declaration-view"},
		Fields:     []string{"status", "doctor.last_name"},
		Exchange:   &Exchange{MessageID: "m-1", PurposeID: "purpose-1", RequestSHA512: bytes.Repeat([]byte{5}, 64), ResponseSHA512: bytes.Repeat([]byte{6}, 64)},
		Object:     &ObjectRef{"consent", "x", bytes.Repeat([]byte{7}, 32)},
		Code:       "OK", Reason: "чому", Nonce: bytes.Repeat([]byte{8}, 16),
	}
}

func minimal(t testing.TB) Entry {
	e := full(t)
	return Entry{ID: e.ID, Kind: Void, Time: e.Time, Writer: e.Writer, Nonce: e.Nonce}
}

func TestEntryRoundTrip(t *testing.T) {
	for _, e := range []Entry{full(t), minimal(t)} {
		b, err := Encode(e)
		require.NoError(t, err)
		got, err := Decode(b)
		require.NoError(t, err)
		require.Equal(t, e, got)
	}
}

// The encoding is settled: these bytes may never change for version 1.
func TestEntryGolden(t *testing.T) {
	b, err := Encode(minimal(t))
	require.NoError(t, err)
	require.Equal(t, `{"id":"019a0000-0000-7000-8000-000000000001","kind":"void","nonce":"08080808080808080808080808080808","time":"2026-11-21T12:00:00.000001Z","v":1,"writer":{"id":"019a0000-0000-7000-8000-000000000002","n":7}}`, string(b))
	b, err = Encode(full(t))
	require.NoError(t, err)
	require.Equal(t, "5HcXe18exNfSWOxrrgwM9f6G2ICE8EFD7SBkxORRhWw=", LeafHash(b).String())
}

// The form is RFC 8785 for readers that do not share our encoder.
func TestEntryIsCanonicalForOthers(t *testing.T) {
	b, err := Encode(full(t))
	require.NoError(t, err)
	canonical, err := jcs.Canonicalize(b)
	require.NoError(t, err)
	require.Equal(t, string(canonical), string(b))

	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 for a second opinion")
	}
	cmd := exec.Command(python, "-c", `import sys,json,hashlib
b=sys.stdin.buffer.read()
c=json.dumps(json.loads(b),sort_keys=True,separators=(",",":"),ensure_ascii=False).encode()
print(c==b, hashlib.sha256(b"\0"+b).hexdigest())`)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	require.NoError(t, err)
	hash := LeafHash(b)
	require.Equal(t, "True "+hex.EncodeToString(hash[:]), strings.TrimSpace(string(out)))
}

func TestEncodeRefuses(t *testing.T) {
	long := strings.Repeat("я", 129)
	for name, change := range map[string]func(*Entry){
		"id":             func(e *Entry) { e.ID = registry.ID{} },
		"kind":           func(e *Entry) { e.Kind = "Act Accepted" },
		"kind dots":      func(e *Entry) { e.Kind = "act..accepted" },
		"nonce":          func(e *Entry) { e.Nonce = e.Nonce[:15] },
		"nonce missing":  func(e *Entry) { e.Nonce = nil },
		"time":           func(e *Entry) { e.Time = e.Time.Add(time.Nanosecond) },
		"time zero":      func(e *Entry) { e.Time = time.Time{} },
		"writer.id":      func(e *Entry) { e.Writer.ID = registry.ID{} },
		"writer.n":       func(e *Entry) { e.Writer.N = 0 },
		"writer.n big":   func(e *Entry) { e.Writer.N = 1 << 53 },
		"subject":        func(e *Entry) { e.Subject = []byte("3278011533") },
		"act.container":  func(e *Entry) { e.Act.Container = []byte{1} },
		"report.digest":  func(e *Entry) { e.Report.Digest = "md5:1" },
		"reason long":    func(e *Entry) { e.Reason = long },
		"reason utf8":    func(e *Entry) { e.Reason = "\xff" },
		"reason newline": func(e *Entry) { e.Reason = "a\nb" },
		"reason bidi":    func(e *Entry) { e.Reason = "a\u202eb" },
		"fields many":    func(e *Entry) { e.Fields = make([]string, MaxFields+1) },
		"fields empty":   func(e *Entry) { e.Fields = []string{""} },
		"entry long": func(e *Entry) {
			e.Fields = nil
			for range MaxFields {
				e.Fields = append(e.Fields, strings.Repeat("x", MaxTextBytes))
			}
		},
	} {
		e := full(t)
		act, report := *e.Act, *e.Report
		e.Act, e.Report = &act, &report
		change(&e)
		_, err := Encode(e)
		var entryErr *EntryError
		require.ErrorAs(t, err, &entryErr, name)
		require.Equal(t, strings.Fields(name)[0], entryErr.Member, name)
	}
}

func TestDecodeRefuses(t *testing.T) {
	b, err := Encode(full(t))
	require.NoError(t, err)
	good := string(b)
	_, err = Decode(b)
	require.NoError(t, err, "the unmutated twin")
	for name, bad := range map[string]string{
		"empty":            "",
		"not an object":    "[]",
		"trailing bytes":   good + "\n",
		"trailing object":  good + good,
		"leading space":    " " + good,
		"space inside":     strings.Replace(good, `"v":1`, `"v": 1`, 1),
		"order":            strings.Replace(strings.Replace(good, `"channel":"soap",`, "", 1), `{"act"`, `{"channel":"soap","act"`, 1),
		"unknown member":   strings.Replace(good, `"v":1`, `"u":1,"v":1`, 1),
		"doubled member":   strings.Replace(good, `"v":1`, `"v":1,"v":1`, 1),
		"case of a name":   strings.Replace(good, `"channel"`, `"Channel"`, 1),
		"empty member":     strings.Replace(good, `"code":"OK"`, `"code":""`, 1),
		"null member":      strings.Replace(good, `"code":"OK"`, `"code":null`, 1),
		"upper-case hex":   strings.Replace(good, `abab`, `ABAB`, 1),
		"upper-case nonce": strings.Replace(strings.Replace(good, `07070707`, `0a0a0a0a`, 1), `0a0a0a0a`, `0A0A0A0A`, 1),
		"upper-case uuid":  strings.Replace(good, `019a0000-0000-7000-8000-000000000001`, `019A0000-0000-7000-8000-000000000001`, 1),
		"escaped letter":   strings.Replace(good, `"soap"`, `"\u0073oap"`, 1),
		"time zone":        strings.Replace(good, `12:00:00.000001Z`, `14:00:00.000001+02:00`, 1),
		"time precision":   strings.Replace(good, `00.000001Z`, `00.0000010Z`, 1),
		"number as text":   strings.Replace(good, `"n":7`, `"n":"7"`, 1),
		"number as float":  strings.Replace(good, `"n":7`, `"n":7.0`, 1),
		"negative number":  strings.Replace(good, `"n":7`, `"n":-7`, 1),
		"version missing":  strings.Replace(good, `"v":1,`, ``, 1),
		"version 2":        strings.Replace(good, `"v":1`, `"v":2`, 1),
		"too long":         strings.Replace(good, `чому`, strings.Repeat("x", MaxEntryBytes), 1),
		"deep":             strings.Repeat(`{"a":`, 2000),
		"replacement char": strings.Replace(good, `чому`, "\xff", 1),
	} {
		require.NotEqual(t, good, bad, "%s changed nothing", name)
		_, err := Decode([]byte(bad))
		require.Error(t, err, name)
	}
	var version *VersionError
	_, err = Decode([]byte(strings.Replace(good, `"v":1`, `"v":2`, 1)))
	require.ErrorAs(t, err, &version)
	require.Equal(t, 2, version.Version)
}

func TestCommitmentHidesAndBinds(t *testing.T) {
	p, q := id(t, "019a0000-0000-7000-8000-000000000001"), id(t, "019a0000-0000-7000-8000-000000000002")
	salt := make([]byte, SaltSize)
	_, _ = rand.Read(salt)
	require.Equal(t, Commitment(salt, p), Commitment(salt, p))
	require.NotEqual(t, Commitment(salt, p), Commitment(salt, q))
	require.NotEqual(t, Commitment(salt, p), Commitment(append([]byte{1}, salt[1:]...), p))
	b, err := Encode(full(t))
	require.NoError(t, err)
	require.NotContains(t, string(b), "000000000099", "the person's id is nowhere in the entry")
}

func FuzzDecode(f *testing.F) {
	for _, e := range []Entry{full(f), minimal(f)} {
		b, err := Encode(e)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":1,"writer":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(e)
		require.NoError(t, err)
		require.Equal(t, b, again, "an entry has one form")
		require.True(t, json.Valid(b))
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheckpoint(text)
		if err == nil {
			require.True(t, strings.HasPrefix(text, c.Text()))
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/234.p/5")
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := ParseTilePath(path)
		if err == nil {
			require.Equal(t, path, TilePath(tile))
		}
	})
}

// Entries may carry the national hashes of an exchange beside the others; those without them keep their bytes.
func TestExchangeWithNationalHashes(t *testing.T) {
	e := full(t)
	plain, err := Encode(e)
	require.NoError(t, err)
	require.NotContains(t, string(plain), "gost34311")
	e.Exchange.RequestGOST, e.Exchange.ResponseGOST = bytes.Repeat([]byte{9}, 32), bytes.Repeat([]byte{10}, 32)
	b, err := Encode(e)
	require.NoError(t, err)
	require.Contains(t, string(b), `"request_gost34311":"`+strings.Repeat("09", 32)+`","request_sha512"`)
	got, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, e, got)
	e.Exchange.RequestGOST = []byte{1}
	_, err = Encode(e)
	require.Error(t, err)
}
