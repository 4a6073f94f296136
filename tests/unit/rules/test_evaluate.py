"""The JSON shape of one case: input, answers and refusals."""

import copy
import unicodedata

import pytest

from services.common.errors import Invalid
from services.gradebook.rules.evaluation.evaluate import evaluate_case

EIGHT = ("Ngữ văn", "Toán", "Ngoại ngữ 1", "GDCD", "LS&ĐL", "KHTN", "Công nghệ", "Tin học")


def scored(name, first, second=None):
    def semester(mark):
        return {"regular": [mark] * 4, "midterm": mark, "final": mark}

    return {
        "name": name,
        "kind": "COMMENT_AND_SCORE",
        "periods_per_year": 140,
        "semester_1": semester(first),
        "semester_2": semester(second or first),
    }


def comment(name, mark="Đ"):
    semester = {"regular": [mark, mark], "midterm": mark, "final": mark}
    return {"name": name, "kind": "COMMENT_ONLY", "semester_1": semester, "semester_2": copy.deepcopy(semester)}


def case(marks=("8",) * 8, **more):
    subjects = [scored(name, mark) for name, mark in zip(EIGHT, marks, strict=True)]
    base = {
        "school_year": "2024-2025",
        "grade": 7,
        "subjects": [*subjects, comment("GDTC"), comment("Nghệ thuật")],
        "conduct": {"semester_1": "Tốt", "semester_2": "Khá"},
        "absent_sessions": 3,
    }
    return base | more


def refused(given):
    with pytest.raises(Invalid) as refusal:
        evaluate_case(given)
    return [(violation.field, violation.rule) for violation in refusal.value.violations]


def test_the_whole_answer_of_a_good_year():
    given = case()
    given["subjects"][1]["semester_1"] = {"regular": ["7.5", "8", "6,5", "9"], "midterm": "7,3", "final": "6.8"}
    answer = evaluate_case(given)
    assert answer["subjects"][1] == {
        "name": "Toán",
        "semester_1": "7.3",
        "semester_2": "8.0",
        "year": "7.8",
        "reassessed": None,
    }
    assert answer["subjects"][8] | {"name": ""} == {
        "name": "",
        "semester_1": "Đ",
        "semester_2": "Đ",
        "year": "Đ",
        "reassessed": None,
    }
    assert answer["learning_result"] == {
        "semester_1": "Tốt",
        "semester_2": "Tốt",
        "year": "Tốt",
        "after_summer": None,
    }
    assert answer["conduct_result"] == {
        "semester_1": "Tốt",
        "semester_2": "Khá",
        "year": "Khá",
        "after_summer": None,
    }
    assert (answer["promotion"], answer["retest_subjects"], answer["award"]) == ("PROMOTED", [], None)
    assert answer["regulation"] == "TT22/2021"
    assert answer["applied"] == [
        "TT22/2021 Điều 21 khoản 1",
        "TT22/2021 Điều 9 khoản 1 điểm a",
        "TT22/2021 Điều 9 khoản 1 điểm b",
        "TT22/2021 Điều 9 khoản 2 điểm a",
        "TT22/2021 Điều 8 khoản 2 điểm b",
        "TT22/2021 Điều 12 khoản 1",
    ]
    assert answer["pending"] == answer["warnings"] == []


def test_retest_and_its_separate_columns():
    marks = ("5", "5", "3.2", "6", "5.5", "4.5", "7", "8")
    before = evaluate_case(case(marks))
    assert (before["promotion"], before["retest_subjects"]) == ("RETEST", ["Ngoại ngữ 1", "KHTN"])
    assert "TT22/2021 Điều 14" in before["applied"]
    after = evaluate_case(case(marks, reassessed={"Ngoại ngữ 1": "3,6", "KHTN": "5.0"}))
    assert (after["promotion"], after["retest_subjects"]) == ("PROMOTED", [])
    assert after["learning_result"]["year"] == "Chưa đạt"
    assert after["learning_result"]["after_summer"] == "Đạt"
    assert (after["subjects"][2]["year"], after["subjects"][2]["reassessed"]) == ("3.2", "3.6")


def test_an_empty_reassessment_means_it_has_not_been_held():
    marks = ("5", "5", "3.2", "6", "5.5", "4.5", "7", "8")
    assert evaluate_case(case(marks, reassessed={}))["promotion"] == "RETEST"
    assert evaluate_case(case(marks, reassessed={"KHTN": None}))["promotion"] == "RETAINED"


def test_policy_flag_of_the_issue():
    given = case(("8.5",) * 8)
    given["subjects"][8] = comment("GDTC", "CĐ")
    adjusted = evaluate_case(given | {"policy": {"failed_comment_subject_counts": True}})
    assert adjusted["learning_result"]["year"] == "Khá"
    assert "TT22/2021 Điều 9 khoản 3" in adjusted["applied"]
    strict = evaluate_case(given | {"policy": {"failed_comment_subject_counts": False}})
    assert strict["learning_result"]["year"] == "Đạt"


def test_summer_conduct():
    failed = {"conduct": {"semester_1": "Tốt", "semester_2": "Chưa đạt"}}
    assert evaluate_case(case(**failed))["promotion"] == "SUMMER_TRAINING"
    after = evaluate_case(case(summer_conduct="Đạt", **failed))
    assert (after["promotion"], after["conduct_result"]["after_summer"]) == ("PROMOTED", "Đạt")


def test_missing_marks_are_pending_and_never_zero():
    given = case()
    given["subjects"][0]["semester_2"]["regular"][3] = None
    del given["subjects"][1]["semester_2"]["final"]
    given["subjects"][2]["semester_2"]["midterm"] = {"status": "ABSENT_EXCUSED_MAKEUP_DUE"}
    given["subjects"][3]["semester_2"]["regular"].pop()
    answer = evaluate_case(given)
    assert answer["pending"] == [
        "subjects[0].semester_2.regular[3]",
        "subjects[1].semester_2.final",
        "subjects[2].semester_2.midterm",
        "subjects[3].semester_2.regular[3]",
    ]
    assert [subject["year"] for subject in answer["subjects"][:4]] == [None] * 4
    assert answer["learning_result"]["semester_1"] == "Tốt"
    assert answer["learning_result"]["semester_2"] is answer["learning_result"]["year"] is None
    assert answer["promotion"] is answer["award"] is None


def test_half_a_year_has_its_first_semester():
    given = case()
    for subject in given["subjects"]:
        del subject["semester_2"]
    del given["conduct"]["semester_2"], given["absent_sessions"]
    answer = evaluate_case(given)
    assert answer["learning_result"]["semester_1"] == "Tốt"
    assert answer["promotion"] is None
    assert {"conduct.semester_2", "absent_sessions"} <= set(answer["pending"])


def test_a_zero_by_rule_and_a_make_up_count():
    given = case()
    given["subjects"][0]["semester_1"]["final"] = {"status": "ZERO_BY_RULE"}
    given["subjects"][1]["semester_1"]["final"] = {"status": "MADE_UP", "mark": "8"}
    answer = evaluate_case(given)
    assert [subject["semester_1"] for subject in answer["subjects"][:2]] == ["5.3", "8.0"]


def test_tt58_original_with_its_own_kinds_of_marks():
    semester = {"regular": ["8", "7", "9"], "periodic": ["7,5", "6.0"], "final": "7"}
    old = {"KTtx": ["8", "7", "9"], "KTđk": ["7.5", "6.0"], "KThk": "7"}
    toan = {"name": "Toán", "kind": "COMMENT_AND_SCORE", "periods_per_year": 70}
    given = {
        "school_year": "2018-2019",
        "grade": 8,
        "subjects": [toan | {"semester_1": semester, "semester_2": old}],
        "conduct": {"semester_1": "Trung bình", "semester_2": "Khá", "year": "Tốt"},
        "absent_sessions": 0,
    }
    answer = evaluate_case(given)
    assert answer["subjects"][0]["semester_1"] == answer["subjects"][0]["semester_2"] == "7.2"
    assert answer["overall_average"]["year"] == "7.2"
    assert answer["learning_result"]["year"] == "Khá"
    assert (answer["award"], answer["semester_awards"]) == (
        "TITLE_ADVANCED",
        {"semester_1": None, "semester_2": "TITLE_ADVANCED"},
    )
    assert "TT58/2011 Điều 13 khoản 2" in answer["applied"]


def test_tt58_amended_cites_the_amendment():
    answer = evaluate_case(case(school_year="2021-2022", conduct={"semester_1": "Khá", "semester_2": "Tốt"}))
    assert answer["regulation"] == "TT58/2011 sửa đổi bởi TT26/2020"
    assert "TT58/2011 Điều 13 khoản 1 (sửa đổi bởi TT26/2020)" in answer["applied"]
    assert answer["award"] == "TITLE_EXCELLENT"
    assert answer["warnings"] == ["Hạnh kiểm cả năm không được nhập; lấy theo học kì II."]


def test_decomposed_vietnamese_is_read():
    given = case(conduct={"semester_1": unicodedata.normalize("NFD", "Tốt"), "semester_2": "Khá"})
    given["subjects"][1]["name"] = unicodedata.normalize("NFD", "Toán")
    answer = evaluate_case(given)
    assert answer["subjects"][1]["name"] == "Toán"
    assert answer["conduct_result"]["semester_1"] == "Tốt"


def test_a_topic_cluster_of_upper_secondary_is_recognised():
    given = case(grade=10)
    given["subjects"][1]["semester_1"]["regular"].append("10")
    answer = evaluate_case(given)
    assert answer["subjects"][1]["semester_1"] == "8.2"
    assert "TT22/2021 Điều 6" in answer["applied"]
    given["subjects"][1]["semester_2"]["regular"].append("10")
    assert refused(given) == [("subjects[1].semester_2.regular", "REGULAR_COUNT")]


def test_two_surplus_marks_are_no_topic_cluster():
    given = case(grade=10)
    given["subjects"][1]["semester_1"]["regular"] += ["10", "10"]
    assert refused(given) == [("subjects[1].semester_1.regular", "REGULAR_COUNT")]


def test_id_is_echoed():
    assert evaluate_case(case(id="HS-01"))["id"] == "HS-01"


def test_input_without_effect_is_reported():
    given = case(reassessed={"Toán": "5.0"}, summer_conduct="Đạt", favourite_colour="xanh")
    answer = evaluate_case(given)
    assert answer["promotion"] == "PROMOTED"
    assert len(answer["warnings"]) == 3


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("11", "MARK_OUT_OF_RANGE"),
        ("8,25", "MARK_PRECISION"),
        (8.25, "MARK_PRECISION"),
        ("NaN", "MARK_FORMAT"),
        ("", "MARK_BLANK"),
        (True, "TYPE"),
        ([], "TYPE"),
        ({"status": "RECORDED", "mark": {}}, "TYPE"),
        ({"status": "LOST"}, "UNKNOWN_VALUE"),
    ],
)
def test_bad_marks_are_named_by_their_place(value, rule):
    given = case()
    given["subjects"][2]["semester_1"]["regular"][1] = value
    fields = refused(given)
    assert fields[0][0].startswith("subjects[2].semester_1.regular[1]")
    assert fields[0][1] == rule


def test_everything_wrong_is_reported_at_once():
    given = case(grade=7, absent_sessions=-1, summer_conduct="Giỏi")
    given["subjects"][0]["semester_1"]["final"] = "12"
    given["subjects"][1]["periods_per_year"] = "140"
    assert {field for field, _ in refused(given)} == {
        "absent_sessions",
        "summer_conduct",
        "subjects[0].semester_1.final",
        "subjects[1].periods_per_year",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"school_year": "2024"}, ("school_year", "SCHOOL_YEAR")),
        ({"school_year": "2024-2026"}, ("school_year", "SCHOOL_YEAR")),
        ({"school_year": "2005-2006"}, ("grade", "NO_RULES")),
        ({"grade": 5}, ("grade", "NO_RULES")),
        ({"grade": "7"}, ("grade", "INTEGER_RANGE")),
        ({"subjects": []}, ("subjects", "REQUIRED")),
        ({"subjects": ["Toán"]}, ("subjects[0]", "TYPE")),
        ({"conduct": {"semester_1": "Trung bình"}}, ("conduct.semester_1", "UNKNOWN_VALUE")),
        ({"conduct": {"year": "Tốt"}}, ("conduct.year", "COMPUTED")),
        ({"reassessed": {"Tiếng Nga": "5"}}, ("reassessed.Tiếng Nga", "UNKNOWN_SUBJECT")),
        ({"reassessed": {"GDTC": "5"}}, ("reassessed.GDTC", "MARK_FORMAT")),
        ({"policy": {"failed_comment_subject_count": True}}, ("policy.failed_comment_subject_count", "UNKNOWN_VALUE")),
        ({"policy": {"failed_comment_subject_counts": "yes"}}, ("policy.failed_comment_subject_counts", "TYPE")),
    ],
)
def test_refusals(change, expected):
    assert refused(case(**change)) == [expected]


def test_subject_refusals():
    given = case()
    given["subjects"][0]["kind"] = "SCORE"
    given["subjects"][1]["semester_1"]["periodic"] = ["8"]
    given["subjects"][3]["name"] = "Ngoại ngữ 1"
    given["subjects"][4]["semester_1"]["regular"].append("8")
    assert refused(given) == [
        ("subjects[0].kind", "UNKNOWN_VALUE"),
        ("subjects[1].semester_1.periodic", "UNKNOWN_MARK_KIND"),
        ("subjects[3].name", "DUPLICATE_SUBJECT"),
        ("subjects[4].semester_1.regular", "REGULAR_COUNT"),
    ]


def test_exemption_by_regime():
    given = case(school_year="2021-2022", grade=8, conduct={"semester_1": "Khá", "semester_2": "Tốt"})
    given["subjects"][8]["exempt"] = ["semester_2"]
    assert refused(given) == [("subjects[8].semester_2", "EXEMPT_HAS_MARKS")]
    del given["subjects"][8]["semester_2"]
    answer = evaluate_case(given)
    assert answer["subjects"][8]["year"] == "Đ"
    assert answer["subjects"][8]["left_out"] == ["semester_2"]

    given = case()
    given["subjects"][8]["exempt"] = ["semester_2"]
    answer = evaluate_case(given)
    assert answer["promotion"] == "PROMOTED"
    assert "TT22/2021 Điều 10" in answer["applied"]


@pytest.mark.parametrize("given", [None, [], "x", 7])
def test_a_case_is_an_object(given):
    assert refused(given) == [("", "TYPE")]
