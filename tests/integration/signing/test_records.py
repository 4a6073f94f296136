"""Teacher's books and registers under signature: who closes them, with real tokens and the real
worker.
"""

import base64
import datetime as dt
import hashlib
from typing import Any

import pytest

from services.archive import evidence
from services.common.canonical import canonical_bytes
from services.print.kind import Kind
from tests import records
from tests.integration.signing.hsm import SCHOOL
from tests.integration.signing.signing_service import Service, required_by
from tests.printing import render
from tests.waiting import eventually

CASES = [
    (records.teacher_book(1, 5, "SEMESTER_1"), ["gv-002", "ht-001"], "SIGNED", ["DocumentSigned"]),
    (
        records.student_register(5),
        ["cb-001", "ht-001", SCHOOL],
        "SEALED",
        ["DocumentSigned", "DocumentSealed"],
    ),
]


@pytest.mark.parametrize(("content", "people", "state", "events"), CASES, ids=["teacher book", "register"])
def test_the_last_signature_closes_the_record(
    service: Service, content: dict[str, Any], people: list[str], state: str, events: list[str]
) -> None:
    data = canonical_bytes(content)
    with service.tokens(), service.running("work"):
        name = service.take_in(render(data, Kind.SIGNING).pdf, required_by(content))
        service.activate(*people)
        eventually(lambda: service.signed(name) == people)
        service.deactivate_all()
    assert service.state(name) == state
    pdf = service.pdf(name)
    digest = hashlib.sha256(pdf).digest()
    announced = service.events(name)
    assert [kind for kind, _ in announced] == events
    assert base64.b64decode(announced[-1][1]["document_sha256"]) == digest
    stored = [entry.signatory for entry in service.journal(name) if entry.event == "STORED"]
    assert stored == people
    with service.database.transaction() as tx:
        open_jobs = tx.execute("SELECT count(*) FROM job WHERE state <> 'done' AND key LIKE %s", (f"{name}/%",))
        assert open_jobs.fetchone() == (0,)
    subject = evidence.Subject(content["record_type"], SCHOOL, content["school_year"], 1)
    root = service.hsm.chain(SCHOOL)[-1]
    now = dt.datetime.now(dt.UTC)
    report = evidence.verify(pdf, digest, hashlib.sha256(data).digest(), subject=subject, roots=[root], at=now)
    assert report.failed == ()
