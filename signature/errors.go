package signature

import (
	"errors"
	"fmt"
)

// UnreadableError means the input could not be read as any signed document:
// not a verdict about a signature. mist-verify exits with 5.
type UnreadableError struct {
	Format string // the format it was read as, "" when none was recognised
	Err    error
}

func (e *UnreadableError) Error() string {
	if e.Format == "" {
		return fmt.Sprintf("reading the document: %v", e.Err)
	}
	return fmt.Sprintf("reading the document as %s: %v", e.Format, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

// IsUnreadable says whether err is about the input, as against a failure of
// our own.
func IsUnreadable(err error) bool {
	var e *UnreadableError
	return errors.As(err, &e)
}

// ConfigError is returned by constructors that were given too little.
type ConfigError struct{ Missing string }

func (e *ConfigError) Error() string { return "signature: configuration lacks " + e.Missing }
