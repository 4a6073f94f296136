"""Record types, columns, levels and states as people read them."""

from hoso.gradebook.v1 import common_pb2, corrections_pb2, marks_pb2

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


def record_type(one: int) -> str:
    """The title of a type of record books, as within a sentence."""
    return _RECORD_TYPES[common_pb2.RecordType.ValueType(one)]


def mark_kind(kind: int) -> str:
    """A kind of assessment."""
    return _KINDS.get(common_pb2.MarkKind.ValueType(kind), str(kind))


def column(one: marks_pb2.MarkColumn) -> str:
    """A column of a score sheet."""
    return f"{mark_kind(one.kind)} {one.position}" if one.position else mark_kind(one.kind)


def level(one: int) -> str:
    """A level; - for none."""
    return _LEVELS.get(common_pb2.Level.ValueType(one), "-")


def correction_state(state: int) -> str:
    """The state without its enum prefix, such as ``APPROVED``."""
    name = corrections_pb2.CorrectionState.Name(corrections_pb2.CorrectionState.ValueType(state))
    return name.removeprefix("CORRECTION_STATE_")
