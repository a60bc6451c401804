package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// The database makes xid itself. The epoch is the store's: a function
// as default would cost more than the rest of the row.
const (
	leafInto   = `(id, epoch, kind, act_id, writer, n, entry, subject_id, subject_salt)`
	insertLeaf = `INSERT INTO leaves ` + leafInto + ` VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

// Audit writes the leaf of this transaction's event: it completes the entry
// (id, time, writer number, nonce, commitment to the person) and queues it. The
// receipt holds once the transaction has committed.
func (tx *Tx) Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error) {
	if tx.err != nil {
		return audit.Receipt{}, tx.err
	}
	if e.Kind.Discloses() && (e.LegalBasis == nil || !slices.Contains(audit.Bases(), e.LegalBasis.Code)) {
		return audit.Receipt{}, tx.fail(fmt.Errorf("an entry %s without a coded legal basis", e.Kind))
	}
	if x := registry.ExchangeOf(ctx); x != nil && e.Exchange == nil {
		e.Exchange = &audit.Exchange{MessageID: x.MessageID, PurposeID: x.PurposeID, RequestSHA512: x.RequestSHA512, RequestGOST: x.RequestGOST}
		e.Actor.XRoadClient = x.Client
	}
	s := tx.store
	var actID registry.ID
	e.ID = s.source.NewID()
	if e.Act != nil && (e.Kind == audit.ActAccepted || e.Kind == audit.ActPending) {
		actID = e.Act.ID
		e.ID = tx.reserveLeaf(actID)
	}
	e.Time = s.source.Now()
	e.Nonce = s.source.Bytes(16)
	var salt []byte
	if !e.SubjectID.IsZero() {
		salt = s.source.Bytes(audit.SaltSize)
		e.Subject = audit.Commitment(salt, e.SubjectID)
	}
	e.Writer = audit.Writer{ID: s.writer.id, N: s.writer.next()}
	tx.spent = append(tx.spent, e.Writer.N)
	tx.entered()
	entry, err := audit.Encode(e)
	if err != nil {
		return audit.Receipt{}, tx.fail(err)
	}
	if at := slices.IndexFunc(tx.queue, func(q statement) bool { return !actID.IsZero() && q.act == actID }); at >= 0 {
		tx.queue[at] = statement{sql: insertActWithLeaf, across: tx.queue[at].across, args: append(tx.queue[at].args,
			plain([]any{s.epoch, string(e.Kind), e.Writer.ID, int64(e.Writer.N), entry, e.SubjectID, salt})...)}
	} else if err := tx.exec(ctx, insertLeaf, e.ID, s.epoch, string(e.Kind), actID, e.Writer.ID, int64(e.Writer.N), entry, e.SubjectID, salt); err != nil {
		return audit.Receipt{}, err
	}
	return receipt(e.ID, entry, e.Time), nil
}

func receipt(id registry.ID, entry []byte, at time.Time) audit.Receipt {
	return audit.Receipt{EntryID: id, LeafHash: audit.LeafHash(entry).String(), Time: at}
}

// reserveLeaf gives the entry id under which an act's acceptance is recorded,
// whichever of the two is written first.
func (tx *Tx) reserveLeaf(act registry.ID) registry.ID {
	id, ok := tx.leafOf[act]
	if !ok {
		id = tx.store.source.NewID()
		if tx.leafOf == nil {
			tx.leafOf = map[registry.ID]registry.ID{}
		}
		tx.leafOf[act] = id
	}
	return id
}

// AuditOfAct gives the receipt of the entry that accepted the act.
func (tx *Tx) AuditOfAct(ctx context.Context, act registry.ID) (audit.Receipt, error) {
	var entry []byte
	found, err := tx.queryOne(ctx, []any{&entry},
		`SELECT l.entry FROM acts a JOIN leaves l ON l.id = a.leaf_id WHERE a.id = $1`, act)
	if err != nil {
		return audit.Receipt{}, err
	}
	if !found {
		return tx.keptReceipt(ctx, act)
	}
	return tx.receiptOf(entry)
}

// keptReceipt is of an act whose entry's month was detached: its hash is kept in
// the tree, its time is the act's.
func (tx *Tx) keptReceipt(ctx context.Context, act registry.ID) (r audit.Receipt, err error) {
	var place int64
	var tile []byte
	found, err := tx.queryOne(ctx, []any{&r.EntryID, &r.Time, &place, &tile}, `SELECT a.leaf_id, a.accepted_at, e.idx, t.data FROM acts a
JOIN entries e ON e.leaf_id = a.leaf_id JOIN tiles t ON t.level = 0 AND t.n = e.idx / $2 WHERE a.id = $1`, act, int64(audit.TileWidth))
	if err != nil {
		return r, err
	}
	at := int(place%audit.TileWidth) * tlog.HashSize
	if !found || len(tile) < at+tlog.HashSize {
		return audit.Receipt{}, errNotFound
	}
	r.LeafHash, r.Time = tlog.Hash(tile[at:at+tlog.HashSize]).String(), r.Time.UTC()
	return r, nil
}

func (tx *Tx) receiptOf(entry []byte) (audit.Receipt, error) {
	e, err := audit.Decode(entry)
	if err != nil {
		return audit.Receipt{}, tx.fail(fmt.Errorf("reading the entry of an act: %w", err))
	}
	return receipt(e.ID, entry, e.Time), nil
}

// Seed is the root hash of the newest checkpoint in hex (of the empty tree
// before the first): a signed document that carries it pins the log's past.
func (tx *Tx) Seed(ctx context.Context) (string, error) {
	seed := emptySeed()
	err := tx.query(ctx, seedInto(&seed), newestRoot)
	return seed, err
}

const newestRoot = `SELECT root FROM checkpoints ORDER BY seq DESC LIMIT 1`

// seedInto reads newestRoot.
func seedInto(seed *string) func(pgx.Rows) error {
	return func(r pgx.Rows) error {
		var root []byte
		err := r.Scan(&root)
		*seed = hex.EncodeToString(root)
		return err
	}
}

func emptySeed() string {
	empty := audit.EmptyRoot()
	return hex.EncodeToString(empty[:])
}

// maxVoids bounds how many numbers one transaction gives back.
const maxVoids = 200

// recordVoids adds the void leaves of earlier transactions that did not commit.
// A number whose commit was lost on the way may be void and taken at once; a
// number that is neither was taken away.
func (tx *Tx) recordVoids() error {
	tx.voided, tx.freed = tx.store.writer.unused(maxVoids)
	for _, n := range slices.Concat(tx.voided, tx.freed) {
		e := audit.Entry{
			ID: tx.store.source.NewID(), Kind: audit.Void, Time: tx.store.source.Now(),
			Writer: audit.Writer{ID: tx.store.writer.id, N: n}, Nonce: tx.store.source.Bytes(16),
		}
		entry, err := audit.Encode(e)
		if err != nil {
			return tx.fail(err)
		}
		if err := tx.exec(tx.ctx, insertLeaf, e.ID, tx.store.epoch, string(e.Kind), nil, e.Writer.ID, int64(n), entry, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// FlushVoids records the numbers that no transaction has given back yet.
func (s *Store) FlushVoids(ctx context.Context) error {
	for {
		if s.writer.left() == 0 {
			return nil
		}
		if err := s.Update(ctx, func(_ context.Context, tx *Tx) error { return tx.recordVoids() }); err != nil {
			return fmt.Errorf("recording void numbers: %w", err)
		}
	}
}
