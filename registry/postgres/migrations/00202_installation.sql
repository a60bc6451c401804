-- +goose Up

-- Auditors are employees like others: they stand among the types of the NHSU.
INSERT INTO employee_types VALUES ('AUDITOR', 'аудитор журналу', 'auditor of the log', false, false, '{}', false) ON CONFLICT (type) DO NOTHING;
UPDATE legal_entity_types SET employee_types = array_append(employee_types, 'AUDITOR') WHERE type = 'NHS' AND NOT 'AUDITOR' = ANY(employee_types);

-- Which employee an operator's order made: an order is an act of kind
-- employee_order, signed by a second person.
CREATE TABLE employee_orders (
    act_id      uuid PRIMARY KEY CONSTRAINT employee_orders_act_fkey REFERENCES acts DEFERRABLE INITIALLY DEFERRED,
    employee_id uuid NOT NULL CONSTRAINT employee_orders_employee_fkey REFERENCES employees DEFERRABLE INITIALLY DEFERRED
);
-- Operators' commands alone; a server has no business here.
GRANT SELECT, INSERT ON employee_orders TO mist_operator;

ALTER TABLE acts DROP CONSTRAINT acts_demand_person;
ALTER TABLE acts ADD CONSTRAINT acts_demand_person CHECK (patient_id IS NOT NULL AND author_id IS NOT NULL
    OR kind IN ('legal_entity', 'employee_request', 'contract_request', 'contract_signature', 'contract_decision', 'contract_employee', 'employee_order'));
