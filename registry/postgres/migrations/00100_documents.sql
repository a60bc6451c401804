-- +goose Up

-- The scans a draft demands before it is approved. The bytes are in the media
-- store under their SHA-256; a document has one once it was uploaded.
CREATE TABLE draft_documents (
    id          uuid PRIMARY KEY,
    draft_id    uuid NOT NULL CONSTRAINT draft_documents_draft_fkey REFERENCES drafts,
    type        text NOT NULL,
    digest      bytea CHECK (length(digest) = 32),
    media_type  text NOT NULL DEFAULT '',
    size        integer NOT NULL DEFAULT 0,
    uploaded_at timestamptz,
    CONSTRAINT draft_documents_type_key UNIQUE (draft_id, type)
);
CREATE INDEX draft_documents_digest_idx ON draft_documents (digest) WHERE digest IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON draft_documents TO mist_app;
