-- +goose Up

-- What auditors search by. It is filled behind the sequencer, by who follows the
-- log, so that no act pays for an index on its leaf; it proves nothing and can
-- be made anew from the leaves at any time. Rows are ordered by the version 7 id
-- of the entry, which begins with its time.
CREATE TABLE entry_search (
    leaf_id         uuid PRIMARY KEY,
    idx             bigint NOT NULL,
    kind            text NOT NULL,
    code            text,
    client_id       uuid,
    user_id         uuid,
    employee_id     uuid,
    legal_entity_id uuid,
    act_id          uuid,
    request_id      text,
    container       bytea
);
CREATE INDEX entry_search_kind_idx ON entry_search (kind, leaf_id);
CREATE INDEX entry_search_code_idx ON entry_search (code, leaf_id) WHERE code IS NOT NULL;
CREATE INDEX entry_search_client_idx ON entry_search (client_id, leaf_id) WHERE client_id IS NOT NULL;
CREATE INDEX entry_search_user_idx ON entry_search (user_id, leaf_id) WHERE user_id IS NOT NULL;
CREATE INDEX entry_search_employee_idx ON entry_search (employee_id, leaf_id) WHERE employee_id IS NOT NULL;
CREATE INDEX entry_search_legal_entity_idx ON entry_search (legal_entity_id, leaf_id) WHERE legal_entity_id IS NOT NULL;
CREATE INDEX entry_search_act_idx ON entry_search (act_id) WHERE act_id IS NOT NULL;
CREATE INDEX entry_search_request_idx ON entry_search (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX entry_search_container_idx ON entry_search (container) WHERE container IS NOT NULL;

-- How many entries of each kind and code a day of Kyiv has.
CREATE TABLE entry_days (
    day  date NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    n    bigint NOT NULL,
    PRIMARY KEY (day, kind, code)
);

-- How far the log has been gone through.
CREATE TABLE entry_search_upto (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL
);
INSERT INTO entry_search_upto (size) VALUES (0);

GRANT SELECT, INSERT ON entry_search TO mist_app;
GRANT SELECT, INSERT, UPDATE ON entry_days TO mist_app;
GRANT SELECT, UPDATE ON entry_search_upto TO mist_app;
