-- +goose Up

-- What waits and what happened to a draft is seen with the draft (00131).
ALTER TABLE pending_acts ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON pending_acts TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM drafts d WHERE d.id = draft_id));
ALTER TABLE draft_statuses ENABLE ROW LEVEL SECURITY;
CREATE POLICY reach ON draft_statuses TO mist_app USING (
    current_setting('mist.reach', true) = 'all' OR EXISTS (SELECT FROM drafts d WHERE d.id = draft_id));
