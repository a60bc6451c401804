// Package conformance measures the verifier against corpora of signatures
// with known answers (make conformance). It holds tests only: each prints its
// score per format and every miss, and fails below its line.
package conformance
