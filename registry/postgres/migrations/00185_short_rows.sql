-- +goose Up
-- Drafts, reports and containers are shortened before they are sealed (ADR
-- 0770): most fit into a page, and then need no row of a second table each
-- 2 KB. What is longer still goes there.
ALTER TABLE reports SET (toast_tuple_target = 8160);
ALTER TABLE drafts SET (toast_tuple_target = 8160);
ALTER TABLE media SET (toast_tuple_target = 8160);
