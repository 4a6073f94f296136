"""Anchored audit heads: locking the next one of a service, and reading them back from the store
(ADR-0051).

An anchor is an object ``anchors/<service>/<number, ten digits>/<SHA-256>``. Anchors are listed by
the store and never by the database, whose owner could hide the newest ones.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.archive import domain, store, usecases
from services.archive.domain import Anchor, Kind, Version
from services.archive.worm import WormStore, tampered
from services.common import anchor, audit
from services.common.anchor import AnchorInvalid, Statement
from services.common.db import Database, Tx
from services.common.errors import Forbidden, Invalid, NotFound, Rejected, Unavailable, Violation, Waiting
from services.common.identity import caller, service_of

MAX_CLOCK_SKEW = timedelta(minutes=10)
"""How far the time of a new statement may be from the archive's clock."""

_CHAIN = "anchors"
_SERVICE = re.compile(r"[a-z][a-z-]{0,30}")
_KEY = re.compile(r"anchors/[a-z-]+/([0-9]{10})/([0-9a-f]{64})")


@dataclass(frozen=True)
class Anchors:
    """What anchoring needs. endpoint: of the store; trusted: PEM of the CAs that issue anchor
    certificates.
    """

    database: Database
    worm: WormStore
    endpoint: str
    trusted: bytes

    def lock(self, signed: bytes) -> tuple[Anchor, datetime]:
        """Lock the next anchor of the calling service; also returns until when it is retained.

        Raises Forbidden ANCHOR_OF_ANOTHER; Rejected ANCHOR_INVALID, ANCHOR_TIME, ANCHOR_NOT_NEXT,
        ANCHOR_GOES_BACK, STORE_TAMPERED; Unavailable, also STORE_NOT_PROVEN.
        """
        statement = self._read_own(signed)
        now = datetime.now(UTC)
        if abs(statement.time - now) > MAX_CLOCK_SKEW:
            raise Rejected(
                "ANCHOR_TIME",
                "Mốc nhật kí không phải của lúc này.",
                time=statement.time.isoformat(),
                now=now.isoformat(),
            )
        with self.database.transaction() as tx:
            try:
                usecases.require_proven(tx, self.endpoint, self.worm.bucket)
            except Waiting as e:
                raise Unavailable(e.reason, e.message, **e.facts) from e
            # Anchors of one service are locked one after the other. The transaction stays open
            # while the store works, which a few times a day is nothing.
            store.hold_anchors(tx, statement.service)
            self._require_next(tx, statement)
            policy = store.policy(tx, Kind.AUDIT_ANCHOR)
            until = domain.retain_until(policy, now)
            digest = anchor.sha256(signed)
            key = f"anchors/{statement.service}/{statement.number:010d}/{digest.hex()}"
            metadata = {"kind": policy.kind.lower(), "service": statement.service}
            version_id = self.worm.put_locked(key, signed, digest, until, metadata)
            self.worm.require_locked(key, version_id, signed, until)
            locked = Anchor(statement.service, statement.number, digest, key, version_id)
            store.add_anchor(tx, locked, until)
            name = f"anchors/{statement.service}/{statement.number}"
            facts = {"sha256": digest.hex(), "version_id": version_id, "chains": str(len(statement.heads))}
            audit.append(tx, audit.AuditRow(_CHAIN, "AUDIT_ANCHORED", name, facts, caller()))
        return locked, until

    def newest_first(self, service: str) -> list[Anchor]:
        """Every anchor of a service. Raises Invalid SERVICE, Rejected STORE_TAMPERED,
        Unavailable.
        """
        return list(self._by_number(service).values())[::-1]

    def get(self, service: str, number: int) -> tuple[Anchor, bytes, datetime]:
        """An anchor (0: the newest), its bytes from the store and until when they are retained.

        Whether the statement is good is for the reader to check, who need not believe us.
        Raises Invalid SERVICE, NotFound ANCHOR_UNKNOWN, Rejected STORE_TAMPERED, Unavailable.
        """
        by_number = self._by_number(service)
        wanted = by_number.get(number or max(by_number, default=0))
        if wanted is None:
            raise NotFound("ANCHOR_UNKNOWN", "Không có mốc nhật kí này.", service=service, number=number)
        signed = self.worm.read(wanted.key, wanted.version_id)
        held = self.worm.retention(wanted.key, wanted.version_id)
        if anchor.sha256(signed) != wanted.sha256:
            raise tampered(wanted.key, "the version holds other bytes than its name says")
        if held is None or held.mode != "COMPLIANCE":
            raise tampered(wanted.key, "the version is not under COMPLIANCE")
        return wanted, signed, held.retain_until

    def _read_own(self, signed: bytes) -> Statement:
        service = service_of(caller().client)
        assert service is not None  # by the access table
        try:
            return anchor.read(signed, service, self.trusted)
        except AnchorInvalid as e:
            if e.reason == "ANOTHER_SERVICE":
                message = "Mỗi dịch vụ chỉ được khóa mốc nhật kí của chính mình."
                raise Forbidden("ANCHOR_OF_ANOTHER", message, service=service) from e
            raise Rejected("ANCHOR_INVALID", "Mốc nhật kí không hợp lệ.", service=service, why=e.reason) from e

    def _require_next(self, tx: Tx, statement: Statement) -> None:
        """The statement must follow the newest one in the store, and no chain may have gone back
        since.
        """
        by_number = self._by_number(statement.service)
        if not by_number:
            self._require_number(statement, 1, b"")
            return
        newest, signed, until = self.get(statement.service, 0)
        store.add_anchor(tx, newest, until)  # a crash after its put has lost its row
        try:
            earlier = anchor.read(signed, statement.service, self.trusted)
        except AnchorInvalid as e:
            raise tampered(newest.key, f"no anchor of the service: {e.reason}") from e
        # The number first: of two statements made at the same time the later one to come may hold
        # older heads, and is not next rather than gone back.
        self._require_number(statement, newest.number + 1, newest.sha256)
        back = anchor.went_back(earlier.heads, statement.heads)
        if back:
            message = "Nhật kí đã lùi so với mốc trước; cần kiểm tra ngay."
            raise Rejected("ANCHOR_GOES_BACK", message, service=statement.service, chain=back[0], chains=len(back))

    @staticmethod
    def _require_number(statement: Statement, number: int, previous_sha256: bytes) -> None:
        if (statement.number, statement.previous_sha256) != (number, previous_sha256):
            raise Rejected(
                "ANCHOR_NOT_NEXT",
                "Mốc nhật kí không nối tiếp mốc mới nhất.",
                service=statement.service,
                number=statement.number,
                expected=number,
            )

    def _by_number(self, service: str) -> Mapping[int, Anchor]:
        """Every anchor of a service by its number, in order, as the store lists them."""
        if not _SERVICE.fullmatch(service):
            raise Invalid([Violation("service", "SERVICE", "Phải ghi tên dịch vụ.")])
        by_number: dict[int, Anchor] = {}
        for key, version in self.worm.list_versions(f"anchors/{service}/"):
            listed = _parse_key(service, key, version)
            if listed.number in by_number:
                raise tampered(key, "a second object or version with this number")
            by_number[listed.number] = listed
        return dict(sorted(by_number.items()))


def _parse_key(service: str, key: str, version: Version) -> Anchor:
    match = _KEY.fullmatch(key)
    if match is None or version.is_marker:
        raise tampered(key, "a delete marker" if match else "no anchor of ours")
    return Anchor(service, int(match[1]), bytes.fromhex(match[2]), key, version.version_id)
