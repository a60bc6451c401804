package soap

import "time"

// Limits bound what one message may cost. The zero value of a field means its
// default; the defaults are the constants below.
type Limits struct {
	// EnvelopeBytes is the largest SOAP part, in bytes as received.
	EnvelopeBytes int64
	// HeaderBytes is the largest soap:Header element.
	HeaderBytes int
	// AttachmentBytes is the largest single attachment, TotalBytes all of them together.
	AttachmentBytes int64
	TotalBytes      int64
	// Parts is the number of MIME parts, the SOAP part included.
	Parts int
	// PartHeaderBytes is the largest header of one MIME part.
	PartHeaderBytes int
	// SpillBytes is how much of an attachment stays in memory; the rest goes to a file.
	SpillBytes int
	// MemoryBytes is what all messages being read may hold in memory together;
	// past it newcomers are told to try later. Small messages do not count.
	MemoryBytes int64
	// Budget is the time an operation has before the caller gets a Timeout fault.
	Budget time.Duration
}

// Defaults of Limits, and fixed limits of the XML reader. The reader's work is
// linear in the message only because depth, attributes and live namespace
// declarations are bounded: each of them multiplies the cost of a look-up.
const (
	DefaultEnvelopeBytes   = 10 << 20
	DefaultHeaderBytes     = 64 << 10
	DefaultAttachmentBytes = 50 << 20
	DefaultTotalBytes      = 100 << 20
	DefaultParts           = 50
	DefaultPartHeaderBytes = 16 << 10
	DefaultSpillBytes      = 256 << 10
	DefaultMemoryBytes     = 256 << 20
	// DefaultBudget stays under the 30 s the Diia portal waits and the 60 s
	// after which a security server gives up.
	DefaultBudget = 25 * time.Second

	maxDepth         = 64      // open elements
	maxAttributes    = 64      // attributes of one element, declarations included
	maxNamespaces    = 128     // declarations in scope at once
	maxElements      = 100_000 // elements of one message
	maxAllAttributes = 100_000 // attributes of one message
	maxNameBytes     = 512     // bytes of one qualified name
	// maxHeaderNodes bounds what is kept of a Header; X-Road needs about twenty.
	maxHeaderNodes = 512
)

// withDefaults fills unset fields.
func (l Limits) withDefaults() Limits {
	if l.EnvelopeBytes <= 0 {
		l.EnvelopeBytes = DefaultEnvelopeBytes
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = DefaultHeaderBytes
	}
	if l.AttachmentBytes <= 0 {
		l.AttachmentBytes = DefaultAttachmentBytes
	}
	if l.TotalBytes <= 0 {
		l.TotalBytes = DefaultTotalBytes
	}
	if l.Parts <= 0 {
		l.Parts = DefaultParts
	}
	if l.PartHeaderBytes <= 0 {
		l.PartHeaderBytes = DefaultPartHeaderBytes
	}
	if l.SpillBytes <= 0 {
		l.SpillBytes = DefaultSpillBytes
	}
	if l.MemoryBytes <= 0 {
		l.MemoryBytes = DefaultMemoryBytes
	}
	if l.Budget <= 0 {
		l.Budget = DefaultBudget
	}
	return l
}
