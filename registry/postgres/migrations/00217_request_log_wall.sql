-- +goose Up

-- The request log is read by registry/journal alone, which asks for one client's lines.
ALTER TABLE request_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON request_log TO mist_app USING (current_setting('mist.reach', true) = 'all');
