-- +goose Up

-- Registers of payments; accounts and what became of each line are sealed.
CREATE TABLE payment_registers (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('CAPITATION', 'REIMBURSEMENT')),
    period      text NOT NULL,
    status      text NOT NULL CHECK (status IN ('NEW', 'DECLINED', 'SENT', 'ACCEPTED', 'REJECTED', 'RECONCILED', 'DIFFERENT', 'FAILED')),
    total       bigint NOT NULL CHECK (total > 0), -- kopecks
    lines       integer NOT NULL,
    reason      text NOT NULL,
    proposed_by uuid NOT NULL CONSTRAINT payment_registers_proposed_by_fkey REFERENCES parties,
    approved_by uuid CONSTRAINT payment_registers_approved_by_fkey REFERENCES parties,
    body        bytea NOT NULL,
    inserted_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE INDEX payment_registers_inserted_idx ON payment_registers (inserted_at, id);
ALTER TABLE payment_registers ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON payment_registers TO mist_app USING (current_setting('mist.reach', true) = 'all');
GRANT SELECT, INSERT, UPDATE ON payment_registers TO mist_app;
