"""A school in the middle of its year, whose calls are written down with their answers."""

import uuid
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from hoso.gradebook.v1 import (
    achievements_pb2,
    class_book_pb2,
    common_pb2,
    corrections_pb2,
    marks_pb2,
    remarks_pb2,
)

from demo.school import SchoolClass
from tests.integration.gradebook import streams
from tests.integration.gradebook.class_corrections import DEPUTY, deputy
from tests.integration.gradebook.world import FINAL, FIRST, MIDTERM, REGULAR, SECOND, World, columns
from tests.kept import kept


class Recorder(World):
    """A World that writes down every call it makes, with its answer."""

    calls: list[dict[str, Any]]

    def ask(
        self, rpc: str, *, client: str | None = None, person: str | None = None, token: str | None = None, **fields: Any
    ) -> Any:
        answer = super().ask(rpc, client=client, person=person, token=token, **fields)
        request = MessageToDict(kept.request_type(rpc)(**fields))
        call = {"rpc": rpc, "client": client or self.client, "person": person or "", "request": request}
        self.calls.append({**call, "answer": kept.as_json(answer)})
        return answer

    def export(self) -> None:
        """ExportMarks of the whole school year."""
        request = MessageToDict(kept.request_type("ExportMarks")(**self.year))
        call = {"rpc": "ExportMarks", "client": self.client, "person": "", "request": request}
        self.calls.append({**call, "answer": kept.as_json(streams.export(self))})

    def send(self, sheet: marks_pb2.ImportMarksRequest, person: str) -> None:
        """ImportMarks of one sheet.

        The token in it is not written down: whoever asks again makes another.
        """
        (answer,) = streams.send(self, [sheet])
        sheet.person_token = ""
        call = {"rpc": "ImportMarks", "client": self.client, "person": person, "request": MessageToDict(sheet)}
        self.calls.append({**call, "answer": kept.as_json(answer)})


def middle_of_a_year(world: Recorder) -> None:
    """Semester I is closed, corrections wait in every state, semester II is being entered."""
    first, second = world.school.classes
    world.put_roster()
    world.plan_window("HK1", semesters=(FIRST,))
    for school_class in (first, second):
        _enter_semester(world, school_class, FIRST)
    _absences(world, second)
    _attendance(world, first)
    _change_marks(world, first)
    _imported(world, first)
    _remarks(world, first)
    _achievements(world, first)
    _exemptions(world, first)
    world.close_window("HK1")
    _corrections(world, first, second)
    world.plan_window("HK2", semesters=(SECOND,), end_s=20 * 366 * 86_400)
    _half_a_semester(world, first)


def _enter_semester(world: Recorder, school_class: SchoolClass, semester: int) -> None:
    for subject in world.school.subjects[school_class.grade]:
        world.enter(
            school_class, subject.code, semester, columns(subject), world.school.sheet(school_class, subject, semester)
        )
    levels = world.school.conduct(school_class, semester)
    numbers = {student: common_pb2.Level.Value(f"LEVEL_{level}") for student, level in levels.items()}
    world.enter_conduct(school_class, semester, numbers)


def _absences(world: Recorder, school_class: SchoolClass) -> None:
    for more in (0, 1):
        rows = [
            {"student": student, "excused": excused + more, "unexcused": unexcused}
            for student, (excused, unexcused) in world.school.absences(school_class).items()
        ]
        _as_homeroom(world, school_class, "EnterAbsences", rows=rows)


def _attendance(world: Recorder, school_class: SchoolClass) -> None:
    """A month entered, changed, partly taken away; another month empty."""
    morning, afternoon = class_book_pb2.SESSION_MORNING, class_book_pb2.SESSION_AFTERNOON
    days = ([(3, morning, True), (3, afternoon, True), (21, morning, False)], [(4, afternoon, False)], [])
    for shift in (0, 1, 1):
        rows = [
            class_book_pb2.AttendanceRow(
                student=student.id,
                absences=[
                    class_book_pb2.Absence(day=day, session=session, excused=excused)
                    for day, session, excused in days[(index + shift) % 3]
                ],
            )
            for index, student in enumerate(school_class.students)
        ]
        _as_homeroom(world, school_class, "EnterAttendance", month="2025-10", rows=rows)
    empty = [class_book_pb2.AttendanceRow(student=student.id) for student in school_class.students]
    _as_homeroom(world, school_class, "EnterAttendance", month="2025-11", rows=empty)
    for remark in ("Lớp đi học đều.", "Lớp đi học đều; còn ba buổi nghỉ có phép."):
        world.ask(
            "RecordPrincipalRemark",
            person=world.school.principal,
            school_class=world.ref(school_class),
            month="2025-10",
            remark=remark,
        )


def _change_marks(world: Recorder, school_class: SchoolClass) -> None:
    """Marks changed, withdrawn, unchanged; a sheet of Đ and CĐ."""
    first, second, *_ = (student.id for student in school_class.students)
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 1), (MIDTERM, 0)], {first: ["9.3", "10"], second: ["", "0"]})
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 1)], {second: ["7"]})
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 1)], {second: ["7"]})
    world.enter(school_class, "TOAN", FIRST, [(REGULAR, 2)], {second: [""]})
    world.enter(school_class, "GDTC", FIRST, [(FINAL, 0)], {first: ["CĐ"], second: ["Đ"]})


def _remarks(world: Recorder, school_class: SchoolClass) -> None:
    """Texts that Python's repr writes in different ways: both quotes, a backslash, letters outside
    of ASCII.
    """
    texts = [
        "Tiến bộ rõ rệt; cần luyện thêm hình học.",
        "Em 'chăm' và \"ngoan\"",
        "Viết đẹp, đọc 'tốt'",
        'Nói "to", rõ',
        "Đường dẫn a\\b còn sai",
    ]
    rows = dict(zip([student.id for student in school_class.students], texts, strict=True))
    for person, subject, period in (
        (school_class.assignments["TOAN"][0], "TOAN", remarks_pb2.REMARK_PERIOD_SEMESTER_1),
        (school_class.homeroom_teacher, "", remarks_pb2.REMARK_PERIOD_WHOLE_YEAR),
    ):
        for listed in (
            rows,
            {
                school_class.students[0].id: "",
                school_class.students[1].id: texts[0],
                school_class.students[2].id: texts[2],
            },
        ):
            world.ask(
                "EnterRemarks",
                person=person,
                request_id=str(uuid.uuid4()),
                school_class=world.ref(school_class),
                subject=subject,
                period=period,
                rows=[remarks_pb2.RemarkRow(student=student, text=text) for student, text in listed.items()],
            )


def _achievements(world: Recorder, school_class: SchoolClass) -> None:
    first, second, *_ = (student.id for student in school_class.students)
    for kind in (achievements_pb2.ACHIEVEMENT_KIND_CERTIFICATES, achievements_pb2.ACHIEVEMENT_KIND_COMPETITION):
        for rows in (
            {first: 'Giải "Nhì" cuộc thi Tin học trẻ', second: "Chứng chỉ 'Starters'"},
            {first: "", second: "Chứng chỉ Movers"},
        ):
            _as_homeroom(
                world,
                school_class,
                "EnterAchievements",
                kind=kind,
                rows=[achievements_pb2.AchievementRow(student=student, text=text) for student, text in rows.items()],
            )


def _exemptions(world: Recorder, school_class: SchoolClass) -> None:
    for semesters, withdrawn in (([FIRST, SECOND], False), ([SECOND], True)):
        world.ask(
            "RecordPracticalExemption",
            person=world.school.principal,
            request_id=str(uuid.uuid4()),
            school_class=world.ref(school_class),
            subject="GDTC",
            student=school_class.students[2].id,
            semesters=semesters,
            decision="Quyết định 15/QĐ-THCS ngày 10/10/2025",
            withdrawn=withdrawn,
        )


def _corrections(world: Recorder, first: SchoolClass, second: SchoolClass) -> None:
    """One of each kind is approved; then one rejected, one withdrawn, one waiting at each step."""
    deputy(world)
    kinds = corrections_pb2.CorrectionKind
    student = first.students[3].id
    mark = {"subject": "TOAN", "semester": FIRST, "column": {"kind": MIDTERM}}
    level = common_pb2.LEVEL_SATISFACTORY
    session = {"day": 21, "session": class_book_pb2.SESSION_MORNING, "new": corrections_pb2.ATTENDANCE_EXCUSED}
    of_class_2 = {"student": second.students[0].id, "new_absences": {"excused": 7, "unexcused": 1}}
    asked = [
        (first, {**mark, "student": student, "new_value": "4.5"}),
        (first, {"kind": kinds.CORRECTION_KIND_CONDUCT, "student": student, "semester": FIRST, "new_level": level}),
        (
            first,
            {"kind": kinds.CORRECTION_KIND_ATTENDANCE, "student": student, "month": "2025-10", "sessions": [session]},
        ),
        (second, {"kind": kinds.CORRECTION_KIND_ABSENCES, **of_class_2}),
    ]
    for school_class, fields in asked:
        _decide(world, _request(world, school_class, fields), approve=True)
    waiting = {**mark, "new_value": "1"}
    _decide(world, _request(world, first, {**waiting, "student": first.students[1].id}), approve=False)
    withdrawn = _request(world, first, {**waiting, "student": first.students[2].id})
    teacher = first.assignments["TOAN"][0]
    world.ask("WithdrawCorrection", person=teacher, correction=withdrawn.id)
    _request(world, first, {**waiting, "student": first.students[2].id})
    confirmed = _request(world, first, {**waiting, "student": first.students[4].id})
    world.ask("ConfirmCorrection", person=first.homeroom_teacher, correction=confirmed.id)


def _request(world: Recorder, school_class: SchoolClass, fields: Mapping[str, Any]) -> Any:
    person = school_class.assignments[fields["subject"]][0] if "subject" in fields else school_class.homeroom_teacher
    evidence = {"description": "Bài kiểm tra, sổ theo dõi của lớp", "sha256": bytes(range(32))}
    return world.ask(
        "RequestCorrection",
        person=person,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        reason="Nhập nhầm so với bản giấy.",
        evidence=evidence,
        **fields,
    ).correction


def _decide(world: Recorder, correction: Any, *, approve: bool) -> None:
    if correction.state == corrections_pb2.CORRECTION_STATE_REQUESTED:
        school_class = next(c for c in world.school.classes if c.name == correction.school_class.name)
        person = school_class.homeroom_teacher if correction.subject else DEPUTY  # who asked may not certify
        world.ask("ConfirmCorrection", person=person, correction=correction.id, note="Đã đối chiếu.")
    world.ask(
        "DecideCorrection",
        person=world.school.principal,
        correction=correction.id,
        approve=approve,
        note="Đã xem bài kiểm tra.",
    )


def _half_a_semester(world: Recorder, school_class: SchoolClass) -> None:
    """The first mark of every subject; two that are missing become zero."""
    for subject in world.school.subjects[school_class.grade]:
        rows = {student: values[:1] for student, values in world.school.sheet(school_class, subject, SECOND).items()}
        world.enter(school_class, subject.code, SECOND, [(REGULAR, 1)], rows)
    for student in school_class.students[1:3]:
        world.settle(school_class, "TOAN", SECOND, (REGULAR, 2), [student.id])


def _imported(world: Recorder, school_class: SchoolClass) -> None:
    """A sheet of a stream, with remarks."""
    first, second, *_ = (student.id for student in school_class.students)
    teacher = school_class.assignments["VAN"][0]
    texts = {first: "Đọc 'diễn cảm'", second: 'Viết "sạch", rõ'}
    sheet = streams.sheet(
        world, school_class, "VAN", FIRST, [(REGULAR, 1)], rows={first: ["8.5"], second: ["6"]}, remarks=texts
    )
    world.send(sheet, teacher)


def _as_homeroom(world: Recorder, school_class: SchoolClass, rpc: str, **fields: Any) -> None:
    request_id = str(uuid.uuid4())
    world.ask(
        rpc, person=school_class.homeroom_teacher, request_id=request_id, school_class=world.ref(school_class), **fields
    )
