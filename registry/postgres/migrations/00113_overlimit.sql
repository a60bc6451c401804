-- +goose Up

-- Signed over the doctor's limit, at the doctor's word: the National Health
-- Service pays up to the limit alone.
ALTER TABLE declarations ADD COLUMN overlimit boolean NOT NULL DEFAULT false;
