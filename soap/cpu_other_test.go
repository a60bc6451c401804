//go:build !linux

package soap

import "time"

// spent is the time a function takes; where the system tells it, its thread's
// processor time.
func spent(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
