-- +goose Up

-- A consent's id stands for one document, so a single-use consent that was used
-- is told by its state; the nonce need not be kept a second time.
DROP TABLE nonces;

-- Signed containers of a few kilobytes stay in their row: cut into pieces beside
-- the table they cost five rows instead of one.
ALTER TABLE media SET (toast_tuple_target = 8160);
