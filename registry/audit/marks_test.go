package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
)

// The marks of an entry are what Decode reads there.
func TestMarksAreWhatDecodeReads(t *testing.T) {
	id := func(b byte) registry.ID { return registry.ID{0: b, 6: 0x70, 8: 0x80} }
	e := audit.Entry{
		ID: id(1), Kind: audit.ActAccepted, Time: time.Date(2026, 11, 21, 21, 59, 59, 123456000, time.UTC), Writer: audit.Writer{ID: id(2), N: 7}, Nonce: make([]byte, 16),
		Channel: "rest", RequestID: `quote " and \ and ґ`, Code: "forbidden",
		Actor: audit.Actor{ClientID: id(3), UserID: id(4), EmployeeID: id(5), LegalEntityID: id(6)},
		Act:   &audit.ActRef{ID: id(8), Kind: "declaration", Container: make([]byte, 32), Content: make([]byte, 32)},
	}
	e.Act.Container[31] = 0xfe
	for _, e := range []audit.Entry{e, {ID: id(1), Kind: audit.Void, Time: e.Time, Writer: e.Writer, Nonce: e.Nonce}} {
		b, err := audit.Encode(e)
		require.NoError(t, err)
		d, err := audit.Decode(b)
		require.NoError(t, err)
		want := audit.Marks{Time: d.Time, Kind: d.Kind, Code: d.Code, ClientID: d.Actor.ClientID, UserID: d.Actor.UserID, EmployeeID: d.Actor.EmployeeID,
			LegalEntityID: d.Actor.LegalEntityID, RequestID: d.RequestID}
		if d.Act != nil {
			want.ActID, want.Container = d.Act.ID, d.Act.Container
		}
		m, err := audit.ReadMarks(b)
		require.NoError(t, err)
		require.Equal(t, want, m)
	}
	for _, bad := range []string{"", "null x", `{"act":{"container":"zz"}}`, `{"time":7}`} {
		_, err := audit.ReadMarks([]byte(bad))
		var entry *audit.EntryError
		require.ErrorAs(t, err, &entry, bad)
	}
}
