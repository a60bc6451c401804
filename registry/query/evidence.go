package query

import (
	"bytes"
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// Log is the published audit log; *postgres.Store is one.
type Log interface {
	LogCheckpoint(ctx context.Context) ([]byte, error)
	LogTile(ctx context.Context, t tlog.Tile) ([]byte, error)
	LogEntry(ctx context.Context, id registry.ID) (entry []byte, index int64, err error)
}

// Evidence proves that an answer was recorded: the entry's exact bytes, its
// place, the RFC 6962 audit path and the signed checkpoint it leads to. With
// the log's public key it needs no trust in whoever hands it over.
type Evidence struct {
	AuditID      registry.ID
	Entry        []byte
	RequestHash  []byte // SHA-512 of the request as received
	ResponseHash []byte // SHA-512 of the data answered
	// Sequenced is false while the entry waits for its checkpoint; what follows
	// is then empty.
	Sequenced  bool
	LeafHash   tlog.Hash
	Index      int64
	TreeSize   int64
	Proof      []tlog.Hash
	Checkpoint []byte
}

// ResponseEvidence gives the evidence of an answer to the client that got it,
// and to nobody else: an entry of another client answers as one that is not there.
func (s *Service) ResponseEvidence(ctx context.Context, c registry.Caller, id registry.ID) (Evidence, error) {
	absent := registry.Errorf(registry.CodeNotFound, "no answer of this client has this auditId")
	entry, index, err := s.log.LogEntry(ctx, id)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return Evidence{}, absent
	}
	if err != nil {
		return Evidence{}, err
	}
	e, err := audit.Decode(entry)
	if err != nil {
		return Evidence{}, err
	}
	if e.Exchange == nil || c.XRoad == "" || e.Actor.XRoadClient != c.XRoad {
		return Evidence{}, absent
	}
	out := Evidence{AuditID: id, Entry: entry, RequestHash: e.Exchange.RequestSHA512, ResponseHash: e.Exchange.ResponseSHA512, LeafHash: audit.LeafHash(entry)}
	if index < 0 {
		return out, nil
	}
	note, err := s.log.LogCheckpoint(ctx)
	if err != nil {
		return Evidence{}, err
	}
	// It is our own store's; whoever gets it checks the signature.
	text, _, _ := bytes.Cut(note, []byte("\n\n"))
	checkpoint, err := audit.ParseCheckpoint(string(text) + "\n")
	if err != nil {
		return Evidence{}, err
	}
	proof, err := audit.ProveInclusion(ctx, func(ctx context.Context, path string) ([]byte, error) {
		t, err := audit.ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		return s.log.LogTile(ctx, t)
	}, checkpoint, index, out.LeafHash)
	if err != nil {
		return Evidence{}, err
	}
	out.Sequenced, out.Index, out.TreeSize, out.Proof, out.Checkpoint = true, index, checkpoint.Size, proof, note
	return out, nil
}
