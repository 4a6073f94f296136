"""One case of `hoso rules evaluate`: a JSON object in, a JSON object out. Pure, like all the rules.

Input (a scored subject needs `periods_per_year`; marks are texts such as "7.5", "7,5", "Đ" or "CĐ";
a null or absent mark is an open cell, which makes every result that needs it null and is named in
`pending`):

    {"id": any, "school_year": "2024-2025", "grade": 7,
     "subjects": [{"name": "Toán", "kind": "COMMENT_AND_SCORE", "periods_per_year": 140,
                   "semester_1": {"regular": ["7.5", "8", "6.5"], "midterm": "7.3", "final": "6.8"},
                   "semester_2": {...}}],
     "conduct": {"semester_1": "Tốt", "semester_2": "Khá"}, "absent_sessions": 3}

Optional: `reassessed` (subject → result, null for a pupil who did not sit; absent or empty until
the summer re-assessment has been held), `summer_conduct`, `policy` (the flags of `Policy`); in a
subject `exempt` (["semester_1"]), `topic_cluster_semester` (1 or 2), `role`, `specialised`; instead
of a mark
{"status": "MADE_UP", "mark": "6"} or {"status": "ZERO_BY_RULE"}.
Under the original TT58 a semester has `regular` (KTtx), `periodic` (KTđk, a list) and `final`
(KThk); the names legacy_regular_test, legacy_periodic_test, legacy_semester_test, KTtx, KTđk and
KThk are accepted too. Under TT58 conduct may have `year`, as the homeroom teacher entered it.
"""

from typing import Any

from services.gradebook.rules.evaluation.articles import applied_articles
from services.gradebook.rules.evaluation.case import Case, read_case
from services.gradebook.rules.learning import ENOUGH_SUBJECTS
from services.gradebook.rules.legacy import AcademicResult
from services.gradebook.rules.marks import Mark, format_mark
from services.gradebook.rules.pupil import Learning, Periods, PupilResult, SubjectResult, assess, open_cells
from services.gradebook.rules.words import Award, ConductLevel, SubjectKind


def evaluate_case(given: object) -> dict[str, Any]:
    """Evaluate one pupil's year.

    Raises Invalid with a violation (field, rule, Vietnamese message) per error in the input.
    """
    case = read_case(given)
    result = assess(case.rules, case.pupil, case.policy)
    answer: dict[str, Any] = {}
    if isinstance(given, dict) and "id" in given:
        answer["id"] = given["id"]
    answer["regulation"] = case.rules.regime.value
    answer["subjects"] = [_subject(subject) for subject in result.subjects]
    if not case.rules.is_tt22:
        answer["overall_average"] = _periods(result.learning, _overall)
    answer["learning_result"] = _periods(result.learning, lambda learning: learning.level.vietnamese)
    answer["conduct_result"] = _periods(result.conduct, _word)
    answer["promotion"] = result.promotion.value if result.promotion else None
    answer["retest_subjects"] = list(result.retest_subjects)
    answer["award"] = _code(result.award)
    if not case.rules.is_tt22:
        first, second = result.semester_awards
        answer["semester_awards"] = {"semester_1": _code(first), "semester_2": _code(second)}
    answer["applied"] = applied_articles(case.rules, case.pupil, result)
    answer["pending"] = _pending(case, result)
    answer["warnings"] = case.warnings + _remarks(case, result)
    return answer


def _subject(result: SubjectResult) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": result.name,
        "semester_1": _mark(result.semester_1),
        "semester_2": _mark(result.semester_2),
        "year": _mark(result.year),
        "reassessed": _mark(result.reassessed),
    }
    if result.left_out:
        fields["left_out"] = [f"semester_{semester}" for semester in sorted(result.left_out)]
    return fields


def _mark(mark: Mark | None) -> str | None:
    return None if mark is None else format_mark(mark)


def _periods(periods: Periods[Any], show: Any) -> dict[str, str | None]:
    return {
        period: None if value is None else show(value) for period, value in zip(Periods._fields, periods, strict=True)
    }


def _overall(learning: Learning) -> str | None:
    return format_mark(learning.overall) if isinstance(learning, AcademicResult) else None


def _word(conduct: ConductLevel) -> str:
    return conduct.vietnamese


def _code(award: Award | None) -> str | None:
    return award.value if award else None


def _pending(case: Case, result: PupilResult) -> list[str]:
    """Paths of everything that a decision still needs."""
    paths = [
        f"subjects[{index}].{cell}"
        for index, (subject, subject_result) in enumerate(zip(case.pupil.subjects, result.subjects, strict=True))
        if subject_result.semester_1 is None or subject_result.semester_2 is None
        for cell in open_cells(case.rules, subject)
    ]
    for period in ("semester_1", "semester_2"):
        if getattr(result.conduct, period) is None:
            paths.append(f"conduct.{period}")
    if result.conduct.year is None and not case.rules.is_tt22:
        paths.append("conduct.year")
    if case.pupil.absent_sessions is None:
        paths.append("absent_sessions")
    return paths


def _remarks(case: Case, result: PupilResult) -> list[str]:
    """Notes on the result: input that had no effect, and assumptions made."""
    pupil, remarks = case.pupil, []
    replaced = {subject.name for subject in result.subjects if subject.reassessed is not None}
    for name in pupil.reassessed or ():
        if name not in replaced:
            remarks.append(f"Môn {name} không thuộc diện đánh giá lại; kết quả đánh giá lại không được dùng.")
    if pupil.conduct_after_summer is not None and result.conduct.after_summer is None:
        remarks.append("Không thuộc diện rèn luyện trong kì nghỉ hè; “summer_conduct” không được dùng.")
    scored = sum(subject.kind is SubjectKind.COMMENT_AND_SCORE for subject in pupil.subjects)
    if case.rules.is_tt22 and scored < ENOUGH_SUBJECTS:
        remarks.append(f"Chỉ có {scored} môn tính điểm; mọi mức từ Đạt trở lên cần ít nhất {ENOUGH_SUBJECTS:02} môn.")
    if not case.rules.is_tt22 and pupil.conduct_year is None and result.conduct.year is not None:
        remarks.append("Hạnh kiểm cả năm không được nhập; lấy theo học kì II.")
    return remarks
