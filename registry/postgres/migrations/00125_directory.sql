-- +goose Up

-- Clinics that the public directory does not show, by decision: near the front.
CREATE TABLE directory_hidden (
    legal_entity_id uuid PRIMARY KEY CONSTRAINT directory_hidden_legal_entity_fkey REFERENCES legal_entities,
    reason          text NOT NULL,
    inserted_at     timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON directory_hidden TO mist_app;
