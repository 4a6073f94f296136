"""An invented lower secondary school of real size: people, classes, students, assignments, and a year of marks.

Everything follows from the seed, so that the same demo can be repeated and tests can rely on it.
"""

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cli import demo_names

SCHOOL_YEAR = "2025-2026"
SEMESTERS = (1, 2)
LEVELS = ("EXCELLENT", "GOOD", "SATISFACTORY", "UNSATISFACTORY")
CODE = "31000705"
_SEXES = ("MALE", "FEMALE")
_MAX_CLASSES = 20
_CLASSES_A_GRADE = 5
_FIRST_GRADE = 6


@dataclass(frozen=True)
class Person:
    """Someone who works in the school. roles: PRINCIPAL, VICE_PRINCIPAL, DATA_OFFICER, SEAL_CUSTODIAN, TEACHER."""

    id: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A subject of a grade. comment_only: assessed Đ/CĐ (TT 22/2021 Điều 5). teachers_each: who share one class."""

    code: str
    name: str
    periods: int
    comment_only: bool = False
    teachers_each: int = 1

    @property
    def regular_count(self) -> int:
        """Regular marks a semester by periods a year (TT 22/2021 Điều 6 khoản 2)."""
        if self.comment_only or self.periods <= 35:
            return 2
        return 3 if self.periods <= 70 else 4


@dataclass(frozen=True)
class Guardian:
    """Father or mother."""

    name: str
    job: str
    phone: str


@dataclass(frozen=True)
class Student:
    """A student with the personal details of the book. ability drives the marks and is not part of the record."""

    id: str
    number: int
    name: str
    birth_date: str
    birth_place: str
    sex: str
    ethnicity: str
    priority: str
    address: str
    father: Guardian | None
    mother: Guardian | None
    ability: float


@dataclass(frozen=True)
class SchoolClass:
    """A class with its students and who teaches what (subject code → person ids in signing order)."""

    name: str
    grade: int
    homeroom_teacher: str
    students: tuple[Student, ...]
    assignments: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class School:
    """The whole school in one school year."""

    code: str
    name: str
    commune: str
    province: str
    department: str
    school_year: str
    principal: str
    data_officer: str
    seal_custodian: str
    people: tuple[Person, ...]
    subjects: Mapping[int, tuple[Subject, ...]]
    classes: tuple[SchoolClass, ...]
    seed: int

    @cached_property
    def teachers(self) -> frozenset[str]:
        """Ids of everyone who teaches a class."""
        return frozenset(t for c in self.classes for teachers in c.assignments.values() for t in teachers)

    def sheet(self, school_class: SchoolClass, subject: Subject, semester: int) -> dict[str, list[str]]:
        """A complete score sheet: student id → regular marks by position, then mid-term, then end-term."""
        rng = random.Random(f"{self.seed}/{school_class.name}/{subject.code}/{semester}")
        return {s.id: _marks(rng, s, subject, semester) for s in school_class.students}

    def conduct(self, school_class: SchoolClass, semester: int) -> dict[str, str]:
        """Conduct level of each student in a semester."""
        rng = random.Random(f"{self.seed}/{school_class.name}/conduct/{semester}")
        found = {s.id: rng.choices(LEVELS, (84, 12, 4, 0))[0] for s in school_class.students}
        if school_class.name == "7A2":
            found[school_class.students[-2].id] = "UNSATISFACTORY"
        return found

    def absences(self, school_class: SchoolClass) -> dict[str, tuple[int, int]]:
        """Excused and unexcused absent sessions of the year; one student of 6A1 exceeds the 45 of Điều 12."""
        rng = random.Random(f"{self.seed}/{school_class.name}/absences")
        found = {s.id: (min(int(rng.expovariate(0.5)), 12), int(rng.random() < 0.08)) for s in school_class.students}
        if school_class.name == "6A1":
            found[school_class.students[-1].id] = (40, 6)
        return found


def school(*, classes: int = 20, students_per_class: int = 42, seed: int = 2025, code: str = CODE) -> School:
    """The demo school: up to 20 classes 6A1 … 9A5 of 5 to 50 students. code: eight digits; all ids follow it."""
    rng = random.Random(f"{seed}/{code}")
    office = _office(rng, code)
    staff, taught_by = _teachers(rng, code)
    names = [
        f"{_FIRST_GRADE + i // _CLASSES_A_GRADE}A{i % _CLASSES_A_GRADE + 1}" for i in range(min(classes, _MAX_CLASSES))
    ]
    subjects = {grade: _subjects(grade) for grade in range(6, 10)}
    homeroom = [p.id for p in staff][: len(names)]
    made = tuple(
        SchoolClass(
            name=name,
            grade=int(name[0]),
            homeroom_teacher=homeroom[i],
            students=_students(rng, code, i, int(name[0]), students_per_class),
            assignments=_assign(subjects[int(name[0])], taught_by, i, homeroom[i]),
        )
        for i, name in enumerate(names)
    )
    return School(
        code=code,
        name="Trường THCS Lê Quý Đôn",
        commune="Phường Lê Chân",
        province="Thành phố Hải Phòng",
        department="Sở Giáo dục và Đào tạo Hải Phòng",
        school_year=SCHOOL_YEAR,
        principal=office[0].id,
        data_officer=office[2].id,
        seal_custodian=office[3].id,
        people=(*office, *staff),
        subjects=subjects,
        classes=made,
        seed=seed,
    )


def _office(rng: random.Random, code: str) -> tuple[Person, ...]:
    roles = ("PRINCIPAL", "VICE_PRINCIPAL", "DATA_OFFICER", "SEAL_CUSTODIAN")
    ids = ("ht-01", "pht-01", "cb-01", "vt-01")
    return tuple(
        Person(f"{code}-{i}", demo_names.person_name(rng, rng.choice(_SEXES)), (role,))
        for i, role in zip(ids, roles, strict=True)
    )


_STAFFING = {
    "VAN": 5, "TOAN": 5, "NN1": 4, "KHTN": 5, "LSDL": 4, "GDTC": 3,
    "NGHETHUAT": 4, "GDCD": 2, "CN": 2, "TIN": 2, "GDDP": 2,
}  # fmt: skip
"""How many teachers of each subject: about seventeen periods a week each."""


def _teachers(rng: random.Random, code: str) -> tuple[tuple[Person, ...], dict[str, list[str]]]:
    staff: list[Person] = []
    taught_by: dict[str, list[str]] = {}
    for subject, count in _STAFFING.items():
        for _ in range(count):
            person = Person(
                f"{code}-gv-{len(staff) + 1:02d}", demo_names.person_name(rng, rng.choice(_SEXES)), ("TEACHER",)
            )
            staff.append(person)
            taught_by.setdefault(subject, []).append(person.id)
    return tuple(staff), taught_by


def _subjects(grade: int) -> tuple[Subject, ...]:
    """Subjects of lower secondary in book order, with periods a year (Chương trình GDPT 2018)."""
    technology = 35 if grade <= 7 else 52
    return (
        Subject("VAN", "Ngữ văn", 140),
        Subject("TOAN", "Toán", 140),
        Subject("NN1", "Ngoại ngữ 1 (Tiếng Anh)", 105),
        Subject("GDCD", "Giáo dục công dân", 35),
        Subject("LSDL", "Lịch sử và Địa lí", 105),
        Subject("KHTN", "Khoa học tự nhiên", 140),
        Subject("CN", "Công nghệ", technology),
        Subject("TIN", "Tin học", 35),
        Subject("GDTC", "Giáo dục thể chất", 70, comment_only=True),
        Subject("NGHETHUAT", "Nghệ thuật (Âm nhạc, Mĩ thuật)", 70, comment_only=True, teachers_each=2),
        Subject("HDTN", "Hoạt động trải nghiệm, hướng nghiệp", 105, comment_only=True),
        Subject("GDDP", "Nội dung giáo dục của địa phương", 35, comment_only=True),
    )


def _assign(
    subjects: Iterable[Subject], taught_by: Mapping[str, list[str]], index: int, homeroom: str
) -> dict[str, tuple[str, ...]]:
    """Teachers of one class; the homeroom teacher leads the experiential activities."""
    found: dict[str, tuple[str, ...]] = {}
    for subject in subjects:
        teachers = taught_by.get(subject.code)
        if teachers is None:
            found[subject.code] = (homeroom,)
            continue
        found[subject.code] = tuple(
            teachers[(index * subject.teachers_each + i) % len(teachers)] for i in range(subject.teachers_each)
        )
    return found


def _students(rng: random.Random, code: str, class_index: int, grade: int, count: int) -> tuple[Student, ...]:
    found = []
    for _ in range(count):
        sex = rng.choice(_SEXES)
        born = dt.date(2025 - grade - 5, 1, 1) + dt.timedelta(days=rng.randrange(365))
        found.append(
            Student(
                id="",
                number=0,
                name=demo_names.person_name(rng, sex),
                birth_date=born.isoformat(),
                birth_place=rng.choice(("Hải Phòng",) * 12 + ("Hải Dương", "Quảng Ninh", "Thái Bình", "Hà Nội")),
                sex=sex,
                ethnicity=rng.choice(demo_names.ETHNICITIES),
                priority=rng.choice(demo_names.PRIORITIES),
                address=demo_names.address(rng),
                father=_guardian(rng, "MALE"),
                mother=_guardian(rng, "FEMALE"),
                ability=min(9.6, max(4.2, rng.gauss(7.6, 1.05))),
            )
        )
    found.sort(key=lambda s: demo_names.alphabetical(s.name))
    return tuple(
        Student(**{**vars(s), "id": f"31{code[-3:]}{class_index + 1:02d}{i + 1:03d}", "number": i + 1})
        for i, s in enumerate(found)
    )


def _guardian(rng: random.Random, sex: str) -> Guardian | None:
    if rng.random() < 0.04:
        return None
    return Guardian(demo_names.person_name(rng, sex), rng.choice(demo_names.JOBS), demo_names.phone(rng))


def _marks(rng: random.Random, student: Student, subject: Subject, semester: int) -> list[str]:
    count = subject.regular_count + 2
    if subject.comment_only:
        weak = student.ability < 5.0 and rng.random() < 0.25
        return ["Đ"] * (count - 1) + ["CĐ" if weak else "Đ"]
    level = student.ability + rng.gauss(0, 0.6) + 0.1 * semester
    found = []
    for position in range(count):
        regular = position < subject.regular_count
        value = min(10.0, max(0.5, level + rng.gauss(0.3 if regular else -0.2, 0.7)))
        # Regular marks are mostly whole or half points; written tests come in quarters rounded to one decimal.
        tenths = round(value * 2) * 5 if regular else round(value * 10)
        found.append(f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10))
    return found
