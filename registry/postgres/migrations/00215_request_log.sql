-- +goose Up

-- How requests of client systems ended, for the vendors of those systems
-- (registry/journal). Routes are patterns: there is nothing of a person here.
CREATE TABLE request_log (
    client_id  uuid NOT NULL,
    at         timestamptz NOT NULL,
    request_id text NOT NULL,
    method     text NOT NULL,
    route      text NOT NULL,
    status     smallint NOT NULL,
    error_type text NOT NULL,
    reason     text NOT NULL,
    took_us    bigint NOT NULL
);
CREATE INDEX request_log_client_idx ON request_log (client_id, at DESC);
GRANT SELECT, INSERT, DELETE ON request_log TO mist_app;
