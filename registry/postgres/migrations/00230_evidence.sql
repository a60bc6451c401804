-- +goose Up

-- The rules that reports were judged by, under the digest of the policy or the
-- version of the algorithm table, so that a later program can judge again.
CREATE TABLE judgement_rules (
    name    text PRIMARY KEY,
    body    bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER judgement_rules_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON judgement_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON judgement_rules TO mist_app;

-- A signed document pins a checkpoint by its root.
CREATE INDEX checkpoints_root_idx ON checkpoints (root);

-- How judging a kept report again came out last. after is the last report of
-- the round that began at the given time.
CREATE TABLE rejudgements (
    report_id uuid PRIMARY KEY,
    outcome   text NOT NULL,
    at        timestamptz NOT NULL
);
CREATE TABLE rejudgements_upto (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    after  uuid NOT NULL,
    begun  timestamptz NOT NULL
);
INSERT INTO rejudgements_upto (after, begun) VALUES ('00000000-0000-0000-0000-000000000000', now());
GRANT SELECT, INSERT, UPDATE ON rejudgements TO mist_app;
GRANT SELECT, UPDATE ON rejudgements_upto TO mist_app;
