package xroad

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mist/registry"
)

// Bounds of an archive of exchanges.
const (
	maxLoggedMessage   = 64 << 20
	maxLoggedContainer = 64 << 20
	maxContainersInZip = 100_000
)

// LoggedMessage takes message.xml out of a container of a security server, ASiC-S of Trembita or ASiC-E of X-Road;
// exactly one must be there. Whether a seal covers it is another question.
func LoggedMessage(container []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(container), int64(len(container)))
	if err != nil {
		return nil, fmt.Errorf("the container is not a ZIP file: %w", err)
	}
	var found *zip.File
	for _, f := range z.File {
		if f.Name == "message.xml" {
			if found != nil {
				return nil, errors.New("the container holds two files message.xml")
			}
			found = f
		}
	}
	if found == nil {
		return nil, errors.New("the container holds no message.xml")
	}
	return unpack(found, maxLoggedMessage)
}

func unpack(f *zip.File, limit int64) ([]byte, error) {
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.Name, err)
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is too large", f.Name)
	}
	return b, nil
}

// Container is a container of an archive; Name says where it was found.
type Container struct {
	Name string
	Body []byte
}

// IsContainer reports whether a file is called like a container of one message.
func IsContainer(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".asics") || strings.HasSuffix(name, ".asice")
}

// Containers calls f for a container, or for each container that a ZIP file of them holds: what Trembita gives for a
// query, and the archives (mlog-*.zip) that X-Road writes. The same octets again are passed over.
func Containers(name string, body []byte, f func(Container) error) error {
	if IsContainer(name) {
		return f(Container{name, body})
	}
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return fmt.Errorf("not a ZIP file: %w", err)
	}
	if len(z.File) > maxContainersInZip {
		return errors.New("the ZIP file holds too many files")
	}
	for _, e := range z.File {
		if !IsContainer(e.Name) {
			continue
		}
		b, err := unpack(e, maxLoggedContainer)
		if err != nil {
			return err
		}
		if err := f(Container{name + "!" + e.Name, b}); err != nil {
			return err
		}
	}
	return nil
}

// Hashes are the two hashes of a message that containers and trails are joined by.
type Hashes struct {
	SHA512 [64]byte
	GOST   [32]byte
}

// Archive is what is known of the exchanges in an archive.
type Archive struct {
	// GOST computes GOST 34.311; without it only SHA-512 is compared.
	GOST func([]byte) [32]byte
	// Provider, when set, is whose messages count: those to another member or subsystem are passed over.
	Provider ClientID
	// Clients is who we are towards other registers: their answers to us count in [Archive.ReconcileSent].
	Clients []ClientID

	sent      sent
	requests  map[exchangeKey][]*archived // by the name the trail has for the message
	asked     map[exchangeKey][]*archived // by the id as sent, which answers repeat
	responses []*archived
	seen      map[[64]byte]bool
	Passed    int // messages of other services
}

type exchangeKey struct{ client, id string }

type archived struct {
	file       string
	name       string // registry.MessageName
	header     *Header
	hashes     Hashes
	hash, algo string // requestHash of an answer and its algorithm
	answered   bool
	in         bool // the trail knows it
}

// Add reads the message of a container into the archive.
func (a *Archive) Add(c Container) error {
	message, err := LoggedMessage(c.Body)
	if err != nil {
		return err
	}
	e, err := readLogged(message)
	if err != nil {
		return fmt.Errorf("reading the message: %w", err)
	}
	h, err := ParseHeader(e, Protocol{EmptyID: true})
	if err != nil {
		return fmt.Errorf("reading the message: %w", err)
	}
	if a.requests == nil {
		a.requests, a.asked, a.seen = map[exchangeKey][]*archived{}, map[exchangeKey][]*archived{}, map[[64]byte]bool{}
	}
	m := &archived{file: c.Name, header: h, hashes: Hashes{SHA512: sha512.Sum512(message)}}
	m.name = registry.MessageName(h.ID, m.hashes.SHA512[:])
	if a.seen[m.hashes.SHA512] {
		return nil // Trembita gives each container twice
	}
	a.seen[m.hashes.SHA512] = true
	ours := a.Provider == (ClientID{}) || h.Service.Provider == a.Provider
	if !ours && !slices.Contains(a.Clients, h.Client) {
		a.Passed++
		return nil
	}
	if a.GOST != nil {
		m.hashes.GOST = a.GOST(message)
	}
	if !ours {
		a.sent.add(m, e.Payload.Raw, len(h.hashes) > 0)
		return nil
	}
	if len(h.hashes) == 1 {
		m.algo, _ = e.Attr(h.hashes[0], "", "algorithmId")
		m.hash, _ = e.TextString(h.hashes[0])
		a.responses = append(a.responses, m)
		return nil
	}
	key := exchangeKey{h.Client.String(), m.name}
	a.requests[key] = append(a.requests[key], m)
	sent := exchangeKey{h.Client.String(), h.ID}
	a.asked[sent] = append(a.asked[sent], m)
	return nil
}

// Recorded is what the trail knows of a request.
type Recorded struct {
	Entry     string // id of the audit entry
	Client    string
	MessageID string
	SHA512    []byte
	GOST      []byte // empty in entries that were written before it was kept
	Refused   bool   // answered with a fault, which security servers do not keep
}

// Finding is one thing in which archive and trail do not agree.
type Finding struct {
	Kind      FindingKind `json:"kind"`
	Client    string      `json:"client"`
	MessageID string      `json:"messageId"`
	File      string      `json:"file,omitempty"`  // of the archive
	Entry     string      `json:"entry,omitempty"` // of the trail
}

// FindingKind is what does not agree.
type FindingKind string

// The kinds of findings.
const (
	NotInTrail        FindingKind = "request-not-in-trail"     // a sealed request that the registry never recorded
	NotInArchive      FindingKind = "entry-not-in-archive"     // an entry whose request nobody kept
	RequestDiffers    FindingKind = "request-differs"          // same client and id, another message
	ResponseMissing   FindingKind = "response-not-in-archive"  // a request without its answer
	ResponseUnrelated FindingKind = "response-without-request" // an answer whose requestHash is that of no request
	HashesDisagree    FindingKind = "hashes-disagree"          // SHA-512 is the same and GOST 34.311 is not
)

// Reconciliation is the outcome of a comparison.
type Reconciliation struct {
	Requests  int       `json:"requests"`  // in the archive
	Responses int       `json:"responses"` // in the archive
	Entries   int       `json:"entries"`   // of the trail that speak of a message
	Agreed    int       `json:"agreed"`    // requests of the archive that the trail knows
	Findings  []Finding `json:"findings"`
}

// Reconcile compares the archive with the trail. A message may have several entries (a repetition is recorded too) and
// an entry needs its request once.
func (a *Archive) Reconcile(trail []Recorded) Reconciliation {
	r := Reconciliation{Responses: len(a.responses), Entries: len(trail), Findings: []Finding{}}
	for i := range trail {
		t := &trail[i]
		f := Finding{Kind: NotInArchive, Client: t.Client, MessageID: t.MessageID, Entry: t.Entry}
		for _, m := range a.requests[exchangeKey{t.Client, t.MessageID}] {
			if !bytes.Equal(m.hashes.SHA512[:], t.SHA512) {
				if f.Kind == NotInArchive {
					f.Kind, f.File = RequestDiffers, m.file
				}
				continue
			}
			m.in, m.answered = true, m.answered || t.Refused
			f.Kind, f.File = "", m.file
			if a.GOST != nil && len(t.GOST) > 0 && !bytes.Equal(m.hashes.GOST[:], t.GOST) {
				f.Kind = HashesDisagree
			}
			break
		}
		if f.Kind != "" {
			r.Findings = append(r.Findings, f)
		}
	}
	for _, m := range a.responses {
		if !a.answers(m) {
			r.Findings = append(r.Findings, Finding{Kind: ResponseUnrelated, Client: m.header.Client.String(), MessageID: m.name, File: m.file})
		}
	}
	for key, list := range a.requests {
		for _, m := range list {
			r.Requests++
			f := Finding{Client: key.client, MessageID: key.id, File: m.file}
			if m.in {
				r.Agreed++
			} else {
				f.Kind = NotInTrail
				r.Findings = append(r.Findings, f)
			}
			if !m.answered {
				f.Kind = ResponseMissing
				r.Findings = append(r.Findings, f)
			}
		}
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.File, b.File))
	})
	return r
}

// answers marks the request whose hash an answer carries.
func (a *Archive) answers(m *archived) bool {
	told, err := base64.StdEncoding.DecodeString(strings.TrimSpace(m.hash))
	if err != nil {
		return false
	}
	for _, q := range a.asked[exchangeKey{m.header.Client.String(), m.header.ID}] {
		if m.algo == AlgorithmSHA512 && bytes.Equal(told, q.hashes.SHA512[:]) ||
			m.algo == AlgorithmGOST34311 && a.GOST != nil && bytes.Equal(told, q.hashes.GOST[:]) {
			q.answered = true
			return true
		}
	}
	return false
}
