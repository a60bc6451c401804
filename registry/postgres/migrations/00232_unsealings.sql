-- +goose Up

-- The book of unsealing: how many sealed values of people each process opened
-- in a window of time, and how many of those have left no entry in the trail.
-- Each row's digest stands in an entry of the log.
CREATE TABLE unsealings (
    writer    uuid NOT NULL,
    n         bigint NOT NULL,
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz NOT NULL,
    opened    bigint NOT NULL, -- as the keys counted them
    accounted bigint NOT NULL, -- as the transactions counted them
    unread    bigint NOT NULL, -- opened and answered, and no entry was left
    places    text NOT NULL,   -- where, most frequent first
    entry_id  uuid NOT NULL,
    PRIMARY KEY (writer, n)
);
CREATE INDEX unsealings_entry_idx ON unsealings (entry_id);
CREATE TRIGGER unsealings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unsealings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON unsealings TO mist_app;
GRANT SELECT ON unsealings TO mist_monitor;
