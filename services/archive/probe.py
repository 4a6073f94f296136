"""The WORM probe: tries everything that could remove or change a locked object, as the store's own administrator.

"Supports object lock" is no evidence: several stores refuse a plain delete and still accept COMPLIANCE → GOVERNANCE
followed by a bypass. No record is accepted until this report passes for the configured store (ADR-0021). It works in a
bucket of its own with locks of seconds; one object there stays locked for a day.
"""

import io
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import urllib3
from minio import Minio, MinioAdmin
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, CopySource, Filter
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, MinioException, S3Error
from minio.helpers import md5sum_hash
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import SUSPENDED, VersioningConfig
from minio.xml import marshal

from services.archive import backdoors
from services.archive.config import StoreConfig
from services.archive.proof import Check, Report
from services.archive.worm import Credentials, clock_skew_s, connect, whole_seconds
from services.common.errors import Unavailable

MAX_CLOCK_SKEW_S = 30.0
_LOCK_S = 90
_SHORT_LOCKS_S = (2, 5, 15)
_BYPASS = {"x-amz-bypass-governance-retention": "true"}


class _Hole(Exception):
    """The store did what a WORM store must not do."""


@dataclass(frozen=True)
class _Object:
    key: str
    version_id: str
    data: bytes
    retain_until: datetime


@dataclass(frozen=True)
class _Bench:
    """What the checks share: the two accounts, and how to make, attack and look at objects."""

    config: StoreConfig
    admin: Minio
    own: Minio
    own_credentials: Credentials
    bucket: str

    def put(self, *, lock_s: int | None = _LOCK_S, mode: str = COMPLIANCE, legal_hold: bool = False) -> _Object:
        """A fresh object, locked for `lock_s` seconds, or not locked."""
        key, data = f"probe/{uuid.uuid4().hex}", uuid.uuid4().bytes
        until = whole_seconds(datetime.now(UTC) + timedelta(seconds=lock_s or 0))
        lock = Retention(mode, until) if lock_s else None
        made = self.own.put_object(self.bucket, key, io.BytesIO(data), len(data), retention=lock, legal_hold=legal_hold)
        if not made.version_id:
            raise _Hole("the put returned no version id")
        return _Object(key, made.version_id, data, until)

    def read(self, obj: _Object) -> bytes:
        response = self.own.get_object(self.bucket, obj.key, version_id=obj.version_id)
        try:
            return response.data
        finally:
            response.release_conn()

    def delete(self, obj: _Object, *, bypass: bool = False, client: Minio | None = None) -> None:
        """Delete exactly this version. The SDK cannot send the bypass header with a single delete."""
        (client or self.admin)._execute(
            "DELETE",
            self.bucket,
            obj.key,
            headers=dict(_BYPASS) if bypass else None,
            query_params={"versionId": obj.version_id},
        )

    def retain(self, obj: _Object, lock: Retention | None, *, bypass: bool = False) -> None:
        """Set the retention, as administrator; None clears it. The SDK cannot send the bypass header here either."""
        body = marshal(lock) if lock else b"<Retention></Retention>"
        headers: dict[str, str | list[str] | tuple[str]] = {"Content-MD5": str(md5sum_hash(body))}
        if bypass:
            headers.update(_BYPASS)
        query: dict[str, str | list[str] | tuple[str]] = {"retention": "", "versionId": obj.version_id}
        self.admin._execute("PUT", self.bucket, obj.key, body=body, headers=headers, query_params=query)

    def retention(self, obj: _Object) -> Retention | None:
        return self.own.get_object_retention(self.bucket, obj.key, version_id=obj.version_id)

    def must_be_intact(self, obj: _Object) -> None:
        """Whatever a refusal said, the object must still be there and locked as before."""
        lock = self.retention(obj)
        if lock is None or lock.mode != COMPLIANCE or whole_seconds(lock.retain_until_date) != obj.retain_until:
            raise _Hole(f"retention became {lock}")
        if self.read(obj) != obj.data:
            raise _Hole("the bytes changed")

    def must_refuse(self, obj: _Object, *attempts: Callable[[], object]) -> str:
        """Every attempt is refused, and `obj` is intact after all of them."""
        said = [_refused(attempt) for attempt in attempts]
        self.must_be_intact(obj)
        return ", ".join(dict.fromkeys(said))


def _refused(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except S3Error as e:
        if e.response.status >= 500 and e.code != "NotImplemented":
            raise
        return f"refused: {e.code}"
    raise _Hole("accepted")


_CHECKS: list[tuple[str, str, Callable[[_Bench], str]]] = []


def _check(name: str, expected: str) -> Callable[[Callable[[_Bench], str]], Callable[[_Bench], str]]:
    def register(function: Callable[[_Bench], str]) -> Callable[[_Bench], str]:
        _CHECKS.append((name, expected, function))
        return function

    return register


@_check("buckets-versioned-and-locked", "versioning Enabled and object lock on, records and probe bucket")
def _buckets(b: _Bench) -> str:
    for bucket in (b.config.bucket, b.bucket):
        status = b.own.get_bucket_versioning(bucket).status
        if status != ENABLED:
            raise _Hole(f"{bucket}: versioning {status}")
        b.own.get_object_lock_config(bucket)
    return "both"


@_check("no-lifecycle", "no expiry rule on the records bucket: it would work behind the register's back")
def _lifecycle(b: _Bench) -> str:
    rules = b.own.get_bucket_lifecycle(b.config.bucket)
    if rules is not None and rules.rules:
        raise _Hole(f"{len(rules.rules)} rules")
    return "none"


@_check("clock", f"the store's clock within {MAX_CLOCK_SKEW_S:.0f} s of ours: it decides when a lock ends")
def _clock(b: _Bench) -> str:
    skew = clock_skew_s(b.own, b.bucket)
    if abs(skew) > MAX_CLOCK_SKEW_S:
        raise _Hole(f"{skew:.0f} s")
    return f"{abs(skew):.0f} s"


@_check("compliance-reported", "a put under COMPLIANCE reads back with the same bytes, mode and date")
def _reported(b: _Bench) -> str:
    b.must_be_intact(b.put())
    return "same"


@_check("second-put-refused", "If-None-Match: * refuses a second put on one key (RFC 9110 §13.1.2)")
def _conditional(b: _Bench) -> str:
    obj = b.put()
    return b.must_refuse(obj, lambda: b.own._put_object(b.bucket, obj.key, b"forged", {"If-None-Match": "*"}))


@_check("delete-version", "refused to the administrator, with and without bypass")
def _delete(b: _Bench) -> str:
    obj = b.put()
    return b.must_refuse(obj, lambda: b.delete(obj), lambda: b.delete(obj, bypass=True))


@_check("multi-delete", "refused to the administrator for each version, with and without bypass")
def _multi_delete(b: _Bench) -> str:
    obj = b.put()
    codes = []
    for bypass in (False, True):
        listed = [DeleteObject(obj.key, obj.version_id)]
        codes += [str(e.code) for e in b.admin.remove_objects(b.bucket, listed, bypass_governance_mode=bypass)]
    b.must_be_intact(obj)
    if len(codes) != 2:
        raise _Hole(f"errors reported: {codes}")
    return f"refused: {codes[0]}"


@_check("shorten", "refused, with and without bypass")
def _shorten(b: _Bench) -> str:
    obj = b.put()
    sooner = Retention(COMPLIANCE, obj.retain_until - timedelta(seconds=_LOCK_S // 2))
    return b.must_refuse(obj, lambda: b.retain(obj, sooner), lambda: b.retain(obj, sooner, bypass=True))


@_check(
    "downgrade-then-bypass", "COMPLIANCE → GOVERNANCE refused (same, later date, bypass); so is the delete after it"
)
def _downgrade(b: _Bench) -> str:
    obj = b.put()
    same = Retention(GOVERNANCE, obj.retain_until)
    later = Retention(GOVERNANCE, obj.retain_until + timedelta(days=1))
    attempts: list[Callable[[], object]] = [
        lambda: b.retain(obj, same),
        lambda: b.retain(obj, later),
        lambda: b.retain(obj, same, bypass=True),
        lambda: b.retain(obj, later, bypass=True),
        lambda: b.delete(obj, bypass=True),
    ]
    return b.must_refuse(obj, *attempts)


@_check("clear-retention", "refused, with and without bypass")
def _clear(b: _Bench) -> str:
    obj = b.put()
    return b.must_refuse(obj, lambda: b.retain(obj, None), lambda: b.retain(obj, None, bypass=True))


@_check("extend", "a later date is taken and reported")
def _extend(b: _Bench) -> str:
    obj = b.put()
    later = obj.retain_until + timedelta(seconds=30)
    b.own.set_object_retention(b.bucket, obj.key, Retention(COMPLIANCE, later), version_id=obj.version_id)
    b.must_be_intact(_Object(obj.key, obj.version_id, obj.data, later))
    return "taken"


@_check("past-date", "a lock that ended before it began is refused")
def _past(b: _Bench) -> str:
    lock = Retention(COMPLIANCE, whole_seconds(datetime.now(UTC) - timedelta(days=1)))
    key = f"probe/{uuid.uuid4().hex}"
    return _refused(lambda: b.own.put_object(b.bucket, key, io.BytesIO(b"x"), 1, retention=lock))


@_check("overwrite", "put and copy onto the key make further versions; the first reads as before")
def _overwrite(b: _Bench) -> str:
    obj = b.put()
    b.admin.put_object(b.bucket, obj.key, io.BytesIO(b"forged"), 6)
    b.admin.copy_object(b.bucket, obj.key, CopySource(b.bucket, obj.key, version_id=obj.version_id))
    b.must_be_intact(obj)
    return "further versions"


@_check("delete-marker", "a delete without version hides the key; the version reads as before")
def _marker(b: _Bench) -> str:
    obj = b.put()
    b.admin.remove_object(b.bucket, obj.key)
    b.must_be_intact(obj)
    return "hidden only"


@_check("suspend-versioning", "refused on a locked bucket")
def _suspend(b: _Bench) -> str:
    try:
        answer = _refused(lambda: b.admin.set_bucket_versioning(b.bucket, VersioningConfig(SUSPENDED)))
    except _Hole:
        b.admin.set_bucket_versioning(b.bucket, VersioningConfig(ENABLED))
        raise
    return answer


@_check("remove-lock-configuration", "the bucket's lock cannot be switched off; objects stay locked")
def _remove_lock_config(b: _Bench) -> str:
    obj = b.put()
    b.admin.delete_object_lock_config(b.bucket)
    b.own.get_object_lock_config(b.bucket)
    return b.must_refuse(obj, lambda: b.delete(obj, bypass=True))


@_check("default-retention", "a bucket rule locks what is put without a lock, and is enforced")
def _default(b: _Bench) -> str:
    b.admin.set_object_lock_config(b.bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    try:
        obj = b.put(lock_s=None)
    finally:
        b.admin.delete_object_lock_config(b.bucket)
    lock = b.retention(obj)
    if lock is None or lock.mode != COMPLIANCE or lock.retain_until_date < datetime.now(UTC) + timedelta(hours=23):
        raise _Hole(f"retention is {lock}")
    return _refused(lambda: b.delete(obj, bypass=True))


@_check("remove-bucket", "a bucket with locked objects is not removable")
def _remove_bucket(b: _Bench) -> str:
    obj = b.put()
    return b.must_refuse(obj, lambda: b.admin.remove_bucket(b.bucket))


@_check("unlocked-bucket", "retention on a bucket without object lock is refused, not ignored")
def _unlocked_bucket(b: _Bench) -> str:
    plain = f"{b.bucket}-plain-{uuid.uuid4().hex[:8]}"
    b.admin.make_bucket(plain)
    try:
        lock = Retention(COMPLIANCE, whole_seconds(datetime.now(UTC) + timedelta(seconds=_LOCK_S)))
        return _refused(lambda: b.admin.put_object(plain, "x", io.BytesIO(b"x"), 1, retention=lock))
    finally:
        b.admin.remove_bucket(plain)


@_check("multipart", "an upload in parts is locked like any other")
def _multipart(b: _Bench) -> str:
    data = bytes(5 * 1024 * 1024) + uuid.uuid4().bytes
    until = whole_seconds(datetime.now(UTC) + timedelta(seconds=_LOCK_S))
    key, lock = f"probe/{uuid.uuid4().hex}", Retention(COMPLIANCE, until)
    made = b.own.put_object(b.bucket, key, io.BytesIO(data), len(data), part_size=5 * 1024 * 1024, retention=lock)
    obj = _Object(key, str(made.version_id), data, until)
    return b.must_refuse(obj, lambda: b.delete(obj, bypass=True))


@_check("governance", "holds without bypass; only the administrator's bypass frees it, never our own account's")
def _governance(b: _Bench) -> str:
    obj = b.put(mode=GOVERNANCE)
    said = _refused(lambda: b.delete(obj))
    _refused(lambda: b.delete(obj, bypass=True, client=b.own))
    b.delete(obj, bypass=True)
    return said


@_check("own-account", "our own account cannot delete, hide, reconfigure, nor make buckets")
def _own_account(b: _Bench) -> str:
    obj = b.put(lock_s=None)
    rule = Rule(ENABLED, rule_filter=Filter(prefix="probe/"), expiration=Expiration(days=1))
    attempts: list[Callable[[], object]] = [
        lambda: b.delete(obj, client=b.own),
        lambda: b.own.remove_object(b.bucket, obj.key),
        lambda: b.own.set_bucket_versioning(b.bucket, VersioningConfig(SUSPENDED)),
        lambda: b.own.set_bucket_lifecycle(b.config.bucket, LifecycleConfig([rule])),
        lambda: b.own.set_object_lock_config(b.config.bucket, ObjectLockConfig(GOVERNANCE, 1, DAYS)),
        lambda: b.own.delete_bucket_policy(b.config.bucket),
        lambda: b.own.make_bucket(f"{b.bucket}-own-{uuid.uuid4().hex[:8]}"),
        lambda: b.own.remove_bucket(b.config.bucket),
    ]
    said = [_refused(attempt) for attempt in attempts]
    if b.read(obj) != obj.data:
        raise _Hole("the bytes changed")
    return ", ".join(dict.fromkeys(said))


def _locked_shortly(b: _Bench) -> tuple[_Object, _Object, list[str]]:
    """Two objects under a short lock, the second under a legal hold too, and what trying to delete them said.

    On a busy machine the shortest lock may end before the attempt; only the longest decides.
    """
    for lock_s in _SHORT_LOCKS_S:
        try:
            free, held = b.put(lock_s=lock_s), b.put(lock_s=lock_s, legal_hold=True)
            return free, held, [_refused(partial(b.delete, free)), _refused(partial(b.delete, held))]
        except (_Hole, S3Error):
            if lock_s == _SHORT_LOCKS_S[-1]:
                raise
    raise AssertionError("there is a longest lock")


@_check(
    "expiry-and-legal-hold", "a lock ends after its last second and not before; a legal hold outlives it until lifted"
)
def _expiry(b: _Bench) -> str:
    free, held, said = _locked_shortly(b)
    _wait_for_expiry(held)
    b.delete(free)
    _refused(lambda: b.read(free))
    said += [_refused(lambda: b.delete(held)), _refused(lambda: b.delete(held, bypass=True))]
    b.must_be_intact(held)
    b.own.disable_object_legal_hold(b.bucket, held.key, version_id=held.version_id)
    b.delete(held)
    return ", ".join(dict.fromkeys(said))


@_check("administration", "the store's administration refuses our own account")
def _administration(b: _Bench) -> str:
    credentials = b.own_credentials
    admin = MinioAdmin(
        endpoint=b.config.endpoint,
        credentials=StaticProvider(credentials.access_key, credentials.secret_key),
        http_client=b.own._http,
    )
    try:
        admin.info()
    except MinioAdminException as e:
        return f"refused: {e._code}"
    raise _Hole("accepted")


def run(config: StoreConfig, admin: Credentials, own: Credentials) -> Report:
    """Probe the configured store; takes some ten seconds. Raises Unavailable when it cannot be reached."""
    return attack(config, connect(config, admin), connect(config, own), own)


def attack(config: StoreConfig, admin: Minio, own: Minio, own_credentials: Credentials) -> Report:
    """`run` with given clients, so that tests can put a lying store between."""
    started = datetime.now(UTC)
    bench = _Bench(config, admin, own, own_credentials, config.probe_bucket)
    _clean(bench)
    checks = [_run_one(bench, name, expected, function) for name, expected, function in _CHECKS]
    with ThreadPoolExecutor(max_workers=8) as pool:  # most of the time there is waiting for ports that do not answer
        checks += pool.map(lambda address: _outside(bench, address), config.forbidden_ports)
    return Report(config.endpoint, config.bucket, config.probe_bucket, started, datetime.now(UTC), tuple(checks))


def _run_one(bench: _Bench, name: str, expected: str, function: Callable[[_Bench], str]) -> Check:
    try:
        return Check(name, expected, function(bench), True)
    except _Hole as hole:
        return Check(name, expected, str(hole), False)
    except MinioException as e:
        return Check(name, expected, getattr(e, "code", None) or type(e).__name__, False)
    except urllib3.exceptions.HTTPError as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", check=name, why=str(e)) from e


def _outside(bench: _Bench, address: str) -> Check:
    """One port beside S3; see `backdoors`."""

    def through_the_port(b: _Bench) -> str:
        obj = b.put()
        got = backdoors.try_port(address, b.bucket, obj.key)
        if got is not None:
            raise _Hole(got)
        b.must_be_intact(obj)
        return "nothing got through"

    return _run_one(bench, f"outside:{address}", "closed, or refuses every change and every RPC", through_the_port)


def _wait_for_expiry(obj: _Object) -> None:
    time.sleep(max(0.0, (obj.retain_until - datetime.now(UTC)).total_seconds() + 1.0))


def _clean(bench: _Bench) -> None:
    """Remove what earlier runs left and whose lock has ended, so that the probe bucket does not grow for ever."""
    try:
        listed = list(bench.admin.list_objects(bench.bucket, prefix="probe/", recursive=True, include_version=True))
        left = [DeleteObject(str(o.object_name), o.version_id) for o in listed]
        # Those still locked are refused one by one; that is what they are for.
        for _ in bench.admin.remove_objects(bench.bucket, left):
            pass
    except S3Error as e:
        raise Unavailable("PROBE_BUCKET", "Chưa có vùng thử của kho lưu trữ.", bucket=bench.bucket, code=e.code) from e
    except urllib3.exceptions.HTTPError as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", why=str(e)) from e


def provision(config: StoreConfig, admin: Credentials) -> list[str]:
    """Create the records and the probe bucket with object lock where they are missing; the names of those made.

    Never makes an existing bucket lockable: what it holds was not locked, and the operator must decide about it.
    Raises Unavailable.
    """
    client = connect(config, admin)
    made = []
    try:
        for bucket in (config.bucket, config.probe_bucket):
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket, object_lock=True)
                made.append(bucket)
    except (MinioException, urllib3.exceptions.HTTPError) as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", why=str(e)) from e
    return made
