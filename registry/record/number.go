package record

import (
	"context"
	"errors"
	"strings"

	"mist/registry"
)

// Numbers make the number a person is told.
type Numbers func(source registry.Source) string

// Requisition is the number of a referral: 16 digits in four groups. It is
// random: who did not hear it cannot guess it, nor the next one.
func Requisition(source registry.Source) string { return groups(source, "0123456789", 4, "") }

// printed are symbols that are not mistaken for each other in Latin and Cyrillic
// print (the ones of declarations).
const printed = "0A1E2H3K4M5P6T7X89"

// Conclusion is the number of a medical conclusion: 16 symbols.
func Conclusion(source registry.Source) string { return groups(source, printed, 4, "") }

// Prescription is the number of a prescription: 0000 and 12 symbols, 18¹² of
// them, so that knowing one tells none other.
func Prescription(source registry.Source) string { return groups(source, printed, 3, "0000") }

// groups gives n groups of four signs after a beginning, each sign as likely as
// any other.
func groups(source registry.Source, alphabet string, n int, begin string) string {
	var b strings.Builder
	b.WriteString(begin)
	limit := byte(256 / len(alphabet) * len(alphabet) % 256) // 0: every byte serves
	for written := 0; written < 4*n; {
		for _, x := range source.Bytes(4 * n) {
			if limit != 0 && x >= limit || written == 4*n {
				continue
			}
			if written%4 == 0 && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteByte(alphabet[int(x)%len(alphabet)])
			written++
		}
	}
	return b.String()
}

// maxNumbers bounds how often a number that is taken is drawn again.
const maxNumbers = 5

// NewNumber draws a number that no record of the kind has.
func NewNumber(ctx context.Context, tx Tx, source registry.Source, kind Kind, numbers Numbers) (string, error) {
	for range maxNumbers {
		n := numbers(source)
		_, err := tx.RecordByNumber(ctx, kind, n, false)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return n, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("record: every number drawn is taken")
}
