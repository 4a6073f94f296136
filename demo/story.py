"""Events of the demo school apart from the ordinary year: a correction, a transfer, a summer.

Every call may be repeated: request ids derive from the request, and a call whose time has passed
changes nothing.
"""

from dataclasses import dataclass
from functools import partial

from hoso.gradebook.v1 import (
    achievements_pb2,
    class_book_pb2,
    common_pb2,
    corrections_pb2,
    marks_pb2,
    register_pb2,
    remarks_pb2,
)

from demo import load
from demo.books import Play
from demo.load import Step, in_parallel
from demo.people import Student
from demo.school import (
    CORRECTED_SUBJECT,
    JOINING_DATE,
    LEAVING_DATE,
    SchoolClass,
    corrected_mark,
)

SUMMER_WINDOW = "HE"
_PASSED, _FAILED = "5.5", "3"
_OPEN = (corrections_pb2.CORRECTION_STATE_REQUESTED, corrections_pb2.CORRECTION_STATE_CONFIRMED)


@dataclass(frozen=True)
class Summer:
    """The students reassessed or trained in the summer: class and student id."""

    students: list[tuple[SchoolClass, str]]

    @property
    def classes(self) -> list[SchoolClass]:
        """Their classes, each once."""
        return list({c.name: c for c, _ in self.students}.values())


def register(play: Play) -> None:
    """Văn thư enters every student into the register."""
    for c in play.school.classes:
        request = register_pb2.RegisterStudentsRequest(
            **play.year, rows=[_register_row(s, c.grade) for s in c.students]
        )
        play.act(play.school.seal_custodian, play.vendor.register.RegisterStudents, request)


def _register_row(student: Student, grade: int) -> register_pb2.RegisterRow:
    details = register_pb2.RegisterDetails(nationality="Việt Nam")
    return register_pb2.RegisterRow(student=student.id, entered_on=f"{2025 - (grade - 6)}-08-20", details=details)


def key_attendance(play: Play, months: tuple[str, ...], step: Step) -> None:
    """Each homeroom teacher's sheet of attendance for each of the months."""
    in_parallel((partial(_key_month, play, c, month) for c in play.school.classes for month in months), step)


def _key_month(play: Play, c: SchoolClass, month: str) -> None:
    rows = [
        class_book_pb2.AttendanceRow(
            student=student,
            absences=[
                class_book_pb2.Absence(
                    day=day, session=class_book_pb2.Session.Value(f"SESSION_{session}"), excused=excused
                )
                for day, session, excused in absences
            ],
        )
        for student, absences in play.school.attendance(c, month).items()
    ]
    request = class_book_pb2.EnterAttendanceRequest(
        request_id=play.request_id(c.name, "attendance", month), school_class=play.ref(c), month=month, rows=rows
    )
    play.act(c.homeroom_teacher, play.vendor.class_book.EnterAttendance, request)


def correct(play: Play) -> None:
    """A wrong final mark of semester I is corrected; a second request is rejected."""
    story, c = play.school.story, play.school.classes[0]
    assert story is not None
    subject = next(s for s in play.school.subjects[c.grade] if s.code == CORRECTED_SUBJECT)
    keyed = play.school.sheet(c, subject, 1)[story.corrected][-1]
    _decide(play, _request_correction(play, c, story.corrected, corrected_mark(keyed)), approve=True)
    _decide(play, _request_correction(play, c, story.retained, "10"), approve=False)


def _request_correction(play: Play, c: SchoolClass, student: str, value: str) -> str:
    request = corrections_pb2.RequestCorrectionRequest(
        request_id=play.request_id(c.name, "correction", student),
        school_class=play.ref(c),
        subject=CORRECTED_SUBJECT,
        semester=common_pb2.SEMESTER_FIRST,
        column=marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_FINAL),
        student=student,
        new_value=value,
        reason="Vào nhầm điểm so với bài kiểm tra cuối học kì I.",
        evidence=corrections_pb2.Evidence(description="Bài kiểm tra cuối học kì I, lưu tại tổ Ngoại ngữ"),
    )
    teacher = c.assignments[CORRECTED_SUBJECT][0]
    return play.act(teacher, play.vendor.corrections.RequestCorrection, request).correction.id


def _decide(play: Play, correction: str, *, approve: bool) -> None:
    """The homeroom teacher certifies the request, the principal decides."""
    current = play.act(
        play.school.principal,
        play.vendor.corrections.GetCorrection,
        corrections_pb2.GetCorrectionRequest(correction=correction),
    ).correction
    if current.state not in _OPEN:
        return
    play.act(
        play.school.classes[0].homeroom_teacher,
        play.vendor.corrections.ConfirmCorrection,
        corrections_pb2.ConfirmCorrectionRequest(correction=correction, note="Đã đối chiếu với bài kiểm tra."),
    )
    note = "Đồng ý sửa điểm." if approve else "Bài kiểm tra không chứng minh được điểm đề nghị."
    play.act(
        play.school.principal,
        play.vendor.corrections.DecideCorrection,
        corrections_pb2.DecideCorrectionRequest(correction=correction, approve=approve, note=note),
    )


def transfer(home: Play, away: Play) -> None:
    """A student moves to the second school after semester I, with the marks."""
    assert home.school.story is not None
    student = home.school.story.leaver
    leaving = register_pb2.TransferOutRequest(
        **home.year,
        student=student,
        date=LEAVING_DATE,
        to_school=away.school.code,
        decision=register_pb2.Decision(number="12/GGT-THCS", date=LEAVING_DATE),
        reason="Gia đình chuyển nơi cư trú.",
    )
    home.act(home.school.principal, home.vendor.register.TransferOut, leaving)
    joining = register_pb2.TransferInRequest(
        school_class=away.ref(away.school.classes[0]),
        student=student,
        date=JOINING_DATE,
        from_school=home.school.code,
        decision=register_pb2.Decision(number="05/QĐ-THCS", date=JOINING_DATE),
        reason="Tiếp nhận theo giấy giới thiệu chuyển trường.",
    )
    away.act(away.school.principal, away.vendor.register.TransferIn, joining)


def remark(play: Play) -> None:
    """The remarks of the first class's teachers on every student."""
    c = play.school.classes[0]
    writers = [(s.code, c.assignments[s.code][0]) for s in play.school.subjects[c.grade]] + [("", c.homeroom_teacher)]
    for subject, teacher in writers:
        request = remarks_pb2.EnterRemarksRequest(
            request_id=play.request_id(c.name, "remarks", subject),
            school_class=play.ref(c),
            subject=subject,
            period=remarks_pb2.REMARK_PERIOD_WHOLE_YEAR,
            rows=[
                remarks_pb2.RemarkRow(student=s.id, text=_remark(s.ability, homeroom=not subject))
                for s in play.school.present(c, 2)
            ],
        )
        play.act(teacher, play.vendor.remarks.EnterRemarks, request)


def achieve(play: Play) -> None:
    """A certificate and two prizes of the best students of the first class, for page B of their
    transcripts.
    """
    c = play.school.classes[0]
    best, next_best = sorted(play.school.present(c, 2), key=lambda s: s.ability, reverse=True)[:2]
    lines = {
        achievements_pb2.ACHIEVEMENT_KIND_CERTIFICATES: {
            best.id: "Chứng chỉ tiếng Anh A2 Key for Schools, Cambridge, ngày 14/3/2026"
        },
        achievements_pb2.ACHIEVEMENT_KIND_COMPETITION: {
            best.id: "Giải Nhì môn Toán, kì thi học sinh giỏi lớp 6 cấp trường; Giải Ba, cuộc thi Tin học trẻ cấp xã",
            next_best.id: "Huy chương Đồng môn cờ vua, Hội khỏe Phù Đổng cấp trường",
        },
    }
    for kind, said in lines.items():
        request = achievements_pb2.EnterAchievementsRequest(
            request_id=play.request_id(c.name, "achievements", kind),
            school_class=play.ref(c),
            kind=kind,
            rows=[achievements_pb2.AchievementRow(student=student, text=text) for student, text in said.items()],
        )
        play.act(c.homeroom_teacher, play.vendor.achievements.EnterAchievements, request)


def remark_monthly(play: Play, months: tuple[str, ...]) -> None:
    """The principal's monthly remarks on the use of the first class's book."""
    c = play.school.classes[0]
    for month in months:
        monthly = class_book_pb2.RecordPrincipalRemarkRequest(
            school_class=play.ref(c),
            month=month,
            remark="Sổ được ghi đầy đủ, đúng tiến độ; giáo viên bộ môn vào điểm đúng quy định.",
        )
        play.act(play.school.principal, play.vendor.class_book.RecordPrincipalRemark, monthly)


def _remark(ability: float, *, homeroom: bool) -> str:
    if homeroom:
        return "Ngoan, có ý thức kỉ luật tốt, hòa đồng với bạn bè."
    if ability >= 8:
        return "Nắm vững kiến thức, tích cực phát biểu."
    return "Có tiến bộ, cần luyện tập thêm." if ability >= 6.5 else "Cần cố gắng hơn trong năm học tới."


def reassess(play: Play) -> Summer:
    """The summer: students to be reassessed or trained get a result, then the window closes."""
    waiting = [(c, summary) for c in play.school.classes for summary in _waiting(play, c)]
    summer = Summer([(c, summary.student) for c, summary in waiting])
    kinds = [common_pb2.MARK_KIND_REASSESSMENT]
    where = (play.vendor, play.persons, play.school, SUMMER_WINDOW)
    if not waiting or not load.open_window(*where, semester=common_pb2.SEMESTER_SECOND, kinds=kinds):
        return summer
    for c, summary in waiting:
        if summary.promotion == "RETEST":
            _reassess_student(play, c, summary)
        else:
            _key_summer_conduct(play, c, summary.student)
    load.close_window(*where)
    return summer


def _waiting(play: Play, c: SchoolClass) -> list[marks_pb2.StudentSummary]:
    request = marks_pb2.GetClassSummaryRequest(school_class=play.ref(c), stage=common_pb2.STAGE_WHOLE_YEAR)
    answer = play.act(c.homeroom_teacher, play.vendor.marks.GetClassSummary, request)
    return [s for s in answer.students if s.promotion in {"RETEST", "SUMMER_TRAINING"}]


def _reassess_student(play: Play, c: SchoolClass, summary: marks_pb2.StudentSummary) -> None:
    assert play.school.story is not None
    passes = summary.student != play.school.story.retained
    for subject in play.school.subjects[c.grade]:
        if subject.code not in summary.retest_subjects:
            continue
        value = ("Đ" if passes else "CĐ") if subject.comment_only else (_PASSED if passes else _FAILED)
        request = marks_pb2.EnterMarksRequest(
            request_id=play.request_id(c.name, "summer", subject.code, summary.student),
            school_class=play.ref(c),
            subject=subject.code,
            semester=common_pb2.SEMESTER_SECOND,
            columns=[marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_REASSESSMENT)],
            rows=[marks_pb2.MarkRow(student=summary.student, values=[value])],
        )
        play.act(c.assignments[subject.code][0], play.vendor.marks.EnterMarks, request)


def _key_summer_conduct(play: Play, c: SchoolClass, student: str) -> None:
    request = class_book_pb2.EnterSummerConductRequest(
        request_id=play.request_id(c.name, "summer-conduct", student),
        school_class=play.ref(c),
        rows=[class_book_pb2.SummerConductRow(student=student, level=common_pb2.LEVEL_SATISFACTORY)],
    )
    play.act(c.homeroom_teacher, play.vendor.class_book.EnterSummerConduct, request)
