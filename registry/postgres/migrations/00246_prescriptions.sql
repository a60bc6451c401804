-- +goose Up

-- When a person was prescribed a substance, across clinics: what the rule "one
-- at a time" asks. The prescription itself is a record (00240); who took what is
-- not to be read here, so person and INNM stand as one blind key.
CREATE TABLE medication_periods (
    record_id     uuid PRIMARY KEY CONSTRAINT medication_periods_record_fkey REFERENCES records,
    substance_key bytea NOT NULL,
    start_date    date NOT NULL,
    end_date      date NOT NULL,
    in_program    boolean NOT NULL
);
CREATE INDEX medication_periods_key_idx ON medication_periods (substance_key);
GRANT SELECT, INSERT ON medication_periods TO mist_app;
ALTER TABLE medication_periods ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON medication_periods TO mist_app USING (current_setting('mist.reach', true) = 'all');

-- One dispense of a prescription at a time, and one in all where the programme
-- does not allow several: of two pharmacies at the same moment one wins.
CREATE TABLE medication_dispense_places (
    record_id       uuid PRIMARY KEY CONSTRAINT medication_dispense_places_record_fkey REFERENCES records,
    prescription_id uuid NOT NULL CONSTRAINT medication_dispense_places_prescription_fkey REFERENCES records,
    status          text NOT NULL CHECK (status IN ('NEW', 'PROCESSED', 'REJECTED', 'EXPIRED')),
    several         boolean NOT NULL, -- the programme allows more than one
    processed_on    date,             -- what reports of reimbursement go by
    CHECK ((status = 'PROCESSED') = (processed_on IS NOT NULL))
);
CREATE UNIQUE INDEX medication_dispenses_one_open ON medication_dispense_places (prescription_id) WHERE status = 'NEW';
CREATE UNIQUE INDEX medication_dispenses_one ON medication_dispense_places (prescription_id) WHERE status IN ('NEW', 'PROCESSED') AND NOT several;
CREATE INDEX medication_dispense_places_prescription_idx ON medication_dispense_places (prescription_id);
CREATE INDEX medication_dispense_places_processed_idx ON medication_dispense_places (processed_on, record_id) WHERE status = 'PROCESSED';
GRANT SELECT, INSERT ON medication_dispense_places TO mist_app;
GRANT UPDATE (status, processed_on) ON medication_dispense_places TO mist_app;
ALTER TABLE medication_dispense_places ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON medication_dispense_places TO mist_app USING (current_setting('mist.reach', true) = 'all');

-- What was dispensed in a time, for reports; which of it a caller sees the wall
-- around the records says.
-- +goose StatementBegin
CREATE FUNCTION medication_dispense_rows(first date, last date) RETURNS TABLE (record_id uuid, prescription_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.record_id, p.prescription_id FROM public.medication_dispense_places p WHERE p.status = 'PROCESSED' AND p.processed_on BETWEEN $1 AND $2
$$;
-- +goose StatementEnd
