"""Reads one case of `hoso rules evaluate`: a JSON object of a pupil's year into types of the rules.

The shape is described in `evaluate`. All errors are reported together, each with its path. Unknown
keys are warnings, except among marks and in the policy, where they could change a result: there
they are errors.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from services.common.errors import Invalid, Violation
from services.gradebook.rules.averages import SemesterMarks
from services.gradebook.rules.marks import SPELLINGS, BadMark, Cell, CellStatus, Mark, counting_mark, parse_mark
from services.gradebook.rules.pupil import NO_MARKS, PupilYear, SubjectYear, left_out_semesters
from services.gradebook.rules.regime import NoRules, Policy, RuleSet, required_regular, rule_set
from services.gradebook.rules.words import Conduct, ConductLevel, Level, SubjectKind, SubjectRole

SEMESTERS = {"semester_1": 1, "semester_2": 2}

_CASE_KEYS = (
    "id",
    "school_year",
    "grade",
    "subjects",
    "conduct",
    "absent_sessions",
    "reassessed",
    "summer_conduct",
    "policy",
)
_SUBJECT_KEYS = (
    "name",
    "kind",
    "periods_per_year",
    "semester_1",
    "semester_2",
    "role",
    "specialised",
    "topic_cluster_semester",
    "exempt",
)
_LEGACY_KINDS = {
    "legacy_regular_test": "regular",
    "legacy_periodic_test": "periodic",
    "legacy_semester_test": "final",
    "KTtx": "regular",
    "KTđk": "periodic",
    "KThk": "final",
}
"""Names of mark kinds under the old regulation → key with the same coefficient."""

_FOREIGN_LANGUAGES = ("tiếng anh", "tiếng pháp", "tiếng nga", "tiếng trung", "tiếng nhật", "tiếng đức", "tiếng hàn")
_ROLES = {
    "toán": SubjectRole.MATHEMATICS,
    "ngữ văn": SubjectRole.LITERATURE,
    "văn": SubjectRole.LITERATURE,
    **dict.fromkeys(("ngoại ngữ", "ngoại ngữ 1", *_FOREIGN_LANGUAGES), SubjectRole.FOREIGN_LANGUAGE),
}

E = TypeVar("E")


class Case(NamedTuple):
    """A case that was read without errors."""

    rules: RuleSet
    pupil: PupilYear
    policy: Policy
    warnings: list[str]


@dataclass
class _Findings:
    """Errors (violations) and unknown keys (warnings) found so far."""

    violations: list[Violation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def wrong(self, path: str, rule: str, message: str) -> None:
        self.violations.append(Violation(path, rule, message))

    def attempt(self, path: str, rule: str, read: Callable[[], E]) -> E | None:
        """Run a reader that raises ValueError or LookupError with a Vietnamese sentence."""
        try:
            return read()
        except BadMark as bad:
            self.wrong(path, bad.rule, str(bad))
        except (ValueError, LookupError) as bad:
            self.wrong(path, rule, str(bad.args[0]))
        return None

    def unknown(self, path: str, given: Mapping[str, Any], known: Collection[str]) -> None:
        for key in given:
            if key not in known:
                self.warnings.append(f"Bỏ qua khóa không rõ: {path}{key}.")


def read_case(given: object) -> Case:
    """Read a case.

    Raises Invalid with one violation per error.
    """
    findings = _Findings()
    if not isinstance(given, dict):
        raise Invalid([Violation("", "TYPE", "Mỗi dòng phải là một đối tượng JSON.")])
    findings.unknown("", given, _CASE_KEYS)
    grade = _integer(findings, given, "grade", low=1, high=12)
    year = findings.attempt("school_year", "SCHOOL_YEAR", lambda: _school_year(given.get("school_year")))
    rules = None
    if grade is not None and year is not None:
        rules = findings.attempt("grade", "NO_RULES", lambda: _rules(year, grade))
    if rules is None or grade is None:
        raise Invalid(findings.violations)

    subjects = _subjects(findings, rules, grade, given.get("subjects"))
    pupil = PupilYear(
        grade=grade,
        subjects=subjects,
        absent_sessions=_integer(findings, given, "absent_sessions", low=0, high=1000, optional=True),
        reassessed=_reassessed(findings, subjects, given.get("reassessed")),
        conduct_after_summer=_conduct(findings, rules, "summer_conduct", given.get("summer_conduct")),
    )
    pupil = _with_conduct(findings, rules, pupil, given.get("conduct"))
    policy = _policy(findings, given.get("policy"))
    if findings.violations:
        raise Invalid(findings.violations)
    return Case(rules, pupil, policy, findings.warnings)


def _school_year(given: object) -> int:
    match = re.fullmatch(r"([0-9]{4})-([0-9]{4})", given) if isinstance(given, str) else None
    if match is None or int(match[2]) != int(match[1]) + 1:
        raise ValueError("Năm học phải viết như “2024-2025”, hai năm liền nhau.")
    return int(match[1])


def _rules(year: int, grade: int) -> RuleSet:
    try:
        return rule_set(year, grade)
    except NoRules as missing:
        raise ValueError(str(missing)) from missing


def _integer(
    findings: _Findings,
    given: Mapping[str, Any],
    key: str,
    *,
    low: int,
    high: int,
    optional: bool = False,
    path: str = "",
) -> int | None:
    value = given.get(key)
    if value is None and optional:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        findings.wrong(path + key, "INTEGER_RANGE", f"“{key}” phải là số nguyên từ {low} đến {high}.")
        return None
    return value


def _subjects(findings: _Findings, rules: RuleSet, grade: int, given: object) -> list[SubjectYear]:
    if not isinstance(given, list) or not given:
        findings.wrong("subjects", "REQUIRED", "Phải có danh sách môn học.")
        return []
    subjects = []
    names: set[str] = set()
    for index, item in enumerate(given):
        path = f"subjects[{index}]"
        subject = _subject(findings, rules, grade, path, item)
        if subject is None:
            continue
        if subject.name in names:
            findings.wrong(f"{path}.name", "DUPLICATE_SUBJECT", f"Môn {subject.name} có hai lần.")
        names.add(subject.name)
        subjects.append(subject)
    return subjects


def _subject(findings: _Findings, rules: RuleSet, grade: int, path: str, given: object) -> SubjectYear | None:
    if not isinstance(given, dict):
        findings.wrong(path, "TYPE", "Mỗi môn học phải là một đối tượng JSON.")
        return None
    findings.unknown(f"{path}.", given, _SUBJECT_KEYS)
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        findings.wrong(f"{path}.name", "REQUIRED", "Môn học phải có tên.")
        return None
    name = unicodedata.normalize("NFC", name.strip())
    kind = _choice(findings, f"{path}.kind", SubjectKind, given.get("kind"))
    if kind is None:
        return None
    comment_only = kind is SubjectKind.COMMENT_ONLY
    periods = _integer(findings, given, "periods_per_year", low=1, high=1000, optional=comment_only, path=f"{path}.")
    if periods is None and not comment_only:
        return None
    role = _ROLES.get(name.lower())
    if given.get("role") is not None:
        role = _choice(findings, f"{path}.role", SubjectRole, given["role"])
    subject = SubjectYear(
        name=name,
        kind=kind,
        periods_per_year=periods,
        semester_1=_semester(findings, rules, kind, f"{path}.semester_1", given.get("semester_1")),
        semester_2=_semester(findings, rules, kind, f"{path}.semester_2", given.get("semester_2")),
        role=role,
        specialised=given.get("specialised") is True,
        topic_cluster_semester=_integer(
            findings, given, "topic_cluster_semester", low=1, high=2, optional=True, path=f"{path}."
        ),
        exempt=_exempt(findings, path, given.get("exempt")),
    )
    return _checked(findings, rules, grade, path, subject)


def _choice(findings: _Findings, path: str, enum: Any, given: object) -> Any:
    if isinstance(given, str) and given in enum.__members__:
        return enum[given]
    findings.wrong(path, "UNKNOWN_VALUE", f"Phải là một trong: {', '.join(enum.__members__)}.")
    return None


def _exempt(findings: _Findings, path: str, given: object) -> frozenset[int]:
    if given is None:
        return frozenset()
    if not isinstance(given, list) or any(item not in ("semester_1", "semester_2") for item in given):
        findings.wrong(f"{path}.exempt", "TYPE", "“exempt” là danh sách gồm “semester_1”, “semester_2”.")
        return frozenset()
    return frozenset(SEMESTERS[item] for item in given)


def _semester(findings: _Findings, rules: RuleSet, kind: SubjectKind, path: str, given: object) -> SemesterMarks:
    if given is None:
        return NO_MARKS
    if not isinstance(given, dict):
        findings.wrong(path, "TYPE", "Điểm của một học kì phải là một đối tượng JSON.")
        return NO_MARKS
    double = "midterm" if rules.single_midterm else "periodic"
    marks: dict[str, Any] = {}
    for key, value in given.items():
        name = unicodedata.normalize("NFC", str(key))
        known = name if rules.single_midterm else _LEGACY_KINDS.get(name, name)
        if known not in ("regular", double, "final") or known in marks:
            message = f"Năm học này không có loại điểm “{key}”; chỉ có: regular, {double}, final."
            findings.wrong(f"{path}.{key}", "UNKNOWN_MARK_KIND", message)
        marks[known] = value
    if rules.single_midterm:
        periodic: tuple[Mark | None, ...] = (_mark(findings, kind, f"{path}.midterm", marks.get("midterm")),)
    else:
        periodic = _marks(findings, kind, f"{path}.periodic", marks.get("periodic"))
    regular = _marks(findings, kind, f"{path}.regular", marks.get("regular"))
    return SemesterMarks(regular, periodic, _mark(findings, kind, f"{path}.final", marks.get("final")))


def _marks(findings: _Findings, kind: SubjectKind, path: str, given: object) -> tuple[Mark | None, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        findings.wrong(path, "TYPE", "Phải là danh sách điểm.")
        return ()
    table = SPELLINGS[kind]
    listed = tuple([table.get(value) if isinstance(value, str) else None for value in given])
    if None not in listed:
        return listed
    return tuple(_mark(findings, kind, f"{path}[{i}]", value) for i, value in enumerate(given))


def _mark(findings: _Findings, kind: SubjectKind, path: str, given: object) -> Mark | None:
    """A mark as text or number; null is an open cell.

    {"status", "mark"} states a make-up or a zero by rule.
    """
    if given is None:
        return None
    if isinstance(given, str) and given in SPELLINGS[kind]:
        return SPELLINGS[kind][given]
    if isinstance(given, dict) and not isinstance(given.get("mark"), dict):
        status = _choice(findings, f"{path}.status", CellStatus, given.get("status"))
        mark = _mark(findings, kind, f"{path}.mark", given.get("mark"))
        return None if status is None else counting_mark(kind, Cell(status, mark))
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        findings.wrong(path, "TYPE", "Điểm phải là chuỗi như “8.5”, hoặc “Đ”, “CĐ”.")
        return None
    return findings.attempt(path, "MARK_FORMAT", lambda: parse_mark(kind, str(given)))


def _checked(findings: _Findings, rules: RuleSet, grade: int, path: str, subject: SubjectYear) -> SubjectYear:
    """Check regular counts and exemptions; recognise an undeclared topic cluster (grades 10–12)."""
    left_out = left_out_semesters(rules, subject)
    for key, semester in SEMESTERS.items():
        marks = subject.semester_1 if semester == 1 else subject.semester_2
        if semester in left_out:
            if marks.final is not None or any(m is not None for m in (*marks.regular, *marks.periodic)):
                findings.wrong(f"{path}.{key}", "EXEMPT_HAS_MARKS", "Học sinh được miễn học môn này nên không có điểm.")
            continue
        cluster = subject.topic_cluster_semester == semester
        count = required_regular(rules, subject.kind, subject.periods_per_year, semester, topic_cluster=cluster)
        surplus = 0 if count.maximum is None else len(marks.regular) - count.maximum
        undeclared = grade >= 10 and subject.topic_cluster_semester is None
        if surplus == 1 and undeclared and subject.kind is SubjectKind.COMMENT_AND_SCORE:
            subject = subject._replace(topic_cluster_semester=semester)
        elif surplus > 0:
            message = f"Môn {subject.name} có {len(marks.regular)} điểm thường xuyên, quy định là {count.maximum}."
            findings.wrong(f"{path}.{key}.regular", "REGULAR_COUNT", message)
    return subject


def _reassessed(findings: _Findings, subjects: list[SubjectYear], given: object) -> dict[str, Mark] | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        findings.wrong("reassessed", "TYPE", "“reassessed” phải là đối tượng: tên môn học → kết quả đánh giá lại.")
        return None
    kinds = {subject.name: subject.kind for subject in subjects}
    marks = {}
    for key, value in given.items():
        name = unicodedata.normalize("NFC", key.strip())
        if name not in kinds:
            findings.wrong(f"reassessed.{key}", "UNKNOWN_SUBJECT", f"Không có môn {name} trong danh sách môn học.")
            continue
        mark = _mark(findings, kinds[name], f"reassessed.{key}", value)
        if mark is not None:
            marks[name] = mark
    return marks if given else None


def _conduct(findings: _Findings, rules: RuleSet, path: str, given: object) -> ConductLevel | None:
    if given is None:
        return None
    words = {level.vietnamese: level for level in (Level if rules.is_tt22 else Conduct)}
    level = words.get(unicodedata.normalize("NFC", given)) if isinstance(given, str) else None
    if level is None:
        findings.wrong(path, "UNKNOWN_VALUE", f"Phải là một trong: {', '.join(words)}.")
    return level


def _with_conduct(findings: _Findings, rules: RuleSet, pupil: PupilYear, given: object) -> PupilYear:
    if given is None:
        return pupil
    if not isinstance(given, dict):
        findings.wrong("conduct", "TYPE", "“conduct” phải là đối tượng có semester_1 và semester_2.")
        return pupil
    findings.unknown("conduct.", given, (*SEMESTERS, "year"))
    if rules.is_tt22 and given.get("year") is not None:
        message = "Thông tư 22: kết quả rèn luyện cả năm được tính từ hai học kì, không nhập."
        findings.wrong("conduct.year", "COMPUTED", message)
    return replace(
        pupil,
        conduct_semester_1=_conduct(findings, rules, "conduct.semester_1", given.get("semester_1")),
        conduct_semester_2=_conduct(findings, rules, "conduct.semester_2", given.get("semester_2")),
        conduct_year=None if rules.is_tt22 else _conduct(findings, rules, "conduct.year", given.get("year")),
    )


def _policy(findings: _Findings, given: object) -> Policy:
    if given is None:
        return Policy()
    if not isinstance(given, dict):
        findings.wrong("policy", "TYPE", "“policy” phải là đối tượng.")
        return Policy()
    known = [flag.name for flag in fields(Policy)]
    for key, value in given.items():
        if key not in known:
            findings.wrong(f"policy.{key}", "UNKNOWN_VALUE", f"Chỉ nhận: {', '.join(known)}.")
        elif not isinstance(value, bool):
            findings.wrong(f"policy.{key}", "TYPE", "Phải là true hoặc false.")
    if findings.violations:
        return Policy()
    return Policy(**given)
