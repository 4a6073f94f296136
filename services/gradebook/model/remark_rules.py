"""What a teacher's remark on a student may be: nhận xét sự tiến bộ, ưu điểm nổi bật, hạn chế chủ
yếu (TT 22/2021).
"""

from services.common.errors import Violation
from services.gradebook.model.checks import Findings

MAX_REMARK = 500
"""Longest remark, in characters: what its column in the teacher's book and the transcript holds."""


def check_remark(field: str, text: str) -> list[Violation]:
    """What is wrong with a remark; "" is none. field: how violations name its place."""
    findings = Findings()
    findings.prose(field, text, longest=MAX_REMARK)
    return findings.violations
