"""A realistic class book for tests: Vietnamese names, marks with consistent averages, everyone who
signs.

Every value follows from `seed`, so a test that fails shows the same book again.
"""

import random
import unicodedata
from typing import Any

from services.common.canonical import canonical_bytes

SUBJECTS = [
    ("VAN", "Ngữ văn", "COMMENT_AND_SCORE", 140),
    ("TOAN", "Toán", "COMMENT_AND_SCORE", 140),
    ("NN1", "Tiếng Anh", "COMMENT_AND_SCORE", 105),
    ("GDCD", "Giáo dục công dân", "COMMENT_AND_SCORE", 35),
    ("LSDL", "Lịch sử và Địa lí", "COMMENT_AND_SCORE", 105),
    ("KHTN", "Khoa học tự nhiên", "COMMENT_AND_SCORE", 140),
    ("CN", "Công nghệ", "COMMENT_AND_SCORE", 35),
    ("TIN", "Tin học", "COMMENT_AND_SCORE", 35),
    ("GDTC", "Giáo dục thể chất", "COMMENT_ONLY", 70),
    ("NT", "Nghệ thuật", "COMMENT_ONLY", 70),
    ("HDTN", "Hoạt động trải nghiệm, hướng nghiệp", "COMMENT_ONLY", 105),
    ("GDDP", "Nội dung giáo dục của địa phương", "COMMENT_ONLY", 35),
]
_FAMILY = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Huỳnh",
    "Hoàng",
    "Phan",
    "Vũ",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
]
_MIDDLE = {
    "FEMALE": ["Thị", "Ngọc", "Thị Thanh", "Thuỳ", "Bảo", "Khánh"],
    "MALE": ["Văn", "Minh", "Hữu", "Đức", "Quốc", "Gia"],
}
_GIRLS = "An Ánh Chi Diễm Hạnh Hằng Hương Khuê Lệ Linh Mỹ Ngân Nhã Phượng Quyên Thảo Thuý Trâm Tuyết Uyên Vy Yến"
_BOYS = "Anh Bảo Cường Dũng Đạt Hiếu Huy Khải Khôi Lộc Nghĩa Nhật Phúc Quân Sỹ Thịnh Tiến Trường Tuấn Việt Vũ"
_GIVEN = {"FEMALE": _GIRLS.split(), "MALE": _BOYS.split()}
_JOBS = [
    "Công nhân",
    "Giáo viên",
    "Buôn bán",
    "Kĩ sư",
    "Nội trợ",
    "Nông dân",
    "Tài xế",
    "Bác sĩ",
    "Nhân viên văn phòng",
]
_COMMUNES = ["Phường Bến Thành", "Phường Sài Gòn", "Phường Tân Định", "Xã Bình Chánh", "Phường Chợ Lớn"]
_LEVELS = ["UNSATISFACTORY", "SATISFACTORY", "GOOD", "EXCELLENT"]


def class_book(
    students: int = 42, stage: str = "WHOLE_YEAR", *, version: int = 1, class_name: str = "6A1", seed: int = 1
) -> dict[str, Any]:
    """The content of one class book, `stage` SEMESTER_1 or WHOLE_YEAR, with `students` students (1
    to 70).
    """
    rng = random.Random(seed)
    subjects = [_subject(index, *row) for index, row in enumerate(SUBJECTS, 1)]
    children = sorted((_student(rng, i) for i in range(1, students + 1)), key=lambda s: str(s["name"]).split()[::-1])
    for number, child in enumerate(children, 1):
        child["number"] = number
    ability = [rng.gauss(74, 12) for _ in children]
    first = _semester(rng, "SEMESTER_1", subjects, ability)
    semesters = [first]
    year = None
    if stage == "WHOLE_YEAR":
        second = _semester(rng, "SEMESTER_2", subjects, ability)
        semesters.append(second)
        year = _year(rng, subjects, first, second)
    homeroom = {"id": "gv-001", "name": subjects[0]["teachers"][0]["name"]}
    return {
        "format": "hoso/class-book/1",
        "record_type": "CLASS_BOOK",
        "school_year": "2025-2026",
        "stage": stage,
        "version": version,
        "regime": "TT22",
        "closing_time": "2026-05-28T17:00:00+07:00" if year else "2026-01-15T17:00:00+07:00",
        "school": {
            "code": "79000123",
            "name": "Trường THCS Nguyễn Du",
            "level": "LOWER_SECONDARY",
            "commune": "Phường Bến Thành",
            "province": "Thành phố Hồ Chí Minh",
            "department": "Sở Giáo dục và Đào tạo Thành phố Hồ Chí Minh",
        },
        "class": {"name": class_name, "grade_level": 6, "homeroom_teacher": homeroom},
        "principal": {"id": "ht-001", "name": "Trần Thị Ngọc Ánh"},
        "subjects": subjects,
        "students": children,
        "semesters": semesters,
        "year": year,
        "corrections": [_correction(subjects, semesters)],
        "principal_remarks": [],
        "signatories": _signatories(subjects, homeroom),
    }


def canonical(students: int = 42, stage: str = "WHOLE_YEAR", **more: Any) -> bytes:
    """`class_book` as canonical bytes."""
    return canonical_bytes(class_book(students, stage, **more))


def _sort_key(student: dict[str, Any]) -> list[str]:
    """By given name, then middle names, then family name, as class lists are ordered."""
    words = unicodedata.normalize("NFD", student["name"]).replace("Đ", "Dz").split()
    return words[::-1]


def _name(rng: random.Random, sex: str) -> str:
    return f"{rng.choice(_FAMILY)} {rng.choice(_MIDDLE[sex])} {rng.choice(_GIVEN[sex])}"


def _subject(index: int, code: str, name: str, kind: str, periods: int) -> dict[str, Any]:
    rng = random.Random(f"teacher {index}")
    count = 2 if kind == "COMMENT_ONLY" or periods <= 35 else 3 if periods <= 70 else 4
    return {
        "code": code,
        "name": name,
        "kind": kind,
        "periods_per_year": periods,
        "regular_count": {"SEMESTER_1": count, "SEMESTER_2": count},
        "teachers": [{"id": f"gv-{index:03d}", "name": _name(rng, rng.choice(["MALE", "FEMALE"]))}],
    }


def _student(rng: random.Random, number: int) -> dict[str, Any]:
    sex = rng.choice(["MALE", "FEMALE"])
    name = _name(rng, sex)
    commune = rng.choice(_COMMUNES)
    return {
        "number": number,
        "moet_student_id": f"79{rng.randrange(10**7):07d}{number % 10}",
        "name": name,
        "birth_date": f"2014-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        "birth_place": rng.choice(["Thành phố Hồ Chí Minh", "Đồng Nai", "Tây Ninh", "Cần Thơ"]),
        "sex": sex,
        "ethnicity": rng.choice(["Kinh"] * 9 + ["Hoa", "Chăm"]),
        "priority": rng.choice([""] * 15 + ["Con thương binh", "Hộ nghèo"]),
        "address": f"{rng.randint(1, 400)}/{rng.randint(1, 30)} đường Lê Thánh Tôn, {commune}, Thành phố Hồ Chí Minh",
        "father": _parent(rng, name.split()[0], "MALE") if rng.random() > 0.05 else None,
        "mother": _parent(rng, None, "FEMALE"),
        "note": "Chuyển đến từ Trường THCS Lê Lợi, tháng 11/2025" if number == 7 else "",
    }


def _parent(rng: random.Random, family: str | None, sex: str) -> dict[str, str]:
    name = _name(rng, sex)
    if family:
        name = f"{family} {name.split(maxsplit=1)[1]}"
    phone = f"09{rng.randrange(10**8):08d}"
    return {"name": name, "job": rng.choice(_JOBS), "phone": phone, "email": f"phuhuynh.{phone}@example.vn"}


def _keyed(tenths: int) -> str:
    return str(tenths // 10) if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}"


def _decimal(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def _tenths(value: str) -> int:
    whole, _, tenth = value.partition(".")
    return int(whole) * 10 + int(tenth or 0)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _row(rng: random.Random, student: int, subject: dict[str, Any], semester: str, ability: float) -> dict[str, Any]:
    count = subject["regular_count"][semester]
    row: dict[str, Any] = {"student": student, "year_result": None, "reassessed": None, "note": ""}
    if subject["kind"] == "COMMENT_ONLY":
        return row | {"regular": ["PASS"] * count, "midterm": "PASS", "final": "PASS", "result": "PASS"}
    marks = [min(100, max(15, round(rng.gauss(ability, 9)))) for _ in range(count + 2)]
    marks = [value if rng.random() > 0.5 else _half_up(value, 10) * 10 for value in marks]
    *regular, midterm, final = marks
    result = _half_up(sum(regular) + 2 * midterm + 3 * final, count + 5)
    cells = {"regular": [_keyed(v) for v in regular], "midterm": _keyed(midterm), "final": _keyed(final)}
    return row | cells | {"result": _decimal(result)}


def _semester(
    rng: random.Random, semester: str, subjects: list[dict[str, Any]], ability: list[float]
) -> dict[str, Any]:
    marks = [
        {"subject": s["code"], "rows": [_row(rng, n, s, semester, a) for n, a in enumerate(ability, 1)]}
        for s in subjects
    ]
    return {"semester": semester, "marks": marks, "summary": _summary(rng, marks, "result", len(ability))}


def _summary(rng: random.Random, marks: list[dict[str, Any]], key: str, students: int) -> list[dict[str, Any]]:
    rows = []
    for index in range(students):
        results = {sheet["subject"]: sheet["rows"][index][key] for sheet in marks}
        conduct = rng.choice(["EXCELLENT"] * 8 + ["GOOD", "SATISFACTORY"])
        rows.append(
            {
                "student": index + 1,
                "results": results,
                "learning_result": _level(results),
                "conduct_result": conduct,
            }
        )
    return rows


def _level(results: dict[str, str]) -> str:
    scores = [_tenths(v) for v in results.values() if v not in ("PASS", "NOT_PASS")]
    if min(scores) >= 65 and sum(s >= 80 for s in scores) >= 6:
        return "EXCELLENT"
    if min(scores) >= 50 and sum(s >= 65 for s in scores) >= 6:
        return "GOOD"
    if min(scores) >= 35 and sum(s >= 50 for s in scores) >= 6:
        return "SATISFACTORY"
    return "UNSATISFACTORY"


def _year(
    rng: random.Random, subjects: list[dict[str, Any]], first: dict[str, Any], second: dict[str, Any]
) -> dict[str, Any]:
    for subject, marks_1, marks_2 in zip(subjects, first["marks"], second["marks"], strict=True):
        for row_1, row_2 in zip(marks_1["rows"], marks_2["rows"], strict=True):
            if subject["kind"] == "COMMENT_ONLY":
                row_2["year_result"] = row_2["result"]
            else:
                average = _half_up(_tenths(row_1["result"]) + 2 * _tenths(row_2["result"]), 3)
                row_2["year_result"] = _decimal(average)
    summary = _summary(rng, second["marks"], "year_result", len(second["summary"]))
    evaluation = [_evaluation(rng, row) for row in summary]
    count = len(evaluation)
    pending = sum(row["promotion"] == "RETEST" for row in evaluation)
    totals = {
        "students": count,
        "promoted": count - pending,
        "promoted_after_summer": 0,
        "not_promoted": 0,
        "pending_summer": pending,
    }
    return {"summary": summary, "evaluation": evaluation, "totals": totals}


def _evaluation(rng: random.Random, summary: dict[str, Any]) -> dict[str, Any]:
    levels = (summary["learning_result"], summary["conduct_result"])
    award = None
    if levels == ("EXCELLENT", "EXCELLENT"):
        nines = sum(_tenths(v) >= 90 for v in summary["results"].values() if v not in ("PASS", "NOT_PASS"))
        award = "OUTSTANDING_STUDENT" if nines >= 6 else "GOOD_STUDENT"
    return {
        "student": summary["student"],
        "conduct_result": levels[1],
        "learning_result": levels[0],
        "conduct_after_summer": None,
        "learning_after_summer": None,
        "absent_sessions": rng.choice([0, 0, 0, 1, 2, 3, 5]),
        "promotion": "RETEST" if levels[0] == "UNSATISFACTORY" else "PROMOTED",
        "award": award,
    }


def _correction(subjects: list[dict[str, Any]], semesters: list[dict[str, Any]]) -> dict[str, Any]:
    row = semesters[0]["marks"][1]["rows"][0]
    return {
        "student": row["student"],
        "subject": subjects[1]["code"],
        "semester": "SEMESTER_1",
        "column": "MIDTERM",
        "old": "3",
        "new": row["midterm"],
        "reason": "Nhập nhầm điểm của học sinh kế bên; đã đối chiếu bài kiểm tra.",
        "requested_by": subjects[1]["teachers"][0],
        "confirmed_by": subjects[0]["teachers"][0],
        "approved_by": {"id": "ht-001", "name": "Trần Thị Ngọc Ánh"},
        "time": "2026-01-12T09:30:00+07:00",
    }


def _signatories(subjects: list[dict[str, Any]], homeroom: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[tuple[int, str, str, str, str, str | None]] = []
    for s in subjects:
        teacher = s["teachers"][0]
        rows.append((1, "SUBJECT_TEACHER", f"teacher-{s['code']}", teacher["id"], teacher["name"], s["code"]))
    rows.append((2, "HOMEROOM_TEACHER", "homeroom", homeroom["id"], homeroom["name"], None))
    rows.append((3, "PRINCIPAL", "principal", "ht-001", "Trần Thị Ngọc Ánh", None))
    rows.append((4, "SCHOOL_SEAL", "seal", "79000123", "Trường THCS Nguyễn Du", None))
    return [
        {
            "order": i,
            "rank": rank,
            "field": f"sig-{i:02d}-{end}",
            "role": role,
            "signatory": who,
            "name": name,
            "subject": subject,
        }
        for i, (rank, role, end, who, name, subject) in enumerate(rows, 1)
    ]
