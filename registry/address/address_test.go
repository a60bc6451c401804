package address

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../fixtures/settlements/sample.csv")
	require.NoError(t, err)
	return b
}

// shelf is a register in memory.
type shelf map[registry.ID]Settlement

func (s shelf) Settlements(_ context.Context, ids []registry.ID) (map[registry.ID]Settlement, bool, error) {
	known := map[registry.ID]Settlement{}
	for _, id := range ids {
		if one, ok := s[id]; ok {
			known[id] = one
		}
	}
	return known, len(s) > 0, nil
}

func TestAddressesAgainstTheRegister(t *testing.T) {
	list, err := Read(sample(t))
	require.NoError(t, err)
	register := shelf{}
	for _, s := range list {
		register[s.ID] = s
	}
	closed := list[5]
	closed.Active = false
	register[closed.ID] = closed
	stone := list[4]
	require.Equal(t, "Кам’яний Брід", stone.Name)
	good := Place{Country: "UA", Area: "Гірська", Region: "Полонинський", Settlement: "Кам’яний Брід", SettlementType: "SETTLEMENT", SettlementID: stone.ID.String()}
	for name, c := range map[string]struct {
		change func(p *Place)
		want   string
	}{
		"as it stands":         {func(*Place) {}, ""},
		"another apostrophe":   {func(p *Place) { p.Settlement = "КАМ'ЯНИЙ  БРІД" }, ""},
		"without a region":     {func(p *Place) { p.Region = "" }, ""},
		"another country":      {func(p *Place) { p.Country, p.Settlement = "PL", "Краків" }, ""},
		"another region":       {func(p *Place) { p.Region = "Пробний" }, "$.addresses.[0].region"},
		"another area":         {func(p *Place) { p.Area = "Навчальна" }, "$.addresses.[0].area"},
		"another name":         {func(p *Place) { p.Settlement = "Зразкове" }, "$.addresses.[0].settlement"},
		"another type":         {func(p *Place) { p.SettlementType = "CITY" }, "$.addresses.[0].settlement_type"},
		"an unknown id":        {func(p *Place) { p.SettlementID = "0190a000-0000-7000-8000-00000000ffff" }, "$.addresses.[0].settlement_id"},
		"a closed settlement":  {func(p *Place) { p.SettlementID = closed.ID.String() }, "$.addresses.[0].settlement_id"},
		"a script in the name": {func(p *Place) { p.Settlement = "<script>alert(1)</script>" }, "$.addresses.[0].settlement"},
	} {
		p := good
		c.change(&p)
		err := Check(t.Context(), register, "$.addresses", []Place{p})
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		e := registry.AsError(err)
		require.NotNil(t, e, name)
		require.Equal(t, c.want+" invalid", e.Fields[0].Entry+" "+e.Fields[0].Rule, name)
		require.NoError(t, Check(t.Context(), shelf{}, "$.addresses", []Place{p}), "%s: an empty register refuses nothing", name)
	}
}

func TestFiles(t *testing.T) {
	list, err := Read(sample(t))
	require.NoError(t, err)
	require.Len(t, list, 6)
	require.Equal(t, "0190a000-0000-7000-8000-000000000001", list[0].ID.String())
	require.Equal(t, idOf("UA99010010020000002"), list[1].ID, "the same id from the same code, always")
	require.True(t, list[3].Mountain)
	text := string(sample(t))
	for _, c := range []struct{ old, with, want string }{
		{"UA99010010020000002", "UA9901", "$.[3].katottg format"},
		{"UA99010010020000002", "UA99010010010000001", "$.[3].katottg unique"},
		{"TOWNSHIP", "TOWN", "$.[3].type inclusion"},
		{"Пісочне", "", "$.[3].name length"},
		{"9920100002", "99201", "$.[3].koatuu format"},
		{"Гірська,Полонинський,true,\nUA99020010020000005", ",Полонинський,true,\nUA99020010020000005", "$.[5].area length"},
		{"0190a000-0000-7000-8000-000000000001", "1", "$.[2].id format"},
		{"Пробний,false,\nUA99010010030000003", "Пробний,ні,\nUA99010010030000003", "$.[3].mountain_group inclusion"},
		{"mountain_group", "mountains", "malformed"},
		{"katottg,", "name,", "malformed"},
		{"Пісочне", "\"Пісочне", "malformed"},
		{"Пісочне", "\xff", "malformed"},
	} {
		require.Equal(t, 1, strings.Count(text, c.old), c.old)
		_, err := Read([]byte(strings.Replace(text, c.old, c.with, 1)))
		e := registry.AsError(err)
		require.NotNil(t, e, c.with)
		got := string(e.Code)
		if len(e.Fields) > 0 {
			got = e.Fields[0].Entry + " " + e.Fields[0].Rule
		}
		require.Equal(t, c.want, got, c.with)
	}
	_, err = Read([]byte("katottg,type,name,area\n"))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
	_, err = Read(append([]byte("\xef\xbb\xbf"), sample(t)...))
	require.NoError(t, err, "programs for tables write a mark in front")
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("katottg,type,name,area\nUA99010010010000001,CITY,А,Б\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Read(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
		for _, s := range list {
			require.False(t, s.ID.IsZero())
			require.Regexp(t, katottgPattern, s.KATOTTG)
		}
	})
}

const streets = "name,katottg,type,is_active\nПісочна,UA99010010010000001,STREET,true\nСадова,UA99010010010000001,LANE,\n"

func TestFilesOfStreets(t *testing.T) {
	list, err := readStreets([]byte(streets))
	require.NoError(t, err)
	require.Equal(t, []streetLine{
		{"UA99010010010000001", Street{Type: "STREET", Name: "Пісочна", Active: true}},
		{"UA99010010010000001", Street{Type: "LANE", Name: "Садова", Active: true}},
	}, list)
	for _, c := range []struct{ old, with, want string }{
		{"Пісочна,UA99010010010000001", "Пісочна,UA99", "$.[2].katottg format"},
		{"LANE", "lane", "$.[3].type format"},
		{"Садова", "", "$.[3].name length"},
		{"Садова,UA99010010010000001,LANE", "Пісочна,UA99010010010000001,STREET", "$.[3].name unique"},
		{"true", "так", "$.[2].is_active inclusion"},
		{"is_active", "active", "malformed"},
		{"katottg,", "", "malformed"},
		{"Садова", "\"Садова", "malformed"},
	} {
		require.Equal(t, 1, strings.Count(streets, c.old), c.old)
		_, err := readStreets([]byte(strings.Replace(streets, c.old, c.with, 1)))
		e := registry.AsError(err)
		require.NotNil(t, e, c.with)
		got := string(e.Code)
		if len(e.Fields) > 0 {
			got = e.Fields[0].Entry + " " + e.Fields[0].Rule
		}
		require.Equal(t, c.want, got, c.with)
	}
	_, err = readStreets([]byte("katottg,type,name\n"))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
}

func FuzzReadStreets(f *testing.F) {
	f.Add([]byte(streets))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := readStreets(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
		for _, s := range list {
			require.Regexp(t, katottgPattern, s.katottg)
		}
	})
}
