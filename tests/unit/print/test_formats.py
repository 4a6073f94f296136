"""Print's edge for teacher's books, transcripts and student registers: schemas, names, and how each
fault is named.
"""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from services.common.canonical import canonical_bytes
from services.common.errors import Invalid
from services.print import content, formats
from tests import records
from tests.class_book_2 import class_book_2
from tests.content import class_book

Change = Callable[[dict[str, Any]], Any]
SAMPLES: dict[str, Callable[[], dict[str, Any]]] = {
    "hoso/class-book/1": lambda: class_book(3),
    "hoso/class-book/2": lambda: class_book_2(3),
    "hoso/teacher-book/1": lambda: records.teacher_book(2, 6),
    "hoso/transcript/1": lambda: records.transcript(2),
    "hoso/student-register/1": lambda: records.student_register(20),
}


def faults(name: str, change: Change) -> list[tuple[str, str]]:
    data = SAMPLES[name]()
    change(data)
    with pytest.raises(Invalid) as refused:
        content.parse(canonical_bytes(data))
    return [(v.field, v.rule) for v in refused.value.violations]


@pytest.mark.parametrize("name", list(SAMPLES))
def test_schemas_are_sound_described_and_closed(name: str) -> None:
    form = formats.FORMATS[name]
    schema = json.loads((formats.SCHEMA_FOLDER / form.schema).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(SAMPLES[name]())
    assert schema["title"] == schema["properties"]["format"]["const"] == name
    objects = [schema, *(d for d in schema["$defs"].values() if d.get("type") == "object" and "properties" in d)]
    for described in objects:
        assert described["additionalProperties"] is False
        assert described["required"] == list(described["properties"])
    assert (formats.SCHEMA_FOLDER / form.schema.replace(".schema.json", ".md")).exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (records.teacher_book(1, 3), "TEACHER_BOOK/79000123/2025-2026/gv-002/TOAN/WHOLE_YEAR/v1"),
        (records.transcript(1, "AFTER_SUMMER", version=2), "TRANSCRIPT/79000123/2025-2026/{}/AFTER_SUMMER/v2"),
        (records.student_register(3), "STUDENT_REGISTER/79000123/2025-2026/WHOLE_YEAR/v1"),
    ],
)
def test_a_record_is_named_after_its_subject(data: dict[str, Any], name: str) -> None:
    student = data.get("student", {}).get("moet_student_id")
    assert content.parse(canonical_bytes(data)).record_name == name.format(student)


_ROW = "classes[0].semesters[0].rows[0]"


def _row(data: dict[str, Any], semester: int = 0) -> dict[str, Any]:
    cells: dict[str, Any] = data["classes"][0]["semesters"][semester]["rows"][0]
    return cells


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (lambda d: d["classes"][0].pop("name"), "classes[0]", "SCHEMA_REQUIRED"),
        (lambda d: _row(d).update(note=""), _ROW, "SCHEMA_ADDITIONAL_PROPERTIES"),
        (lambda d: d["signatories"].append(d["signatories"][1]), "signatories", "SCHEMA_MAX_ITEMS"),
        (lambda d: d.update(school_year="2025-2027"), "school_year", "YEARS_NOT_CONSECUTIVE"),
        (lambda d: d["classes"][1].update(name="6A1"), "classes[1].name", "DUPLICATE"),
        (lambda d: d["school"].update(level="MULTI_LEVEL"), "school.level", "GRADE_OF_OTHER_LEVEL"),
        (lambda d: d["classes"][1].update(grade_level=10), "school.level", "GRADE_OF_OTHER_LEVEL"),
        (lambda d: d["classes"][0]["students"].pop(), "classes[0].semesters[0].rows", "ROWS_NOT_CLASS_LIST"),
        (
            lambda d: d["classes"][0]["students"][4].update(left_on="2025-02-30"),
            "classes[0].students[4].left_on",
            "NO_SUCH_DATE",
        ),
        (lambda d: d["classes"][0]["semesters"].pop(), "classes[0].semesters", "SEMESTERS_OF_OTHER_STAGE"),
        (lambda d: _row(d)["regular"].pop(), f"{_ROW}.regular", "REGULAR_COUNT"),
        (lambda d: _row(d).update(final="PASS"), f"{_ROW}.final", "VALUE_OF_OTHER_KIND"),
        (lambda d: _row(d).update(reassessed="5.0"), f"{_ROW}.reassessed", "YEAR_IN_SEMESTER_1"),
        (lambda d: d["corrections"][0].update({"class": "9X"}), "corrections[0].class", "UNKNOWN_CLASS"),
        (lambda d: d["corrections"][0].update(student=7), "corrections[0].student", "UNKNOWN_STUDENT"),
        (lambda d: d["corrections"][0].update(subject="VAN"), "corrections[0].subject", "UNKNOWN_SUBJECT"),
        (lambda d: d["signatories"][1].update(rank=4), "signatories[1].rank", "RANK"),
        (lambda d: d["signatories"][0].update(signatory="gv-9"), "signatories", "SIGNATORY_OF_ROLE"),
        (lambda d: d["signatories"][0].update(field="sig-01-teacher-VAN"), "signatories[0].field", "FIELD_NAME"),
        (
            lambda d: d["signatories"][0].update(subject="VAN", field="sig-01-teacher-VAN"),
            "signatories[0].subject",
            "SUBJECT_OF_BOOK",
        ),
    ],
)
def test_faults_of_a_teacher_book(change: Change, field: str, rule: str) -> None:
    assert (field, rule) in faults("hoso/teacher-book/1", change)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (lambda d: d["student"].update(national_id="123"), "student.national_id", "SCHEMA_PATTERN"),
        (lambda d: d["student"].update(birth_date="2014-02-30"), "student.birth_date", "NO_SUCH_DATE"),
        (lambda d: d["study_history"].reverse(), "study_history[1]", "NOT_IN_ORDER"),
        (lambda d: d["grades"].reverse(), "grades[1]", "NOT_IN_ORDER"),
        (lambda d: d["grades"].append(d["grades"][1]), "grades[2]", "NOT_IN_ORDER"),
        (lambda d: d["grades"][0].update(grade_level=10), "grades[0].grade_level", "GRADE_OF_OTHER_LEVEL"),
        (lambda d: d["grades"][1].update(school_year="2026-2027"), "grades[1].school_year", "LAST_GRADE_DIFFERS"),
        (lambda d: d["grades"][1]["school"].update(code="x"), "grades[1].school.code", "LAST_GRADE_DIFFERS"),
        (lambda d: d.update(stage="AFTER_SUMMER"), "grades[1].stage", "LAST_GRADE_DIFFERS"),
        (
            lambda d: d["grades"][0]["subjects"][0].update(year="PASS"),
            "grades[0].subjects[0].year",
            "VALUE_OF_OTHER_KIND",
        ),
        (
            lambda d: d["grades"][0]["subjects"][0].update(reassessed="5.0"),
            "grades[0].subjects[0].reassessed",
            "SUMMER_OF_OTHER_STAGE",
        ),
        (
            lambda d: d["grades"][0]["conduct"].update(after_summer="GOOD"),
            "grades[0].conduct.after_summer",
            "SUMMER_OF_OTHER_STAGE",
        ),
        (
            lambda d: d["grades"][0].update(promoted_after_summer=True),
            "grades[0].promoted_after_summer",
            "PROMOTED_AFTER_SUMMER",
        ),
        (
            lambda d: d["grades"][0].update(corrected_subjects=["LY"]),
            "grades[0].corrected_subjects[0]",
            "UNKNOWN_SUBJECT",
        ),
        (lambda d: d["corrections"].clear(), "grades[1].corrections_count", "CORRECTIONS_COUNT"),
        (lambda d: d["corrections"].clear(), "grades[1].corrected_subjects", "CORRECTIONS_COUNT"),
        (lambda d: d["corrections"][0].update(column="CONDUCT"), "corrections[0].subject", "SUBJECT_OF_CONDUCT"),
        (lambda d: d["corrections"][0].update(subject="VAN"), "corrections[0].subject", "UNKNOWN_SUBJECT"),
        (lambda d: d["signatories"][0].update(name="Ai đó"), "signatories", "SIGNATORY_OF_ROLE"),
        (lambda d: d["signatories"].reverse(), "signatories[2].rank", "RANK"),
    ],
)
def test_faults_of_a_transcript(change: Change, field: str, rule: str) -> None:
    assert (field, rule) in faults("hoso/transcript/1", change)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (lambda d: d["rows"][1].update(register_number="0001"), "rows[1].register_number", "DUPLICATE"),
        (
            lambda d: d["rows"][1].update(moet_student_id=d["rows"][0]["moet_student_id"]),
            "rows[1].moet_student_id",
            "DUPLICATE",
        ),
        (lambda d: d["rows"][1].update(national_id=d["rows"][0]["national_id"]), "rows[1].national_id", "DUPLICATE"),
        (lambda d: d["rows"][0].update(entered_on="2025-09-31"), "rows[0].entered_on", "NO_SUCH_DATE"),
        (lambda d: d["rows"][0].update(left_on="2026-01-31"), "rows[0].left_reason", "REASON_OF_LEAVING"),
        (lambda d: d["rows"][8].update(left_reason=None), "rows[8].left_reason", "REASON_OF_LEAVING"),
        (lambda d: d["rows"][8].update(left_on="2001-01-31"), "rows[8].left_on", "LEFT_BEFORE_ENTERED"),
        (lambda d: d["rows"][8]["movements"].reverse(), "rows[8].movements[1]", "NOT_IN_ORDER"),
        (
            lambda d: d["rows"][0]["classes"][0].update(school_year="2025-2028"),
            "rows[0].classes[0].school_year",
            "YEARS_NOT_CONSECUTIVE",
        ),
        (
            lambda d: d["corrections"][0].update(register_number="9"),
            "corrections[0].register_number",
            "UNKNOWN_STUDENT",
        ),
        (lambda d: d.update(stage="SEMESTER_1"), "stage", "SCHEMA_CONST"),
        (lambda d: d["data_officer"].update(id="cb-2"), "signatories", "SIGNATORY_OF_ROLE"),
        (lambda d: d["signatories"][0].update(field="sig-01-seal"), "signatories[0].field", "FIELD_NAME"),
        (lambda d: d["rows"][3].update(name="王"), "rows[3].name", "NO_GLYPH"),
    ],
)
def test_faults_of_a_student_register(change: Change, field: str, rule: str) -> None:
    assert (field, rule) in faults("hoso/student-register/1", change)


def test_two_students_without_a_national_id_are_not_the_same() -> None:
    data = records.student_register(5)
    for row in data["rows"][:3]:
        row["national_id"] = ""
    assert [row["national_id"] for row in content.parse(canonical_bytes(data)).data["rows"][:3]] == ["", "", ""]
