-- +goose Up

-- Code lists that stand over those built into the program.
CREATE TABLE dictionaries (
    name       text PRIMARY KEY,
    labels     text[] NOT NULL,
    is_active  boolean NOT NULL,
    digest     bytea NOT NULL CHECK (length(digest) = 32), -- of the list as written, so that the same import changes nothing
    updated_at timestamptz NOT NULL
);
-- part: the name of a group, where a list is made of groups.
CREATE TABLE dictionary_values (
    name        text NOT NULL CONSTRAINT dictionary_values_name_fkey REFERENCES dictionaries,
    part        text NOT NULL,
    code        text NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (name, part, code)
);
CREATE TABLE global_parameters (
    name       text PRIMARY KEY,
    value      text NOT NULL,
    updated_at timestamptz NOT NULL
);
-- Grows with every change of a list or parameter: what readers keep is held against it.
CREATE TABLE dictionary_epoch (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL
);
INSERT INTO dictionary_epoch (epoch) VALUES (1);
GRANT SELECT, INSERT, UPDATE ON dictionaries, dictionary_values, global_parameters TO mist_app;
GRANT DELETE ON dictionary_values TO mist_app;
GRANT SELECT, UPDATE ON dictionary_epoch TO mist_app;
