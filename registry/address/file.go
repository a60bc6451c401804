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

// Read reads a file of settlements: CSV in UTF-8 with a header. It refuses the
// whole file for one wrong line and names the first twenty.
func Read(b []byte) ([]Settlement, error) {
	if len(b) > MaxFile {
		return nil, registry.Errorf(registry.CodeTooLarge, "a file of settlements has at most %d bytes", MaxFile)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) {
		return nil, registry.Errorf(registry.CodeMalformed, "the file is not UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "the file has no header of columns").WithCause(err)
	}
	at := map[string]int{}
	for i, name := range header {
		if _, twice := at[name]; twice || !slices.Contains(columns, name) {
			return nil, registry.Errorf(registry.CodeMalformed, "column %d is unknown or stands twice; there are %s", i+1, strings.Join(columns, ", "))
		}
		at[name] = i
	}
	for _, name := range columns[:4] {
		if _, ok := at[name]; !ok {
			return nil, registry.Errorf(registry.CodeMalformed, "column %s is missing", name)
		}
	}
	return rows(r, at)
}

func rows(r *csv.Reader, at map[string]int) (list []Settlement, err error) {
	var faults []registry.FieldError
	ids, codes := map[registry.ID]bool{}, map[string]bool{}
	for n := 2; ; n++ {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, registry.Errorf(registry.CodeMalformed, "line %d cannot be read as CSV", n).WithCause(err)
		}
		if n > maxRows {
			return nil, registry.Errorf(registry.CodeTooLarge, "a file of settlements has at most %d lines", maxRows)
		}
		wrong := func(column, rule, text string) {
			faults = append(faults, registry.FieldError{Entry: fmt.Sprintf("$.[%d].%s", n, column), Rule: rule, Description: text})
		}
		s := settlement(func(name string) string {
			if i, ok := at[name]; ok {
				return strings.Clone(strings.TrimSpace(line[i]))
			}
			return ""
		}, wrong)
		if ids[s.ID] || codes[s.KATOTTG] {
			wrong("katottg", "unique", "the settlement stands twice")
		}
		ids[s.ID], codes[s.KATOTTG] = true, true
		if list = append(list, s); len(faults) >= maxFault {
			break
		}
	}
	if len(faults) > 0 {
		return nil, registry.Invalid(faults...)
	}
	if len(list) == 0 {
		return nil, registry.Errorf(registry.CodeMalformed, "the file has no settlements")
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
	flag := func(column string, absent bool) bool {
		switch text := value(column); text {
		case "":
			return absent
		case "true", "false":
			return text == "true"
		}
		wrong(column, "inclusion", "expected true or false")
		return absent
	}
	s.Mountain, s.Active = flag("mountain_group", false), flag("is_active", true)
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
	out.Settlements = len(list)
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
		out.Changed += changed
		progress(min(out.Settlements, len(list)), len(list))
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
