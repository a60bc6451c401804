package month

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Range is numbers from First to Last, both included.
type Range struct{ First, Last uint64 }

// Ranges are numbers in their order; as text "1-500,502,504-600".
type Ranges []Range

// errRanges tells that a text is no list of ranges in its one form.
var errRanges = errors.New("not a list of ranges of numbers")

// Add takes a number in.
func (r *Ranges) Add(n uint64) {
	list := *r
	// Nearly always the next number.
	if k := len(list); k > 0 && list[k-1].Last+1 == n {
		list[k-1].Last = n
		return
	}
	at, found := slices.BinarySearchFunc(list, n, func(one Range, n uint64) int {
		switch {
		case one.Last < n:
			return -1
		case one.First > n:
			return 1
		}
		return 0
	})
	if found {
		return
	}
	left := at > 0 && list[at-1].Last+1 == n
	right := at < len(list) && list[at].First == n+1
	switch {
	case left && right:
		list[at-1].Last = list[at].Last
		list = slices.Delete(list, at, at+1)
	case left:
		list[at-1].Last = n
	case right:
		list[at].First = n
	default:
		list = slices.Insert(list, at, Range{n, n})
	}
	*r = list
}

// MarshalText implements encoding.TextMarshaler.
func (r Ranges) MarshalText() ([]byte, error) {
	var b []byte
	for i, one := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, one.First, 10)
		if one.Last > one.First {
			b = append(b, '-')
			b = strconv.AppendUint(b, one.Last, 10)
		}
	}
	return b, nil
}

// UnmarshalText implements encoding.TextUnmarshaler, strictly.
func (r *Ranges) UnmarshalText(b []byte) error {
	*r = nil
	if len(b) == 0 {
		return nil
	}
	after := uint64(0)
	for i, text := range strings.Split(string(b), ",") {
		first, last, pair := strings.Cut(text, "-")
		a, err := strconv.ParseUint(first, 10, 63)
		z := a
		if pair && err == nil {
			z, err = strconv.ParseUint(last, 10, 63)
		}
		if err != nil || pair && z <= a || i > 0 && a <= after+1 {
			return errRanges
		}
		*r = append(*r, Range{a, z})
		after = z
	}
	if again, err := r.MarshalText(); err != nil || string(again) != string(b) {
		return errRanges
	}
	return nil
}
