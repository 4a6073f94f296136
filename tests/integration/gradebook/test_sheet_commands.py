"""`hoso export` and `hoso import` against a served gradebook: what is exported, edited and imported
is what changes.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.output import Output
from cli.profile import Profile
from demo.school import SchoolClass
from deploy.local.configs import dump
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.command_line import write_profile
from tests.integration.gradebook.world import DEPARTMENT, FIRST, ISSUER, VENDOR, World, columns, served, tls
from tests.servers import Pki

_TWO = ("--subject", "TOAN", "--subject", "VAN")


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    with served(pki_files, database("gradebook"), classes=2, students=5) as world:
        world.put_roster()
        world.plan_window()
        school_class = world.school.classes[0]
        for subject in world.school.subjects[6]:
            world.enter(
                school_class, subject.code, FIRST, columns(subject), world.school.sheet(school_class, subject, 1)
            )
        yield world


@pytest.fixture(autouse=True)
def profile(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile of the department's operator who also holds a vendor's certificate and the local
    token issuer.
    """
    path = write_profile(world, tmp_path)
    monkeypatch.setenv("HOSO_PROFILE", str(path))
    monkeypatch.setattr(Output, "as_json", False)
    return path


@pytest.fixture
def tokens(world: World, school_class: SchoolClass, tmp_path: Path) -> Path:
    path = tmp_path / "tokens.txt"
    teachers = sorted({person for who in school_class.assignments.values() for person in who})
    path.write_text("\n".join(world.token(person) for person in teachers) + "\n")
    return path


def hoso(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def export(world: World, path: Path, *more: object) -> Path:
    code, output = hoso("export", "--school", world.school.code, "--year", world.school.school_year, "-o", path, *more)
    assert code == 0, output
    return path


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT * FROM mark ORDER BY class_id, subject_id, semester, student_id, column_no")


def versions(world: World) -> int:
    return int(world.rows("SELECT count(*) FROM entry")[0][0])


def test_an_export_imports_without_a_change(
    world: World, school_class: SchoolClass, tokens: Path, tmp_path: Path
) -> None:
    path = export(world, tmp_path / "all.xlsx", "--class", school_class.name, *_TWO, "--subject", "GDTC")
    book = openpyxl.load_workbook(path)
    assert len(book.sheetnames) == 1 + 2 * 3
    before, entries = stored(world), versions(world)
    code, output = hoso("import", path, "--token-file", tokens, "--json")
    answer = json.loads(output)
    assert code == 0
    assert {sheet["state"] for sheet in answer["sheets"]} == {"UNCHANGED"}
    assert answer["findings"] == []
    assert (stored(world), versions(world)) == (before, entries)
    assert school_class.name in book.sheetnames[1]


def test_edited_cells_and_no_others_are_entered_each_as_its_teacher(
    world: World, school_class: SchoolClass, tokens: Path, tmp_path: Path
) -> None:
    path = export(world, tmp_path / "some.xlsx", "--class", school_class.name, "--subject", "TOAN", "--subject", "GDTC")
    book = openpyxl.load_workbook(path)
    math, sport = book["6A1 - Toán - HK1"], book["6A1 - Giáo dục thể chất - HK2"]
    math["F10"], math["J13"], sport["E9"] = 1.3, "2,5", "cđ"
    book.save(path)
    before = {row[:3] + row[4:6]: row for row in stored(world)}
    code, output = hoso("import", path, "--check")
    assert (code, versions(world)) == (0, len(world.rows("SELECT 1 FROM entry")))
    assert "3 ô thay đổi trong 2 bảng" in output
    assert {row[:3] + row[4:6]: row for row in stored(world)} == before

    code, output = hoso("import", path, "--token-file", tokens)
    assert code == 0, output
    assert "Đã nhập 3 ô trong 2 bảng" in output
    changed = world.rows(
        "SELECT s.moet_student_id, j.code, m.semester, m.column_no, m.value, e.person FROM entry e"
        " JOIN mark m ON m.class_id = e.class_id AND m.subject_id = e.subject_id AND m.semester = e.semester"
        " AND m.student_id = ANY(e.students) AND m.column_no = ANY(e.columns) AND m.version = ANY(e.versions)"
        " JOIN student s ON s.id = m.student_id JOIN subject j ON j.id = m.subject_id"
        " WHERE e.id > (SELECT max(id) - 2 FROM entry) AND m.value IN (13, 25, 200) ORDER BY m.value"
    )
    assert changed == [
        (school_class.students[1].id, "TOAN", 1, 2, 13, school_class.assignments["TOAN"][0]),
        (school_class.students[4].id, "TOAN", 1, 11, 25, school_class.assignments["TOAN"][0]),
        (school_class.students[0].id, "GDTC", 2, 1, 200, school_class.assignments["GDTC"][0]),
    ]
    assert len(stored(world)) == len(before) + 1
    code, output = hoso("import", path, "--token-file", tokens)
    assert (code, "Đã nhập 0 ô" in output) == (0, True)


def test_remarks_are_exported_edited_and_imported_with_the_marks(
    world: World, school_class: SchoolClass, tokens: Path, tmp_path: Path
) -> None:
    path = export(world, tmp_path / "first.xlsx", "--class", school_class.name, "--subject", "VAN", "--semester", 1)
    book = openpyxl.load_workbook(path)
    sheet = book["6A1 - Ngữ văn - HK1"]
    sheet["E9"], sheet["L9"], sheet["L10"] = 0.5, "Đọc diễn cảm tốt,\n cần viết  cẩn thận hơn.", "- Chăm học."
    book.save(path)
    code, output = hoso("import", path, "--check")
    assert (code, "3 ô thay đổi trong 1 bảng, trong đó có 2 ô nhận xét." in output) == (0, True)
    assert world.rows("SELECT count(*) FROM remark") == [(0,)]
    code, output = hoso("import", path, "--token-file", tokens)
    assert (code, "Đã nhập 3 ô trong 1 bảng, trong đó có 2 ô nhận xét;" in output) == (0, True)
    said = "SELECT s.moet_student_id, r.version, r.remark, e.person FROM remark r JOIN entry e USING (request_id)"
    said += " JOIN student s ON s.id = r.student_id ORDER BY 1, 2"
    teacher, (first, second) = school_class.assignments["VAN"][0], (student.id for student in school_class.students[:2])
    written = [(first, 1, "Đọc diễn cảm tốt, cần viết cẩn thận hơn.", teacher), (second, 1, "- Chăm học.", teacher)]
    assert world.rows(said) == written

    again = export(world, tmp_path / "again.xlsx", "--class", school_class.name, "--subject", "VAN", "--semester", 1)
    book = openpyxl.load_workbook(again)
    sheet = book["6A1 - Ngữ văn - HK1"]
    assert [sheet[f"L{row}"].value for row in (9, 10, 11)] == [written[0][2], written[1][2], None]
    code, output = hoso("import", again, "--token-file", tokens, "--json")
    assert (code, json.loads(output)["sheets"][0]["state"], json.loads(output)["findings"]) == (0, "UNCHANGED", [])
    sheet["E9"], sheet["L9"], sheet["L10"], sheet["L11"] = 9.5, None, "-", "Tốt\u200b."
    book.save(again)
    before = stored(world)
    code, output = hoso("import", again, "--token-file", tokens)
    assert code == 1
    assert "Ô L11, sheet «6A1 - Ngữ văn - HK1»: nhận xét không hợp lệ: có ký tự định dạng" in output
    assert (stored(world), world.rows(said)) == (before, written)
    sheet["L11"] = None
    book.save(again)
    code, output = hoso("import", again, "--token-file", tokens, "--json")
    (answer,) = json.loads(output)["sheets"]
    assert (code, answer["changed"], answer["remarks_changed"]) == (0, 1, 1)
    assert answer["remarks"] == [{"cell": "L10", "student": second, "old": "- Chăm học.", "new": ""}]
    assert world.rows(said) == [*written, (second, 2, "", teacher)]
    sheet["L10"] = "Đã tiến bộ."
    book.save(again)
    code, output = hoso("import", again, "--token-file", tokens)
    assert (code, "Đã nhập 1 ô trong 1 bảng, trong đó có 1 ô nhận xét;" in output) == (0, True)


def test_nothing_is_sent_while_one_sheet_is_bad_unless_asked(
    world: World, school_class: SchoolClass, tokens: Path, tmp_path: Path
) -> None:
    path = export(world, tmp_path / "bad.xlsx", "--class", school_class.name, "--semester", 2, *_TWO)
    book = openpyxl.load_workbook(path)
    book["6A1 - Toán - HK2"]["E9"] = 8.25
    book["6A1 - Ngữ văn - HK2"]["E9"] = 8.5
    book.save(path)
    before = stored(world)
    code, output = hoso("import", path, "--token-file", tokens)
    assert code == 1
    assert "Ô E9, sheet «6A1 - Toán - HK2»: điểm 8,25 phải làm tròn đến một chữ số thập phân." in output
    assert "Chưa gửi gì" in output
    assert stored(world) == before
    code, output = hoso("import", path, "--token-file", tokens, "--partial")
    assert code == 1
    assert "Đã nhập 1 ô trong 1 bảng" in output
    assert len(stored(world)) == len(before) + 1


def test_what_the_gradebook_refuses_comes_back_to_the_worksheet(
    world: World, school_class: SchoolClass, tokens: Path, tmp_path: Path
) -> None:
    path = export(world, tmp_path / "closed.xlsx", "--class", school_class.name, "--subject", "TIN", "--subject", "CN")
    book = openpyxl.load_workbook(path)
    book["6A1 - Tin học - HK1"]["E9"] = 0.1
    book["6A1 - Công nghệ - HK1"]["E9"] = 0.1
    book.save(path)
    alone = tmp_path / "one-token.txt"
    alone.write_text(world.token(school_class.assignments["TIN"][0]))
    world.rows("UPDATE entry_window SET semesters = '{2}' RETURNING 1")
    code, output = hoso("import", path, "--token-file", alone, "--json")
    world.rows("UPDATE entry_window SET semesters = '{1,2}' RETURNING 1")
    assert code == 1
    answered = {(finding["sheet"], finding["rule"]) for finding in json.loads(output)["findings"]}
    assert ("6A1 - Tin học - HK1", "WINDOW_CLOSED") in answered
    assert school_class.assignments["TIN"][0] not in school_class.assignments["CN"]
    assert ("6A1 - Công nghệ - HK1", "NO_TEACHER_TOKEN") in answered


def test_a_class_or_subject_that_is_not_there_and_a_file_that_is_none(
    world: World, school_class: SchoolClass, tmp_path: Path, tokens: Path
) -> None:
    book = openpyxl.Workbook()
    for title in ("9Z9 - Toán - HK1", "6A1 - Thiên văn - HK1", "Bảng"):
        sheet = book.create_sheet(title)
        sheet.append(["TT", "Mã HS", "Họ tên", "TX1"])
    book.save(tmp_path / "x.xlsx")
    code, output = hoso(
        "import", tmp_path / "x.xlsx", "--school", world.school.code, "--year", world.school.school_year, "--json"
    )
    rules = {finding["sheet"]: finding["rule"] for finding in json.loads(output)["findings"]}
    assert code == 1
    assert rules == {
        "": "NOT_A_SHEET",
        "9Z9 - Toán - HK1": "CLASS_UNKNOWN",
        "6A1 - Thiên văn - HK1": "SUBJECT_UNKNOWN",
        "Bảng": "HEAD_INCOMPLETE",
    }
    assert hoso("import", tokens)[0] == 2
    assert school_class.name == "6A1"


def test_the_issuer_of_a_local_stack_stands_in_for_tokens(
    world: World, school_class: SchoolClass, tmp_path: Path, profile: Path
) -> None:
    own_profile = Profile(
        world.address,
        "127.0.0.1:1",
        "127.0.0.1:1",
        "127.0.0.1:1",
        tls(world.pki, DEPARTMENT),
        tls(world.pki, VENDOR),
        ISSUER,
        world.pki.stack.pki / "issuer.key",
    )
    profile.write_text(dump(own_profile))
    path = export(world, tmp_path / "o.xlsx", "--class", school_class.name, "--subject", "GDCD", "--semester", 2)
    book = openpyxl.load_workbook(path)
    book.worksheets[1]["E9"] = 9
    book.save(path)
    code, output = hoso("import", path)
    assert (code, "Đã nhập 1 ô" in output) == (0, True)
    code, _ = hoso("export", "--school", world.school.code, "--year", world.school.school_year, "-o", path)
    assert code == 1  # it exists
