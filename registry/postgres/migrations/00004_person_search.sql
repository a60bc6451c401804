-- +goose Up

-- Questions of the person search that wait for an answer; body is sealed: the
-- candidates, what was asked and why. What is past its time is of no use to anybody.
CREATE TABLE search_questions (
    id         uuid PRIMARY KEY,
    body       bytea NOT NULL,
    tries_left integer NOT NULL CHECK (tries_left >= 0),
    expires_at timestamptz NOT NULL
);
CREATE INDEX search_questions_expiry_idx ON search_questions (expires_at);

-- Searches counted by client and employee for each hour.
CREATE TABLE search_budgets (
    hour      timestamptz NOT NULL,
    client_id uuid NOT NULL,
    user_id   uuid NOT NULL, -- all zero: the system itself
    used      integer NOT NULL,
    PRIMARY KEY (hour, client_id, user_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON search_questions, search_budgets TO mist_app;
