package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/outbox"
)

// lockLane holds one subject's messages to one destination until commit: who
// puts behind, and who lets the next one go, do not pass each other unseen.
func (tx *Tx) lockLane(ctx context.Context, d outbox.Destination, subject string) error {
	if subject == "" {
		return nil
	}
	return tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('outbox ' || $1 || ' ' || $2, 0))`, string(d), subject)
}

// PutMessage queues the message and, for the first of a destination, its
// breaker. The message is its subject's head when none of it is open.
func (tx *Tx) PutMessage(ctx context.Context, m outbox.Message) error {
	body, err := tx.seal("outbox_messages", m.ID.String(), m.Body)
	if err != nil {
		return err
	}
	if err := tx.exec(ctx, `INSERT INTO outbox_destinations (destination, paused, failures, last_error) VALUES ($1, false, 0, '') ON CONFLICT DO NOTHING`, string(m.Destination)); err != nil {
		return err
	}
	if err := tx.lockLane(ctx, m.Destination, m.Subject); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO outbox_messages (id, destination, operation, subject, person_id, status, head, attempt, claim, rubbish, body, reason, code, errors, due_at, deadline, created_at)
SELECT $1, $2, $3, $4, $5, 'waiting', $4 = '' OR NOT EXISTS (SELECT FROM outbox_messages o WHERE o.destination = $2 AND o.subject = $4 AND o.subject <> ''
    AND o.status NOT IN ('answered', 'discarded')), 0, 0, 0, $6, '', '', '[]', $7, $8, $9
ON CONFLICT (id) DO NOTHING`, m.ID, string(m.Destination), string(m.Operation), m.Subject, m.PersonID, body, m.NotBefore, m.Deadline, m.CreatedAt)
}

// dueNow narrows to what could be sent at this moment by the database's clock:
// leases of several servers need one.
const dueNow = `m.head AND m.status IN ('waiting', 'sending', 'retrying') AND m.due_at <= now()`

// DueDestinations lists those with something to send now.
func (tx *Tx) DueDestinations(ctx context.Context) (list []outbox.Destination, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var d string
		err := rows.Scan(&d)
		list = append(list, outbox.Destination(d))
		return err
	}, `SELECT d.destination FROM outbox_destinations d WHERE NOT d.paused AND COALESCE(d.open_until <= now(), true)
    AND EXISTS (SELECT FROM outbox_messages m WHERE m.destination = d.destination AND `+dueNow+`) ORDER BY 1`)
	return list, err
}

// ClaimMessages leases due messages. The breaker's row is held for the moment,
// so that two servers do not both try a half-open circuit.
func (tx *Tx) ClaimMessages(ctx context.Context, d outbox.Destination, limit int, lease time.Duration) (list []outbox.Claimed, err error) {
	var half bool
	found, err := tx.queryOne(ctx, []any{&half}, `SELECT open_until IS NOT NULL FROM outbox_destinations
WHERE destination = $1 AND NOT paused AND COALESCE(open_until <= now(), true) FOR UPDATE`, string(d))
	if err != nil || !found {
		return nil, err
	}
	if half {
		limit = 1
	}
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var c outbox.Claimed
		var body []byte
		if err := rows.Scan(&c.ID, &c.Operation, &c.Subject, &c.PersonID, &c.Attempt, &c.Claim, &c.Rubbish, &body, &c.Deadline, &c.CreatedAt); err != nil {
			return err
		}
		c.Destination, c.Deadline, c.CreatedAt = d, c.Deadline.UTC(), c.CreatedAt.UTC()
		list, bodies = append(list, c), append(bodies, body)
		return nil
	}, `WITH due AS (SELECT m.id FROM outbox_messages m WHERE m.destination = $1 AND `+dueNow+` ORDER BY m.due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE outbox_messages m SET status = 'sending', attempt = m.attempt + 1, claim = m.claim + 1, due_at = now() + $3::interval FROM due WHERE m.id = due.id
RETURNING m.id, m.operation, m.subject, COALESCE(m.person_id, '00000000-0000-0000-0000-000000000000'), m.attempt, m.claim, m.rubbish, m.body, m.deadline, m.created_at`, string(d), limit, lease)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Body, err = tx.open("outbox_messages", list[i].ID.String(), bodies[i]); err != nil {
			return nil, tx.fail(err)
		}
	}
	if half && len(list) > 0 {
		// A server that dies with the probe leaves the next one to the end of its lease.
		err = tx.exec(ctx, `UPDATE outbox_destinations SET open_until = now() + $2::interval WHERE destination = $1`, string(d), lease)
	}
	return list, err
}

// HoldMessage locks a message of which this attempt is the current one.
func (tx *Tx) HoldMessage(ctx context.Context, m outbox.Message) (held bool, err error) {
	if err := tx.lockLane(ctx, m.Destination, m.Subject); err != nil {
		return false, err
	}
	var one int
	return tx.queryOne(ctx, []any{&one}, `SELECT 1 FROM outbox_messages WHERE id = $1 AND status = 'sending' AND claim = $2 FOR UPDATE`, m.ID, m.Claim)
}

// next lets the message behind an ended one go. The lane is held.
const nextOfLane = `UPDATE outbox_messages SET head = true WHERE id = (SELECT n.id FROM outbox_messages n, outbox_messages m
    WHERE m.id = $1 AND m.subject <> '' AND n.destination = m.destination AND n.subject = m.subject AND n.status NOT IN ('answered', 'discarded')
    ORDER BY n.seq LIMIT 1)`

// AnswerMessage ends a held message.
func (tx *Tx) AnswerMessage(ctx context.Context, m outbox.Message) error {
	if err := tx.exec(ctx, `UPDATE outbox_messages SET status = 'answered', body = NULL, ended_at = now(), due_at = now() WHERE id = $1`, m.ID); err != nil {
		return err
	}
	return tx.exec(ctx, nextOfLane, m.ID)
}

// failures are the newest errors with one more.
const moreErrors = `errors = (SELECT COALESCE(jsonb_agg(e.v ORDER BY e.n), '[]') FROM jsonb_array_elements(errors || jsonb_build_array(jsonb_build_object('attempt', attempt, 'at', now(), 'error', $2::text)))
    WITH ORDINALITY AS e (v, n) WHERE e.n > jsonb_array_length(errors) + 1 - $3)`

// KillMessage makes a held message dead; what is behind it waits on.
func (tx *Tx) KillMessage(ctx context.Context, m outbox.Message, reason outbox.Reason, code, text string) error {
	return tx.exec(ctx, `UPDATE outbox_messages SET status = 'dead', ended_at = now(), due_at = now(), reason = $4, code = $5, `+moreErrors+` WHERE id = $1`,
		m.ID, text, outbox.MaxKept, string(reason), code)
}

// RetryMessage puts a held message off.
func (tx *Tx) RetryMessage(ctx context.Context, m outbox.Message, f outbox.Failed) error {
	return tx.exec(ctx, `UPDATE outbox_messages SET status = 'retrying', due_at = now() + $4::interval, rubbish = rubbish + $5, `+moreErrors+` WHERE id = $1`,
		m.ID, f.Error, outbox.MaxKept, f.Wait, map[bool]int{true: 1}[f.Rubbish])
}

// Relieve closes a circuit.
func (tx *Tx) Relieve(ctx context.Context, d outbox.Destination) error {
	return tx.exec(ctx, `UPDATE outbox_destinations SET failures = 0, opened_at = NULL, open_until = NULL, last_error = '' WHERE destination = $1 AND (failures > 0 OR open_until IS NOT NULL)`, string(d))
}

// Blame counts a failure of the destination; from the limit on its circuit is
// open, for a pause that grows with each further one.
func (tx *Tx) Blame(ctx context.Context, d outbox.Destination, f outbox.Failed) error {
	var failures int
	found, err := tx.queryOne(ctx, []any{&failures}, `UPDATE outbox_destinations SET failures = failures + 1, last_error = $2 WHERE destination = $1 RETURNING failures`, string(d), f.Error)
	if err != nil || !found || failures < f.Limit {
		return err
	}
	return tx.exec(ctx, `UPDATE outbox_destinations SET opened_at = COALESCE(opened_at, now()), open_until = now() + $2::interval WHERE destination = $1`,
		string(d), f.Pause.Wait(failures-f.Limit+1, 0))
}

// ForgetMessages takes away rows that ended before.
func (tx *Tx) ForgetMessages(ctx context.Context, before time.Time, limit int) (int, error) {
	tag, err := tx.execNow(ctx, `DELETE FROM outbox_messages WHERE id IN (SELECT id FROM outbox_messages
    WHERE status IN ('answered', 'discarded') AND ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, limit)
	return int(tag.RowsAffected()), err
}

const messageColumns = `m.id, m.destination, m.operation, m.subject, m.status, NOT m.head, m.attempt, m.created_at, m.deadline, m.due_at, m.ended_at, m.reason, m.code, m.errors::text`

func scanMessage(scan func(...any) error) (outbox.Info, error) {
	var i outbox.Info
	var ended *time.Time
	var failures string
	if err := scan(&i.ID, &i.Destination, &i.Operation, &i.Subject, &i.Status, &i.Behind, &i.Attempt, &i.CreatedAt, &i.Deadline, &i.DueAt, &ended, &i.Reason, &i.Code, &failures); err != nil {
		return i, err
	}
	i.CreatedAt, i.Deadline, i.DueAt, i.EndedAt = i.CreatedAt.UTC(), i.Deadline.UTC(), i.DueAt.UTC(), utc(ended)
	return i, json.Unmarshal([]byte(failures), &i.Errors)
}

// Messages lists messages, oldest first, with the last failure only.
func (tx *Tx) Messages(ctx context.Context, f outbox.Filter) (list []outbox.Info, total int, err error) {
	const where = ` FROM outbox_messages m WHERE ($1 = '' OR m.destination = $1) AND ($2 = '' OR m.operation = $2) AND ($3 = '' OR starts_with(m.subject, $3)) AND ($4 = '' OR m.status = $4)`
	args := []any{string(f.Destination), string(f.Operation), f.Subject, string(f.Status)}
	if _, err := tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, args...); err != nil {
		return nil, 0, err
	}
	list = []outbox.Info{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		i, err := scanMessage(rows.Scan)
		i.Errors = i.Errors[max(len(i.Errors)-1, 0):]
		list = append(list, i)
		return err
	}, `SELECT `+messageColumns+where+` ORDER BY m.created_at, m.id LIMIT $5 OFFSET $6`, append(args, f.Size, (f.Page-1)*f.Size)...)
	return list, total, err
}

// MessageInfo reads one message.
func (tx *Tx) MessageInfo(ctx context.Context, id registry.ID, lock bool) (i outbox.Info, err error) {
	if lock {
		// The lane before the row, as everybody takes them.
		var d, subject string
		found, err := tx.queryOne(ctx, []any{&d, &subject}, `SELECT destination, subject FROM outbox_messages WHERE id = $1`, id)
		if err != nil || !found {
			return i, firstOf(err, errNotFound)
		}
		if err := tx.lockLane(ctx, outbox.Destination(d), subject); err != nil {
			return i, err
		}
	}
	sql := `SELECT ` + messageColumns + ` FROM outbox_messages m WHERE m.id = $1`
	if lock {
		sql += ` FOR UPDATE`
	}
	found := false
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		found = true
		i, err = scanMessage(rows.Scan)
		return err
	}, sql, id)
	if err == nil && !found {
		err = errNotFound
	}
	return i, err
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// ReplayMessage makes a message due at once, with as long a time as it had.
func (tx *Tx) ReplayMessage(ctx context.Context, id registry.ID) error {
	return tx.execChecked(ctx, oneRow, `UPDATE outbox_messages SET status = 'waiting', attempt = 0, rubbish = 0, reason = '', code = '', ended_at = NULL, due_at = now(),
    deadline = CASE WHEN status = 'dead' THEN now() + (deadline - created_at) ELSE deadline END WHERE id = $1 AND status IN ('dead', 'retrying')`, id)
}

// DiscardMessage ends a message unsent.
func (tx *Tx) DiscardMessage(ctx context.Context, id registry.ID) error {
	if err := tx.execChecked(ctx, oneRow, `UPDATE outbox_messages SET status = 'discarded', body = NULL, ended_at = now() WHERE id = $1 AND status IN ('dead', 'retrying', 'waiting')`, id); err != nil {
		return err
	}
	return tx.exec(ctx, nextOfLane, id)
}

// PauseDestination stops or resumes sending.
func (tx *Tx) PauseDestination(ctx context.Context, d outbox.Destination, paused bool) error {
	return tx.exec(ctx, `UPDATE outbox_destinations SET paused = $2, open_until = CASE WHEN $2 THEN open_until END, failures = CASE WHEN $2 THEN failures ELSE 0 END,
    opened_at = CASE WHEN $2 THEN opened_at END WHERE destination = $1`, string(d), paused)
}

// Destinations tells how each register stands.
func (tx *Tx) Destinations(ctx context.Context) (list []outbox.State, err error) {
	list = []outbox.State{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		s := outbox.State{Counts: map[outbox.Status]int{}}
		var opened, until, oldest *time.Time
		var counts string
		if err := rows.Scan(&s.Destination, &s.Circuit, &s.Failures, &opened, &until, &s.Error, &counts, &oldest); err != nil {
			return err
		}
		s.OpenedAt, s.RetryAt, s.Oldest = utc(opened), utc(until), utc(oldest)
		list = append(list, s)
		return json.Unmarshal([]byte(counts), &s.Counts)
	}, `SELECT d.destination, CASE WHEN d.paused THEN 'paused' WHEN d.open_until IS NULL THEN 'closed' WHEN d.open_until > now() THEN 'open' ELSE 'half_open' END,
    d.failures, d.opened_at, d.open_until, d.last_error, COALESCE(c.counts, '{}')::text, c.oldest
FROM outbox_destinations d LEFT JOIN LATERAL (SELECT jsonb_object_agg(g.status, g.n) AS counts, min(g.oldest) AS oldest
    FROM (SELECT m.status, count(*) AS n, min(m.created_at) AS oldest FROM outbox_messages m
        WHERE m.destination = d.destination AND m.status NOT IN ('answered', 'discarded') GROUP BY m.status) g) c ON true ORDER BY 1`)
	return list, err
}

// OutboxStates is [Tx.Destinations] for metrics and alarms.
func (s *Store) OutboxStates(ctx context.Context) (list []outbox.State, err error) {
	err = s.View(registry.WithReach(ctx, registry.Reach{All: true}), func(ctx context.Context, tx *Tx) (err error) {
		list, err = tx.Destinations(ctx)
		return err
	})
	return list, err
}
