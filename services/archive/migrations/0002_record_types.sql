-- Teacher's books, transcripts and student registers beside class books and snapshots.

ALTER TABLE retention_bounds DROP CONSTRAINT retention_bounds_kind_check;
ALTER TABLE retention_bounds ADD CONSTRAINT retention_bounds_kind_check
    CHECK (kind IN ('CLASS_BOOK', 'SNAPSHOT', 'TEACHER_BOOK', 'TRANSCRIPT', 'STUDENT_REGISTER'));
ALTER TABLE record DROP CONSTRAINT record_kind_check;
ALTER TABLE record ADD CONSTRAINT record_kind_check
    CHECK (kind IN ('CLASS_BOOK', 'SNAPSHOT', 'TEACHER_BOOK', 'TRANSCRIPT', 'STUDENT_REGISTER'));

INSERT INTO retention_bounds VALUES
    ('TEACHER_BOOK', 5, 70), ('TRANSCRIPT', 20, 70), ('STUDENT_REGISTER', 20, 70);
-- As for class books: the line items of TT 08/2025/TT-BGDĐT, Nhóm III, are to be confirmed by the Department. A transcript
-- and a register are for life; a teacher's book says what the class book says.
INSERT INTO retention_policy (kind, version, years, permanent, legal_reference) VALUES
    ('TEACHER_BOOK', 1, 10, false, 'TT 08/2025/TT-BGDĐT, Nhóm III (mặc định 10 năm, chờ Sở xác nhận)'),
    ('TRANSCRIPT', 1, 20, true, 'TT 08/2025/TT-BGDĐT, Nhóm III (mặc định vĩnh viễn, chờ Sở xác nhận)'),
    ('STUDENT_REGISTER', 1, 20, true, 'TT 08/2025/TT-BGDĐT, Nhóm III (mặc định vĩnh viễn, chờ Sở xác nhận)');
