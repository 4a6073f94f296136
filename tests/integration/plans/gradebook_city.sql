-- A city of 1,000 schools and 60,000 students, filled by the server itself. Only 20 of its schools keep
-- the gradebook: three school years, ten classes per year, 30 students per class. Large enough that a plan
-- which reads a whole table costs more than one that uses an index.

INSERT INTO school (code, name, level, commune, province, department)
SELECT 'S' || s, 'School ' || s, 2, 'commune', 'province', 'department' FROM generate_series(1, 1000) AS s;

INSERT INTO school_year (school_id, name, vendor, paper_track_required, authorisation, authorisation_decision,
    authorised_time)
SELECT s, y || '-' || y + 1, 'v' || s % 5 + 1, false, 2, 'decision', now()
FROM generate_series(2023, 2025) AS y, generate_series(1, 1000) AS s;

INSERT INTO staff (school_id, person, name, roles)
SELECT s, 'P' || p, 'name', CASE p WHEN 1 THEN '{1}' WHEN 2 THEN '{2}' ELSE '{3}' END::smallint[]
FROM generate_series(1, 20) AS s, generate_series(1, 40) AS p;

INSERT INTO subject (school_year_id, grade_level, position, code, name, kind, periods_per_year, regular_count)
SELECT y, g, n, 'SUB' || n, 'subject', 1, 70, 3
FROM (SELECT id AS y FROM school_year WHERE school_id <= 20) AS y, generate_series(6, 9) AS g,
    generate_series(1, 6) AS n;

INSERT INTO school_class (school_year_id, name, grade_level, homeroom_id)
SELECT y.id, (6 + c % 4) || 'A' || c, 6 + c % 4, (SELECT min(t.id) FROM staff t WHERE t.school_id = y.school_id) + c
FROM school_year y, generate_series(1, 10) AS c WHERE y.school_id <= 20 ORDER BY y.id, c;

INSERT INTO student (moet_student_id) SELECT 'M' || n FROM generate_series(1, 60000) AS n;

-- A student is in the same class of the same school in each of the three years. Every tenth student of the
-- city is in one of these schools, so that their ids lie as far apart as they do in a real one.
INSERT INTO enrolment (class_id, student_id, moet_student_id, school_year_id, number, name, birth_date, birth_place,
    sex, ethnicity, priority, address, note)
SELECT c.id, 10 * n, 'M' || 10 * n, c.school_year_id, (n - 1) % 30 + 1, 'name', '2012-01-01', '', 1, '', '', '', ''
FROM school_class c JOIN school_year y ON y.id = c.school_year_id,
    generate_series((y.school_id - 1) * 300 + ((c.id - 1) % 10) * 30 + 1,
        (y.school_id - 1) * 300 + ((c.id - 1) % 10) * 30 + 30) AS n;

INSERT INTO assignment (class_id, subject_id, position, staff_id)
SELECT c.id, s.id, 1, c.homeroom_id + s.position
FROM school_class c JOIN subject s ON s.school_year_id = c.school_year_id AND s.grade_level = c.grade_level;

INSERT INTO mark (class_id, subject_id, student_id, version, semester, column_no, value, status)
SELECT e.class_id, a.subject_id, e.student_id, 1, m, n, 80, 1
FROM enrolment e JOIN assignment a ON a.class_id = e.class_id, generate_series(1, 2) AS m, generate_series(1, 2) AS n;

INSERT INTO conduct (class_id, student_id, semester, level, version)
SELECT class_id, student_id, m, 4, 1 FROM enrolment, generate_series(1, 2) AS m;

INSERT INTO absence (class_id, student_id, excused, unexcused, version)
SELECT class_id, student_id, 1, 0, 1 FROM enrolment WHERE number % 2 = 0;

INSERT INTO entry (request_id, request_sha256, kind, class_id, subject_id, semester, person, client, reason, changed,
    unchanged, students, columns, versions, vals)
SELECT gen_random_uuid(), sha256(''), 1, a.class_id, a.subject_id, m, 'P3', 'vendor/v1', '', 2, 0,
    ARRAY[1, 2], ARRAY[n, n]::smallint[], '{1,1}', '{80,80}'
FROM assignment a, generate_series(1, 2) AS m, generate_series(1, 2) AS n;

INSERT INTO attendance (class_id, student_id, month, version, excused, unexcused, request_id)
SELECT class_id, student_id, '2025-10-01', 1, '{31}', '{}', gen_random_uuid() FROM enrolment WHERE number % 2 = 1;

INSERT INTO entry_window (school_year_id, name, open_time, close_time, semesters, mark_kinds)
SELECT y, 'window ' || n, now() - interval '1 day', now() + interval '1 day', ARRAY[n]::smallint[], '{1,2,3}'
FROM (SELECT id AS y FROM school_year WHERE school_id <= 20) AS y, generate_series(1, 2) AS n;

INSERT INTO snapshot (id, window_id, class_id, sequence, content, content_sha256)
SELECT gen_random_uuid(), w.id, c.id, row_number() OVER (PARTITION BY c.id ORDER BY w.id), '{}', sha256('')
FROM school_class c JOIN entry_window w ON w.school_year_id = c.school_year_id;
INSERT INTO snapshot_record (snapshot_id, record) SELECT id, 'record' FROM snapshot;

-- Of the two years before: class books of both semesters, the teachers' books and every student's transcript.
INSERT INTO book (id, record_type, school_year_id, class_id, sealed, stage, version, state, content_sha256,
    content_size_bytes)
SELECT gen_random_uuid(), 1, c.school_year_id, c.id, true, m, 1, 1, sha256(''), 2
FROM school_class c JOIN school_year y ON y.id = c.school_year_id AND y.name < '2025', generate_series(1, 2) AS m;
INSERT INTO book (id, record_type, school_year_id, staff_id, subject_code, sealed, stage, version, state,
    content_sha256, content_size_bytes)
SELECT DISTINCT ON (c.school_year_id, a.staff_id, s.code) gen_random_uuid(), 2, c.school_year_id, a.staff_id, s.code,
    false, 2, 1, 1, sha256(''), 2
FROM assignment a JOIN school_class c ON c.id = a.class_id JOIN subject s ON s.id = a.subject_id
    JOIN school_year y ON y.id = c.school_year_id AND y.name < '2025';
INSERT INTO book (id, record_type, school_year_id, class_id, student_id, source_id, sealed, stage, version, state,
    content_sha256, content_size_bytes)
SELECT gen_random_uuid(), 3, e.school_year_id, e.class_id, e.student_id, b.id, true, 2, 1, 1, sha256(''), 2
FROM enrolment e JOIN book b ON b.class_id = e.class_id AND b.record_type = 1 AND b.stage = 2;
INSERT INTO book_class (class_id, book_id)
SELECT DISTINCT a.class_id, b.id FROM book b JOIN assignment a ON a.staff_id = b.staff_id
    JOIN school_class c ON c.id = a.class_id AND c.school_year_id = b.school_year_id WHERE b.record_type = 2;
INSERT INTO book_content (book_id, content) SELECT id, '{}' FROM book;
INSERT INTO book_transition (book_id, act, to_state, person, client, note)
SELECT id, 'FREEZE', 1, 'P1', 'vendor/v1', '' FROM book, generate_series(1, 2);

INSERT INTO correction (id, request_id, request_sha256, class_id, subject_id, semester, column_no, student_id,
    old_version, reason, evidence, state, kind, first_stage, places, old_values, new_values)
SELECT gen_random_uuid(), gen_random_uuid(), sha256(''), a.class_id, a.subject_id, 1, n,
    (SELECT min(e.student_id) FROM enrolment e WHERE e.class_id = a.class_id), 1, '', '', n, 1, 1, '{0}', '{80}', '{90}'
FROM assignment a, generate_series(1, 3) AS n;
INSERT INTO correction_step (correction_id, state, person, client, note)
SELECT id, s, 'P' || s, 'vendor/v1', '' FROM correction, generate_series(1, 3) AS s;

INSERT INTO remark_entry (request_id, request_sha256, person, client, changed, unchanged)
SELECT gen_random_uuid(), sha256(''), 'P3', 'vendor/v1', 1, 0 FROM generate_series(1, 3000);
INSERT INTO remark (class_id, subject_id, period, student_id, version, remark, request_id)
SELECT e.class_id, NULL, 1, e.student_id, 1, 'remark', (SELECT request_id FROM remark_entry LIMIT 1) FROM enrolment e;

INSERT INTO principal_remark (class_id, month, version, remark, person, client)
SELECT c, '2025-10-01', v, 'remark', 'P1', 'vendor/v1' FROM generate_series(1, 600) AS c, generate_series(1, 2) AS v;

INSERT INTO student_registration (school_id, student_id, register_number, entered_on, national_id, nationality,
    from_school, note)
SELECT (n - 1) / 300 + 1, 10 * n, (n - 1) % 300 + 1, '2023-09-05', lpad(n::text, 12, '0'), '', '', ''
FROM generate_series(1, 6000) AS n;
INSERT INTO student_movement (school_id, school_year_id, student_id, kind, moved_on, decision_number, reason,
    other_school, carried, person, client)
SELECT (e.student_id / 10 - 1) / 300 + 1, e.school_year_id, e.student_id, 1, '2023-09-05', '', '', '', 0, 'P2', 'vendor/v1'
FROM enrolment e;

INSERT INTO practical_exemption (request_id, request_sha256, class_id, subject_id, student_id, semesters, withdrawn,
    decision, person, client)
SELECT gen_random_uuid(), sha256(''), a.class_id, a.subject_id, e.student_id, '{1}', false, '', 'P1', 'vendor/v1'
FROM assignment a JOIN enrolment e ON e.class_id = a.class_id AND e.number = 1;
INSERT INTO assessment_policy (school_year, failed_comment_subject_counts, adjustment_by_ideal_mark,
    retest_after_summer_training, decision, client)
SELECT '2023-2024', true, true, true, 'decision', 'operator/department' FROM generate_series(1, 20);

INSERT INTO achievement_entry (request_id, request_sha256, person, client, changed, unchanged)
SELECT gen_random_uuid(), sha256(''), 'P3', 'vendor/v1', 1, 0 FROM generate_series(1, 3000);
INSERT INTO achievement (school_year_id, student_id, kind, version, achieved, request_id)
SELECT e.school_year_id, e.student_id, 1, 1, 'prize', (SELECT request_id FROM achievement_entry LIMIT 1)
FROM enrolment e;

INSERT INTO vendor (name, title, software, version, status)
SELECT 'v' || n, 'title', 'software', '1', 2 FROM generate_series(1, 20) AS n;
INSERT INTO vendor_appraisal (vendor, version, status, decision, valid_from, note)
SELECT 'v' || n, '1', 2, '{}', '2025-01-01', '' FROM generate_series(1, 20) AS n, generate_series(1, 50);
INSERT INTO dossier_round (school_year, deadline, direct_schools, offices, note)
SELECT y || '-' || y + 1, now(), '{}', '{}', '' FROM generate_series(2023, 2025) AS y;
INSERT INTO dossier (school_year_id, version, state, items, software, assigned, items_sha256, submitted_time, reason)
SELECT y, v, 5, '{}', 'software', '{}', sha256(''), now(), 1
FROM generate_series(1, 3000) AS y, generate_series(1, 2) AS v;
INSERT INTO dossier_step (dossier_id, act, from_state, to_state, person, client, note)
SELECT id, 'SUBMIT', 1, 5, '', 'vendor/v1', '' FROM dossier, generate_series(1, 3);
INSERT INTO dossier_list (school_year, office, document, received_time)
SELECT y || '-' || y + 1, 'office ' || n, '{}', now()
FROM generate_series(2023, 2025) AS y, generate_series(1, 200) AS n;
INSERT INTO dossier_list_school (list_id, school_id) SELECT l.id, s FROM dossier_list l, generate_series(1, 20) AS s;
