package address

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
)

// Limits of a file: the codifier has some thirty thousand settlements.
const (
	MaxFile  = 32 << 20
	maxRows  = 200_000
	maxText  = 200
	batch    = 500
	maxFault = 20
)

// Columns of a file, in any order; koatuu, region, id, mountain_group and
// is_active may be absent.
var columns = []string{"katottg", "type", "name", "area", "region", "koatuu", "id", "mountain_group", "is_active"}

var (
	katottgPattern = regexp.MustCompile(`^UA[0-9]{17}$`)
	koatuuPattern  = regexp.MustCompile(`^[0-9]{10}$`)
)

// idOf gives a settlement without an id of its own the same one always: a UUID
// of version 8 (RFC 9562, 5.8) from its code.
func idOf(katottg string) registry.ID {
	sum := sha256.Sum256([]byte("mist settlement " + katottg))
	var id registry.ID
	copy(id[:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}

// table is a file of lines with named columns: CSV in UTF-8 with a header, the
// columns in any order, the first few of them demanded.
type table struct {
	what     string // "settlements"
	columns  []string
	demanded int
	maxRows  int
}

// lines reads a file and gives each line to read, which names what is wrong with
// it. The whole file is refused for one wrong line, the first twenty named.
func (t table) lines(b []byte, read func(value func(name string) string, wrong func(column, rule, text string))) error {
	if len(b) > MaxFile {
		return registry.Errorf(registry.CodeTooLarge, "a file of %s has at most %d bytes", t.what, MaxFile)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) {
		return registry.Errorf(registry.CodeMalformed, "the file is not UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the file has no header of columns").WithCause(err)
	}
	at := map[string]int{}
	for i, name := range header {
		if _, twice := at[name]; twice || !slices.Contains(t.columns, name) {
			return registry.Errorf(registry.CodeMalformed, "column %d is unknown or stands twice; there are %s", i+1, strings.Join(t.columns, ", "))
		}
		at[name] = i
	}
	for _, name := range t.columns[:t.demanded] {
		if _, ok := at[name]; !ok {
			return registry.Errorf(registry.CodeMalformed, "column %s is missing", name)
		}
	}
	var faults []registry.FieldError
	n := 2
	for ; len(faults) < maxFault; n++ {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return registry.Errorf(registry.CodeMalformed, "line %d cannot be read as CSV", n).WithCause(err)
		}
		if n > t.maxRows {
			return registry.Errorf(registry.CodeTooLarge, "a file of %s has at most %d lines", t.what, t.maxRows)
		}
		read(func(name string) string {
			if i, ok := at[name]; ok {
				return strings.Clone(strings.TrimSpace(line[i]))
			}
			return ""
		}, func(column, rule, text string) {
			faults = append(faults, registry.FieldError{Entry: fmt.Sprintf("$.[%d].%s", n, column), Rule: rule, Description: text})
		})
	}
	if len(faults) > 0 {
		return registry.Invalid(faults...)
	}
	if n == 2 {
		return registry.Errorf(registry.CodeMalformed, "the file has no %s", t.what)
	}
	return nil
}

// flag reads true or false.
func flag(value func(name string) string, wrong func(column, rule, text string), column string, absent bool) bool {
	switch text := value(column); text {
	case "":
		return absent
	case "true", "false":
		return text == "true"
	}
	wrong(column, "inclusion", "expected true or false")
	return absent
}

// Read reads a file of settlements.
func Read(b []byte) (list []Settlement, err error) {
	ids, codes := map[registry.ID]bool{}, map[string]bool{}
	err = table{"settlements", columns, 4, maxRows}.lines(b, func(value func(name string) string, wrong func(column, rule, text string)) {
		s := settlement(value, wrong)
		if ids[s.ID] || codes[s.KATOTTG] {
			wrong("katottg", "unique", "the settlement stands twice")
		}
		ids[s.ID], codes[s.KATOTTG] = true, true
		list = append(list, s)
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func settlement(value func(name string) string, wrong func(column, rule, text string)) Settlement {
	s := Settlement{KATOTTG: value("katottg"), KOATUU: value("koatuu"), Type: value("type"), Name: value("name"), Area: value("area"), Region: value("region"), Active: true}
	if !katottgPattern.MatchString(s.KATOTTG) {
		wrong("katottg", "format", "expected UA and 17 digits")
	}
	if s.KOATUU != "" && !koatuuPattern.MatchString(s.KOATUU) {
		wrong("koatuu", "format", "expected ten digits")
	}
	if !slices.Contains(Types, s.Type) {
		wrong("type", "inclusion", "expected one of "+strings.Join(Types, ", "))
	}
	for column, text := range map[string]string{"name": s.Name, "area": s.Area} {
		if text == "" || len(text) > maxText {
			wrong(column, "length", "expected 1 to 200 bytes")
		}
	}
	if len(s.Region) > maxText {
		wrong("region", "length", "expected at most 200 bytes")
	}
	s.Mountain, s.Active = flag(value, wrong, "mountain_group", false), flag(value, wrong, "is_active", true)
	if text := value("id"); text == "" {
		s.ID = idOf(s.KATOTTG)
	} else if id, err := registry.ParseID(text); err != nil || id.IsZero() {
		wrong("id", "format", "expected a UUID")
	} else {
		s.ID = id
	}
	return s
}

// Imported says what an import did.
type Imported struct{ Settlements, Changed int }

// Import writes a file's settlements in short transactions; the same file again
// changes nothing. What the file does not name stays as it is.
func (s *Service) Import(ctx context.Context, file []byte, progress func(done, total int)) (out Imported, err error) {
	list, err := Read(file)
	if err != nil {
		return out, err
	}
	digest := sha256.Sum256(file)
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + s.source.NewID().String()}
	for part := range slices.Chunk(list, batch) {
		changed := 0
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
			changed, err = write(ctx, tx, part)
			if err != nil || changed == 0 {
				return err
			}
			_, err = tx.Audit(ctx, audit.Entry{Kind: "settlement.imported", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
				Object: &audit.ObjectRef{Type: "settlements", ID: part[0].KATOTTG, Digest: digest[:]}, Reason: fmt.Sprintf("%d settlements", changed)})
			return err
		})
		if err != nil {
			return out, fmt.Errorf("writing settlements from %s on: %w", part[0].KATOTTG, err)
		}
		out.Settlements, out.Changed = out.Settlements+len(part), out.Changed+changed
		progress(out.Settlements, len(list))
	}
	return out, nil
}

func write(ctx context.Context, tx Tx, part []Settlement) (changed int, err error) {
	ids := make([]registry.ID, len(part))
	for i, s := range part {
		ids[i] = s.ID
	}
	known, _, err := tx.Settlements(ctx, ids)
	if err != nil {
		return 0, err
	}
	for _, s := range part {
		before, found := known[s.ID]
		if found && before == s {
			continue
		}
		changed++
		if err := tx.PutSettlement(ctx, s); err != nil {
			return changed, err
		}
		if before.Mountain != s.Mountain {
			if _, err := tx.SetMountain(ctx, s.ID.String(), s.Mountain); err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}
