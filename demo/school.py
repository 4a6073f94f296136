"""An invented lower secondary school of real size: people, classes, students, a year of marks.

Everything follows from the seed, so that a demo can be repeated and tests can rely on it.
"""

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from demo.people import Person, Student, office, students, teachers

SCHOOL_YEAR = "2025-2026"
SEMESTERS = (1, 2)
LEVELS = ("EXCELLENT", "GOOD", "SATISFACTORY", "UNSATISFACTORY")
CODE = "31000705"
MONTHS = tuple(f"2025-{month:02d}" for month in range(9, 13)) + tuple(f"2026-{month:02d}" for month in range(1, 6))
SESSIONS = ("MORNING", "AFTERNOON")
LEAVING_DATE = "2026-01-17"
MONTHS_OF = {1: MONTHS[:5], 2: MONTHS[5:]}
"""The months of each semester."""
JOINING_DATE = "2026-01-19"
FAILED_SUBJECTS = ("TOAN", "KHTN")
CORRECTED_SUBJECT = "NN1"
NEIGHBOUR_DISTANCE = 500
"""Difference between the codes of a demo's two schools, so that their last three digits differ:
student ids carry those."""
_MAX_CLASSES = 20
_CLASSES_PER_GRADE = 5
_FIRST_GRADE = 6


@dataclass(frozen=True)
class Subject:
    """A subject of a grade.

    comment_only: assessed Đ/CĐ (TT 22/2021 Điều 5). teachers_each: teachers who share a class.
    """

    code: str
    name: str
    periods: int
    comment_only: bool = False
    teachers_each: int = 1

    @property
    def regular_count(self) -> int:
        """Regular marks per semester, by periods per year (TT 22/2021 Điều 6 khoản 2)."""
        if self.comment_only or self.periods <= 35:
            return 2
        return 3 if self.periods <= 70 else 4


@dataclass(frozen=True)
class SchoolClass:
    """A class. assignments: subject code → person ids of its teachers, in signing order."""

    name: str
    grade: int
    homeroom_teacher: str
    students: tuple[Student, ...]
    assignments: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Story:
    """The ids of four students of the first class whose year is out of the ordinary.

    corrected: a final mark of semester I is corrected after the window has closed. leaver: moves to
    another school after semester I. retested: fails two subjects and passes both when reassessed in
    summer; retained: does not.
    """

    corrected: str
    leaver: str
    retested: str
    retained: str

    @property
    def weak(self) -> tuple[str, str]:
        """The students who fail the year before the summer."""
        return (self.retested, self.retained)


@dataclass(frozen=True)
class School:
    """The whole school in one school year.

    story: None for an ordinary year. newcomer: the student who joins the first class in semester
    II.
    """

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
    story: Story | None = None
    newcomer: Student | None = None

    @cached_property
    def teachers(self) -> frozenset[str]:
        """Ids of everyone who teaches a class."""
        return frozenset(t for c in self.classes for teachers in c.assignments.values() for t in teachers)

    def present(self, school_class: SchoolClass, semester: int) -> list[Student]:
        """The students of a class in a semester; in semester II without the leaver, with the
        newcomer.
        """
        leaver = self.story.leaver if self.story is not None and semester == 2 else ""
        members = [s for s in school_class.students if s.id != leaver]
        if self.newcomer is not None and semester == 2 and school_class == self.classes[0]:
            members.append(self.newcomer)
        return members

    def sheet(self, school_class: SchoolClass, subject: Subject, semester: int) -> dict[str, list[str]]:
        """A score sheet as keyed: student id → regular marks by position, then mid-term, then
        end-term.
        """
        rng = random.Random(f"{self.seed}/{school_class.name}/{subject.code}/{semester}")
        marks = {s.id: _marks(rng, s, subject, semester) for s in self.present(school_class, semester)}
        if self.story is not None and subject.code in FAILED_SUBJECTS:
            marks |= {s: ["3"] * len(marks[s]) for s in self.story.weak if s in marks}
        return marks

    def standing_sheet(self, school_class: SchoolClass, subject: Subject, semester: int) -> dict[str, list[str]]:
        """A score sheet after the story's correction was approved."""
        marks = self.sheet(school_class, subject, semester)
        story = self.story
        if story is not None and (subject.code, semester) == (CORRECTED_SUBJECT, 1) and story.corrected in marks:
            marks[story.corrected][-1] = corrected_mark(marks[story.corrected][-1])
        return marks

    def conduct(self, school_class: SchoolClass, semester: int) -> dict[str, str]:
        """Conduct level of each student in a semester."""
        rng = random.Random(f"{self.seed}/{school_class.name}/conduct/{semester}")
        levels = {s.id: rng.choices(LEVELS, (84, 12, 4, 0))[0] for s in self.present(school_class, semester)}
        if school_class.name == "7A2":
            levels[school_class.students[-2].id] = "UNSATISFACTORY"
        return levels

    def attendance(self, school_class: SchoolClass, month: str) -> dict[str, list[tuple[int, str, bool]]]:
        """The absences of a month (``2025-09``): student id → (day, MORNING or AFTERNOON, excused).

        Over the year they add up to `absences`; the leaver's all lie before leaving.
        """
        totals = self.absences(school_class)
        leaver = self.story.leaver if self.story is not None else ""
        sheet: dict[str, list[tuple[int, str, bool]]] = {}
        for student in self.present(school_class, 1 if month in MONTHS_OF[1] else 2):
            excused, unexcused = totals.get(student.id, (0, 0))
            months = MONTHS_OF[1][:-1] if student.id == leaver else MONTHS
            days = [day for school_month in months for day in _school_days(school_month)]
            halves = [(day, session) for day in days for session in SESSIONS]
            rng = random.Random(f"{self.seed}/{student.id}/attendance")
            rows = [(day, half, i < excused) for i, (day, half) in enumerate(rng.sample(halves, excused + unexcused))]
            sheet[student.id] = sorted((d.day, half, yes) for d, half, yes in rows if d.isoformat()[:7] == month)
        return sheet

    def absences(self, school_class: SchoolClass) -> dict[str, tuple[int, int]]:
        """Excused and unexcused absent sessions of the year; one student of 6A1 exceeds the 45 of
        Điều 12.
        """
        rng = random.Random(f"{self.seed}/{school_class.name}/absences")
        totals = {s.id: (min(int(rng.expovariate(0.5)), 12), int(rng.random() < 0.08)) for s in school_class.students}
        if school_class.name == "6A1":
            totals[school_class.students[-1].id] = (40, 6)
        return totals


def corrected_mark(keyed: str) -> str:
    """The mark to which the story's correction changes a keyed one."""
    return "9" if keyed == "9.5" else "9.5"


def with_story(plain: School) -> School:
    """The same school with the story of its first class's students."""
    ids = [s.id for s in plain.classes[0].students]
    return replace(plain, story=Story(corrected=ids[0], leaver=ids[1], retested=ids[2], retained=ids[3]))


def neighbour(home: School) -> School:
    """A small school of the same city, to which the story's student moves."""
    small = school(classes=1, students_per_class=8, code=f"{int(home.code) + NEIGHBOUR_DISTANCE:08d}")
    newcomer = next((s for s in home.classes[0].students if home.story and s.id == home.story.leaver), None)
    return replace(small, name="Trường THCS Nguyễn Bỉnh Khiêm", commune="Phường Hồng Bàng", newcomer=newcomer)


def _school_days(month: str) -> list[dt.date]:
    """Monday to Saturday of a month."""
    first = dt.date.fromisoformat(f"{month}-01")
    days = [first + dt.timedelta(days=i) for i in range(31)]
    return [day for day in days if day.month == first.month and day.weekday() < 6]


def school(*, classes: int = 20, students_per_class: int = 42, seed: int = 2025, code: str = CODE) -> School:
    """The demo school: up to 20 classes 6A1 … 9A5 of 5 to 50 students. code: eight digits; all ids
    follow it.
    """
    rng = random.Random(f"{seed}/{code}")
    board = office(rng, code)
    staff, taught_by = teachers(rng, code)
    names = [
        f"{_FIRST_GRADE + i // _CLASSES_PER_GRADE}A{i % _CLASSES_PER_GRADE + 1}"
        for i in range(min(classes, _MAX_CLASSES))
    ]
    subjects = {grade: _subjects(grade) for grade in range(6, 10)}
    homeroom = [p.id for p in staff][: len(names)]
    made = tuple(
        SchoolClass(
            name=name,
            grade=int(name[0]),
            homeroom_teacher=homeroom[i],
            students=students(rng, code, i, int(name[0]), students_per_class),
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
        principal=board[0].id,
        data_officer=board[2].id,
        seal_custodian=board[3].id,
        people=(*board, *staff),
        subjects=subjects,
        classes=made,
        seed=seed,
    )


def _subjects(grade: int) -> tuple[Subject, ...]:
    """Subjects of lower secondary in book order, with periods per year (Chương trình GDPT 2018)."""
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
    assigned: dict[str, tuple[str, ...]] = {}
    for subject in subjects:
        teachers = taught_by.get(subject.code)
        if teachers is None:
            assigned[subject.code] = (homeroom,)
            continue
        assigned[subject.code] = tuple(
            teachers[(index * subject.teachers_each + i) % len(teachers)] for i in range(subject.teachers_each)
        )
    return assigned


def _marks(rng: random.Random, student: Student, subject: Subject, semester: int) -> list[str]:
    count = subject.regular_count + 2
    if subject.comment_only:
        weak = student.ability < 5.0 and rng.random() < 0.25
        return ["Đ"] * (count - 1) + ["CĐ" if weak else "Đ"]
    level = student.ability + rng.gauss(0, 0.6) + 0.1 * semester
    texts = []
    for position in range(count):
        regular = position < subject.regular_count
        value = min(10.0, max(0.5, level + rng.gauss(0.3 if regular else -0.2, 0.7)))
        # Regular marks are mostly whole or half points; written tests come in quarters rounded to
        # one decimal.
        tenths = round(value * 2) * 5 if regular else round(value * 10)
        texts.append(f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10))
    return texts
