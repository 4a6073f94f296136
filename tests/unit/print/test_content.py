"""Print's edge: what frozen content must be, and how each fault is named."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from services.common.canonical import canonical_bytes, sha256
from services.common.errors import Invalid
from services.print import content, fonts, formats
from services.print.consistency.common import signature_field
from tests.content import canonical, class_book

Change = Callable[[dict[str, Any]], Any]


def faults(change: Change, stage: str = "WHOLE_YEAR") -> list[tuple[str, str]]:
    data = class_book(6, stage)
    change(data)
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    return [(v.field, v.rule) for v in refused.value.violations]


@pytest.mark.parametrize("stage", ["SEMESTER_1", "WHOLE_YEAR"])
@pytest.mark.parametrize("students", [1, 42, 70])
def test_a_good_book_passes(students: int, stage: str) -> None:
    raw = canonical(students, stage)
    book = content.parse(raw, sha256(raw))
    assert book.raw == raw
    assert book.digest == sha256(raw)
    assert book.record_name == f"CLASS_BOOK/79000123/2025-2026/6A1/{stage}/v1"


def test_schema_is_sound_and_described() -> None:
    schema = json.loads((formats.SCHEMA_FOLDER / "class-book-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(class_book(3))
    undescribed = [
        f"{name}.{key}"
        for name, part in {**schema["$defs"], "": schema}.items()
        for key, value in part.get("properties", {}).items()
        if not value.get("description") and "$ref" not in value and name not in ("subject", "evaluation_row")
    ]
    assert undescribed == []
    objects = [part for part in schema["$defs"].values() if part.get("type") == "object" and "properties" in part]
    assert all(part["additionalProperties"] is False for part in [schema, *objects])


def test_another_digest_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        content.parse(canonical(3), "0" * 64)
    assert refused.value.violations[0].rule == "CONTENT_DIGEST"


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"{", "CONTENT_JSON"),
        (b"\xff\xfe", "CONTENT_JSON"),
        (b'{"b":1,"a":1}', "CONTENT_NOT_CANONICAL"),
        (b'{"a": 1}', "CONTENT_NOT_CANONICAL"),
        (b'{"a":1,"a":1}', "CONTENT_NOT_CANONICAL"),
        (b'{"a":1.5}', "FLOAT"),
        (b"[]", "FORMAT_UNKNOWN"),
        (b"{}", "FORMAT_UNKNOWN"),
        (b'{"format":["hoso/class-book/1"]}', "FORMAT_UNKNOWN"),
    ],
)
def test_bytes_that_are_not_content(raw: bytes, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        content.parse(raw)
    assert refused.value.violations[0].rule == rule


def _row(data: dict[str, Any], semester: int = 0, subject: int = 0, row: int = 0) -> dict[str, Any]:
    cells: dict[str, Any] = data["semesters"][semester]["marks"][subject]["rows"][row]
    return cells


_MARKS = "semesters[0].marks[0].rows[0]"


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (lambda d: d.update(extra=1), "", "SCHEMA_ADDITIONAL_PROPERTIES"),
        (lambda d: d["class"].pop("name"), "class", "SCHEMA_REQUIRED"),
        (lambda d: d.update(format="hoso/class-book/0"), "format", "FORMAT_UNKNOWN"),
        (lambda d: d["students"][2].update(sex="X"), "students[2].sex", "SCHEMA_ENUM"),
        (lambda d: _row(d).update(midterm="11"), f"{_MARKS}.midterm", "SCHEMA_ANY_OF"),
        (lambda d: _row(d).update(midterm="8,5"), f"{_MARKS}.midterm", "SCHEMA_ANY_OF"),
        (lambda d: _row(d).update(midterm="8.25"), f"{_MARKS}.midterm", "SCHEMA_ANY_OF"),
        (lambda d: _row(d).update(midterm="8.0"), f"{_MARKS}.midterm", "SCHEMA_ANY_OF"),
        (lambda d: _row(d).update(result="8"), f"{_MARKS}.result", "SCHEMA_ANY_OF"),
        (lambda d: d.update(closing_time="2026-05-28T17:00:00Z"), "closing_time", "SCHEMA_PATTERN"),
        (lambda d: d.update(school_year="2025-2027"), "school_year", "YEARS_NOT_CONSECUTIVE"),
        (lambda d: d["class"].update(grade_level=10), "class.grade_level", "GRADE_OF_OTHER_LEVEL"),
        (lambda d: d.update(closing_time="2026-02-30T17:00:00+07:00"), "closing_time", "NO_SUCH_DATE"),
        (lambda d: d["students"][0].update(birth_date="2014-02-30"), "students[0].birth_date", "NO_SUCH_DATE"),
        (lambda d: d["students"][1].update(number=7), "students", "NUMBERS_WITH_GAPS"),
        (
            lambda d: d["students"][1].update(moet_student_id=d["students"][0]["moet_student_id"]),
            "students[1].moet_student_id",
            "DUPLICATE",
        ),
        (lambda d: d["semesters"].pop(), "semesters", "SEMESTERS_OF_OTHER_STAGE"),
        (lambda d: d["semesters"][0]["marks"].reverse(), "semesters[0].marks", "SHEETS_NOT_SUBJECTS"),
        (lambda d: d["semesters"][0]["marks"][0]["rows"].pop(), "semesters[0].marks[0].rows", "ROWS_NOT_CLASS_LIST"),
        (lambda d: _row(d)["regular"].pop(), f"{_MARKS}.regular", "REGULAR_COUNT"),
        (lambda d: _row(d).update(midterm="PASS"), f"{_MARKS}.midterm", "VALUE_OF_OTHER_KIND"),
        (
            lambda d: _row(d, subject=9)["regular"].__setitem__(0, "8"),
            "semesters[0].marks[9].rows[0].regular[0]",
            "VALUE_OF_OTHER_KIND",
        ),
        (lambda d: _row(d).update(year_result="8.0"), f"{_MARKS}.year_result", "YEAR_IN_SEMESTER_1"),
        (
            lambda d: d["semesters"][0]["summary"][0]["results"].pop("TOAN"),
            "semesters[0].summary[0].results",
            "RESULTS_NOT_SUBJECTS",
        ),
        (
            lambda d: d["semesters"][0]["summary"][0]["results"].update(TOAN="0.0"),
            "semesters[0].summary[0].results.TOAN",
            "SUMMARY_DIFFERS",
        ),
        (
            lambda d: d["year"]["summary"][0]["results"].update(TOAN="0.0"),
            "year.summary[0].results.TOAN",
            "SUMMARY_DIFFERS",
        ),
        (lambda d: d.update(year=None), "year", "YEAR_OF_OTHER_STAGE"),
        (
            lambda d: d["year"]["evaluation"][0].update(learning_result=None),
            "year.evaluation[0].learning_result",
            "SUMMARY_DIFFERS",
        ),
        (lambda d: d["year"]["totals"].update(students=7), "year.totals", "TOTALS"),
        (lambda d: d["year"]["totals"].update(not_promoted=6), "year.totals", "TOTALS"),
        (
            lambda d: d["year"]["totals"].update(promoted_after_summer=7),
            "year.totals.promoted_after_summer",
            "TOTALS",
        ),
        (lambda d: d["corrections"][0].update(student=9), "corrections[0].student", "UNKNOWN_STUDENT"),
        (lambda d: d["corrections"][0].update(subject="LY"), "corrections[0].subject", "UNKNOWN_SUBJECT"),
        (lambda d: d["corrections"][0].update(column="CONDUCT"), "corrections[0].subject", "SUBJECT_OF_CONDUCT"),
        (lambda d: d["signatories"][3].update(order=9), "signatories[3].order", "ORDER_WITH_GAPS"),
        (lambda d: d["signatories"][0].update(rank=2), "signatories[0].rank", "RANK"),
        (lambda d: d["signatories"][12].update(subject="TOAN"), "signatories[12].subject", "SUBJECT_OF_ROLE"),
        (lambda d: d["signatories"][0].update(field="sig-01-teacher-TOAN"), "signatories[0].field", "FIELD_NAME"),
        (lambda d: d["signatories"][13].update(signatory="ht-9"), "signatories", "SIGNATORY_OF_ROLE"),
        (lambda d: d["signatories"][14].update(name="Trường khác"), "signatories", "SIGNATORY_OF_ROLE"),
        (lambda d: d["signatories"][1].update(signatory="gv-9"), "signatories[1].signatory", "NOT_THE_TEACHER"),
        (lambda d: d["signatories"].pop(11), "signatories", "SUBJECT_WITHOUT_SIGNATORY"),
        (lambda d: d["students"][4].update(name="An 😀"), "students[4].name", "NO_GLYPH"),
        (lambda d: d["students"][4].update(name="王小明"), "students[4].name", "NO_GLYPH"),
        (lambda d: d["corrections"][0].update(reason="→ 9 ☃"), "corrections[0].reason", "NO_GLYPH"),
    ],
)
def test_each_fault_has_its_path_and_rule(change: Change, field: str, rule: str) -> None:
    assert (field, rule) in faults(change)


def test_two_teachers_of_one_subject_both_sign() -> None:
    data = class_book(3)
    second = {"id": "gv-099", "name": "Lê Văn Tám"}
    data["subjects"][0]["teachers"].append(second)
    extra = data["signatories"][0] | {"signatory": second["id"], "name": second["name"]}
    data["signatories"].insert(1, extra)
    for order, signatory in enumerate(data["signatories"], 1):
        signatory["order"] = order
        signatory["field"] = signature_field(order, signatory["role"], signatory["subject"])
    book = content.parse(canonical_bytes(data))
    assert [s["field"] for s in book.data["signatories"][:3]] == [
        "sig-01-teacher-VAN",
        "sig-02-teacher-VAN",
        "sig-03-teacher-TOAN",
    ]


def test_a_character_that_cannot_be_printed_is_named() -> None:
    data = class_book(6)
    data["students"][4]["name"] = "Nguyễn ☃ An"
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    (violation,) = refused.value.violations
    assert "“☃” (U+2603)" in violation.message
    assert "Nguyễn ☃ An" in violation.message


def test_private_use_characters_of_old_fonts_are_refused() -> None:
    raw = canonical(6).replace("Phường".encode(), "Ph\uf0adờng".encode())
    with pytest.raises(Invalid) as refused:
        content.parse(raw)
    assert {v.rule for v in refused.value.violations} == {"PRIVATE_USE_CHARACTER"}


def test_a_report_is_cut_after_fifty_faults() -> None:
    data = class_book(42)
    for sheet in data["semesters"][0]["marks"]:
        for row in sheet["rows"]:
            row["result"] = "x"
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    assert len(refused.value.violations) == content.MAX_VIOLATIONS


def test_all_vietnamese_letters_can_be_printed() -> None:
    letters = "aăâbcdđeêghiklmnoôơpqrstuưvxyfjwz"
    marks = ["", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"]
    every = {unicodedata.normalize("NFC", letter + mark) for letter in "aăâeêioôơuưy" for mark in marks}
    text = "".join(sorted(every | set(letters)))
    assert fonts.can_print(text + text.upper())
