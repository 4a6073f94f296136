"""The Department's rulings on open points of the assessment rules."""

from typing import NamedTuple

from services.common.db import Tx
from services.gradebook.rules import DEFAULT_POLICY, Policy


class Ruling(NamedTuple):
    """A ruling and the school year from whose start it holds; both texts empty for the literal reading."""

    policy: Policy
    school_year: str
    decision: str


def put(tx: Tx, ruling: Ruling, client: str) -> None:
    """Record a ruling; those before it are kept."""
    policy = ruling.policy
    tx.execute(
        "INSERT INTO assessment_policy (school_year, failed_comment_subject_counts, adjustment_by_ideal_mark,"
        " retest_after_summer_training, decision, client) VALUES (%s, %s, %s, %s, %s, %s)",
        (
            ruling.school_year,
            policy.failed_comment_subject_counts,
            policy.adjustment_by_ideal_mark,
            policy.retest_after_summer_training,
            ruling.decision,
            client,
        ),
    )


def in_force(tx: Tx, school_year: str) -> Ruling:
    """The newest ruling of the latest school year not after this one."""
    row = tx.execute(
        "SELECT school_year, failed_comment_subject_counts, adjustment_by_ideal_mark, retest_after_summer_training,"
        " decision FROM assessment_policy WHERE school_year <= %s ORDER BY school_year DESC, id DESC LIMIT 1",
        (school_year,),
    ).fetchone()
    if row is None:
        return Ruling(DEFAULT_POLICY, "", "")
    policy = Policy(
        failed_comment_subject_counts=row[1], adjustment_by_ideal_mark=row[2], retest_after_summer_training=row[3]
    )
    return Ruling(policy, row[0], row[4])
