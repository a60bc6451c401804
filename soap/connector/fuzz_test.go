package connector

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/outbox"
	"mist/registry/verification"
)

// The document inside an answer of the civil register is outside bytes inside
// outside bytes: whatever it is, it is read within its bounds or called rubbish.
func FuzzRecords(f *testing.F) {
	good := `<?xml version="1.0" encoding="utf-8"?><DeathActs><DeathAct><ar_reg_number>7</ar_reg_number><name>Олена</name><surname>Тестова</surname><date_birth>17.05.1985</date_birth><numident>3126509817</numident><date_death>03.01.2026</date_death><unknown>x</unknown></DeathAct></DeathActs>`
	list, err := records[deathXML]([]byte(good), deathRecord)
	require.NoError(f, err)
	require.Len(f, list, 1)
	for _, s := range []string{good, ``, `<DeathActs/>`, `<a>`, `<!DOCTYPE a [<!ENTITY b "c">]><DeathActs/>`, `<DeathActs><Other/></DeathActs>`, `<DeathActs>text</DeathActs>`,
		"<?xml version=\"1.0\" encoding=\"windows-1251\"?><DeathActs><DeathAct><name>\xce\xeb\xe5\xed\xe0</name></DeathAct></DeathActs>", `<?xml version="1.0" encoding="x"?><DeathActs/>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := records[deathXML](b, deathRecord)
		if err != nil {
			require.True(t, outbox.IsRubbish(err))
			return
		}
		require.LessOrEqual(t, len(list), verification.MaxRecords)
		for _, x := range list {
			for _, s := range []string{text(x.Surname), text(x.Name), text(x.RegNumber)} {
				require.LessOrEqual(t, len([]rune(s)), maxName)
			}
			_, _ = day(x.DateDeath), taxNumber(x.Numident)
		}
	})
}

// An answer of the register of legal entities is one list of that code, or rubbish.
func FuzzEDR(f *testing.F) {
	for _, s := range []string{`[]`, `[{"state":1,"code":"1","name":"К"}]`, `[{"state":3,"code":"1"},{"state":1,"code":"1"}]`, `null`, `[][]`, `{"a":1}`, `[{"code":"2","state":1}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := readEDR(b, "1")
		if err != nil {
			require.True(t, outbox.IsRubbish(err))
			return
		}
		require.True(t, !e.Found || e.Code == "1")
	})
}
