-- +goose Up

-- The declaration with a reorganised legal entity that one with its successor
-- takes the place of.
CREATE TABLE declaration_parents (
    declaration_id        uuid PRIMARY KEY CONSTRAINT declaration_parents_declaration_fkey REFERENCES declarations,
    parent_declaration_id uuid NOT NULL CONSTRAINT declaration_parents_parent_fkey REFERENCES declarations
);
GRANT SELECT, INSERT ON declaration_parents TO mist_app;
ALTER TABLE declaration_parents ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON declaration_parents TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM declarations d WHERE d.id = declaration_id));
