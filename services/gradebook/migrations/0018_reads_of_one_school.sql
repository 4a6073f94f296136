-- Indexes for reads that had to scan the rows of the whole city (ADR-0053). None is on a table that entry writes.

-- The classes whose marks a teacher's book holds.
CREATE INDEX book_class_book ON book_class (book_id);

-- A student's lines in the registers of all schools.
CREATE INDEX student_registration_student ON student_registration (student_id);

-- The movements of a school, page by page.
CREATE INDEX student_movement_school ON student_movement (school_id, id);

-- The schools on a list of permitted schools.
CREATE INDEX dossier_list_school_list ON dossier_list_school (list_id);
