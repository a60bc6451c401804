-- +goose Up

-- Merges by hand: two operators agree on each, and on each undoing. body: the
-- sealed reasons and what has to be restored.
CREATE TABLE person_merges (
    id               uuid PRIMARY KEY,
    master_person_id uuid NOT NULL CONSTRAINT person_merges_master_fkey REFERENCES persons,
    merge_person_id  uuid NOT NULL CONSTRAINT person_merges_merge_fkey REFERENCES persons,
    status           text NOT NULL CHECK (status IN ('NEW', 'MERGED', 'DECLINED', 'UNDO_NEW', 'UNDONE')),
    proposed_by      uuid NOT NULL,
    approved_by      uuid,
    undo_proposed_by uuid,
    undo_approved_by uuid,
    body             bytea NOT NULL,
    inserted_at      timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CHECK (master_person_id <> merge_person_id),
    -- Four eyes, whoever writes here.
    CONSTRAINT person_merges_four_eyes CHECK (approved_by <> proposed_by AND undo_approved_by <> undo_proposed_by)
);
-- A record is the loser of one merge at a time.
CREATE UNIQUE INDEX person_merges_open_key ON person_merges (merge_person_id) WHERE status IN ('NEW', 'MERGED', 'UNDO_NEW');
CREATE INDEX person_merges_list_idx ON person_merges (status, id);
GRANT SELECT, INSERT, UPDATE ON person_merges TO mist_app;
