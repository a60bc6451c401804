package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/access"
)

// knownTokens remembers tokens that requests came with, for as long as it hears
// what ends them (ADR 0871). The database tells of every change of a row that a
// token hangs on (migration 00265); who hears is asked twice a second. A store
// nobody listens for remembers nothing.
type knownTokens struct {
	mu    sync.RWMutex // guards what follows
	by    map[[32]byte]knownToken
	heard time.Time // when the database answered last; zero: nobody listens
	// changes counts what was heard: what was read before a change is not kept after it.
	changes uint64
}

type knownToken struct {
	token  access.Token
	client access.Client
}

const (
	tokenChannel, heardChannel = "mist_tokens", "mist_heard_"
	// tokenListeners is the advisory lock that each listener shares.
	tokenListeners = 0x6d746b6e
	// maxKnownTokens bounds the memory; a full list is begun anew.
	maxKnownTokens = 20_000
	// tokenPulse is the pause between two questions whether the database is still
	// there, tokenSilence when it is taken to be gone: for so long at most an
	// ended token lives on a server that cannot be told.
	tokenPulse   = 500 * time.Millisecond
	tokenSilence = 2 * time.Second
)

func (k *knownTokens) find(hash [32]byte, now time.Time) (knownToken, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	t, ok := k.by[hash]
	return t, ok && now.Sub(k.heard) < tokenSilence
}

// reading gives the count to keep with.
func (k *knownTokens) reading() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.changes
}

// keep remembers a token that was read after changes had been counted.
func (k *knownTokens) keep(changes uint64, t access.Token, c access.Client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.heard.IsZero() || k.changes != changes {
		return
	}
	if k.by == nil || len(k.by) >= maxKnownTokens {
		k.by = map[[32]byte]knownToken{}
	}
	k.by[t.Hash] = knownToken{t, c}
}

func (k *knownTokens) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.by = nil
	k.changes++
}

// hear notes that the database answered; the zero time, that nobody listens.
func (k *knownTokens) hear(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard = at
}

// endsTokens reports whether a statement changes a row that a token hangs on:
// then this server has forgotten before the change is answered.
func endsTokens(sql string) bool {
	sql = strings.TrimPrefix(sql, guardedHead)
	for _, verb := range []string{"UPDATE ", "DELETE FROM ", "INSERT INTO "} {
		if rest, ok := strings.CutPrefix(sql, verb); ok {
			table, _, _ := strings.Cut(rest, " ")
			// New tokens, grants and users hang on nothing yet, and who logs in is seen
			// again; a client is put, new or changed.
			return table == "clients" || verb != "INSERT INTO " && (table == "tokens" || table == "grants" || table == "users")
		}
	}
	return false
}

// FollowTokens listens for what ends tokens until ctx ends, so that a token
// need not be looked up for each request.
func (s *Store) FollowTokens(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.listen(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("listening for ended tokens: they are looked up for each request meanwhile", "cause", err.Error())
		}
		s.tokens.hear(time.Time{})
		s.tokens.forget()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Store) listen(ctx context.Context) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack()
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// The lock says to those who end tokens that one more has to hear of it; it
	// goes with the session.
	if _, err := conn.Exec(ctx, "LISTEN "+tokenChannel+"; SELECT pg_advisory_lock_shared("+strconv.Itoa(tokenListeners)+")"); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.tokens.forget() // what was told before nobody heard
	for {
		if err := s.pulse(ctx, conn); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, tokenPulse)
		told, err := conn.WaitForNotification(waiting)
		late := errors.Is(waiting.Err(), context.DeadlineExceeded)
		cancel()
		switch {
		case err == nil:
			s.tokens.forget()
			if told.Payload != "" {
				if _, err := conn.Exec(ctx, "SELECT pg_notify($1, '')", heardChannel+told.Payload); err != nil {
					return fmt.Errorf("telling that it was heard: %w", err)
				}
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case !late || conn.IsClosed():
			return err
		}
	}
}

// endedTokens is called when a change of what tokens hang on was committed, and
// returns when all servers that listen have forgotten what they knew, or are
// past the time for which they may know it: the change counts with the next
// request, whichever server that goes to.
func (s *Store) endedTokens(conn *pgx.Conn) {
	s.tokens.forget()
	ctx, cancel := context.WithTimeout(context.Background(), tokenSilence)
	defer cancel()
	if err := askAll(ctx, conn, s.source.NewID()); err != nil {
		s.opt.Log.Warn("a server did not say that it heard of ended tokens", "cause", err.Error())
		_ = conn.Close(ctx) // it may still listen; the pool makes another one
	}
}

// askAll asks all who listen for an answer. What was told before they have heard
// then, for PostgreSQL tells in the order of the commits.
func askAll(ctx context.Context, conn *pgx.Conn, question registry.ID) error {
	var listeners int
	err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND objsubid = 1
    AND classid = 0 AND objid = $1::bigint::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, tokenListeners).Scan(&listeners)
	if err != nil || listeners == 0 {
		return err
	}
	name := hex.EncodeToString(question[:])
	if _, err := conn.Exec(ctx, "LISTEN "+heardChannel+name); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_notify($1, $2)", tokenChannel, name); err != nil {
		return err
	}
	for range listeners {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "UNLISTEN *")
	return err
}

// pulse asks the database for a sign of life. What it told before has come when
// the answer has.
func (s *Store) pulse(ctx context.Context, conn *pgx.Conn) error {
	asking, cancel := context.WithTimeout(ctx, tokenSilence)
	defer cancel()
	asked := s.source.Now()
	if _, err := conn.Exec(asking, ";"); err != nil {
		return fmt.Errorf("asking for a sign of life: %w", err)
	}
	s.tokens.hear(asked)
	return nil
}
