package xmldom

import "fmt"

// Limits bounds what Parse accepts. A zero field means the default of DefaultLimits.
type Limits struct {
	Bytes          int // decoded document
	Depth          int // nested elements
	Nodes          int // elements, texts, comments and processing instructions
	Attributes     int // attributes and namespace declarations of one element
	AttributeBytes int // one attribute value
	NameBytes      int // one qualified name
	Namespaces     int // different prefixes, and different namespace names
	Names          int // different names of elements and attributes
}

// DefaultLimits are set well above the largest signed documents of the corpora (2 MB, 30 000 nodes, depth 40) and low
// enough that the tree of a hostile document stays below 60 MB beside its text.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 64 << 20, Depth: 256, Nodes: 1 << 22, Attributes: 1024,
		AttributeBytes: 1 << 20, NameBytes: 1024, Namespaces: 4096, Names: 1<<16 - 1,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Bytes, d.Bytes)
	l.Bytes = min(l.Bytes, 1<<30) // offsets are 32 bits wide
	set(&l.Depth, d.Depth)
	set(&l.Nodes, d.Nodes)
	set(&l.Attributes, d.Attributes)
	set(&l.AttributeBytes, d.AttributeBytes)
	set(&l.NameBytes, d.NameBytes)
	set(&l.Namespaces, d.Namespaces)
	l.Namespaces = min(l.Namespaces, 1<<16-1) // indexes are 16 bits wide
	set(&l.Names, d.Names)
	l.Names = min(l.Names, 1<<16-1)
	return l
}

// Reason is why a document was refused, in a form a program can compare.
type Reason string

// The reasons of a SyntaxError.
const (
	Malformed         Reason = "XML_MALFORMED"
	DoctypeForbidden  Reason = "XML_DOCTYPE_FORBIDDEN"
	EntityForbidden   Reason = "XML_ENTITY_FORBIDDEN"
	LimitExceeded     Reason = "XML_LIMIT_EXCEEDED"
	EncodingRefused   Reason = "XML_ENCODING_REFUSED"
	NamespaceInvalid  Reason = "XML_NAMESPACE_INVALID"
	AttributeRepeated Reason = "XML_ATTRIBUTE_REPEATED"
)

// SyntaxError says why and where a document was refused. Its text never quotes the document's content.
type SyntaxError struct {
	Reason Reason
	Offset int // byte offset in the decoded document
	Detail string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("reading xml at byte %d: %s (%s)", e.Offset, e.Detail, e.Reason)
}
