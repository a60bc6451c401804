package payment

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var hryvniaForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})\.[0-9]{2}$`)

// Hryvnias writes kopecks as contracts and pages do: 1234.50.
func Hryvnias(kopecks int64) string { return fmt.Sprintf("%d.%02d", kopecks/100, kopecks%100) }

// ParseHryvnias reads what [Hryvnias] writes, and nothing else. Amounts never pass
// through binary fractions.
func ParseHryvnias(text string) (kopecks int64, err error) {
	if !hryvniaForm.MatchString(text) {
		return 0, errors.New("expected hryvnias with two digits of kopecks, such as 1234.50")
	}
	return strconv.ParseInt(strings.Replace(text, ".", "", 1), 10, 64)
}
