"""The Department's rulings on what the assessment circular leaves open (ADR-0044)."""

from services.common.db import Database
from services.common.identity import Caller
from services.gradebook.authority import policy_store
from services.gradebook.authority.policy_store import Ruling
from services.gradebook.model.checks import Findings
from services.gradebook.roster import access
from services.gradebook.rules import Policy


def put_policy(database: Database, caller: Caller, school_year: str, policy: Policy, decision: str) -> None:
    """Record a ruling that holds from a school year on (Department). Raises Invalid."""
    findings = Findings()
    findings.school_year("policy.school_year", school_year)
    findings.text("policy.decision", decision, shortest=1, longest=200)
    findings.refuse()
    with database.transaction() as tx:
        policy_store.put(tx, Ruling(policy, school_year, decision), caller.client)
        access.record_department(
            tx,
            caller,
            "ASSESSMENT_POLICY_PUT",
            f"years/{school_year}",
            failed_comment_subject_counts=policy.failed_comment_subject_counts,
            adjustment_by_ideal_mark=policy.adjustment_by_ideal_mark,
            retest_after_summer_training=policy.retest_after_summer_training,
        )


def get_policy(database: Database, school_year: str) -> Ruling:
    """The ruling that holds in a school year. Raises Invalid."""
    findings = Findings()
    findings.school_year("school_year", school_year)
    findings.refuse()
    with database.transaction() as tx:
        return policy_store.in_force(tx, school_year)
