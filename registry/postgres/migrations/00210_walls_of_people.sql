-- +goose Up

-- The second wall (00131) around the rest of what is about people: what no room
-- reads within a caller's reach is seen by the registry's own work alone, and
-- methods that need it for a rule say so (across).
-- A login, a search, a look-up key, a stored answer of the Diia service.
ALTER TABLE person_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_keys TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE person_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_entries TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE person_merges ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_merges TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE search_questions ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON search_questions TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE exchanges ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON exchanges TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE black_list_users ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON black_list_users TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON users TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE grants ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON grants TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON codes TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON refresh_tokens TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON tokens TO mist_app USING (current_setting('mist.reach', true) = 'all');
ALTER TABLE entry_search ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON entry_search TO mist_app USING (current_setting('mist.reach', true) = 'all');

-- Earlier versions of a record, and who speaks for whom, are seen with the record.
ALTER TABLE person_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_versions TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM persons p WHERE p.id = person_id));
ALTER TABLE person_relationships ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON person_relationships TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM persons p WHERE p.id = person_id));

-- A consent is the person's; an approval is seen with what the clinic asked for.
ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON consents TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR person_id = current_setting('mist.person', true)::uuid
    OR EXISTS (SELECT FROM approvals a WHERE a.consent_id = consents.id));
