"""`hoso audit` over four services: the newest anchor shows what their own chains cannot."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc
from typer.testing import CliRunner

from cli.connection import SERVICES
from cli.main import app
from cli.output import Output
from cli.profile import Profile
from deploy.local import objectstore
from deploy.local.configs import dump
from services.common import anchor, audit
from services.common.errors import NotFound
from services.common.grpc_client import channel
from services.common.identity import SYSTEM
from services.common.settings import DatabaseConfig, PeerConfig
from tests import servers, stand_ins
from tests.integration.archive.anchor_line import AnchorLine, serving
from tests.integration.archive.forging import add_outside, cut, remove, rewrite, spoil, superuser
from tests.integration.archive.stores import with_buckets

CHAIN = "school/79000001"
OPERATOR = "operator/department"


@dataclass
class Command:
    """`hoso` for the operator of the served line."""

    line: AnchorLine
    profile: Path

    def hoso(self, *arguments: str, columns: int = 80) -> Result:
        Output.as_json = False
        environment = {"HOSO_PROFILE": str(self.profile), "COLUMNS": str(columns)}
        return CliRunner().invoke(app, list(arguments), env=environment)

    def bad(self, *arguments: str) -> dict[str, Any]:
        """What `hoso --json audit` finds wrong, by service; it must be something."""
        ended = self.hoso("--json", "audit", *arguments)
        assert ended.exit_code == 1, ended.output
        # The services run in this process and may have logged before.
        answer = json.loads(ended.stdout[ended.stdout.index("{\n") :])
        return {
            service: (
                [(b["chain"], int(b["sequence"]), b["reason"]) for b in result["breaks"]],
                [p["reason"] for p in result["problems"]],
            )
            for service, result in answer.items()
            if result["breaks"] or result["problems"]
        }

    def verify_audit(self, service: str) -> operations_pb2.VerifyAuditResponse:
        peer = PeerConfig(self.line.addresses[service], stand_ins.tls(self.line.pki, OPERATOR))
        with channel(peer, service) as opened:
            stub = operations_pb2_grpc.OperationsServiceStub(opened)
            return stub.VerifyAudit(operations_pb2.VerifyAuditRequest(), timeout=20)


@pytest.fixture(scope="module")
def command(
    seaweedfs: objectstore.Store,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Command]:
    configs = {service: database(service) for service in SERVICES}
    with serving(pki_files, with_buckets(seaweedfs), configs) as line:
        for number, base in enumerate(line.databases.values()):
            with base.transaction() as tx:
                for row in range(4 + number):
                    audit.append(tx, audit.AuditRow(CHAIN, "MARKS_ENTERED", f"marks/{row}", {"n": str(row)}, SYSTEM))
                audit.append(tx, audit.AuditRow("department", "VENDOR_APPRAISED", "vendors/smas", {}, SYSTEM))
        path = tmp_path_factory.mktemp("cli") / "cli.toml"
        path.write_text(dump(Profile(**line.addresses, tls=stand_ins.tls(pki_files, OPERATOR))))
        yield Command(line, path)


@pytest.fixture(scope="module")
def anchored(command: Command) -> Command:
    with contextlib.ExitStack() as stop:
        for service in SERVICES:
            stop.enter_context(command.line.working(service))
        result = command.hoso("audit", "anchor")
        assert result.exit_code == 0, result.output
    return command


def test_without_an_anchor_young_chains_are_good_and_older_ones_are_not(command: Command) -> None:
    good = command.hoso("audit")
    assert good.exit_code == 0, good.output
    assert good.stdout.count("nguyên vẹn") == 4
    assert good.stdout.count("chưa có") == 4
    assert command.bad("--max-anchor-age", "0") == {service: ([], ["ANCHOR_MISSING"]) for service in SERVICES}


def test_unchanged_chains_match_their_anchors(anchored: Command) -> None:
    with anchored.line.databases["gradebook"].transaction() as tx:
        audit.append(tx, audit.AuditRow(CHAIN, "MARKS_ENTERED", "marks/later", {}, SYSTEM))
    result = anchored.hoso("audit")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("nguyên vẹn") == 4
    assert "0 phút trước" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    answer = json.loads(anchored.hoso("--json", "audit").stdout)
    assert list(answer) == list(SERVICES)
    assert (answer["print"]["rows"], answer["print"]["chains"]) == (7, 3), "the request to anchor is on record too"
    assert answer["print"]["anchor"]["number"] >= 1
    listed = json.loads(anchored.hoso("--json", "audit", "anchors", "print").stdout)
    assert int(listed[0]["number"]) == answer["print"]["anchor"]["number"]


def test_an_old_anchor_is_reported(anchored: Command) -> None:
    assert anchored.bad("--max-anchor-age", "0") == {service: ([], ["ANCHOR_TOO_OLD"]) for service in SERVICES}
    assert "Mốc nhật kí đã cũ" in " ".join(anchored.hoso("audit", "--max-anchor-age", "0", columns=200).stdout.split())


@pytest.mark.parametrize("forgery", ["rewritten", "cut short", "removed"])
def test_a_forged_chain_is_good_in_itself_and_found_by_its_anchor(anchored: Command, forgery: str) -> None:
    """The superuser drops the triggers and leaves a chain whose hashes and head are entirely
    correct.
    """
    with superuser(anchored.line.pki.stack, anchored.line.databases["signing"].config) as root:
        if forgery == "rewritten":
            rewrite(root, CHAIN, "marks/forged")
            expected = (CHAIN, 6, "ANCHOR_MISMATCH")
        elif forgery == "cut short":
            cut(root, CHAIN, 2)
            expected = (CHAIN, 3, "SHORTER_THAN_ANCHOR")
        else:
            remove(root, "department")
            expected = ("department", 1, "SHORTER_THAN_ANCHOR")
        assert list(anchored.verify_audit("signing").breaks) == []
        assert anchored.bad() == {"signing": ([expected], [])}
        shown = anchored.hoso("audit", columns=200)
        assert shown.exit_code == 1
        assert f"{expected[0]}#{expected[1]} {expected[2]}" in shown.stdout
    assert anchored.hoso("audit").exit_code == 0


@pytest.mark.parametrize("batch", [audit.BATCH_ROWS, 3])
@pytest.mark.parametrize("sequence", [0, -1, None, 1, 3, 6])
def test_a_row_that_was_added_is_found_whatever_its_number(
    anchored: Command, monkeypatch: pytest.MonkeyPatch, sequence: int | None, batch: int
) -> None:
    monkeypatch.setattr(audit, "BATCH_ROWS", batch)
    with superuser(anchored.line.pki.stack, anchored.line.databases["signing"].config) as root:
        add_outside(root, CHAIN, sequence)
        (((chain, number, reason),), problems) = anchored.bad()["signing"]
    # Of two rows with one number the database may give either first.
    assert (chain, number, problems) == (CHAIN, max(sequence or 0, 0), [])
    assert reason in {"ROW_UNEXPECTED", "HASH_MISMATCH"}
    assert anchored.hoso("audit").exit_code == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("recorded_time", "infinity"),
        ("recorded_time", "0044-03-15 00:00:00+00 BC"),
        ("facts", '{"a":' * 3000 + "1" + "}" * 3000),
        ("facts", "[1e400]"),
    ],
    ids=["infinity", "BC", "deep", "large"],
)
def test_a_row_that_no_program_reads_is_a_break_and_hides_no_other(anchored: Command, column: str, value: str) -> None:
    stack = anchored.line.pki.stack
    with (
        superuser(stack, anchored.line.databases["gradebook"].config) as first,
        superuser(stack, anchored.line.databases["signing"].config) as second,
    ):
        spoil(first, CHAIN, column, value)
        remove(second, "department")
        assert anchored.bad() == {
            "gradebook": ([(CHAIN, 2, "HASH_MISMATCH")], []),
            "signing": ([("department", 1, "SHORTER_THAN_ANCHOR")], []),
        }
    assert anchored.hoso("audit").exit_code == 0


def test_a_service_whose_chains_cannot_be_read_hides_no_other(anchored: Command) -> None:
    stack = anchored.line.pki.stack
    with superuser(stack, anchored.line.databases["signing"].config) as second:
        remove(second, "department")
        with superuser(stack, anchored.line.databases["gradebook"].config) as first:
            first.execute("ALTER TABLE audit_head RENAME TO gone")
            bad = anchored.bad()
            first.execute("ALTER TABLE gone RENAME TO audit_head")
    assert bad == {
        "gradebook": ([], ["AUDIT_UNREADABLE"]),
        "signing": ([("department", 1, "SHORTER_THAN_ANCHOR")], []),
    }


def test_one_chain_alone(anchored: Command) -> None:
    answer = json.loads(anchored.hoso("--json", "audit", "--chain", "department").stdout)
    assert {service: (result["rows"], result["chains"]) for service, result in answer.items()} == dict.fromkeys(
        SERVICES, (1, 1)
    )
    with anchored.line.databases["archive"].transaction() as tx:
        audit.append(tx, audit.AuditRow("only/here", "A", "s", {}, SYSTEM))
    assert list(json.loads(anchored.hoso("--json", "audit", "--chain", "only/here").stdout)) == ["archive"]
    assert isinstance(anchored.hoso("audit", "--chain", "nowhere").exception, NotFound)
    with superuser(anchored.line.pki.stack, anchored.line.databases["print"].config) as root:
        remove(root, CHAIN)
        assert anchored.bad("--chain", CHAIN) == {"print": ([(CHAIN, 1, "SHORTER_THAN_ANCHOR")], [])}


def test_an_anchor_that_another_put_into_the_store_is_not_believed(anchored: Command) -> None:
    """The store's account and the anchor key of another service do not help. Last, because it stays
    there.
    """
    line, keys = anchored.line, anchored.line.anchoring("archive").signer
    until = datetime.now(UTC) + timedelta(minutes=1)
    for service in ("print", "signing"):
        newest, signed, _ = line.anchors.get(service, 0)
        statement = replace(
            anchor.read(signed, service, line.anchors.trusted),
            number=newest.number + 1,
            previous_sha256=newest.sha256,
            heads=(),
        )
        if service == "print":
            forged = anchor.sign(statement, keys)
        else:
            head, _, signature = signed.split(b".")
            forged = b".".join((head, anchor.sign(statement, keys).split(b".")[1], signature))
        digest = anchor.sha256(forged)
        key = f"anchors/{service}/{newest.number + 1:010d}/{digest.hex()}"
        line.store.worm().put_locked(key, forged, digest, until, {})
    assert anchored.bad() == {"print": ([], ["ANCHOR_INVALID"]), "signing": ([], ["ANCHOR_INVALID"])}
    shown = anchored.hoso("audit", columns=200).stdout
    assert "(SIGNER_NAME)" in shown
    assert "(SIGNATURE)" in shown
