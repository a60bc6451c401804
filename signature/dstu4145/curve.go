package dstu4145

import (
	"encoding/asn1"
	"encoding/hex"
	"math/bits"
	"slices"
	"strconv"
	"sync"

	"mist/signature/dstu4145/internal/gf2m"
)

// Curve is one of the ten standard curves y² + xy = x³ + ax² + b over GF(2^m)
// in polynomial basis (DSTU 4145-2002, annex Г). There are no others: keys
// with any other parameters are refused.
type Curve struct {
	name  string
	oid   asn1.ObjectIdentifier
	field *gf2m.Field
	a     uint64 // 0 or 1
	b     gf2m.Element
	order *order
	base  affine // the base point P
	rBits int    // number of low bits of the field element kept in r

	tables func() *baseTables
}

// parameters of a standard curve; the constants are big-endian hexadecimal.
type parameters struct {
	m    int
	exps []int
	a    uint64
	b, n string
	x, y string // base point
}

var standard = [10]parameters{
	{
		m: 163, exps: []int{7, 6, 3}, a: 1,
		b: "5ff6108462a2dc8210ab403925e638a19c1455d21",
		n: "400000000000000000002bec12be2262d39bcf14d",
		x: "2e2f85f5dd74ce983a5c4237229daf8a3f35823be",
		y: "3826f008a8c51d7b95284d9d03ff0e00ce2cd723a",
	},
	{
		m: 167, exps: []int{6}, a: 1,
		b: "6ee3ceeb230811759f20518a0930f1a4315a827dac",
		n: "3fffffffffffffffffffffb12ebcc7d7f29ff7701f",
		x: "7a1f6653786a68192803910a3d30b2a2018b21cd54",
		y: "5f49eb26781c0ec6b8909156d98ed435e45fd59918",
	},
	{
		m: 173, exps: []int{10, 2, 1}, a: 0,
		b: "108576c80499db2fc16eddf6853bbb278f6b6fb437d9",
		n: "800000000000000000000189b4e67606e3825bb2831",
		x: "4d41a619bcc6eadf0448fa22fad567a9181d37389ca",
		y: "10b51cc12849b234c75e6dd2028bf7ff5c1ce0d991a1",
	},
	{
		m: 179, exps: []int{4, 2, 1}, a: 1,
		b: "4a6e0856526436f2f88dd07a341e32d04184572beb710",
		n: "3ffffffffffffffffffffffb981960435fe5ab64236ef",
		x: "6ba06fe51464b2bd26dc57f48819ba9954667022c7d03",
		y: "25fbc363582dcec065080ca8287aaff09788a66dc3a9e",
	},
	{
		m: 191, exps: []int{9}, a: 1,
		b: "7bc86e2102902ec4d5890e8b6b4981ff27e0482750fefc03",
		n: "40000000000000000000000069a779cac1dabc6788f7474f",
		x: "714114b762f2ff4a7912a6d2ac58b9b5c2fcfe76daeb7129",
		y: "29c41e568b77c617efe5902f11db96fa9613cd8d03db08da",
	},
	{
		m: 233, exps: []int{9, 4, 1}, a: 1,
		b: "6973b15095675534c7cf7e64a21bd54ef5dd3b8a0326aa936ece454d2c",
		n: "1000000000000000000000000000013e974e72f8a6922031d2603cfe0d7",
		x: "3fcda526b6cdf83ba1118df35b3c31761d3545f32728d003eeb25efe96",
		y: "9ca8b57a934c54deeda9e54a7bbad95e3b2e91c54d32be0b9df96d8d35",
	},
	{
		m: 257, exps: []int{12}, a: 0,
		b: "1cef494720115657e18f938d7a7942394ff9425c1458c57861f9eea6adbe3be10",
		n: "800000000000000000000000000000006759213af182e987d3e17714907d470d",
		x: "2a29ef207d0e9b6c55cd260b306c7e007ac491ca1b10c62334a9e8dcd8d20fb7",
		y: "10686d41ff744d4449fccf6d8eea03102e6812c93a9d60b978b702cf156d814ef",
	},
	{
		m: 307, exps: []int{8, 4, 2}, a: 1,
		b: "393c7f7d53666b5054b5e6c6d3de94f4296c0c599e2e2e241050df18b6090bdc90186904968bb",
		n: "3ffffffffffffffffffffffffffffffffffffffc079c2f3825da70d390fbba588d4604022b7b7",
		x: "216ee8b189d291a0224984c1e92f1d16bf75ccd825a087a239b276d3167743c52c02d6e7232aa",
		y: "5d9306bacd22b7faeb09d2e049c6e2866c5d1677762a8f2f2dc9a11c7f7be8340ab2237c7f2a0",
	},
	{
		m: 367, exps: []int{21}, a: 1,
		b: "43fc8ad242b0b7a6f3d1627ad5654447556b47bf6aa4a64b0c2afe42cadab8f93d92394c79a79755437b56995136",
		n: "40000000000000000000000000000000000000000000009c300b75a3fa824f22428fd28ce8812245ef44049b2d49",
		x: "324a6eddd512f08c49a99ae0d3f961197a76413e7be81a400ca681e09639b5fe12e59a109f78bf4a373541b3b9a1",
		y: "1ab597a5b4477f59e39539007c7f977d1a567b92b043a49c6b61984c3fe3481aaf454cd41ba1f051626442b3c10",
	},
	{
		m: 431, exps: []int{5, 3, 1}, a: 1,
		b: "3ce10490f6a708fc26dfe8c3d27c4f94e690134d5bff988d8d28aaeaede975936c66bac536b18ae2dc312ca493117daa469c640caf3",
		n: "3fffffffffffffffffffffffffffffffffffffffffffffffffffffba3175458009a8c0a724f02f81aa8a1fcbaf80d90c7a95110504cf",
		x: "1a62ba79d98133a16bbae7ed9a8e03c32e0824d57aef72f88986874e5aae49c27bed49a2a95058068426c2171e99fd3b43c5947c857d",
		y: "70b5e1e14031c1f70bbefe96bdde66f451754b4ca5f48da241f331aa396b8d1839a855c1769b1ea14ba53308b5e2723724e090e02db9",
	},
}

var curves = newCurves(gf2m.Best())

// newCurves builds the standard table, in the order of the OIDs, computing with
// impl.
func newCurves(impl gf2m.Impl) (t [10]*Curve) {
	for i, p := range standard {
		t[i] = newCurve(impl, i, p)
	}
	return t
}

func newCurve(impl gf2m.Impl, arc int, p parameters) *Curve {
	f := gf2m.New(impl, p.m, p.exps...)
	c := &Curve{
		name:  "M" + strconv.Itoa(p.m),
		oid:   append(slices.Clone(OIDSignatureGOST34311LE), 2, arc),
		field: f,
		a:     p.a,
		b:     gf2m.Element(words(p.b)),
		order: newOrder(words(p.n)),
	}
	c.rBits = c.order.bits - 1
	inv, y := gf2m.Element{}, gf2m.Element(words(p.y))
	c.base.X = gf2m.Element(words(p.x))
	f.Invert(&inv, &c.base.X)
	f.Mul(&c.base.L, &inv, &y)
	c.base.L.Add(&c.base.L, &c.base.X)
	c.tables = sync.OnceValue(c.makeBaseTables)
	return c
}

// words reads a big-endian hexadecimal constant.
func words(s string) (w [gf2m.MaxWords]uint64) {
	if len(s)%2 != 0 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	slices.Reverse(b)
	for i, v := range b {
		w[i/8] |= uint64(v) << (8 * (i % 8))
	}
	return w
}

// M163 returns the standard curve over GF(2^163), curve 0 of the table.
func M163() *Curve { return curves[0] }

// M167 returns the standard curve over GF(2^167), curve 1 of the table.
func M167() *Curve { return curves[1] }

// M173 returns the standard curve over GF(2^173), curve 2 of the table.
func M173() *Curve { return curves[2] }

// M179 returns the standard curve over GF(2^179), curve 3 of the table.
func M179() *Curve { return curves[3] }

// M191 returns the standard curve over GF(2^191), curve 4 of the table.
func M191() *Curve { return curves[4] }

// M233 returns the standard curve over GF(2^233), curve 5 of the table.
func M233() *Curve { return curves[5] }

// M257 returns the standard curve over GF(2^257), curve 6 of the table: the
// usual curve of end-entity keys.
func M257() *Curve { return curves[6] }

// M307 returns the standard curve over GF(2^307), curve 7 of the table.
func M307() *Curve { return curves[7] }

// M367 returns the standard curve over GF(2^367), curve 8 of the table.
func M367() *Curve { return curves[8] }

// M431 returns the standard curve over GF(2^431), curve 9 of the table: the
// usual curve of the central certification authority.
func M431() *Curve { return curves[9] }

// Curves returns the ten standard curves in the order of their OIDs.
func Curves() []*Curve { return slices.Clone(curves[:]) }

// CurveByOID returns the standard curve with the given OID, or nil.
func CurveByOID(oid asn1.ObjectIdentifier) *Curve {
	for _, c := range curves {
		if c.oid.Equal(oid) {
			return c
		}
	}
	return nil
}

// Name returns the name of the curve, M163 … M431.
func (c *Curve) Name() string { return c.name }

// OID returns the object identifier of the curve.
func (c *Curve) OID() asn1.ObjectIdentifier { return slices.Clone(c.oid) }

// BitSize returns the degree m of the field.
func (c *Curve) BitSize() int { return c.field.Bits() }

// OrderBitSize returns the bit length of the order n of the base point.
func (c *Curve) OrderBitSize() int { return c.order.bits }

// PointSize returns the length of a compressed point in bytes, ceil(m/8).
func (c *Curve) PointSize() int { return c.field.Bytes() }

// SignatureSize returns the length of a bare r‖s signature in bytes: two
// halves of ceil(bitlen(n)/8) bytes.
func (c *Curve) SignatureSize() int { return 2 * c.order.bytes() }

func (c *Curve) String() string { return c.name }

// scalar is an integer modulo the order, least significant word first.
type scalar [gf2m.MaxWords]uint64

func (s *scalar) bit(i int) uint64 { return s[i>>6] >> (i & 63) & 1 }

func (s *scalar) isZero() bool { return *s == scalar{} }

func (s *scalar) bitLen() int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0 {
			return 64*i + bits.Len64(s[i])
		}
	}
	return 0
}
