-- Corrections also of conduct after the summer, of the year's absences and of attendance by month (ADR-0047).

ALTER TABLE correction
    DROP CONSTRAINT correction_check,            -- a subject unless conduct
    DROP CONSTRAINT correction_check1,           -- conduct has a level
    DROP CONSTRAINT correction_semester_check,
    ALTER COLUMN semester DROP NOT NULL,         -- null: absences and attendance
    ADD COLUMN kind        smallint,             -- CorrectionKind of the proto
    ADD COLUMN month       date CHECK (extract(day FROM month) = 1),  -- of attendance
    ADD COLUMN first_stage smallint,             -- the first stage whose books hold it
    ADD COLUMN places      smallint[];
DROP INDEX correction_open;

-- Not by UPDATE: rows of this table are fixed. One value becomes the value of one place, in three arrays of equal length.
ALTER TABLE correction
    ALTER COLUMN kind        TYPE smallint   USING CASE WHEN subject_id IS NULL THEN 2 ELSE 1 END,
    ALTER COLUMN first_stage TYPE smallint   USING CASE WHEN column_no = 12 THEN 3 ELSE semester END,
    ALTER COLUMN places      TYPE smallint[] USING '{0}',
    ALTER COLUMN old_value   TYPE smallint[] USING ARRAY[old_value],
    ALTER COLUMN new_value   TYPE smallint[] USING ARRAY[new_value];
ALTER TABLE correction RENAME COLUMN old_value TO old_values;
ALTER TABLE correction RENAME COLUMN new_value TO new_values;

ALTER TABLE correction
    ALTER COLUMN kind        SET NOT NULL,
    ALTER COLUMN first_stage SET NOT NULL,
    ALTER COLUMN places      SET NOT NULL,
    ALTER COLUMN old_values  SET NOT NULL,
    ALTER COLUMN new_values  SET NOT NULL,
    ADD CHECK (kind BETWEEN 1 AND 5),
    ADD CHECK (first_stage BETWEEN 1 AND 3),
    ADD CHECK (semester BETWEEN 1 AND 3 AND (semester = 3) = (kind = 3)),
    ADD CHECK ((kind = 1) = (subject_id IS NOT NULL) AND (kind = 1) = (column_no > 0)),
    ADD CHECK ((kind IN (4, 5)) = (semester IS NULL)),
    ADD CHECK ((kind = 5) = (month IS NOT NULL)),
    ADD CHECK (cardinality(places) > 0 AND cardinality(places) = cardinality(old_values)
        AND cardinality(places) = cardinality(new_values)),
    ADD CHECK (kind = 1 OR array_position(new_values, NULL) IS NULL);  -- only a mark is withdrawn

-- At most one open correction of what has versions of its own; also finds the open ones of a class.
CREATE UNIQUE INDEX correction_open ON correction (class_id, student_id, kind, coalesce(semester, 0),
    coalesce(subject_id, 0), column_no, coalesce(month, date '2000-01-01')) WHERE state IN (1, 2);
