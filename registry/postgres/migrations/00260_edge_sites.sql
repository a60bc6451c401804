-- +goose Up

-- Hospitals' own sides: up to which look-up each has reported to the trail.
CREATE TABLE edge_sites (
    id              uuid PRIMARY KEY,
    legal_entity_id uuid NOT NULL CONSTRAINT edge_sites_legal_entity_fkey REFERENCES legal_entities,
    key_id          uuid NOT NULL CONSTRAINT edge_sites_key_fkey REFERENCES api_keys, -- the one it came with last
    last_read       bigint NOT NULL,
    first_seen_at   timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL
);
ALTER TABLE edge_sites ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON edge_sites TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
GRANT SELECT, INSERT ON edge_sites TO mist_app;
GRANT UPDATE (key_id, last_read, seen_at) ON edge_sites TO mist_app;
