"""Which articles a result rests on, for anyone who wants to check it."""

from services.gradebook.rules.legacy import AcademicResult
from services.gradebook.rules.promotion import MAX_ABSENT_SESSIONS
from services.gradebook.rules.pupil import PupilResult, PupilYear
from services.gradebook.rules.regime import Regime, RuleSet
from services.gradebook.rules.words import Academic, Level, Promotion, SubjectKind

_LEVEL_POINTS = {
    Level.LEVEL_EXCELLENT: "a",
    Level.LEVEL_GOOD: "b",
    Level.LEVEL_SATISFACTORY: "c",
    Level.LEVEL_UNSATISFACTORY: "d",
}
_RANK_CLAUSES = {
    Academic.ACADEMIC_EXCELLENT: 1,
    Academic.ACADEMIC_GOOD: 2,
    Academic.ACADEMIC_AVERAGE: 3,
    Academic.ACADEMIC_WEAK: 4,
    Academic.ACADEMIC_POOR: 5,
}
_AMENDED_ARTICLES = ("Điều 7", "Điều 8", "Điều 10", "Điều 13", "Điều 18")
"""The articles cited here whose text in TT58/2011 was changed by TT26/2020."""


def applied_articles(rules: RuleSet, pupil: PupilYear, result: PupilResult) -> list[str]:
    """The articles that produced a result, in the order of their use.

    Such as "TT22/2021 Điều 9 khoản 1 điểm b".
    """
    articles = _tt22(pupil, result) if rules.is_tt22 else _tt58(pupil, result)
    return [_cite(rules.regime, article) for article in dict.fromkeys(articles)]


def _cite(regime: Regime, article: str) -> str:
    if regime is Regime.TT22:
        return f"TT22/2021 {article}"
    amended = regime is Regime.TT58_AMENDED and " ".join(article.split()[:2]) in _AMENDED_ARTICLES
    return f"TT58/2011 {article}{' (sửa đổi bởi TT26/2020)' if amended else ''}"


def _tt22(pupil: PupilYear, result: PupilResult) -> list[str]:
    articles = ["Điều 21 khoản 1"]
    kinds = {subject.kind for subject in pupil.subjects}
    if any(subject.topic_cluster_semester for subject in pupil.subjects):
        articles.append("Điều 6")
    if any(subject.exempt for subject in pupil.subjects):
        articles.append("Điều 10")
    if SubjectKind.COMMENT_ONLY in kinds:
        articles.append("Điều 9 khoản 1 điểm a")
    if SubjectKind.COMMENT_AND_SCORE in kinds:
        articles.append("Điều 9 khoản 1 điểm b")
    for period_result in result.learning:
        if period_result is not None and not isinstance(period_result, AcademicResult):
            articles.append(f"Điều 9 khoản 2 điểm {_LEVEL_POINTS[period_result.base]}")
    if any(period_result is not None and period_result.adjusted for period_result in result.learning):
        articles.append("Điều 9 khoản 3")
    if result.conduct.year is not None:
        articles.append("Điều 8 khoản 2 điểm b")
    articles += _tt22_decision(pupil, result)
    if result.award is not None:
        articles.append("Điều 15 khoản 1 điểm a")
    return articles


def _tt22_decision(pupil: PupilYear, result: PupilResult) -> list[str]:
    articles = []
    if result.conduct.after_summer is not None or result.promotion is Promotion.SUMMER_TRAINING:
        articles.append("Điều 13")
    if result.learning.after_summer is not None or result.promotion is Promotion.RETEST:
        articles.append("Điều 14")
    if result.promotion is Promotion.RETAINED:
        too_often_absent = (pupil.absent_sessions or 0) > MAX_ABSENT_SESSIONS
        articles += ["Điều 12 khoản 1 điểm c"] if too_often_absent else []
        articles.append("Điều 12 khoản 3")
    elif result.promotion in (Promotion.PROMOTED, Promotion.PROGRAMME_COMPLETED):
        articles.append("Điều 12 khoản 1")
    return articles


def _tt58(pupil: PupilYear, result: PupilResult) -> list[str]:
    articles = []
    kinds = {subject.kind for subject in pupil.subjects}
    if any(subject.exempt for subject in pupil.subjects):
        articles.append("Điều 12")
    if SubjectKind.COMMENT_AND_SCORE in kinds:
        articles.append("Điều 10 khoản 1")
    if SubjectKind.COMMENT_ONLY in kinds:
        articles.append("Điều 10 khoản 2")
    ranks = [period_result for period_result in result.learning if isinstance(period_result, AcademicResult)]
    articles += ["Điều 11"] if ranks else []
    articles += [f"Điều 13 khoản {_RANK_CLAUSES[period_result.base]}" for period_result in ranks]
    if any(period_result.adjusted for period_result in ranks):
        articles.append("Điều 13 khoản 6")
    if result.conduct.year is not None:
        articles.append("Điều 4")
    if result.learning.after_summer is not None or result.promotion is Promotion.RETEST:
        articles.append("Điều 16")
    if result.conduct.after_summer is not None or result.promotion is Promotion.SUMMER_TRAINING:
        articles.append("Điều 17")
    if result.promotion is Promotion.RETAINED:
        articles.append("Điều 15 khoản 2")
    elif result.promotion in (Promotion.PROMOTED, Promotion.PROGRAMME_COMPLETED):
        articles.append("Điều 15 khoản 1")
    if any((result.award, *result.semester_awards)):
        articles.append("Điều 18 khoản 1")
    return articles
