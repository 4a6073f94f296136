"""What a roster must be like: pure checks of schools, people, subjects, classes, students and assignments.

Lengths are those of frozen content (docs/formats/class-book-2.schema.json): what is accepted here can be printed.
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
MAX_PERSON_ID = 64  # what a certificate's subject serialNumber may hold (X.520)
MAX_CLASSES = 200
MAX_STUDENTS = 100
MAX_CLASS_SIZE = 200
MAX_TEACHERS = 4


def check_school(school: School) -> None:
    """Raises Invalid."""
    found = Findings()
    found.code("school.code", school.code)
    found.name("school.name", school.name, longest=150)
    found.one_of("school.level", school.level, set(SchoolLevel))
    found.text("school.commune", school.commune, longest=100)
    found.text("school.province", school.province, longest=100)
    found.text("school.department", school.department, longest=150)
    found.refuse()


def check_school_year(year: SchoolYear) -> None:
    """Raises Invalid."""
    found = Findings()
    found.school_year("year.school_year", year.name)
    found.vendor("year.vendor", year.vendor)
    if year.authorisation:
        found.one_of("year.authorisation", year.authorisation, set(Authorisation))
    if year.authorisation == Authorisation.BY_DEPARTMENT:
        found.text("year.authorisation_decision", year.authorisation_decision, longest=200)
    elif year.authorisation_decision:
        message = "Chỉ nêu văn bản khi Sở cho phép trực tiếp, không qua hồ sơ (BY_DEPARTMENT)."
        found.add("year.authorisation_decision", "NOT_APPLICABLE", message)
    found.refuse()


def check_people(people: Sequence[Person]) -> None:
    """Raises Invalid."""
    found = Findings()
    if found.count("people", len(people), 1, MAX_PEOPLE):
        for index, person in enumerate(people):
            where = f"people[{index}]"
            found.code(f"{where}.id", person.id, longest=MAX_PERSON_ID)
            found.name(f"{where}.name", person.name, longest=100)
            for role in person.roles:
                found.one_of(f"{where}.roles", role, set(Role))
            found.unique(f"{where}.roles", person.roles, "Một vai trò có hai lần.")
            found.count(f"{where}.roles", len(person.roles), 1, len(Role))
        found.unique("people", [person.id for person in people], "Một mã người có hai lần.")
    found.refuse()


def check_grade(found: Findings, field: str, school_year: str, grade: int, level: int) -> None:
    """A grade that the school's level teaches and that is assessed by TT 22/2021 in that year (its Điều 21)."""
    if grade not in SchoolLevel(level).grades:
        found.add(field, "GRADE_LEVEL", f"Trường không có khối {grade}.")
        return
    try:
        regime = rule_set(year_start(school_year), grade).regime
    except NoRules as e:
        found.add(field, "REGIME", str(e))
        return
    if regime is not Regime.TT22:
        message = f"Khối {grade} năm học {school_year} chưa theo Thông tư 22/2021/TT-BGDĐT."
        found.add(field, "REGIME", message)


def check_subjects(subjects: Sequence[Subject], school_year: str, grade: int, level: int) -> None:
    """Raises Invalid."""
    found = Findings()
    check_grade(found, "grade_level", school_year, grade, level)
    if found.count("subjects", len(subjects), 1, MAX_SUBJECTS):
        for index, subject in enumerate(subjects):
            where = f"subjects[{index}]"
            found.subject_code(f"{where}.code", subject.code)
            found.text(f"{where}.name", subject.name, longest=60)
            found.one_of(f"{where}.kind", subject.kind, {1, 2})
            found.number(f"{where}.periods_per_year", subject.periods_per_year, 1, 400)
            _check_topic_cluster(found, f"{where}.topic_cluster_semester", grade, subject)
        found.unique("subjects", [subject.code for subject in subjects], "Một mã môn học có hai lần.")
    found.refuse()


def _check_topic_cluster(found: Findings, field: str, grade: int, subject: Subject) -> None:
    """Clusters are of upper secondary, and their results are scores (TT 22/2021 Điều 6)."""
    found.one_of(field, subject.topic_cluster_semester, {0, *Semester})
    if subject.topic_cluster_semester and (grade < 10 or SUBJECT_KINDS.get(subject.kind) is SubjectKind.COMMENT_ONLY):
        message = "Chỉ môn học đánh giá bằng điểm số ở lớp 10, 11, 12 có cụm chuyên đề học tập."
        found.add(field, "TOPIC_CLUSTER", message)


def check_classes(classes: Sequence[SchoolClass], school_year: str, level: int) -> None:
    """Raises Invalid."""
    found = Findings()
    if found.count("classes", len(classes), 1, MAX_CLASSES):
        for index, one in enumerate(classes):
            where = f"classes[{index}]"
            found.text(f"{where}.name", one.name, longest=20)
            check_grade(found, f"{where}.grade_level", school_year, one.grade_level, level)
            found.code(f"{where}.homeroom_teacher", one.homeroom_teacher, longest=MAX_PERSON_ID)
        found.unique("classes", [one.name for one in classes], "Một tên lớp có hai lần.")
    found.refuse()


def check_students(students: Sequence[Student]) -> None:
    """Raises Invalid."""
    found = Findings()
    if found.count("students", len(students), 1, MAX_STUDENTS):
        for index, student in enumerate(students):
            check_student(found, f"students[{index}]", student)
        found.unique("students", [student.moet_student_id for student in students], "Một học sinh có hai dòng.")
        found.unique("students", [student.number for student in students], "Một số thứ tự có hai lần.")
    found.refuse()


def check_assignments(assignments: Sequence[Assignment]) -> None:
    """Raises Invalid."""
    found = Findings()
    if found.count("assignments", len(assignments), 1, MAX_SUBJECTS):
        for index, one in enumerate(assignments):
            where = f"assignments[{index}]"
            found.subject_code(f"{where}.subject", one.subject)
            found.count(f"{where}.teachers", len(one.teachers), 1, MAX_TEACHERS)
            found.unique(f"{where}.teachers", one.teachers, "Một giáo viên có hai lần.")
        found.unique("assignments", [one.subject for one in assignments], "Một môn học có hai lần.")
    found.refuse()


def check_school_ref(school: str) -> None:
    """Raises Invalid when no school can have such a code, before anything is looked up."""
    found = Findings()
    found.code("school", school)
    found.refuse()


def check_year_ref(school: str, school_year: str) -> None:
    """Raises Invalid when no school year can have such a name, before anything is looked up."""
    found = Findings()
    found.code("school", school)
    found.school_year("school_year", school_year)
    found.refuse()


def check_class_ref(ref: ClassRef) -> None:
    """Raises Invalid when a class cannot have such a name, before anything is looked up."""
    found = Findings()
    found.code("school_class.school", ref.school)
    found.school_year("school_class.school_year", ref.school_year)
    found.text("school_class.name", ref.name, longest=20)
    found.refuse()


def check_numbers(numbers: Sequence[int]) -> None:
    """The class list runs 1, 2, 3 … without a gap, as the book prints it. Raises Invalid."""
    found = Findings()
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        message = "Số thứ tự trong lớp phải liên tục từ 1, không trùng và không bỏ số nào."
        found.add("students", "NUMBERS_NOT_CONSECUTIVE", message)
    found.refuse()


def check_student(found: Findings, where: str, student: Student) -> None:
    """The personal details of one student."""
    found.code(f"{where}.moet_student_id", student.moet_student_id)
    found.number(f"{where}.number", student.number, 1, MAX_CLASS_SIZE)
    found.name(f"{where}.name", student.name, longest=100)
    found.birth_date(f"{where}.birth_date", student.birth_date)
    found.text(f"{where}.birth_place", student.birth_place, longest=200, shortest=0)
    found.one_of(f"{where}.sex", student.sex, set(Sex))
    found.text(f"{where}.ethnicity", student.ethnicity, longest=50, shortest=0)
    found.text(f"{where}.priority", student.priority, longest=100, shortest=0)
    found.text(f"{where}.address", student.address, longest=250, shortest=0)
    found.text(f"{where}.note", student.note, longest=200, shortest=0)
    check_guardian(found, f"{where}.father", student.father)
    check_guardian(found, f"{where}.mother", student.mother)


def check_guardian(found: Findings, where: str, guardian: Guardian | None) -> None:
    """Father, mother or guardian, where one is named."""
    if guardian is None:
        return
    found.name(f"{where}.name", guardian.name, longest=100)
    found.text(f"{where}.job", guardian.job, longest=100, shortest=0)
    found.text(f"{where}.phone", guardian.phone, longest=30, shortest=0)
    found.text(f"{where}.email", guardian.email, longest=100, shortest=0)
