-- What an entry of marks looks up and writes, without what cost the most (ADR-0048).

-- The student's code beside the name, so that the list of a class is read from one index. A student's code never changes.
ALTER TABLE enrolment ADD COLUMN moet_student_id text;
UPDATE enrolment e SET moet_student_id = s.moet_student_id FROM student s WHERE s.id = e.student_id;
ALTER TABLE enrolment ALTER COLUMN moet_student_id SET NOT NULL;
CREATE UNIQUE INDEX enrolment_code ON enrolment (class_id, moet_student_id) INCLUDE (student_id, left_on);

-- As with `mark`: the ids are read by the same transaction, from tables whose rows are never deleted, and every check
-- would lock the class's row once more.
ALTER TABLE entry DROP CONSTRAINT entry_class_id_fkey, DROP CONSTRAINT entry_subject_id_fkey;
