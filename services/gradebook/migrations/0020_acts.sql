-- Every act of entry is a row of `entry`: one request id is one act, whatever its kind (ADR-0055).

-- Remarks and achievements that an act entered, apart from its cells; null: an act of before, or one without texts.
ALTER TABLE entry
    ADD COLUMN texts_changed   integer,
    ADD COLUMN texts_unchanged integer;

-- New rows name an act in `entry`, written by the same transaction, as those of attendance do; older ones one in
-- `remark_entry` and `achievement_entry`, which stay as they are and get no further rows.
ALTER TABLE remark DROP CONSTRAINT remark_request_id_fkey;
ALTER TABLE achievement DROP CONSTRAINT achievement_request_id_fkey;
