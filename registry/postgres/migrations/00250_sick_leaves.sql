-- +goose Up

-- Terms of sick leaves (registry/sickleave, Rules): values in force for a
-- category, '*' for all, from one day to another, both included. They change by
-- rows, not by code: mist import-sick-leave-rules, or a migration.
CREATE TABLE sick_leave_rules (
    name       text NOT NULL,
    category   text NOT NULL,
    days       integer[] NOT NULL,
    valid_from date NOT NULL,
    valid_to   date,
    source     text NOT NULL,
    PRIMARY KEY (name, category, valid_from),
    CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
INSERT INTO sick_leave_rules (name, category, days, valid_from, valid_to, source) VALUES
('create_days', '*', '{1}', '2021-10-01', NULL, 'order 1066 of the Ministry of Health: not later than the day after incapacity was found'),
('start_back_days', '*', '{0}', '2021-10-01', NULL, 'ours: not before the visit at which incapacity was found'),
('start_ahead_days', 'SICKNESS', '{1}', '2021-10-01', NULL, 'ours: the day of the visit or the next'),
('start_ahead_days', 'CHILD_CARE', '{1}', '2021-10-01', NULL, 'ours: the day of the visit or the next'),
('start_ahead_days', 'FAMILY_CARE', '{1}', '2021-10-01', NULL, 'ours: the day of the visit or the next'),
('correct_days', '*', '{7}', '2021-10-01', NULL, 'order 1066 of the Ministry of Health: a mechanical or identity error, within 7 days'),
('continue_days', '*', '{7}', '2021-10-01', NULL, 'order 1066 of the Ministry of Health: within 7 days after the end'),
('ready_days_after_end', '*', '{7}', '2021-10-01', NULL, 'order 1066 of the Ministry of Health: ready to be paid on day 7 after the end'),
('ready_days_after_start', 'PREGNANCY', '{7}', '2021-10-01', NULL, 'order 1066 of the Ministry of Health: ready to be paid on day 7 after the opening'),
('continuation_gap_days', '*', '{1}', '2021-10-01', NULL, 'ЕСОЗ: a continuation begins on the next day'),
('same_author', '*', '{1}', '2021-10-01', NULL, 'ЕСОЗ: target and continuation have one author'),
('new_lengths', 'PREGNANCY', '{126,140}', '2021-10-01', NULL, 'ЕСОЗ: EMAL_VALIDATION_PREGNANCY_NEW_COMPOSITION_ALLOWED_PERIODS'),
('appended_lengths', 'PREGNANCY', '{14}', '2021-10-01', NULL, 'ours: the difference of the two lengths; the value of EMAL_VALIDATION_PREGNANCY_APPENDED_COMPOSITION_ALLOWED_PERIOD is not public'),
('cancel_days', '*', '{7}', '2021-10-01', NULL, 'ours: as a correction; the term of code 1005 is not public');
GRANT SELECT ON sick_leave_rules TO mist_app;
GRANT SELECT, INSERT, UPDATE ON sick_leave_rules TO mist_operator;

-- What is asked of conclusions across patients: who is off work, and what each
-- continues or replaces. live: the conclusion was not marked as an error. Of two
-- that continue or replace the same one, one is written.
CREATE TABLE sick_leave_links (
    id        uuid PRIMARY KEY CONSTRAINT sick_leave_links_record_fkey REFERENCES records DEFERRABLE INITIALLY DEFERRED,
    focus_id  uuid NOT NULL CONSTRAINT sick_leave_links_focus_fkey REFERENCES persons,
    relation  text NOT NULL CHECK (relation IN ('', 'appends', 'replaces')),
    target_id uuid CONSTRAINT sick_leave_links_target_fkey REFERENCES sick_leave_links,
    live      boolean NOT NULL,
    CHECK ((relation = '') = (target_id IS NULL))
);
CREATE INDEX sick_leave_links_focus_idx ON sick_leave_links (focus_id);
CREATE UNIQUE INDEX sick_leave_links_one_live ON sick_leave_links (target_id, relation) WHERE live AND target_id IS NOT NULL;
GRANT SELECT, INSERT ON sick_leave_links TO mist_app;
GRANT UPDATE (live) ON sick_leave_links TO mist_app;
ALTER TABLE sick_leave_links ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON sick_leave_links TO mist_app USING (current_setting('mist.reach', true) = 'all');
