-- +goose Up

-- Documents are looked for by another form of their numbers (look-alike letters,
-- punctuation): the job writes the keys of earlier records anew.
CREATE INDEX persons_rekey_3_idx ON persons (id) WHERE keys_version < 3;
DROP INDEX persons_rekey_idx;
