"""The formats that print knows: what each one's content must be and which template makes its pages.

A new form is one more entry here, its schema in ``docs/formats``, a module in `consistency` and a
folder in `templates`. An entry stays for as long as a record made with it exists.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from services.common.errors import Violation
from services.print.consistency import class_book, class_book_2, student_register, teacher_book, transcript

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "formats"


@dataclass(frozen=True)
class Format:
    """One format of frozen content.

    name: as the content gives it. schema: file in ``docs/formats``. violations: the rules beyond
    the schema, run on data that fits it. template: folder in ``templates``. scope: the record's
    subject within its school and year, such as the class's name; part of the record's name.
    """

    name: str
    schema: str
    violations: Callable[[dict[str, Any]], Iterator[Violation]]
    template: str
    scope: Callable[[dict[str, Any]], str]


FORMATS = {
    form.name: form
    for form in (
        Format(
            name="hoso/class-book/1",
            schema="class-book-1.schema.json",
            violations=class_book.violations,
            template="class_book/1",
            scope=lambda data: str(data["class"]["name"]),
        ),
        Format(
            name="hoso/class-book/2",
            schema="class-book-2.schema.json",
            violations=class_book_2.violations,
            template="class_book/2",
            scope=lambda data: str(data["class"]["name"]),
        ),
        Format(
            name="hoso/teacher-book/1",
            schema="teacher-book-1.schema.json",
            violations=teacher_book.violations,
            template="teacher_book/1",
            scope=lambda data: f"{data['teacher']['id']}/{data['subject']['code']}",
        ),
        Format(
            name="hoso/transcript/1",
            schema="transcript-1.schema.json",
            violations=transcript.violations,
            template="transcript/1",
            scope=lambda data: str(data["student"]["moet_student_id"]),
        ),
        Format(
            name="hoso/student-register/1",
            schema="student-register-1.schema.json",
            violations=student_register.violations,
            template="student_register/1",
            scope=lambda data: "",
        ),
    )
}
"""Every format by its name."""


@cache
def validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """The validator of one schema file."""
    # The Rust implementation takes 3 ms for a class of 42, the pure Python one 600 ms.
    return jsonschema_rs.Draft202012Validator(json.loads((SCHEMA_FOLDER / schema).read_text(encoding="utf-8")))
