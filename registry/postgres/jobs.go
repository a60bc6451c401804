package postgres

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/job"
)

// riverSchema holds the queue's own tables; riverKind is the one kind River
// knows: which work it is stands in our row.
const (
	riverSchema = "river"
	riverKind   = "mist.job"
	riverQueue  = "jobs"
)

// soon is the stretch in which River takes jobs straight from the queue; what
// is due later first goes through its scheduler.
const soon = 5 * time.Second

// Enqueue queues the job's two rows as one statement: ours with the sealed
// arguments and River's, which only names ours. It costs the act no round trip,
// as River's own client would; and no NOTIFY, whose lock would make commits
// wait for one another. Servers poll.
func (tx *Tx) Enqueue(ctx context.Context, j job.Job) error {
	j, err := job.Check(j)
	if err != nil {
		return tx.fail(err)
	}
	if j.ID.IsZero() {
		j.ID = tx.store.source.NewID()
	}
	if j.Key == "" {
		j.Key = j.ID.String()
	}
	now := tx.store.source.Now()
	if j.RunAt.IsZero() {
		j.RunAt = now
	}
	state := "available"
	if j.RunAt.After(now.Add(soon)) {
		state = "scheduled"
	}
	body, err := tx.seal("jobs", j.ID.String(), j.Args)
	if err != nil {
		return err
	}
	return tx.exec(ctx, insertJob, j.ID, string(j.Kind), j.Key, int32(j.MaxAttempts), body, now, state, j.RunAt)
}

// insertJob queues a job with River, insertJobs several.
const insertJob = `WITH mine AS (
    INSERT INTO jobs (id, river_id, kind, key, attempts, body, created_at)
    VALUES ($1, nextval('river.river_job_id_seq'), $2, $3, $4, $5, $6)
    ON CONFLICT ON CONSTRAINT jobs_kind_key DO NOTHING RETURNING river_id)
INSERT INTO river.river_job (id, state, args, kind, queue, max_attempts, scheduled_at, created_at, tags)
SELECT river_id, $7::river.river_job_state, jsonb_build_object('id', $1::uuid), '` + riverKind + `', '` + riverQueue + `', $4, $8, $6, ARRAY[$2::text] FROM mine`

var insertJobs = newBundle(`WITH x AS (%s), mine AS (
    INSERT INTO jobs (id, river_id, kind, key, attempts, body, created_at)
    SELECT c0, nextval('river.river_job_id_seq'), c1, c2, c3, c4, c5 FROM x
    ON CONFLICT ON CONSTRAINT jobs_kind_key DO NOTHING RETURNING id, river_id)
INSERT INTO river.river_job (id, state, args, kind, queue, max_attempts, scheduled_at, created_at, tags)
SELECT m.river_id, x.c6::river.river_job_state, jsonb_build_object('id', x.c0), '`+riverKind+`', '`+riverQueue+`', x.c3, x.c7, x.c5, ARRAY[x.c1] FROM mine m JOIN x ON x.c0 = m.id`,
	"uuid text text int4 bytea timestamptz text timestamptz")

// job reads what a handler is given; found is false when it was done before.
func (tx *Tx) job(ctx context.Context, id registry.ID) (j job.Job, found bool, err error) {
	var body []byte
	found, err = tx.queryOne(ctx, []any{&j.ID, &j.Kind, &j.Key, &j.MaxAttempts, &body, &j.CreatedAt},
		`SELECT id, kind, key, attempts, body, created_at FROM jobs WHERE id = $1`, id)
	if err != nil || !found {
		return job.Job{}, false, err
	}
	j.CreatedAt = j.CreatedAt.UTC()
	j.Args, err = tx.open("jobs", id.String(), body)
	return j, true, err
}

// finishJob takes the row of a job away that is done; its key is free again.
func (tx *Tx) finishJob(ctx context.Context, id registry.ID) error {
	return tx.exec(ctx, `DELETE FROM jobs WHERE id = $1`, id)
}

const jobColumns = `j.id, j.kind, j.key, j.attempts, j.created_at, r.state::text, r.attempt, r.scheduled_at, r.finalized_at, array_to_json(r.errors)::text`

type jobRow struct {
	info     job.Info
	state    string
	finished *time.Time
	errors   *string
}

func (r *jobRow) dest() []any {
	i := &r.info
	return []any{&i.ID, &i.Kind, &i.Key, &i.MaxAttempts, &i.CreatedAt, &r.state, &i.Attempt, &i.RunAt, &r.finished, &r.errors}
}

func (r *jobRow) value() (job.Info, error) {
	i := r.info
	i.CreatedAt, i.RunAt = i.CreatedAt.UTC(), i.RunAt.UTC()
	if i.Key == i.ID.String() {
		i.Key = ""
	}
	if r.errors != nil {
		if err := json.Unmarshal([]byte(*r.errors), &i.Errors); err != nil {
			return job.Info{}, err
		}
		for n := range i.Errors {
			i.Errors[n].Error = strings.TrimPrefix(i.Errors[n].Error, "JobCancelError: ")
		}
	}
	switch r.state {
	case "running":
		i.Status = job.StatusRunning
	case "discarded", "cancelled":
		i.Status, i.DiedAt = job.StatusDead, utc(r.finished)
	default:
		i.Status = job.StatusWaiting
		if len(i.Errors) > 0 && i.Attempt > 0 {
			i.Status = job.StatusRetrying
		}
	}
	return i, nil
}

// jobStatus narrows to a status in SQL, as value tells it.
var jobStatus = map[job.Status]string{
	"":                 `true`,
	job.StatusRunning:  `r.state = 'running'`,
	job.StatusDead:     `r.state IN ('discarded', 'cancelled')`,
	job.StatusRetrying: `r.state IN ('available', 'scheduled', 'retryable') AND r.attempt > 0 AND cardinality(r.errors) > 0`,
	job.StatusWaiting:  `r.state IN ('available', 'scheduled', 'retryable') AND NOT (r.attempt > 0 AND COALESCE(cardinality(r.errors), 0) > 0)`,
}

// Jobs lists jobs that are not done, oldest first, with the last failure only.
func (tx *Tx) Jobs(ctx context.Context, f job.Filter) (list []job.Info, total int, err error) {
	const from = ` FROM jobs j JOIN river.river_job r ON r.id = j.river_id WHERE ($1 = '' OR j.kind = $1) AND j.key LIKE $2 AND r.state <> 'completed' AND `
	where := from + jobStatus[f.Status]
	if _, err := tx.queryOne(ctx, []any{&total}, `SELECT count(*)`+where, string(f.Kind), f.Key+"%"); err != nil {
		return nil, 0, err
	}
	list = []job.Info{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r jobRow
		if err := rows.Scan(r.dest()...); err != nil {
			return err
		}
		i, err := r.value()
		i.Errors = i.Errors[max(len(i.Errors)-1, 0):]
		list = append(list, i)
		return err
	}, `SELECT `+jobColumns+where+` ORDER BY j.created_at, j.id LIMIT $3 OFFSET $4`, string(f.Kind), f.Key+"%", f.Size, (f.Page-1)*f.Size)
	return list, total, err
}

// JobInfo reads one job.
func (tx *Tx) JobInfo(ctx context.Context, id registry.ID, lock bool) (job.Info, error) {
	sql := `SELECT ` + jobColumns + ` FROM jobs j JOIN river.river_job r ON r.id = j.river_id WHERE j.id = $1 AND r.state <> 'completed'`
	if lock {
		sql += ` FOR UPDATE`
	}
	var r jobRow
	found, err := tx.queryOne(ctx, r.dest(), sql, id)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return job.Info{}, err
	}
	return r.value()
}

// ReplayJob makes a job available at once with a fresh count of attempts.
func (tx *Tx) ReplayJob(ctx context.Context, id registry.ID) error {
	return tx.execChecked(ctx, oneRow, `UPDATE river.river_job r SET state = 'available', scheduled_at = now(), finalized_at = NULL, attempt = 0,
    max_attempts = j.attempts, metadata = metadata - 'cancel_attempted_at'
FROM jobs j WHERE j.id = $1 AND r.id = j.river_id AND r.state <> 'running'`, id)
}

// DiscardJob takes both rows of a job away.
func (tx *Tx) DiscardJob(ctx context.Context, id registry.ID) error {
	if err := tx.execChecked(ctx, oneRow, `DELETE FROM river.river_job r USING jobs j WHERE j.id = $1 AND r.id = j.river_id AND r.state <> 'running'`, id); err != nil {
		return err
	}
	return tx.finishJob(ctx, id)
}

// Withdraw queues the removal of jobs that are not running.
func (tx *Tx) Withdraw(ctx context.Context, kind job.Kind, key string) error {
	return tx.exec(ctx, `WITH gone AS (
    DELETE FROM river.river_job r USING jobs j WHERE j.kind = $1 AND starts_with(j.key, $2) AND r.id = j.river_id AND r.state NOT IN ('running', 'completed') RETURNING r.id)
DELETE FROM jobs WHERE river_id IN (SELECT id FROM gone)`, string(kind), key)
}

// JobCount is how many jobs of a kind are in a status.
type JobCount struct {
	Kind   job.Kind
	Status job.Status
	N      int
}

// JobCounts counts the jobs that are not done; for metrics.
func (s *Store) JobCounts(ctx context.Context) (counts []JobCount, err error) {
	err = s.View(ctx, func(ctx context.Context, tx *Tx) error {
		counts = nil
		return tx.query(ctx, func(rows pgx.Rows) error {
			var c JobCount
			if err := rows.Scan(&c.Kind, &c.Status, &c.N); err != nil {
				return err
			}
			counts = append(counts, c)
			return nil
		}, `SELECT j.kind, CASE WHEN `+jobStatus[job.StatusDead]+` THEN 'dead' WHEN `+jobStatus[job.StatusRunning]+` THEN 'running'
    WHEN `+jobStatus[job.StatusRetrying]+` THEN 'retrying' ELSE 'waiting' END, count(*)
FROM jobs j JOIN river.river_job r ON r.id = j.river_id WHERE r.state <> 'completed' GROUP BY 1, 2`)
	})
	return counts, err
}
