"""A second implementation of the regulations, slow and independent of `services.gradebook.rules`.

The tests compare both. It is written from the articles with exact fractions, by definition instead
of by shortcut: "but for one subject" tries every subject in turn. It takes the same JSON cases as
the command and imports nothing from the project.
"""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

LADDER22 = ["Chưa đạt", "Đạt", "Khá", "Tốt"]
LADDER58 = ["Kém", "Yếu", "Trung bình", "Khá", "Giỏi"]
CONDUCT58 = ["Yếu", "Trung bình", "Khá", "Tốt"]
LEADING = {"2011": {"Toán", "Ngữ văn"}, "2020": {"Toán", "Ngữ văn", "Ngoại ngữ"}}


def one_decimal(value):
    exact = Fraction(value)
    wide = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.00000001"))
    return Fraction(wide.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))


def number(text):
    return Fraction(text.replace(",", "."))


def regulation(case):
    start = int(case["school_year"][:4])
    phase = [{6}, {6, 7, 10}, {6, 7, 8, 10, 11}, {6, 7, 8, 9, 10, 11, 12}]
    if start >= 2021 and case["grade"] in phase[min(start, 2024) - 2021]:
        return "22"
    return "2020" if start >= 2020 else "2011"


def is_score(subject):
    return subject["kind"] == "COMMENT_AND_SCORE"


def tests_with_weights(marks):
    weighted = [(mark, 1) for mark in marks["regular"]]
    weighted += [(mark, 2) for mark in marks.get("periodic", [])]
    if "midterm" in marks:
        weighted.append((marks["midterm"], 2))
    weighted.append((marks["final"], 3))
    return weighted


def semester(law, subject, key):
    weighted = tests_with_weights(subject[key])
    if is_score(subject):
        total = sum(number(mark) * weight for mark, weight in weighted)
        return one_decimal(total / sum(weight for _, weight in weighted))
    marks = [mark for mark, _ in weighted]
    if law == "22":
        return "Đ" if all(mark == "Đ" for mark in marks) else "CĐ"
    share = Fraction(marks.count("Đ"), len(marks))
    return "Đ" if share >= Fraction(2, 3) and marks[-1] == "Đ" else "CĐ"


def results(law, case, key):
    marks = {}
    for subject in case["subjects"]:
        out = subject.get("exempt", []) if law != "22" and not is_score(subject) else []
        taken = [k for k in ("semester_1", "semester_2") if k not in out]
        if key != "year":
            if key in taken:
                marks[subject["name"]] = semester(law, subject, key)
        elif is_score(subject):
            first, second = (semester(law, subject, k) for k in taken)
            marks[subject["name"]] = one_decimal((first + 2 * second) / 3)
        elif taken:
            marks[subject["name"]] = semester(law, subject, taken[-1])
    return marks


# --- TT22 -------------------------------------------------------------------------------------


def level22(marks):
    scores = [mark for mark in marks.values() if mark not in ("Đ", "CĐ")]
    failed = list(marks.values()).count("CĐ")

    def at_least(bound):
        return sum(score >= Fraction(bound) for score in scores)

    if failed == 0 and at_least("6.5") == len(scores) and at_least("8") >= 6:
        return "Tốt"
    if failed == 0 and at_least("5") == len(scores) and at_least("6.5") >= 6:
        return "Khá"
    if failed <= 1 and at_least("5") >= 6 and at_least("3.5") == len(scores):
        return "Đạt"
    return "Chưa đạt"


def culprits22(marks, policy):
    base = LADDER22.index(level22(marks))
    culprits = []
    for name, mark in marks.items():
        if mark == "Đ" or (mark == "CĐ" and not policy.get("failed_comment_subject_counts", True)):
            continue
        without = {other: value for other, value in marks.items() if other != name}
        if policy.get("adjustment_by_ideal_mark") and mark != "CĐ":
            without[name] = Fraction(10)
        reference = level22(without)
        if reference in ("Tốt", "Khá") and LADDER22.index(reference) - base >= 2:
            culprits.append(name)
    return culprits


def learning22(marks, policy):
    base = level22(marks)
    if len(culprits22(marks, policy)) == 1:
        return LADDER22[LADDER22.index(base) + 1]
    return base


def conduct_year22(first, second):
    if second == "Chưa đạt":
        return "Chưa đạt"
    rows = {
        "Tốt": {"Tốt": "Tốt", "Khá": "Khá", "Đạt": "Khá"},
        "Khá": {"Tốt": "Tốt", "Khá": "Khá", "Đạt": "Đạt"},
        "Đạt": {"Tốt": "Khá", "Khá": "Khá", "Đạt": "Đạt"},
        "Chưa đạt": {"Tốt": "Khá", "Khá": "Đạt", "Đạt": "Đạt"},
    }
    return rows[first][second]


# --- TT58 -------------------------------------------------------------------------------------


def mean58(marks):
    scores = [mark for mark in marks.values() if mark not in ("Đ", "CĐ")]
    return one_decimal(sum(scores) / len(scores))


BARS58 = {"Giỏi": ("8", "6.5"), "Khá": ("6.5", "5"), "Trung bình": ("5", "3.5")}


def meets58(law, marks, rank, pardoned=None):
    """Whether subjects meet a rank apart from the mean; a pardoned one counts as good enough."""
    bar, floor = (Fraction(text) for text in BARS58[rank])
    lead = False
    for name, mark in marks.items():
        if mark in ("Đ", "CĐ"):
            if mark == "CĐ" and name != pardoned:
                return False
            continue
        if mark < floor and name != pardoned:
            return False
        lead = lead or (name in LEADING[law] and (mark >= bar or name == pardoned))
    return lead


def rank58(law, marks):
    mean = mean58(marks)
    for rank in ("Giỏi", "Khá", "Trung bình"):
        if mean >= Fraction(BARS58[rank][0]) and meets58(law, marks, rank):
            return rank
    lowest = min(mark for mark in marks.values() if mark not in ("Đ", "CĐ"))
    return "Yếu" if mean >= Fraction("3.5") and lowest >= 2 else "Kém"


def learning58(law, marks):
    base = rank58(law, marks)
    candidates = [base]
    for reached, fell, given in [
        ("Giỏi", "Trung bình", "Khá"),
        ("Giỏi", "Yếu", "Trung bình"),
        ("Khá", "Yếu", "Trung bình"),
        ("Khá", "Kém", "Yếu"),
    ]:
        if base != fell or mean58(marks) < Fraction(BARS58[reached][0]) or meets58(law, marks, reached):
            continue
        if [name for name in marks if meets58(law, marks, reached, pardoned=name)]:
            candidates.append(given)
    return max(candidates, key=LADDER58.index)


# --- the year ---------------------------------------------------------------------------------


def outcome(case):
    law = regulation(case)
    policy = case.get("policy", {})

    def learn(marks):
        return learning22(marks, policy) if law == "22" else learning58(law, marks)

    marks = {key: results(law, case, key) for key in ("semester_1", "semester_2", "year")}
    levels = {key: learn(period_marks) for key, period_marks in marks.items()}
    first, second = case["conduct"]["semester_1"], case["conduct"]["semester_2"]
    conduct = conduct_year22(first, second) if law == "22" else case["conduct"].get("year", second)
    below_par = [name for name, mark in marks["year"].items() if mark == "CĐ" or (mark != "Đ" and mark < 5)]

    def after():
        replaced = dict(marks["year"])
        for name, text in case["reassessed"].items():
            if name in below_par:
                replaced[name] = text if text in ("Đ", "CĐ") else number(text)
        return learn(replaced)

    promotion = (promotion22 if law == "22" else promotion58)(case, policy, conduct, levels["year"], after)
    return {
        "marks": marks,
        "levels": levels,
        "conduct": conduct,
        "promotion": promotion,
        "retest": below_par if promotion == "RETEST" else [],
        "award": award(law, conduct, levels["year"], marks["year"]),
    }


def promotion22(case, policy, conduct, level, after):
    good = "PROGRAMME_COMPLETED" if case["grade"] in (9, 12) else "PROMOTED"
    if case["absent_sessions"] > 45:
        return "RETAINED"
    if conduct == "Chưa đạt":
        if level == "Chưa đạt" and not policy.get("retest_after_summer_training", True):
            return "RETAINED"
        summer = case.get("summer_conduct")
        if summer is None:
            return "SUMMER_TRAINING"
        if summer == "Chưa đạt":
            return "RETAINED"
    if level != "Chưa đạt":
        return good
    if not case.get("reassessed"):
        return "RETEST"
    return good if after() != "Chưa đạt" else "RETAINED"


def promotion58(case, policy, conduct, level, after):
    good = "PROGRAMME_COMPLETED" if case["grade"] in (9, 12) else "PROMOTED"
    if case["absent_sessions"] > 45 or level == "Kém" or (level == "Yếu" and conduct == "Yếu"):
        return "RETAINED"
    if conduct == "Yếu":
        summer = case.get("summer_conduct")
        if summer is None:
            return "SUMMER_TRAINING"
        return "RETAINED" if summer == "Yếu" else good
    if level != "Yếu":
        return good
    if not case.get("reassessed"):
        return "RETEST"
    return good if LADDER58.index(after()) >= 2 else "RETAINED"


def award(law, conduct, level, marks):
    if law == "22":
        if (conduct, level) != ("Tốt", "Tốt"):
            return None
        nines = sum(mark not in ("Đ", "CĐ") and mark >= 9 for mark in marks.values())
        return "OUTSTANDING_STUDENT" if nines >= 6 else "GOOD_STUDENT"
    if (conduct, level) == ("Tốt", "Giỏi"):
        return "TITLE_EXCELLENT"
    return "TITLE_ADVANCED" if conduct in ("Tốt", "Khá") and level in ("Giỏi", "Khá") else None
