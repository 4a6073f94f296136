"""Realistic teacher's books, transcripts and student registers for tests, made from the class books
of `content`.

Every value follows from `seed`, so a test that fails shows the same record again.
"""

import random
from typing import Any

from services.common.canonical import sha256
from tests.content import canonical, class_book

TEACHER_BOOK, TRANSCRIPT, STUDENT_REGISTER = "TEACHER_BOOK", "TRANSCRIPT", "STUDENT_REGISTER"
_REMARKS = [
    "Tiến bộ rõ ở phần hình học; trình bày lời giải còn vắn tắt.",
    "Tích cực phát biểu, có tư duy tốt.",
    "Cần rèn thêm kĩ năng tính toán.",
    "",
    "",
]
_LEFT_ON = "2025-12-05"


def signatories(rows: list[tuple[int, str, str, dict[str, str], str | None]]) -> list[dict[str, Any]]:
    """Rows of (rank, role, end of the field's name, person, subject) as the content lists them."""
    return [
        {
            "order": order,
            "rank": rank,
            "field": f"sig-{order:02d}-{end}",
            "role": role,
            "signatory": person["id"],
            "name": person["name"],
            "subject": subject,
        }
        for order, (rank, role, end, person, subject) in enumerate(rows, 1)
    ]


def _head(book: dict[str, Any], name: str, record_type: str) -> dict[str, Any]:
    keys = ("school_year", "stage", "version", "regime", "closing_time", "school", "principal")
    return {"format": f"hoso/{name}/1", "record_type": record_type} | {key: book[key] for key in keys}


def _seal(head: dict[str, Any]) -> dict[str, str]:
    return {"id": head["school"]["code"], "name": head["school"]["name"]}


def teacher_book(
    classes: int = 3, students: int = 42, stage: str = "WHOLE_YEAR", *, subject: str = "TOAN", version: int = 1
) -> dict[str, Any]:
    """The book of one teacher in `subject` with `classes` classes of `students` students."""
    books = [class_book(students, stage, class_name=f"6A{n}", seed=n, version=version) for n in range(1, classes + 1)]
    rng = random.Random(7)
    taught = next(s for s in books[0]["subjects"] if s["code"] == subject)
    teacher, principal = taught["teachers"][0], books[0]["principal"]
    head = _head(books[0], "teacher-book", TEACHER_BOOK)
    corrections = [
        {"class": books[0]["class"]["name"], **c} for c in books[0]["corrections"] if c["subject"] == subject
    ]
    return head | {
        "teacher": teacher,
        "subject": {key: taught[key] for key in ("code", "name", "kind")},
        "classes": [_taught_class(rng, book, subject) for book in books],
        "corrections": corrections,
        "signatories": signatories(
            [
                (1, "SUBJECT_TEACHER", f"teacher-{subject}", teacher, subject),
                (3, "PRINCIPAL", "principal", principal, None),
            ]
        ),
    }


def _taught_class(rng: random.Random, book: dict[str, Any], code: str) -> dict[str, Any]:
    subject = next(s for s in book["subjects"] if s["code"] == code)
    students = [
        {key: s[key] for key in ("number", "moet_student_id", "name", "birth_date")} | {"left_on": None}
        for s in book["students"]
    ]
    semesters = []
    for part in book["semesters"]:
        (sheet,) = [sheet for sheet in part["marks"] if sheet["subject"] == code]
        rows = []
        for row in sheet["rows"]:
            cells = {key: value for key, value in row.items() if key != "note"}
            rows.append(cells | {"remark": rng.choice(_REMARKS)})
        semesters.append({"semester": part["semester"], "rows": rows})
    if len(students) > 4:  # one student left before the first semester ended
        students[4]["left_on"] = _LEFT_ON
        none = dict.fromkeys(("midterm", "final", "result", "year_result", "reassessed"))
        for part in semesters:
            row = part["rows"][4]
            part["rows"][4] = {"student": 5, "regular": [None] * len(row["regular"]), **none, "remark": ""}
    return {
        "name": book["class"]["name"],
        "grade_level": book["class"]["grade_level"],
        "periods_per_year": subject["periods_per_year"],
        "regular_count": subject["regular_count"],
        "students": students,
        "semesters": semesters,
    }


def transcript(
    grades: int = 3, stage: str = "WHOLE_YEAR", *, student: int = 1, version: int = 1, class_size: int = 6
) -> dict[str, Any]:
    """The transcript of one student of lower secondary school after `grades` (1 to 4) grades from
    the sixth.
    """
    last_year = 2025
    years = [f"{year}-{year + 1}" for year in range(last_year - grades + 1, last_year + 1)]
    books = [class_book(class_size, seed=grade, class_name=f"{5 + grade}A1") for grade in range(1, grades + 1)]
    head = _head(books[-1], "transcript", TRANSCRIPT) | {"stage": stage, "version": version}
    if stage == "AFTER_SUMMER":
        head["closing_time"] = "2026-08-20T10:00:00+07:00"
    rows = [
        _grade(book, level, year, student, "WHOLE_YEAR" if book is not books[-1] else stage)
        for level, (book, year) in enumerate(zip(books, years, strict=True), 6)
    ]
    other = {"code": "79000456", "name": "Trường THCS Lê Lợi", "commune": "Phường Sài Gòn"}
    if grades > 1:
        rows[0]["school"] |= other
    child = next(s for s in books[-1]["students"] if s["number"] == student)
    identity = {key: child[key] for key in child if key not in ("number", "note")}
    log = [{k: v for k, v in c.items() if k != "student"} for c in books[-1]["corrections"] if c["student"] == student]
    rows[-1] |= {"corrections_count": len(log), "corrected_subjects": sorted({c["subject"] for c in log})}
    return head | {
        "student": identity
        | {"register_number": "0417", "national_id": "079214001234", "nationality": "Việt Nam", "guardian": None},
        "study_history": [_history(row) for row in rows],
        "grades": rows,
        "corrections": log,
        "signatories": signatories(
            [
                (2, "HOMEROOM_TEACHER", "homeroom", rows[-1]["homeroom_teacher"], None),
                (3, "PRINCIPAL", "principal", head["principal"], None),
                (4, "SCHOOL_SEAL", "seal", _seal(head), None),
            ]
        ),
    }


def _history(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "school_year": row["school_year"],
        "class": row["class"],
        "school_code": row["school"]["code"],
        "school_name": row["school"]["name"],
        "register_number": "0417",
        "joined_on": f"{row['school_year'][:4]}-09-05" if row["grade_level"] == 6 else None,
        "left_on": None,
    }


def _grade(book: dict[str, Any], level: int, year: str, student: int, stage: str) -> dict[str, Any]:
    first, second = book["semesters"]
    lines = [part["summary"][student - 1] for part in (first, second)]
    evaluation = book["year"]["evaluation"][student - 1]
    rng = random.Random(level)
    subjects = []
    for index, subject in enumerate(book["subjects"]):
        row = second["marks"][index]["rows"][student - 1]
        subjects.append(
            {key: subject[key] for key in ("code", "name", "kind", "teachers")}
            | {
                "semester_1": lines[0]["results"][subject["code"]],
                "semester_2": row["result"],
                "year": row["year_result"],
                "reassessed": None,
                "remark": rng.choice(_REMARKS),
            }
        )
    grade = {
        "school_year": year,
        "grade_level": level,
        "class": book["class"]["name"],
        "school": {key: book["school"][key] for key in ("code", "name", "commune", "province")},
        "regime": "TT22",
        "stage": stage,
        "homeroom_teacher": book["class"]["homeroom_teacher"],
        "principal": book["principal"],
        "subjects": subjects,
        "corrections_count": 0,
        "corrected_subjects": [],
        "conduct": _levels(lines, evaluation, "conduct"),
        "learning": _levels(lines, evaluation, "learning"),
        "absent_sessions": {"excused": evaluation["absent_sessions"], "unexcused": 0},
        "promotion": evaluation["promotion"],
        "promoted_after_summer": False,
        "award": evaluation["award"],
        "certificates": "",
        "competition": "Giải Ba cấp trường môn Toán" if level == 6 else "",
        "homeroom_remark": "Chăm ngoan, hoà đồng với bạn bè, có ý thức xây dựng tập thể lớp.",
        "principal_approval": {"date": f"{year[5:]}-05-28"},
        "source": {
            "class_book": f"00000000-0000-4000-8000-00000000000{level}",
            "version": 1,
            "content_sha256": sha256(canonical(3)),
            "record": "",
        },
    }
    if stage == "AFTER_SUMMER":  # re-assessed in one subject and promoted
        subjects[1] |= {"year": "4.2", "reassessed": "5.6"}
        grade["learning"] |= {"year": "UNSATISFACTORY", "after_summer": "SATISFACTORY"}
        grade |= {"promotion": "PROMOTED", "promoted_after_summer": True, "award": None}
    return grade


def _levels(lines: list[dict[str, Any]], evaluation: dict[str, Any], name: str) -> dict[str, Any]:
    key = f"{name}_result"
    return {
        "semester_1": lines[0][key],
        "semester_2": lines[1][key],
        "year": evaluation[key],
        "after_summer": None,
    }


def student_register(rows: int = 60, *, version: int = 1, seed: int = 1) -> dict[str, Any]:
    """The register of a school with `rows` students (up to 5,000)."""
    rng = random.Random(seed)
    officer = {"id": "cb-001", "name": "Lê Thị Kim Ngân"}
    head = _head(class_book(1, version=version), "student-register", STUDENT_REGISTER)
    children = [
        child
        for part in range(-(-rows // 70))
        for child in class_book(min(70, rows - 70 * part), "SEMESTER_1", seed=seed + part)["students"]
    ]
    lines = [_register_row(rng, number, child) for number, child in enumerate(children, 1)]
    return head | {
        "data_officer": officer,
        "rows": lines,
        "corrections": [
            {
                "register_number": lines[0]["register_number"],
                "column": "birth_date",
                "old": "01/02/2014",
                "new": "-".join(reversed(lines[0]["birth_date"].split("-"))).replace("-", "/"),
                "reason": "Ghi theo giấy khai sinh bản chính.",
                "requested_by": officer,
                "approved_by": head["principal"],
                "time": "2025-09-20T08:15:00+07:00",
            }
        ],
        "signatories": signatories(
            [
                (1, "DATA_OFFICER", "data-officer", officer, None),
                (3, "PRINCIPAL", "principal", head["principal"], None),
                (4, "SCHOOL_SEAL", "seal", _seal(head), None),
            ]
        ),
    }


def _register_row(rng: random.Random, number: int, child: dict[str, Any]) -> dict[str, Any]:
    row = {key: value for key, value in child.items() if key != "number"}
    entered = rng.choice([2022, 2023, 2024, 2025])
    moved = number % 9 == 0
    classes = [
        {
            "school_year": f"{year}-{year + 1}",
            "class": f"{6 + year - entered}A{number % 5 + 1}",
            "result": None if year == 2025 and moved else "PROMOTED",
        }
        for year in range(entered, 2026)
    ]
    movements = [{"date": f"{entered}-09-05", "kind": "ENTERED", "detail": "", "document": ""}]
    if moved:
        movements.append(
            {
                "date": "2026-02-10",
                "kind": "TRANSFERRED_OUT",
                "detail": "Trường THCS Lê Lợi, Phường Sài Gòn",
                "document": "Giấy chuyển trường 12/GCT",
            }
        )
    return row | {
        "register_number": f"{number:04d}",
        "moet_student_id": f"79{number:08d}",
        "nationality": "Việt Nam",
        "national_id": f"0792{number:08d}",
        "guardian": None,
        "entered_on": f"{entered}-09-05",
        "from_school": f"Trường Tiểu học {rng.choice(['Lương Thế Vinh', 'Kỳ Đồng', 'Nguyễn Thái Sơn'])}",
        "classes": classes,
        "left_on": "2026-02-10" if moved else None,
        "left_reason": "TRANSFERRED" if moved else None,
        "returned_papers": "Học bạ, bản sao giấy khai sinh" if moved else "",
        "movements": movements,
    }
