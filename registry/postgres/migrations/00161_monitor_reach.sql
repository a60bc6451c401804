-- +goose Up

-- The monitor compares every act with its leaf; its columns hold digests only.
CREATE POLICY monitor ON acts FOR SELECT TO mist_monitor USING (true);
