package registry

// MayHoldIdentifier reports that a text could carry a person's identifier by
// its shape: eight or more digits with at most single separators between them
// (РНОКПП, УНЗР, a phone, the number of an ID card), or two letters with six
// digits (an old passport). UUIDs and hexadecimal ids of 32 digits are taken
// for what they are. It is for names that others choose and that reach a log:
// request ids, message ids. It errs on the side of seeing one.
func MayHoldIdentifier(s string) bool {
	if _, err := ParseID(s); err == nil || isHex32(s) {
		return false
	}
	digits, letters := 0, 0
	separated := false
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
			separated = false
			if digits >= 8 || digits >= 6 && letters == 2 {
				return true
			}
		case (c == '-' || c == '.' || c == '_' || c == ' ') && !separated && digits > 0:
			// 19900228-01234 is one number written in two parts.
			separated = true
		default:
			if digits > 0 {
				letters = 0
			}
			letters++
			digits, separated = 0, false
			if c == '-' || c == '.' || c == '_' || c == ' ' {
				letters = 0
			}
		}
	}
	return false
}

func isHex32(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
