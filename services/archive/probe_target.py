"""What the WORM probe works with: the two accounts of the store, and how to make, attack and look
at objects.
"""

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error
from minio.helpers import md5sum_hash
from minio.retention import Retention
from minio.xml import marshal

from services.archive.config import StoreConfig
from services.archive.worm import Credentials, whole_seconds

LOCK_S = 90
_BYPASS = {"x-amz-bypass-governance-retention": "true"}


class Hole(Exception):
    """The store did what a WORM store must not do."""


@dataclass(frozen=True)
class LockedObject:
    """An object that the probe has put, and until when it is locked."""

    key: str
    version_id: str
    data: bytes
    retain_until: datetime


@dataclass(frozen=True)
class Target:
    """The store under attack, seen through two accounts: the administrator's and our own."""

    config: StoreConfig
    admin: Minio
    own: Minio
    own_credentials: Credentials
    bucket: str

    def put(self, *, lock_s: int | None = LOCK_S, mode: str = COMPLIANCE, legal_hold: bool = False) -> LockedObject:
        """A fresh object, locked for `lock_s` seconds, or not locked."""
        key, data = f"probe/{uuid.uuid4().hex}", uuid.uuid4().bytes
        until = whole_seconds(datetime.now(UTC) + timedelta(seconds=lock_s or 0))
        lock = Retention(mode, until) if lock_s else None
        made = self.own.put_object(self.bucket, key, io.BytesIO(data), len(data), retention=lock, legal_hold=legal_hold)
        if not made.version_id:
            raise Hole("the put returned no version id")
        return LockedObject(key, made.version_id, data, until)

    def read(self, obj: LockedObject) -> bytes:
        """The bytes of exactly this version."""
        response = self.own.get_object(self.bucket, obj.key, version_id=obj.version_id)
        try:
            return response.data
        finally:
            response.release_conn()

    def delete(self, obj: LockedObject, *, bypass: bool = False, client: Minio | None = None) -> None:
        """Delete exactly this version. The SDK cannot send the bypass header with a single
        delete.
        """
        (client or self.admin)._execute(
            "DELETE",
            self.bucket,
            obj.key,
            headers=dict(_BYPASS) if bypass else None,
            query_params={"versionId": obj.version_id},
        )

    def retain(self, obj: LockedObject, lock: Retention | None, *, bypass: bool = False) -> None:
        """Set the retention, as administrator; None clears it. The SDK cannot send the bypass
        header here either.
        """
        body = marshal(lock) if lock else b"<Retention></Retention>"
        headers: dict[str, str | list[str] | tuple[str]] = {"Content-MD5": str(md5sum_hash(body))}
        if bypass:
            headers.update(_BYPASS)
        query: dict[str, str | list[str] | tuple[str]] = {"retention": "", "versionId": obj.version_id}
        self.admin._execute("PUT", self.bucket, obj.key, body=body, headers=headers, query_params=query)

    def retention(self, obj: LockedObject) -> Retention | None:
        """The lock of exactly this version."""
        return self.own.get_object_retention(self.bucket, obj.key, version_id=obj.version_id)

    def must_be_intact(self, obj: LockedObject) -> None:
        """The object must still be there and locked as before, whatever the store said. Raises
        Hole.
        """
        lock = self.retention(obj)
        if lock is None or lock.mode != COMPLIANCE or whole_seconds(lock.retain_until_date) != obj.retain_until:
            raise Hole(f"retention became {lock}")
        if self.read(obj) != obj.data:
            raise Hole("the bytes changed")

    def must_refuse(self, obj: LockedObject, *attempts: Callable[[], object]) -> str:
        """Every attempt is refused, and `obj` is intact after all of them. Returns the refusals,
        raises Hole.
        """
        refusals = [refused(attempt) for attempt in attempts]
        self.must_be_intact(obj)
        return ", ".join(dict.fromkeys(refusals))


def refused(attempt: Callable[[], object]) -> str:
    """What the store said when it refused. Raises Hole when it did not, S3Error when it is the
    store that failed.
    """
    try:
        attempt()
    except S3Error as e:
        if e.response.status >= 500 and e.code != "NotImplemented":
            raise
        return f"refused: {e.code}"
    raise Hole("accepted")
