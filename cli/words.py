"""Vietnamese words for record types, columns, levels and states."""

from hoso.gradebook.v1 import class_book_pb2, common_pb2, corrections_pb2, marks_pb2

_RECORD_TYPES = {
    common_pb2.RECORD_TYPE_CLASS_BOOK: "sổ theo dõi và đánh giá học sinh (theo lớp học)",
    common_pb2.RECORD_TYPE_TEACHER_BOOK: "sổ theo dõi và đánh giá học sinh (của giáo viên)",
    common_pb2.RECORD_TYPE_TRANSCRIPT: "học bạ",
    common_pb2.RECORD_TYPE_STUDENT_REGISTER: "sổ đăng bộ",
}
RECORD_TYPES = tuple(_RECORD_TYPES)
"""The types of record books."""
_KINDS = {
    common_pb2.MARK_KIND_REGULAR: "ĐĐGtx",
    common_pb2.MARK_KIND_MIDTERM: "ĐĐGgk",
    common_pb2.MARK_KIND_FINAL: "ĐĐGck",
    common_pb2.MARK_KIND_REASSESSMENT: "đánh giá lại",
}
_LEVELS = {
    common_pb2.LEVEL_EXCELLENT: "Tốt",
    common_pb2.LEVEL_GOOD: "Khá",
    common_pb2.LEVEL_SATISFACTORY: "Đạt",
    common_pb2.LEVEL_UNSATISFACTORY: "Chưa đạt",
}
_CORRECTION_KINDS = {
    corrections_pb2.CORRECTION_KIND_MARK: "điểm",
    corrections_pb2.CORRECTION_KIND_CONDUCT: "rèn luyện",
    corrections_pb2.CORRECTION_KIND_SUMMER_CONDUCT: "rèn luyện sau hè",
    corrections_pb2.CORRECTION_KIND_ABSENCES: "số buổi nghỉ",
    corrections_pb2.CORRECTION_KIND_ATTENDANCE: "điểm danh",
}
_SESSIONS = {class_book_pb2.SESSION_MORNING: "sáng", class_book_pb2.SESSION_AFTERNOON: "chiều"}
_ATTENDANCE = {
    corrections_pb2.ATTENDANCE_UNSPECIFIED: "chưa điểm danh",
    corrections_pb2.ATTENDANCE_PRESENT: "có mặt",
    corrections_pb2.ATTENDANCE_EXCUSED: "P",
    corrections_pb2.ATTENDANCE_UNEXCUSED: "K",
}


def record_type(number: int) -> str:
    """The title of a type of record books, as within a sentence."""
    return _RECORD_TYPES[common_pb2.RecordType.ValueType(number)]


def mark_kind(kind: int) -> str:
    """A kind of assessment."""
    return _KINDS.get(common_pb2.MarkKind.ValueType(kind), str(kind))


def column(mark_column: marks_pb2.MarkColumn) -> str:
    """A column of a score sheet."""
    kind = mark_kind(mark_column.kind)
    return f"{kind} {mark_column.position}" if mark_column.position else kind


def level(number: int) -> str:
    """A level; - for none."""
    return _LEVELS.get(common_pb2.Level.ValueType(number), "-")


def semester(number: int) -> str:
    """A semester, such as ``HKI``."""
    return "HK" + "I" * number


def correction_kind(kind: int) -> str:
    """The kind of data that a correction changes."""
    return _CORRECTION_KINDS.get(corrections_pb2.CorrectionKind.ValueType(kind), str(kind))


def session(day: int, half: int) -> str:
    """A session of a month, such as ``3 sáng``."""
    return f"{day} {_SESSIONS.get(class_book_pb2.Session.ValueType(half), str(half))}"


def attendance(number: int) -> str:
    """Attendance at a session: present, P (absent with leave), K (without)."""
    return _ATTENDANCE.get(corrections_pb2.Attendance.ValueType(number), str(number))


def absence_totals(totals: corrections_pb2.AbsenceTotals) -> str:
    """Absent sessions of the year, such as ``P 3, K 1``."""
    return f"P {totals.excused}, K {totals.unexcused}"


def correction_state(state: int) -> str:
    """The state without its enum prefix, such as ``APPROVED``."""
    name = corrections_pb2.CorrectionState.Name(corrections_pb2.CorrectionState.ValueType(state))
    return name.removeprefix("CORRECTION_STATE_")
