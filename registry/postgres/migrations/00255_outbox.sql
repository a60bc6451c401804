-- +goose Up

-- Messages to other registers (ADR 0855). A message is put with its cause and
-- ends with the effect of its answer; what it carries is sealed, and wiped when
-- it has ended. head says that nothing of its destination and subject is before
-- it: only heads are sent, so that a register that is down for a day costs the
-- queue nothing.
CREATE TABLE outbox_messages (
    id          uuid PRIMARY KEY,
    seq         bigint GENERATED ALWAYS AS IDENTITY, -- order within a subject
    destination text NOT NULL,
    operation   text NOT NULL,
    subject     text NOT NULL, -- '' has no order
    person_id   uuid,          -- whose data it tells
    status      text NOT NULL CHECK (status IN ('waiting', 'sending', 'retrying', 'answered', 'dead', 'discarded')),
    head        boolean NOT NULL,
    attempt     integer NOT NULL,
    claim       integer NOT NULL, -- how often it was taken in all: names the lease
    rubbish     integer NOT NULL, -- answers that were none
    body        bytea,            -- sealed; NULL when it has ended
    reason      text NOT NULL,
    code        text NOT NULL,
    errors      jsonb NOT NULL,
    due_at      timestamptz NOT NULL, -- next attempt; while it is sent, the end of the lease
    deadline    timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz
);
CREATE INDEX outbox_messages_due_idx ON outbox_messages (destination, due_at) WHERE head AND status IN ('waiting', 'sending', 'retrying');
CREATE INDEX outbox_messages_lane_idx ON outbox_messages (destination, subject, seq) WHERE subject <> '' AND status NOT IN ('answered', 'discarded');
CREATE INDEX outbox_messages_open_idx ON outbox_messages (destination, status, created_at) WHERE status NOT IN ('answered', 'discarded');
CREATE INDEX outbox_messages_ended_idx ON outbox_messages (ended_at) WHERE status IN ('answered', 'discarded');
CREATE INDEX outbox_messages_created_idx ON outbox_messages (created_at, id);

-- Circuit breakers, one for all servers.
CREATE TABLE outbox_destinations (
    destination text PRIMARY KEY,
    paused      boolean NOT NULL,
    failures    integer NOT NULL, -- one after the other
    opened_at   timestamptz,
    open_until  timestamptz,      -- NULL: closed
    last_error  text NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_messages TO mist_app;
GRANT SELECT, INSERT, UPDATE ON outbox_destinations TO mist_app;
