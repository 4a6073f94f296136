"""A served gradebook with a small school, and short ways to call it as anyone."""

import contextlib
import datetime as dt
import hashlib
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import (
    achievements_pb2,
    achievements_pb2_grpc,
    books_pb2,
    books_pb2_grpc,
    class_book_pb2,
    class_book_pb2_grpc,
    common_pb2,
    corrections_pb2,
    corrections_pb2_grpc,
    dossiers_pb2,
    dossiers_pb2_grpc,
    exemptions_pb2,
    exemptions_pb2_grpc,
    marks_pb2,
    marks_pb2_grpc,
    register_pb2,
    register_pb2_grpc,
    remarks_pb2,
    remarks_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
)

from demo import people as demo_people
from demo import school as demo_school
from demo.school import School, SchoolClass, Subject
from services.common import operations, tokens
from services.common.db import Database, migrate
from services.common.errors import Rejected
from services.common.grpc_client import calling, channel
from services.common.refusals import Refusals
from services.common.settings import DatabaseConfig, PeerConfig, ServerConfig
from services.gradebook import api
from tests import servers
from tests.owning import as_owner
from tests.servers import Pki
from tests.stand_ins import tls

MIGRATIONS = Path(api.__file__).parents[1] / "migrations"
VENDOR = "vendor/smas"
OTHER_VENDOR = "vendor/vietschool"
DEPARTMENT = "operator/department"
FIRST, SECOND = common_pb2.SEMESTER_FIRST, common_pb2.SEMESTER_SECOND
REGULAR, MIDTERM, FINAL = common_pb2.MARK_KIND_REGULAR, common_pb2.MARK_KIND_MIDTERM, common_pb2.MARK_KIND_FINAL
REASSESSMENT = common_pb2.MARK_KIND_REASSESSMENT
SEMESTER_1, WHOLE_YEAR = common_pb2.STAGE_SEMESTER_1, common_pb2.STAGE_WHOLE_YEAR
AFTER_SUMMER = common_pb2.STAGE_AFTER_SUMMER
ISSUER = "https://id.hoso.local"
_STUBS = (
    roster_pb2_grpc.RosterServiceStub,
    marks_pb2_grpc.MarkServiceStub,
    books_pb2_grpc.BookServiceStub,
    exemptions_pb2_grpc.ExemptionServiceStub,
    class_book_pb2_grpc.ClassBookServiceStub,
    dossiers_pb2_grpc.DossierServiceStub,
    register_pb2_grpc.RegisterServiceStub,
    remarks_pb2_grpc.RemarkServiceStub,
    achievements_pb2_grpc.AchievementServiceStub,
    corrections_pb2_grpc.CorrectionServiceStub,
    review_pb2_grpc.ReviewServiceStub,
)
_MESSAGES = (
    roster_pb2,
    marks_pb2,
    books_pb2,
    exemptions_pb2,
    class_book_pb2,
    dossiers_pb2,
    corrections_pb2,
    review_pb2,
    register_pb2,
    remarks_pb2,
    achievements_pb2,
)


class World:
    """One served gradebook. `school` is the demo school cut small; `put_roster` registers it."""

    def __init__(self, pki: Pki, database: Database, address: str, school: School) -> None:
        self.pki, self.database, self.address, self.school = pki, database, address, school
        self.client = VENDOR
        self._key = (pki.stack.pki / "issuer.key").read_text()
        self._channels: dict[str, grpc.Channel] = {}

    def token(
        self, person: str, *, school: str | None = None, lifetime_s: int = 3600, client: str | None = None
    ) -> str:
        where = school or self.school.code
        who = client or self.client
        return tokens.issue(ISSUER, self._key, client=who, person=person, school=where, lifetime_s=lifetime_s)

    def channel(self, client: str) -> grpc.Channel:
        if client not in self._channels:
            self._channels[client] = channel(PeerConfig(self.address, tls(self.pki, client)), "gradebook")
        return self._channels[client]

    def ask(
        self,
        rpc: str,
        *,
        client: str | None = None,
        person: str | None = None,
        token: str | None = None,
        **fields: Any,
    ) -> Any:
        """Call an RPC by name with the fields of its request. Raises services.common.errors."""
        request = next(getattr(m, f"{rpc}Request")(**fields) for m in _MESSAGES if hasattr(m, f"{rpc}Request"))
        method = next(
            getattr(s, rpc) for s in (stub(self.channel(client or self.client)) for stub in _STUBS) if hasattr(s, rpc)
        )
        bearer = token or (self.token(person, client=client) if person else None)
        metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
        with calling("gradebook"):
            answer = method(request, timeout=30, metadata=metadata)
            return b"".join(piece.chunk for piece in answer) if rpc.startswith("Download") else answer

    def ref(self, school_class: SchoolClass) -> common_pb2.ClassRef:
        return common_pb2.ClassRef(school=self.school.code, school_year=self.school.school_year, name=school_class.name)

    @property
    def year(self) -> dict[str, str]:
        return {"school": self.school.code, "school_year": self.school.school_year}

    def put_roster(self, *, paper: bool = False) -> None:
        school = self.school
        self.ask(
            "PutSchool",
            client=DEPARTMENT,
            school=roster_pb2.School(
                code=school.code,
                name=school.name,
                level=common_pb2.SCHOOL_LEVEL_LOWER_SECONDARY,
                commune=school.commune,
                province=school.province,
                department=school.department,
            ),
        )
        self.put_year(paper=paper)
        people = [
            roster_pb2.Person(id=p.id, name=p.name, roles=[common_pb2.Role.Value(f"ROLE_{role}") for role in p.roles])
            for p in school.people
        ]
        self.put_people(school.code, school.principal, people)
        for grade, subjects in school.subjects.items():
            self.ask("PutSubjects", **self.year, grade_level=grade, subjects=[subject_message(s) for s in subjects])
        self.ask(
            "PutClasses",
            person=school.principal,
            **self.year,
            classes=[
                roster_pb2.SchoolClass(name=c.name, grade_level=c.grade, homeroom_teacher=c.homeroom_teacher)
                for c in school.classes
            ],
        )
        for c in school.classes:
            self.ask("PutStudents", school_class=self.ref(c), students=[student_message(s) for s in c.students])
            self.ask(
                "PutAssignments",
                person=school.principal,
                school_class=self.ref(c),
                assignments=[roster_pb2.Assignment(subject=code, teachers=who) for code, who in c.assignments.items()],
            )

    def put_people(self, school: str, principal: str, people: Sequence[roster_pb2.Person]) -> None:
        """The Department appoints the principal, who names the others."""
        head = [person for person in people if person.id == principal]
        with contextlib.suppress(Rejected):
            self.ask("PutPeople", client=DEPARTMENT, school=school, people=head)
        self.ask("PutPeople", token=self.token(principal, school=school), school=school, people=people)

    def put_year(self, *, paper: bool = False, vendor: str = "smas") -> None:
        """Open the year by the Department's own decision; dossiers have their own tests."""
        year = roster_pb2.SchoolYear(
            school_year=self.school.school_year,
            vendor=vendor,
            paper_track_required=paper,
            authorisation=roster_pb2.AUTHORISATION_BY_DEPARTMENT,
            authorisation_decision="12/QĐ-SGDĐT",
        )
        self.ask("PutSchoolYear", client=DEPARTMENT, school=self.school.code, year=year)

    def plan_window(
        self,
        name: str = "CN",
        *,
        begin_s: int = -3600,
        end_s: int = 3600,
        semesters: tuple[int, ...] = (FIRST, SECOND),
        kinds: tuple[int, ...] = (REGULAR, MIDTERM, FINAL),
        grades: tuple[int, ...] = (),
    ) -> None:
        now = dt.datetime.now(dt.UTC)
        window = marks_pb2.Window(
            name=name,
            open_time=timestamp(now + dt.timedelta(seconds=begin_s)),
            close_time=timestamp(now + dt.timedelta(seconds=end_s)),
            semesters=semesters,
            mark_kinds=kinds,
            grade_levels=grades,
        )
        self.ask("PlanWindow", person=self.school.principal, **self.year, window=window)

    def close_window(self, name: str = "CN") -> int:
        answer = self.ask("CloseWindow", person=self.school.principal, **self.year, window=name)
        return int(answer.snapshots)

    def enter(
        self,
        school_class: SchoolClass,
        subject: str,
        semester: int,
        columns: list[tuple[int, int]],
        rows: Mapping[str, list[str]],
        *,
        person: str | None = None,
        request_id: str | None = None,
    ) -> Any:
        teacher = person or school_class.assignments[subject][0]
        sheet = self.sheet(school_class, subject, semester, columns, rows, request_id=request_id)
        return self.ask("EnterMarks", person=teacher, **sheet)

    def sheet(
        self,
        school_class: SchoolClass,
        subject: str,
        semester: int,
        columns: list[tuple[int, int]],
        rows: Mapping[str, list[str]],
        *,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """The fields of EnterMarksRequest."""
        return {
            "request_id": request_id or str(uuid.uuid4()),
            "school_class": self.ref(school_class),
            "subject": subject,
            "semester": semester,
            "columns": [marks_pb2.MarkColumn(kind=kind, position=position) for kind, position in columns],
            "rows": [marks_pb2.MarkRow(student=student, values=values) for student, values in rows.items()],
        }

    def settle(
        self,
        school_class: SchoolClass,
        subject: str,
        semester: int,
        column: tuple[int, int],
        students: list[str],
        *,
        reason: str = "Học sinh không dự kiểm tra bù, không có lí do bất khả kháng.",
        request_id: str | None = None,
    ) -> Any:
        """Make the missing marks of a column zero, as the subject's teacher."""
        kind, position = column
        return self.ask(
            "SettleMissingMarks",
            person=school_class.assignments[subject][0],
            request_id=request_id or str(uuid.uuid4()),
            school_class=self.ref(school_class),
            subject=subject,
            semester=semester,
            columns=[marks_pb2.MarkColumn(kind=kind, position=position)],
            students=students,
            reason=reason,
        )

    def enter_conduct(self, school_class: SchoolClass, semester: int, levels: Mapping[str, int]) -> None:
        """Enter conduct levels (`common_pb2.Level`) by student, as the homeroom teacher."""
        self.ask(
            "EnterConduct",
            person=school_class.homeroom_teacher,
            request_id=str(uuid.uuid4()),
            school_class=self.ref(school_class),
            semester=semester,
            rows=[{"student": student, "level": level} for student, level in levels.items()],
        )

    def complete(self, school_class: SchoolClass, semesters: tuple[int, ...] = (1, 2)) -> None:
        """Enter everything that a book of these semesters needs."""
        for semester in semesters:
            for subject in self.school.subjects[school_class.grade]:
                self.enter(
                    school_class,
                    subject.code,
                    semester,
                    columns(subject),
                    self.school.sheet(school_class, subject, semester),
                )
            levels = self.school.conduct(school_class, semester)
            numbers = {student: common_pb2.Level.Value(f"LEVEL_{level}") for student, level in levels.items()}
            self.enter_conduct(school_class, semester, numbers)
        self.ask(
            "EnterAbsences",
            person=school_class.homeroom_teacher,
            request_id=str(uuid.uuid4()),
            school_class=self.ref(school_class),
            rows=[
                marks_pb2.AbsenceRow(student=student, excused=excused, unexcused=unexcused)
                for student, (excused, unexcused) in self.school.absences(school_class).items()
            ],
        )

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database, for what no RPC shows."""
        with as_owner(self.database.config) as tx:
            return tx.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def outbox(self, event: str) -> list[str]:
        """The bodies of the events of a type, oldest first."""
        bodies = self.rows("SELECT body FROM outbox WHERE type = %s ORDER BY id", f"hoso.gradebook.v1.{event}")
        return [bytes(row[0]).decode() for row in bodies]


@contextlib.contextmanager
def served(pki: Pki, config: DatabaseConfig, *, classes: int = 2, students: int = 6) -> Iterator[World]:
    """Serve gradebook over an empty database until the block ends."""
    migrate(config, [MIGRATIONS])
    database = Database(config, max_size=12)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    own = ServerConfig(address, tls(pki, "service/gradebook"), pki.stack.pki / "issuers.json", grace_s=5)
    refused = Refusals(database)
    services = [*api.served(database, refused), operations.served(database)]
    world = World(pki, database, address, demo_school.school(classes=classes, students_per_class=students))
    try:
        with servers.serving(own, services, refused):
            yield world
    finally:
        database.close()


def columns(subject: Subject) -> list[tuple[int, int]]:
    """All columns of a subject's sheet."""
    return columns_of(subject.regular_count)


def columns_of(regular_count: int) -> list[tuple[int, int]]:
    """All columns of a sheet with so many regular marks."""
    return [*((REGULAR, position) for position in range(1, regular_count + 1)), (MIDTERM, 0), (FINAL, 0)]


def timestamp(moment: dt.datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def subject_message(subject: Subject) -> roster_pb2.Subject:
    kind = "COMMENT_ONLY" if subject.comment_only else "COMMENT_AND_SCORE"
    return roster_pb2.Subject(
        code=subject.code,
        name=subject.name,
        kind=common_pb2.SubjectKind.Value(f"SUBJECT_KIND_{kind}"),
        periods_per_year=subject.periods,
    )


def student_message(student: demo_people.Student, **changes: Any) -> roster_pb2.Student:
    fields = {
        "moet_student_id": student.id,
        "number": student.number,
        "name": student.name,
        "birth_date": student.birth_date,
        "birth_place": student.birth_place,
        "sex": common_pb2.Sex.Value(f"SEX_{student.sex}"),
        "ethnicity": student.ethnicity,
        "priority": student.priority,
        "address": student.address,
        "father": _guardian(student.father),
        "mother": _guardian(student.mother),
    }
    return roster_pb2.Student(**{**fields, **changes})


def _guardian(guardian: demo_people.Guardian | None) -> roster_pb2.Guardian | None:
    return None if guardian is None else roster_pb2.Guardian(name=guardian.name, job=guardian.job, phone=guardian.phone)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
