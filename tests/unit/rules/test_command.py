"""`hoso rules evaluate` as a process sees it: lines in, lines out, exit codes."""

import json

import pytest
from typer.testing import CliRunner

from cli.rules import app
from tests.unit.rules.test_evaluate import case

runner = CliRunner()


def run(text, *arguments):
    result = runner.invoke(app, ["evaluate", *arguments], input=text)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_good_lines_from_stdin():
    code, answers = run((json.dumps(case()) + "\n") * 3)
    assert code == 0
    assert [answer["promotion"] for answer in answers] == ["PROMOTED"] * 3


def test_good_lines_from_a_file(tmp_path):
    source = tmp_path / "lines.jsonl"
    source.write_text("\ufeff" + json.dumps(case(), ensure_ascii=False) + "\r\n\n", encoding="utf-8")
    code, answers = run("", str(source))
    assert (code, len(answers)) == (0, 1)


def test_a_bad_line_is_answered_in_its_place_and_the_rest_goes_on():
    bad = case(id="HS-02")
    bad["subjects"][0]["semester_1"]["final"] = "12"
    bad["subjects"][1]["semester_1"]["final"] = "x"
    code, answers = run("\n".join([json.dumps(case()), "", json.dumps(bad), "{oops", json.dumps(case())]))
    assert code == 1
    assert [answer.get("promotion") for answer in answers] == ["PROMOTED", None, None, "PROMOTED"]
    error = answers[1]["error"]
    assert (answers[1]["id"], error["line"], error["field"], error["rule"]) == (
        "HS-02",
        3,
        "subjects[0].semester_1.final",
        "MARK_OUT_OF_RANGE",
    )
    assert error["message"] == "Điểm phải từ 0 đến 10, không nhận “12”."
    assert [other["field"] for other in error["others"]] == ["subjects[1].semester_1.final"]
    assert (answers[2]["error"]["line"], answers[2]["error"]["rule"]) == (4, "JSON")


@pytest.mark.parametrize(
    ("hostile", "rule"),
    [
        (b"\xff\xfe{}", "ENCODING"),
        (b"[" * 100_000, "JSON"),
        (b'{"grade": ' + b"9" * 5000 + b"}", "JSON"),
        (b"null", "TYPE"),
    ],
)
def test_hostile_lines(hostile, rule):
    code, answers = run(hostile + b"\n" + json.dumps(case()).encode())
    assert code == 1
    assert answers[0]["error"]["rule"] == rule
    assert answers[1]["promotion"] == "PROMOTED"


def test_numbers_keep_the_digits_they_were_written_with():
    good, fine = json.dumps(case()), json.dumps(case()).replace('"8"', "8.0")
    rough, absent = good.replace('"8"', "8.25", 1), good.replace('"8"', "NaN", 1)
    code, answers = run("\n".join([fine, rough, absent]))
    assert code == 1
    assert answers[0]["promotion"] == "PROMOTED"
    assert [answer["error"]["rule"] for answer in answers[1:]] == ["MARK_PRECISION", "MARK_FORMAT"]


def test_a_lone_surrogate_does_not_stop_the_run():
    given = case()
    given["subjects"][0]["name"] = "V\ud800n"
    code, answers = run(json.dumps(given))
    assert (code, answers[0]["subjects"][0]["name"]) == (0, "V\ud800n")


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_unusable_input(tmp_path, name):
    code, answers = run("", str(tmp_path / name))
    assert (code, answers) == (2, [])
