"""Both regulations agree with an independent second implementation on cases near the thresholds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gradebook.rules import Comment, Policy, SubjectRole, learning_result
from services.gradebook.rules.evaluation.evaluate import evaluate_case
from services.gradebook.rules.legacy import ScoredSubject, academic_result
from tests.unit.rules import rules_reference as reference

SUBJECTS = {
    "Ngữ văn": 140,
    "Toán": 140,
    "Ngoại ngữ": 105,
    "Giáo dục công dân": 35,
    "Khoa học tự nhiên": 140,
    "Lịch sử và Địa lí": 105,
    "Công nghệ": 52,
    "Tin học": 35,
}
COMMENT_SUBJECTS = ("Thể dục", "Âm nhạc")
YEARS = ["2015-2016", "2018-2019", "2020-2021", "2021-2022", "2022-2023", "2023-2024", "2025-2026"]
CORNERS = [19, 20, 34, 35, 49, 50, 64, 65, 79, 80, 90, 100]


def text(tenths, separator="."):
    return f"{tenths // 10}{separator}{tenths % 10}"


def scored_marks(pick, count, original, centre):
    def mark():
        return text(min(100, max(0, centre + pick.randint(-3, 3))), pick.choice(".,"))

    marks = {"regular": [mark() for _ in range(count)], "final": mark()}
    marks |= {"periodic": [mark() for _ in range(pick.randint(0, 3))]} if original else {"midterm": mark()}
    return marks


def comment_marks(pick, count, original):
    failures = pick.choice([0, 0.02, 0.3])

    def mark():
        return "CĐ" if pick.random() < failures else "Đ"

    marks = {"regular": [mark() for _ in range(count)], "final": mark()}
    marks |= {"periodic": [mark() for _ in range(pick.randint(0, 2))]} if original else {"midterm": mark()}
    return marks


def steps(periods):
    return 2 if periods <= 35 else 3 if periods <= 70 else 4


def random_case(pick):
    """A complete year near the thresholds: mostly one level, a few subjects at other corners."""
    case = {"school_year": pick.choice(YEARS), "grade": pick.randint(6, 12), "subjects": []}
    law = reference.regulation(case)
    level, odd = pick.choice([50, 65, 72, 80, 85, 92]), pick.choice([0, 0.15, 0.4])
    for name, periods in SUBJECTS.items():
        centre = pick.choice(CORNERS) if pick.random() < odd else level
        subject = {"name": name, "kind": "COMMENT_AND_SCORE", "periods_per_year": periods}
        for key in ("semester_1", "semester_2"):
            subject[key] = scored_marks(pick, steps(periods), law == "2011", centre)
        case["subjects"].append(subject)
    for name in COMMENT_SUBJECTS:
        subject = {"name": name, "kind": "COMMENT_ONLY", "periods_per_year": 70}
        subject["exempt"] = pick.choice([[], [], ["semester_1"], ["semester_2"], ["semester_1", "semester_2"]])
        for key in ("semester_1", "semester_2"):
            if law == "22" or key not in subject["exempt"]:
                subject[key] = comment_marks(pick, 2 if law == "22" else 3, law == "2011")
        case["subjects"].append(subject)
    words = reference.LADDER22 if law == "22" else reference.CONDUCT58
    words = [words[0], *words[1:] * 2]
    case["conduct"] = {"semester_1": pick.choice(words), "semester_2": pick.choice(words)}
    if law != "22" and pick.random() < 0.5:
        case["conduct"]["year"] = pick.choice(words)
    case["absent_sessions"] = pick.choice([0, 3, 45, 45, 46])
    if pick.random() < 0.5:
        case["summer_conduct"] = pick.choice(words)
    for name in pick.sample([*SUBJECTS, *COMMENT_SUBJECTS], pick.choice([0, 2, 10])):
        again = pick.choice(["Đ", "CĐ"]) if name in COMMENT_SUBJECTS else text(pick.choice([*CORNERS, 51]))
        case.setdefault("reassessed", {})[name] = again
    if law == "22":
        flags = ("failed_comment_subject_counts", "adjustment_by_ideal_mark", "retest_after_summer_training")
        case["policy"] = {flag: pick.random() < 0.5 for flag in flags if pick.random() < 0.5}
    return case


def shown(mark):
    return mark if mark is None or isinstance(mark, str) else text(int(mark * 10))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=True))
def test_command_agrees_with_the_reference(pick):
    case = random_case(pick)
    expected = reference.outcome(case)
    answer = evaluate_case(case)
    assert answer["pending"] == []
    for key, marks in expected["marks"].items():
        assert {s["name"]: s[key] for s in answer["subjects"] if s[key] is not None} == {
            name: shown(mark) for name, mark in marks.items()
        }
        assert answer["learning_result"][key] == expected["levels"][key]
    assert answer["conduct_result"]["year"] == expected["conduct"]
    assert answer["promotion"] == expected["promotion"]
    assert answer["retest_subjects"] == expected["retest"]
    assert answer["award"] == expected["award"]


scores = st.sampled_from([*CORNERS, 30, 40, 70, 85]) | st.integers(0, 100)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(scores, min_size=5, max_size=10),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
)
def test_one_subject_adjustment_agrees_with_its_definition(values, failed, policy_a, policy_b):
    policy = {"failed_comment_subject_counts": policy_a, "adjustment_by_ideal_mark": policy_b}
    marks = {f"môn {i}": reference.Fraction(value, 10) for i, value in enumerate(values)}
    marks |= {f"nhận xét {i}": "CĐ" for i in range(failed)} | {"nhận xét": "Đ"}
    comments = [Comment.NOT_PASS] * failed + [Comment.PASS]
    result = learning_result(values, comments, Policy(**policy))
    assert result.level.vietnamese == reference.learning22(marks, policy)
    assert result.base.vietnamese == reference.level22(marks)
    assert len(reference.culprits22(marks, policy)) <= 1


@settings(max_examples=400, deadline=None)
@given(
    st.lists(scores, min_size=4, max_size=12),
    st.integers(0, 2),
    st.booleans(),
)
def test_academic_rank_agrees_with_its_definition(values, failed, amended):
    law = "2020" if amended else "2011"
    names = [*SUBJECTS, "Hóa học", "Sinh học", "Vật lí", "Địa lí"]
    roles = [SubjectRole.LITERATURE, SubjectRole.MATHEMATICS, SubjectRole.FOREIGN_LANGUAGE]
    marks = {name: reference.Fraction(value, 10) for name, value in zip(names, values, strict=False)}
    marks |= {f"nhận xét {i}": "CĐ" for i in range(failed)} | {"nhận xét": "Đ"}
    scored = [ScoredSubject(value, roles[i] if i < 3 else None) for i, value in enumerate(values)]
    comments = [Comment.NOT_PASS] * failed + [Comment.PASS]
    result = academic_result(scored, comments, foreign_language_leads=amended)
    assert result.overall == int(reference.mean58(marks) * 10)
    assert result.base.vietnamese == reference.rank58(law, marks)
    assert result.level.vietnamese == reference.learning58(law, marks)
