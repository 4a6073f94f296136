-- One person stands once in a school's register (docs/formats/student-register-1.md rule 2).
CREATE UNIQUE INDEX student_registration_identity ON student_registration (school_id, national_id)
    WHERE national_id <> '';
