"""The Department's rulings on open points of the assessment rules."""

from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.rules import DEFAULT_POLICY, Policy


class Ruling(NamedTuple):
    """A ruling and the school year from which it holds.

    Without a ruling `school_year` and `decision` are empty, and the circular is read literally.
    """

    policy: Policy
    school_year: str
    decision: str


def put(tx: Tx, ruling: Ruling, client: str) -> None:
    """Record a ruling; earlier ones are kept."""
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
    """The ruling that holds in a school year: the newest of the latest year not after it."""
    row = rows(
        tx,
        dict[str, Any],
        "SELECT school_year, failed_comment_subject_counts, adjustment_by_ideal_mark, retest_after_summer_training,"
        " decision FROM assessment_policy WHERE school_year <= %s ORDER BY school_year DESC, id DESC LIMIT 1",
        (school_year,),
    ).fetchone()
    if row is None:
        return Ruling(DEFAULT_POLICY, "", "")
    from_year, decision = row.pop("school_year"), row.pop("decision")
    return Ruling(Policy(**row), from_year, decision)
