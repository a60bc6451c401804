-- +goose Up

-- The second wall (00131) around what belongs to one legal entity. This file may
-- come before that one: the settings need nothing of it.
ALTER TABLE employee_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON employee_requests TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
ALTER TABLE contract_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON contract_requests TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
ALTER TABLE contracts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON contracts TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR legal_entity_id = current_setting('mist.legal_entity', true)::uuid);
-- What hangs on a row is seen with it.
ALTER TABLE contract_signatures ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON contract_signatures TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM contract_requests r WHERE r.id = request_id));
ALTER TABLE contract_employees ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON contract_employees TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM contracts c WHERE c.id = contract_id));
