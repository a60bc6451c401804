package registry

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// ID is a UUID (RFC 9562). New ones are version 7, so that keys sort by time
// and audit partitions can be cut on the key itself; any version is read.
type ID [16]byte

// ErrBadID tells that a text is not a UUID in its 36-character form.
var ErrBadID = errors.New("not a UUID")

// IsZero reports whether the ID is unset.
func (id ID) IsZero() bool { return id == ID{} }

// String gives the 36-character lower-case form.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// ParseID reads the 36-character form, either case. It refuses everything else.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, ErrBadID
	}
	var digits [32]byte
	n := 0
	for i := range 36 {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		digits[n] = s[i]
		n++
	}
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ID{}, ErrBadID
	}
	return id, nil
}

// MarshalText implements encoding.TextMarshaler; the zero ID is an empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// Scan implements sql.Scanner for the forms a driver may hand over; NULL is the zero ID.
func (id *ID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ID{}
		return nil
	case string:
		return id.UnmarshalText([]byte(v))
	case []byte:
		if len(v) == 16 {
			copy(id[:], v)
			return nil
		}
		return id.UnmarshalText(v)
	case [16]byte:
		*id = v
		return nil
	}
	return fmt.Errorf("scanning an ID from %T", src)
}

// Value implements driver.Valuer; the zero ID is NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// LogValue keeps IDs short in logs; a UUID of a record is not a person's identifier.
func (id ID) LogValue() slog.Value { return slog.StringValue(id.String()) }

// Source gives time and randomness. It is passed in as a field so that tests
// decide both and no package holds a clock of its own.
type Source struct {
	Clock  func() time.Time
	Random io.Reader
}

// SystemSource is the machine's clock and crypto/rand.
func SystemSource() Source { return Source{Clock: time.Now, Random: rand.Reader} }

// Now is the current time in UTC, cut to microseconds: what PostgreSQL keeps,
// so that a value read back equals the value written.
func (s Source) Now() time.Time { return s.Clock().UTC().Truncate(time.Microsecond) }

// NewID makes a version 7 UUID. It panics when the random source fails:
// nothing in a registry is safe to go on without randomness.
func (s Source) NewID() ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(s.Clock().UnixMilli())<<16)
	if _, err := io.ReadFull(s.Random, id[6:]); err != nil {
		panic("registry: random source failed: " + err.Error())
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Bytes gives n random bytes; it panics as NewID does.
func (s Source) Bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.Random, b); err != nil {
		panic("registry: random source failed: " + err.Error())
	}
	return b
}
