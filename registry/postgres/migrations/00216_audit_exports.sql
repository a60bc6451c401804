-- +goose Up

-- Exports of the log that auditors order (registry/trail). What was asked for and
-- why, and the rows themselves, are sealed; how far an export is stands open.
CREATE TABLE audit_exports (
    id         uuid PRIMARY KEY,
    owner      uuid NOT NULL,
    status     text NOT NULL,
    done       bigint NOT NULL,
    total      bigint NOT NULL, -- 0: not known
    parts      integer NOT NULL,
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX audit_exports_owner_idx ON audit_exports (owner, created_at DESC);
CREATE INDEX audit_exports_expires_idx ON audit_exports (expires_at) WHERE status <> 'expired';

CREATE TABLE audit_export_parts (
    export_id uuid NOT NULL REFERENCES audit_exports,
    n         integer NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (export_id, n)
);
ALTER TABLE audit_export_parts ALTER COLUMN body SET STORAGE EXTERNAL; -- compressed before it is sealed

GRANT SELECT, INSERT, UPDATE ON audit_exports TO mist_app;
GRANT SELECT, INSERT, DELETE ON audit_export_parts TO mist_app;
GRANT UPDATE (body) ON audit_export_parts TO mist_operator; -- mist keys reseal

-- Auditors alone, through their service.
ALTER TABLE audit_exports ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON audit_exports TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE audit_export_parts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON audit_export_parts TO mist_app USING (current_setting('mist.reach', true) = 'all');
