-- +goose Up

-- Who speaks for whom: a parent, a guardian. body: the sealed documents that
-- prove it and the words of whoever verified it.
CREATE TABLE person_relationships (
    id                  uuid PRIMARY KEY,
    person_id           uuid NOT NULL CONSTRAINT person_relationships_person_fkey REFERENCES persons,
    confidant_person_id uuid NOT NULL CONSTRAINT person_relationships_confidant_fkey REFERENCES persons,
    is_active           boolean NOT NULL,
    active_to           date,
    verification_status text NOT NULL CHECK (verification_status IN
        ('VERIFIED', 'NOT_VERIFIED', 'VERIFICATION_NEEDED', 'VERIFICATION_NOT_NEEDED', 'CHANGES_NEEDED', 'IN_REVIEW')),
    verification_reason text NOT NULL,
    body                bytea NOT NULL,
    inserted_at         timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CHECK (person_id <> confidant_person_id)
);
CREATE UNIQUE INDEX person_relationships_active_key ON person_relationships (person_id, confidant_person_id) WHERE is_active;
CREATE INDEX person_relationships_confidant_idx ON person_relationships (confidant_person_id) WHERE is_active;
CREATE INDEX person_relationships_end_idx ON person_relationships (active_to) WHERE is_active;
GRANT SELECT, INSERT, UPDATE ON person_relationships TO mist_app;

-- Earlier versions of a record, as they were sealed: bound to the record's own
-- place in persons. How and by whom each came to its end stands in the log.
CREATE TABLE person_versions (
    person_id           uuid NOT NULL CONSTRAINT person_versions_person_fkey REFERENCES persons,
    version             integer NOT NULL,
    status              text NOT NULL,
    verification_status text NOT NULL,
    death_date          date,
    master_id           uuid,
    body                bytea NOT NULL,
    updated_at          timestamptz NOT NULL,
    ended_at            timestamptz NOT NULL
);
CREATE INDEX person_versions_person_idx ON person_versions (person_id, ended_at);
ALTER TABLE person_versions ALTER COLUMN body SET STORAGE EXTERNAL;
-- A rotation seals bodies again; nothing else of a past version ever changes.
CREATE TRIGGER person_versions_append_only BEFORE UPDATE OF person_id, version, status, verification_status, death_date, master_id, updated_at, ended_at OR DELETE OR TRUNCATE
    ON person_versions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON person_versions TO mist_app;
GRANT UPDATE (body) ON person_versions TO mist_operator;

-- Which set of look-up keys a record has; a job brings the others up to date.
ALTER TABLE persons ADD COLUMN keys_version smallint NOT NULL DEFAULT 0;
CREATE INDEX persons_rekey_idx ON persons (id) WHERE keys_version < 2;

ALTER TABLE persons ADD COLUMN status_reason text NOT NULL DEFAULT '';
