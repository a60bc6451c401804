package dstu4145

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/dstu4145/internal/gf2m"
	"mist/signature/gost34311"
	"mist/signature/kupyna"
)

var update = flag.Bool("update", false, "rewrite fixtures/vectors/dstu4145.json")

// fuzzKey is a fixed key on M163, the curve on which the oracle is quick.
var fuzzKey = func() []byte {
	c := M163()
	d := scalar{0x0123456789abcdef, 0xfedcba9876543210, 1}
	b, err := newPrivateKey(keyParams{curve: c, sbox: gost34311.DefaultSBox()}, &d).MarshalPKCS8()
	if err != nil {
		panic(err)
	}
	return b
}()

// vectorFile is fixtures/vectors/dstu4145.json, in the manner of Wycheproof.
type vectorFile struct {
	Algorithm string       `json:"algorithm"`
	Notes     []string     `json:"notes"`
	Tests     []vectorCase `json:"tests"`
}

type vectorCase struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Curve   string   `json:"curve"`
	// SPKI is the DER of the key, Message is hashed with Hash and the S-box of
	// the key; Sig is what Verify takes.
	SPKI    string `json:"spki"`
	Hash    string `json:"hash"`
	Message string `json:"message"`
	Sig     string `json:"sig"`
	Result  string `json:"result"`
	// Twin is the valid case this invalid one was made from.
	Twin int `json:"twin,omitempty"`
}

const vectorPath = "../../fixtures/vectors/dstu4145.json"

// digestOf hashes the message of a case; nil for a key that does not parse.
func (v *vectorCase) digestOf(t *testing.T, key *PublicKey) []byte {
	t.Helper()
	msg := unhex(t, v.Message)
	switch v.Hash {
	case "GOST34311":
		h := gost34311.NewSBox(key.SBox())
		h.Write(msg)
		return h.Sum(nil)
	case "GOST34311-DKE1": // whatever the key says
		s := gost34311.Sum256(msg)
		return s[:]
	case "Kupyna-256":
		s := kupyna.Sum256(msg)
		return s[:]
	case "Kupyna-384":
		s := kupyna.Sum384(msg)
		return s[:]
	case "Kupyna-512":
		s := kupyna.Sum512(msg)
		return s[:]
	}
	t.Fatalf("unknown hash %q", v.Hash)
	return nil
}

func (v *vectorCase) verify(t *testing.T, c *Curve, known bool) bool {
	key, err := ParsePKIXPublicKey(unhex(t, v.SPKI))
	if err != nil {
		return false
	}
	if c != nil && c.name == key.params.curve.name {
		key.params.curve = c
	}
	if known {
		key.Precompute()
	}
	return Verify(key, v.digestOf(t, key), unhex(t, v.Sig))
}

func TestVectors(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(makeVectors(t), "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(vectorPath), 0o755))
		require.NoError(t, os.WriteFile(vectorPath, append(b, '\n'), 0o644))
	}
	b, err := os.ReadFile(vectorPath)
	require.NoError(t, err)
	var file vectorFile
	require.NoError(t, json.Unmarshal(b, &file))
	byID := map[int]*vectorCase{}
	for i := range file.Tests {
		byID[file.Tests[i].ID] = &file.Tests[i]
	}
	tables := map[gf2m.Impl][10]*Curve{}
	for _, impl := range gf2m.Available() {
		tables[impl] = newCurves(impl)
	}
	flags := map[string]int{}
	for _, v := range file.Tests {
		for _, f := range v.Flags {
			flags[f]++
		}
		want := v.Result == "valid"
		if !want {
			twin := byID[v.Twin]
			require.NotNil(t, twin, "case %d has no twin", v.ID)
			require.Equal(t, "valid", twin.Result)
		}
		for impl, table := range tables {
			for _, c := range table {
				if c.name != v.Curve {
					continue
				}
				for _, known := range []bool{false, true} {
					require.Equal(t, want, v.verify(t, c, known), "case %d (%s), %s, known key %v", v.ID, v.Comment, impl, known)
				}
			}
		}
	}
	for _, f := range []string{"RIsZero", "SIsZero", "RTooLarge", "STooLarge", "PointAtInfinity", "OffCurve", "SmallSubgroup", "WrongTrace", "WrongSBox", "Truncated", "Oversized", "ExplicitCurve"} {
		require.NotZero(t, flags[f], f)
	}
}

// makeVectors makes the file anew, the same each time.
func makeVectors(t *testing.T) vectorFile {
	file := vectorFile{
		Algorithm: "DSTU 4145-2002",
		Notes: []string{
			"Made by this project; rewritten by go test ./signature/dstu4145 -run TestVectors -update.",
			"spki is a DER SubjectPublicKeyInfo, sig is r||s little-endian, bare or in an OCTET STRING.",
			"hash GOST34311 uses the S-box of the key; GOST34311-DKE1 the S-box number 1 whatever the key says.",
			"Every invalid case names its valid twin.",
		},
	}
	r := mathrand.NewChaCha8([32]byte{41, 45})
	add := func(v vectorCase) int {
		v.ID = len(file.Tests) + 1
		file.Tests = append(file.Tests, v)
		return v.ID
	}
	foreign := gost34311.DefaultSBox().Packed()
	slices.Reverse(foreign)
	foreignBox, err := gost34311.ParseSBox(foreign)
	require.NoError(t, err)
	for _, c := range curves {
		var d scalar
		for {
			b := make([]byte, c.order.bytes())
			r.Read(b)
			b[len(b)-1] &= 1 // below every order
			if c.order.setBytes(&d, b) {
				break
			}
		}
		key := newPrivateKey(keyParams{curve: c, sbox: gost34311.DefaultSBox()}, &d)
		other := newPrivateKey(keyParams{curve: c, sbox: foreignBox}, &d)
		spki, err := key.pub.MarshalPKIX()
		require.NoError(t, err)
		msg := []byte("повідомлення " + c.name)
		for _, name := range []string{"GOST34311", "Kupyna-256", "Kupyna-384", "Kupyna-512"} {
			v := vectorCase{Comment: "valid", Flags: []string{"Valid"}, Curve: c.name, SPKI: hex.EncodeToString(spki), Hash: name, Message: hex.EncodeToString(msg), Result: "valid"}
			digest := v.digestOf(t, &key.pub)
			sig, err := Sign(r, key, digest)
			require.NoError(t, err)
			v.Sig = hex.EncodeToString(sig)
			twin := add(v)
			wrapped := v
			wrapped.Comment, wrapped.Flags, wrapped.Sig = "in an OCTET STRING", []string{"Wrapped"}, hex.EncodeToString(appendTLV(nil, tagOctetString, sig))
			add(wrapped)
			half := len(sig) / 2
			pad := slices.Concat(sig[:half], []byte{0}, sig[half:], []byte{0})
			wrapped.Comment, wrapped.Flags, wrapped.Sig = "halves padded with a zero", []string{"Padded"}, hex.EncodeToString(pad)
			add(wrapped)
			if name != "GOST34311" {
				continue
			}
			bad := func(comment, flag string, change func(v *vectorCase)) {
				w := v
				w.Comment, w.Flags, w.Result, w.Twin = comment, []string{flag}, "invalid", twin
				change(&w)
				require.False(t, w.verify(t, nil, false), comment)
				add(w)
			}
			sigCase := func(comment, flag string, sig []byte) {
				bad(comment, flag, func(v *vectorCase) { v.Sig = hex.EncodeToString(sig) })
			}
			le := func(v *big.Int) []byte {
				b := v.FillBytes(make([]byte, half))
				slices.Reverse(b)
				return b
			}
			n := c.bigOrder()
			rr, ss := sig[:half], sig[half:]
			zero := make([]byte, half)
			sigCase("r is 0", "RIsZero", slices.Concat(zero, ss))
			sigCase("s is 0", "SIsZero", slices.Concat(rr, zero))
			sigCase("r and s are 0", "RIsZero", slices.Concat(zero, zero))
			sigCase("r is n", "RTooLarge", slices.Concat(le(n), ss))
			sigCase("s is n", "STooLarge", slices.Concat(rr, le(n)))
			if sn := new(big.Int).Add(n, littleEndian(ss)); sn.BitLen() <= 8*half {
				sigCase("s is s + n", "STooLarge", slices.Concat(rr, le(sn)))
			} else {
				long := sn.FillBytes(make([]byte, half+1))
				slices.Reverse(long)
				sigCase("s is s + n, in longer halves", "STooLarge", slices.Concat(rr, []byte{0}, long))
			}
			sigCase("r is n - 1", "WrongR", slices.Concat(le(new(big.Int).Sub(n, big.NewInt(1))), ss))
			sigCase("s negated", "WrongS", slices.Concat(rr, le(new(big.Int).Sub(n, littleEndian(ss)))))
			// sP + rQ is infinity when s = rd.
			rd := new(big.Int).Mul(littleEndian(rr), elementToBig((*gf2m.Element)(&d)))
			sigCase("sP + rQ is the point at infinity", "PointAtInfinity", slices.Concat(rr, le(rd.Mod(rd, n))))
			sigCase("halves exchanged", "Exchanged", slices.Concat(ss, rr))
			sigCase("empty", "Truncated", nil)
			sigCase("last byte missing", "Truncated", sig[:len(sig)-1])
			sigCase("both halves cut", "Truncated", slices.Concat(rr[1:], ss[1:]))
			sigCase("one half only", "Truncated", rr)
			sigCase("a byte too many", "Oversized", append(slices.Clone(sig), 0))
			sigCase("halves of a hundred bytes", "Oversized", slices.Concat(rr, make([]byte, 100-half), ss, make([]byte, 100-half)))
			sigCase("OCTET STRING with a wrong length", "BadEncoding", slices.Concat([]byte{4, byte(len(sig) + 1)}, sig))
			sigCase("trailing byte after the OCTET STRING", "BadEncoding", append(appendTLV(nil, tagOctetString, sig), 0))
			big := slices.Clone(sig)
			slices.Reverse(big)
			sigCase("big-endian value", "BigEndian", big)
			bad("another message", "WrongMessage", func(v *vectorCase) { v.Message = hex.EncodeToString(append(msg, '!')) })
			bad("another hash", "WrongHash", func(v *vectorCase) { v.Hash = "Kupyna-256" })
			keyCase := func(comment, flag string, point []byte) {
				bad(comment, flag, func(v *vectorCase) {
					v.SPKI = hex.EncodeToString(bytes.Replace(spki, key.pub.CompressedPoint(), point, 1))
				})
			}
			keyCase("abscissa zero, the point of order two", "SmallSubgroup", make([]byte, c.PointSize()))
			if c.a == 0 {
				keyCase("sum of the key and the point of order two", "SmallSubgroup", cosetPoint(c, &key.pub.q))
			}
			keyCase("no such point", "OffCurve", offCurve(c))
			wrongTrace := key.pub.CompressedPoint()
			wrongTrace[0] ^= 1
			keyCase("trace bit of y/x changed: the negative key", "WrongTrace", wrongTrace)
			keyCase("bits above the field", "Oversized", func() []byte { p := key.pub.CompressedPoint(); p[len(p)-1] |= 0x80; return p }())
			full := explicitKey(c, &key.pub, false)
			explicit := v
			explicit.Comment, explicit.Flags, explicit.SPKI = "curve in full", []string{"ExplicitCurve"}, hex.EncodeToString(full)
			add(explicit)
			order := c.orderBytes()
			bad("curve in full with another order", "ExplicitCurve", func(v *vectorCase) {
				changed := slices.Clone(order)
				changed[len(changed)-1] ^= 2
				v.SPKI = hex.EncodeToString(bytes.Replace(full, order, changed, 1))
			})
			otherSPKI, err := other.pub.MarshalPKIX()
			require.NoError(t, err)
			o := v
			o.Comment, o.Flags, o.SPKI = "S-box of the key", []string{"SBox"}, hex.EncodeToString(otherSPKI)
			sig2, err := Sign(r, other, o.digestOf(t, &other.pub))
			require.NoError(t, err)
			o.Sig = hex.EncodeToString(sig2)
			oTwin := add(o)
			bad("hashed with S-box 1 though the key names another", "WrongSBox", func(v *vectorCase) {
				v.SPKI, v.Sig, v.Hash, v.Twin = o.SPKI, o.Sig, "GOST34311-DKE1", oTwin
			})
		}
	}
	return file
}

// cosetPoint compresses q + T, T = (0, √b), for a = 0.
func cosetPoint(c *Curve, q *affine) []byte {
	o := newOracle(c)
	var root gf2m.Element
	c.field.SquareN(&root, &c.b, c.BitSize()-1)
	p := o.add(o.point(c, q), bigPoint{new(big.Int), elementToBig(&root)})
	var x, z gf2m.Element
	setBig(&x, p.x)
	setBig(&z, o.mul(p.y, o.inverse(p.x)))
	x[0] = x[0]&^1 | c.field.Trace(&z)
	return c.field.AppendBytes(nil, &x)
}

// offCurve finds an abscissa without a point.
func offCurve(c *Curve) []byte {
	for i := uint64(2); ; i += 2 {
		x := gf2m.Element{i}
		if c.field.Trace(&x) != c.a {
			x[0] ^= 1
		}
		var w gf2m.Element
		c.field.Invert(&w, &x)
		c.field.Square(&w, &w)
		c.field.Mul(&w, &w, &c.b)
		w.Add(&w, &x)
		w[0] ^= c.a
		if c.field.Trace(&w) == 1 {
			return c.field.AppendBytes(nil, &gf2m.Element{i})
		}
	}
}
