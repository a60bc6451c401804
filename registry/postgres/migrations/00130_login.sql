-- +goose Up

-- Humans who have logged in with their КЕП. key: blind key of the identifier in
-- the certificate; body: the sealed identifier and name.
CREATE TABLE users (
    id         uuid PRIMARY KEY,
    key        bytea NOT NULL CONSTRAINT users_key_key UNIQUE,
    body       bytea NOT NULL,
    blocked    boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);

-- Challenges that were used, until they would have expired anyway: a challenge
-- itself is not stored, it carries its own proof (ADR 0730).
CREATE TABLE spent_challenges (
    id         uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX spent_challenges_expiry_idx ON spent_challenges (expires_at);

-- What a human granted a client system: the root of its codes, refresh tokens
-- and access tokens. Ending it ends them all.
CREATE TABLE grants (
    id              uuid PRIMARY KEY,
    client_id       uuid NOT NULL CONSTRAINT grants_client_fkey REFERENCES clients,
    user_id         uuid NOT NULL CONSTRAINT grants_user_fkey REFERENCES users,
    role            text NOT NULL,
    employee_id     uuid,
    party_id        uuid,
    legal_entity_id uuid,
    person_id       uuid,
    scopes          text[] NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    end_reason      text NOT NULL DEFAULT ''
);
CREATE INDEX grants_user_idx ON grants (user_id);
CREATE INDEX grants_employee_idx ON grants (employee_id) WHERE ended_at IS NULL;

-- Authorization codes and refresh tokens: SHA-256, used once.
CREATE TABLE codes (
    hash         bytea PRIMARY KEY CHECK (length(hash) = 32),
    grant_id     uuid NOT NULL CONSTRAINT codes_grant_fkey REFERENCES grants,
    redirect_uri text NOT NULL,
    challenge    text NOT NULL, -- PKCE, S256
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX codes_expiry_idx ON codes (expires_at);
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    grant_id   uuid NOT NULL CONSTRAINT refresh_tokens_grant_fkey REFERENCES grants,
    -- SHA-256 of the client's certificate, where the token is bound to one.
    certificate bytea CHECK (length(certificate) = 32),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_expiry_idx ON refresh_tokens (expires_at);

ALTER TABLE tokens
    ADD COLUMN grant_id uuid CONSTRAINT tokens_grant_fkey REFERENCES grants,
    ADD COLUMN user_id uuid,
    ADD COLUMN person_id uuid,
    ADD COLUMN role text NOT NULL DEFAULT '',
    ADD COLUMN certificate bytea CHECK (length(certificate) = 32);

ALTER TABLE clients
    ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}',
    ADD COLUMN public boolean NOT NULL DEFAULT false, -- keeps no secret: a program on a person's own device
    ADD COLUMN certificate_bound boolean NOT NULL DEFAULT false; -- RFC 8705, 3.4

GRANT SELECT, INSERT, UPDATE ON users, grants, codes, refresh_tokens TO mist_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON spent_challenges TO mist_app; -- UPDATE: to lock what is swept
GRANT DELETE ON codes, refresh_tokens TO mist_app;
