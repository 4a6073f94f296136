"""`hoso policy`: what the Department has ruled where the assessment circular leaves a choice."""

from typing import Annotated

import typer
from hoso.gradebook.v1 import roster_pb2

from cli.connection import call, operator
from cli.output import show

app = typer.Typer(no_args_is_help=True)

SchoolYear = Annotated[str, typer.Argument(help="School year, such as 2026-2027.")]


@app.command("show")
def show_policy(school_year: SchoolYear) -> None:
    """The ruling that holds in a school year."""
    request = roster_pb2.GetAssessmentPolicyRequest(school_year=school_year)
    policy = call(operator().roster.GetAssessmentPolicy, request, patient=True).policy
    rows = [
        ("failed-comment-subject-counts", _yes(policy.failed_comment_subject_counts), "TT 22/2021 Điều 9 khoản 3"),
        ("adjustment-by-ideal-mark", _yes(policy.adjustment_by_ideal_mark), "TT 22/2021 Điều 9 khoản 3"),
        ("retest-after-summer-training", _yes(policy.retest_after_summer_training), "TT 22/2021 Điều 12–14"),
    ]
    unruled = "theo nguyên văn thông tư, Sở chưa quy định"
    source = f"{policy.decision}, từ {policy.school_year}" if policy.school_year else unruled
    show(f"Quy định đánh giá năm học {school_year}: {source}", ("điểm", "áp dụng", "căn cứ"), rows, policy)


@app.command("rule")
def rule(
    school_year: SchoolYear,
    decision: Annotated[str, typer.Option(help="Number and date of the Department's ruling.")],
    failed_comment_subject_counts: Annotated[
        bool, typer.Option(help="A failed comment-only subject may be the one subject of Điều 9 khoản 3.")
    ] = True,
    adjustment_by_ideal_mark: Annotated[
        bool,
        typer.Option(help="The level but for one subject is computed with an ideal mark, not without the subject."),
    ] = False,
    retest_after_summer_training: Annotated[
        bool, typer.Option(help="A student who fails conduct and learning may be reassessed after the summer training.")
    ] = True,
) -> None:
    """Record a ruling that holds from a school year on; frozen books keep their results."""
    policy = roster_pb2.AssessmentPolicy(
        school_year=school_year,
        failed_comment_subject_counts=failed_comment_subject_counts,
        adjustment_by_ideal_mark=adjustment_by_ideal_mark,
        retest_after_summer_training=retest_after_summer_training,
        decision=decision,
    )
    call(operator().roster.PutAssessmentPolicy, roster_pb2.PutAssessmentPolicyRequest(policy=policy), patient=True)
    show_policy(school_year)


def _yes(value: bool) -> str:
    return "có" if value else "không"
