-- +goose Up

-- Indexes that every signing paid for and no question needs (ADR 0873).
-- The declaration of an act is found by its patient, whom the act names.
DROP INDEX declarations_act_idx;
-- Two drafts of one act cannot both be signed: acts_pkey.
ALTER TABLE drafts DROP CONSTRAINT drafts_act_key;
