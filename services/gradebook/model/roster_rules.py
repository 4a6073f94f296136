"""Pure checks of a roster: schools, people, subjects, classes, students and assignments.

Lengths are those of frozen content (docs/formats/class-book-2.schema.json), so everything accepted
here can be printed.
"""

from collections.abc import Sequence

from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import (
    SUBJECT_KINDS,
    Assignment,
    Authorisation,
    ClassRef,
    Guardian,
    Person,
    Role,
    School,
    SchoolClass,
    SchoolLevel,
    SchoolYear,
    Semester,
    Sex,
    Student,
    Subject,
    year_start,
)
from services.gradebook.rules import NoRules, Regime, SubjectKind, rule_set

MAX_PEOPLE = 1000
MAX_SUBJECTS = 30
MAX_PERSON_ID = 64  # the limit of serialNumber in a certificate's subject (X.520)
MAX_CLASSES = 200
MAX_STUDENTS = 100
MAX_CLASS_SIZE = 200
MAX_TEACHERS = 4


def check_school(school: School) -> None:
    """Raises Invalid."""
    findings = Findings()
    findings.code("school.code", school.code)
    findings.name("school.name", school.name, longest=150)
    findings.one_of("school.level", school.level, set(SchoolLevel))
    findings.text("school.commune", school.commune, longest=100)
    findings.text("school.province", school.province, longest=100)
    findings.text("school.department", school.department, longest=150)
    findings.refuse()


def check_school_year(year: SchoolYear) -> None:
    """Raises Invalid."""
    findings = Findings()
    findings.school_year("year.school_year", year.name)
    findings.vendor("year.vendor", year.vendor)
    if year.authorisation:
        findings.one_of("year.authorisation", year.authorisation, set(Authorisation))
    if year.authorisation == Authorisation.BY_DEPARTMENT:
        findings.text("year.authorisation_decision", year.authorisation_decision, longest=200)
    elif year.authorisation_decision:
        message = "Chỉ nêu văn bản khi Sở cho phép trực tiếp, không qua hồ sơ (BY_DEPARTMENT)."
        findings.add("year.authorisation_decision", "NOT_APPLICABLE", message)
    findings.refuse()


def check_people(people: Sequence[Person]) -> None:
    """Raises Invalid."""
    findings = Findings()
    if findings.count("people", len(people), 1, MAX_PEOPLE):
        for index, person in enumerate(people):
            where = f"people[{index}]"
            findings.code(f"{where}.id", person.id, longest=MAX_PERSON_ID)
            findings.name(f"{where}.name", person.name, longest=100)
            for role in person.roles:
                findings.one_of(f"{where}.roles", role, set(Role))
            findings.unique(f"{where}.roles", person.roles, "Một vai trò có hai lần.")
            findings.count(f"{where}.roles", len(person.roles), 1, len(Role))
        findings.unique("people", [person.id for person in people], "Một mã người có hai lần.")
    findings.refuse()


def check_grade(findings: Findings, field: str, school_year: str, grade: int, level: int) -> None:
    """A grade of the school's level that is assessed by TT 22/2021 in that year (its Điều 21)."""
    if grade not in SchoolLevel(level).grades:
        findings.add(field, "GRADE_LEVEL", f"Trường không có khối {grade}.")
        return
    try:
        regime = rule_set(year_start(school_year), grade).regime
    except NoRules as e:
        findings.add(field, "REGIME", str(e))
        return
    if regime is not Regime.TT22:
        message = f"Khối {grade} năm học {school_year} chưa theo Thông tư 22/2021/TT-BGDĐT."
        findings.add(field, "REGIME", message)


def check_subjects(subjects: Sequence[Subject], school_year: str, grade: int, level: int) -> None:
    """Raises Invalid."""
    findings = Findings()
    check_grade(findings, "grade_level", school_year, grade, level)
    if findings.count("subjects", len(subjects), 1, MAX_SUBJECTS):
        for index, subject in enumerate(subjects):
            where = f"subjects[{index}]"
            findings.subject_code(f"{where}.code", subject.code)
            findings.text(f"{where}.name", subject.name, longest=60)
            findings.one_of(f"{where}.kind", subject.kind, {1, 2})
            findings.number(f"{where}.periods_per_year", subject.periods_per_year, 1, 400)
            _check_topic_cluster(findings, f"{where}.topic_cluster_semester", grade, subject)
        findings.unique("subjects", [subject.code for subject in subjects], "Một mã môn học có hai lần.")
    findings.refuse()


def _check_topic_cluster(findings: Findings, field: str, grade: int, subject: Subject) -> None:
    """Topic clusters exist in upper secondary and give scores (TT 22/2021 Điều 6)."""
    findings.one_of(field, subject.topic_cluster_semester, {0, *Semester})
    if subject.topic_cluster_semester and (grade < 10 or SUBJECT_KINDS.get(subject.kind) is SubjectKind.COMMENT_ONLY):
        message = "Chỉ môn học đánh giá bằng điểm số ở lớp 10, 11, 12 có cụm chuyên đề học tập."
        findings.add(field, "TOPIC_CLUSTER", message)


def check_classes(classes: Sequence[SchoolClass], school_year: str, level: int) -> None:
    """Raises Invalid."""
    findings = Findings()
    if findings.count("classes", len(classes), 1, MAX_CLASSES):
        for index, school_class in enumerate(classes):
            where = f"classes[{index}]"
            findings.text(f"{where}.name", school_class.name, longest=20)
            check_grade(findings, f"{where}.grade_level", school_year, school_class.grade_level, level)
            findings.code(f"{where}.homeroom_teacher", school_class.homeroom_teacher, longest=MAX_PERSON_ID)
        findings.unique("classes", [school_class.name for school_class in classes], "Một tên lớp có hai lần.")
    findings.refuse()


def check_students(students: Sequence[Student]) -> None:
    """Raises Invalid."""
    findings = Findings()
    if findings.count("students", len(students), 1, MAX_STUDENTS):
        for index, student in enumerate(students):
            check_student(findings, f"students[{index}]", student)
        findings.unique("students", [student.moet_student_id for student in students], "Một học sinh có hai dòng.")
        findings.unique("students", [student.number for student in students], "Một số thứ tự có hai lần.")
    findings.refuse()


def check_assignments(assignments: Sequence[Assignment]) -> None:
    """Raises Invalid."""
    findings = Findings()
    if findings.count("assignments", len(assignments), 1, MAX_SUBJECTS):
        for index, assignment in enumerate(assignments):
            where = f"assignments[{index}]"
            findings.subject_code(f"{where}.subject", assignment.subject)
            findings.count(f"{where}.teachers", len(assignment.teachers), 1, MAX_TEACHERS)
            findings.unique(f"{where}.teachers", assignment.teachers, "Một giáo viên có hai lần.")
        findings.unique("assignments", [assignment.subject for assignment in assignments], "Một môn học có hai lần.")
    findings.refuse()


def check_school_ref(school: str) -> None:
    """Check that a text can be a school code, before any query. Raises Invalid."""
    findings = Findings()
    findings.code("school", school)
    findings.refuse()


def check_year_ref(school: str, school_year: str) -> None:
    """Check that texts can name a school year, before any query. Raises Invalid."""
    findings = Findings()
    findings.code("school", school)
    findings.school_year("school_year", school_year)
    findings.refuse()


def check_class_ref(ref: ClassRef) -> None:
    """Check that a reference can name a class, before any query. Raises Invalid."""
    findings = Findings()
    findings.code("school_class.school", ref.school)
    findings.school_year("school_class.school_year", ref.school_year)
    findings.text("school_class.name", ref.name, longest=20)
    findings.refuse()


def check_numbers(numbers: Sequence[int]) -> None:
    """Check that class list numbers run 1, 2, 3 … without gaps, as printed. Raises Invalid."""
    findings = Findings()
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        message = "Số thứ tự trong lớp phải liên tục từ 1, không trùng và không bỏ số nào."
        findings.add("students", "NUMBERS_NOT_CONSECUTIVE", message)
    findings.refuse()


def check_student(findings: Findings, where: str, student: Student) -> None:
    """The personal details of one student."""
    findings.code(f"{where}.moet_student_id", student.moet_student_id)
    findings.number(f"{where}.number", student.number, 1, MAX_CLASS_SIZE)
    findings.name(f"{where}.name", student.name, longest=100)
    findings.birth_date(f"{where}.birth_date", student.birth_date)
    findings.text(f"{where}.birth_place", student.birth_place, longest=200, shortest=0)
    findings.one_of(f"{where}.sex", student.sex, set(Sex))
    findings.text(f"{where}.ethnicity", student.ethnicity, longest=50, shortest=0)
    findings.text(f"{where}.priority", student.priority, longest=100, shortest=0)
    findings.text(f"{where}.address", student.address, longest=250, shortest=0)
    findings.text(f"{where}.note", student.note, longest=200, shortest=0)
    check_guardian(findings, f"{where}.father", student.father)
    check_guardian(findings, f"{where}.mother", student.mother)


def check_guardian(findings: Findings, where: str, guardian: Guardian | None) -> None:
    """Father, mother or guardian; None is allowed."""
    if guardian is None:
        return
    findings.name(f"{where}.name", guardian.name, longest=100)
    findings.text(f"{where}.job", guardian.job, longest=100, shortest=0)
    findings.text(f"{where}.phone", guardian.phone, longest=30, shortest=0)
    findings.text(f"{where}.email", guardian.email, longest=100, shortest=0)
