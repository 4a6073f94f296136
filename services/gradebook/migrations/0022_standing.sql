-- Versions of what is announced about vendors and staff. Taken while the row announced is locked, so that versions of
-- a row grow in the order of its changes.

CREATE SEQUENCE standing_version;
