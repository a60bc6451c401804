-- +goose Up

-- Orders of operators, signed by two people: each is good once. One that was
-- cut off goes on, one that is done does not.
CREATE TABLE orders (
    id       uuid PRIMARY KEY,
    command  text NOT NULL,
    digest   bytea NOT NULL CHECK (length(digest) = 32),
    begun_at timestamptz NOT NULL,
    done_at  timestamptz
);
GRANT SELECT, INSERT, UPDATE (done_at) ON orders TO mist_operator;

-- Unlinking wipes whom an entry is about, by an operator's command alone;
-- nothing else of a leaf ever changes.
GRANT UPDATE (subject_id, subject_salt) ON leaves TO mist_operator;
