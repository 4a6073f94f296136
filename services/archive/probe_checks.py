"""The attempts of the WORM probe on the S3 interface, each with what a WORM store does."""

import io
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from minio import MinioAdmin
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, CopySource, Filter
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import SUSPENDED, VersioningConfig

from services.archive.probe_target import LOCK_S, Hole, LockedObject, Target, refused
from services.archive.worm import clock_skew_s, whole_seconds

MAX_CLOCK_SKEW_S = 30.0
_SHORT_LOCKS_S = (2, 5, 15)

CHECKS: list[tuple[str, str, Callable[[Target], str]]] = []


def _check(name: str, expected: str) -> Callable[[Callable[[Target], str]], Callable[[Target], str]]:
    def register(function: Callable[[Target], str]) -> Callable[[Target], str]:
        CHECKS.append((name, expected, function))
        return function

    return register


@_check("buckets-versioned-and-locked", "versioning Enabled and object lock on, records and probe bucket")
def _buckets(target: Target) -> str:
    for bucket in (target.config.bucket, target.bucket):
        status = target.own.get_bucket_versioning(bucket).status
        if status != ENABLED:
            raise Hole(f"{bucket}: versioning {status}")
        target.own.get_object_lock_config(bucket)
    return "both"


@_check("no-lifecycle", "no expiry rule on the records bucket: it would work behind the register's back")
def _lifecycle(target: Target) -> str:
    rules = target.own.get_bucket_lifecycle(target.config.bucket)
    if rules is not None and rules.rules:
        raise Hole(f"{len(rules.rules)} rules")
    return "none"


@_check("clock", f"the store's clock within {MAX_CLOCK_SKEW_S:.0f} s of ours: it decides when a lock ends")
def _clock(target: Target) -> str:
    skew = clock_skew_s(target.own, target.bucket)
    if abs(skew) > MAX_CLOCK_SKEW_S:
        raise Hole(f"{skew:.0f} s")
    return f"{abs(skew):.0f} s"


@_check("compliance-reported", "a put under COMPLIANCE reads back with the same bytes, mode and date")
def _reported(target: Target) -> str:
    target.must_be_intact(target.put())
    return "same"


@_check("second-put-refused", "If-None-Match: * refuses a second put on one key (RFC 9110 §13.1.2)")
def _conditional(target: Target) -> str:
    obj = target.put()
    return target.must_refuse(
        obj, lambda: target.own._put_object(target.bucket, obj.key, b"forged", {"If-None-Match": "*"})
    )


@_check("delete-version", "refused to the administrator, with and without bypass")
def _delete(target: Target) -> str:
    obj = target.put()
    return target.must_refuse(obj, lambda: target.delete(obj), lambda: target.delete(obj, bypass=True))


@_check("multi-delete", "refused to the administrator for each version, with and without bypass")
def _multi_delete(target: Target) -> str:
    obj = target.put()
    codes = []
    for bypass in (False, True):
        listed = [DeleteObject(obj.key, obj.version_id)]
        codes += [
            str(e.code) for e in target.admin.remove_objects(target.bucket, listed, bypass_governance_mode=bypass)
        ]
    target.must_be_intact(obj)
    if len(codes) != 2:
        raise Hole(f"errors reported: {codes}")
    return f"refused: {codes[0]}"


@_check("shorten", "refused, with and without bypass")
def _shorten(target: Target) -> str:
    obj = target.put()
    sooner = Retention(COMPLIANCE, obj.retain_until - timedelta(seconds=LOCK_S // 2))
    return target.must_refuse(obj, lambda: target.retain(obj, sooner), lambda: target.retain(obj, sooner, bypass=True))


@_check(
    "downgrade-then-bypass", "COMPLIANCE → GOVERNANCE refused (same, later date, bypass); so is the delete after it"
)
def _downgrade(target: Target) -> str:
    obj = target.put()
    same = Retention(GOVERNANCE, obj.retain_until)
    later = Retention(GOVERNANCE, obj.retain_until + timedelta(days=1))
    attempts: list[Callable[[], object]] = [
        lambda: target.retain(obj, same),
        lambda: target.retain(obj, later),
        lambda: target.retain(obj, same, bypass=True),
        lambda: target.retain(obj, later, bypass=True),
        lambda: target.delete(obj, bypass=True),
    ]
    return target.must_refuse(obj, *attempts)


@_check("clear-retention", "refused, with and without bypass")
def _clear(target: Target) -> str:
    obj = target.put()
    return target.must_refuse(obj, lambda: target.retain(obj, None), lambda: target.retain(obj, None, bypass=True))


@_check("extend", "a later date is taken and reported")
def _extend(target: Target) -> str:
    obj = target.put()
    later = obj.retain_until + timedelta(seconds=30)
    target.own.set_object_retention(target.bucket, obj.key, Retention(COMPLIANCE, later), version_id=obj.version_id)
    target.must_be_intact(LockedObject(obj.key, obj.version_id, obj.data, later))
    return "taken"


@_check("past-date", "a lock that ended before it began is refused")
def _past(target: Target) -> str:
    lock = Retention(COMPLIANCE, whole_seconds(datetime.now(UTC) - timedelta(days=1)))
    key = f"probe/{uuid.uuid4().hex}"
    return refused(lambda: target.own.put_object(target.bucket, key, io.BytesIO(b"x"), 1, retention=lock))


@_check("overwrite", "put and copy onto the key make further versions; the first reads as before")
def _overwrite(target: Target) -> str:
    obj = target.put()
    target.admin.put_object(target.bucket, obj.key, io.BytesIO(b"forged"), 6)
    target.admin.copy_object(target.bucket, obj.key, CopySource(target.bucket, obj.key, version_id=obj.version_id))
    target.must_be_intact(obj)
    return "further versions"


@_check("delete-marker", "a delete without version hides the key; the version reads as before")
def _marker(target: Target) -> str:
    obj = target.put()
    target.admin.remove_object(target.bucket, obj.key)
    target.must_be_intact(obj)
    return "hidden only"


@_check("suspend-versioning", "refused on a locked bucket")
def _suspend(target: Target) -> str:
    try:
        answer = refused(lambda: target.admin.set_bucket_versioning(target.bucket, VersioningConfig(SUSPENDED)))
    except Hole:
        target.admin.set_bucket_versioning(target.bucket, VersioningConfig(ENABLED))
        raise
    return answer


@_check("remove-lock-configuration", "the bucket's lock cannot be switched off; objects stay locked")
def _remove_lock_config(target: Target) -> str:
    obj = target.put()
    target.admin.delete_object_lock_config(target.bucket)
    target.own.get_object_lock_config(target.bucket)
    return target.must_refuse(obj, lambda: target.delete(obj, bypass=True))


@_check("default-retention", "a bucket rule locks what is put without a lock, and is enforced")
def _default(target: Target) -> str:
    target.admin.set_object_lock_config(target.bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    try:
        obj = target.put(lock_s=None)
    finally:
        target.admin.delete_object_lock_config(target.bucket)
    lock = target.retention(obj)
    if lock is None or lock.mode != COMPLIANCE or lock.retain_until_date < datetime.now(UTC) + timedelta(hours=23):
        raise Hole(f"retention is {lock}")
    return refused(lambda: target.delete(obj, bypass=True))


@_check("remove-bucket", "a bucket with locked objects is not removable")
def _remove_bucket(target: Target) -> str:
    obj = target.put()
    return target.must_refuse(obj, lambda: target.admin.remove_bucket(target.bucket))


@_check("unlocked-bucket", "retention on a bucket without object lock is refused, not ignored")
def _unlocked_bucket(target: Target) -> str:
    plain = f"{target.bucket}-plain-{uuid.uuid4().hex[:8]}"
    target.admin.make_bucket(plain)
    try:
        lock = Retention(COMPLIANCE, whole_seconds(datetime.now(UTC) + timedelta(seconds=LOCK_S)))
        return refused(lambda: target.admin.put_object(plain, "x", io.BytesIO(b"x"), 1, retention=lock))
    finally:
        target.admin.remove_bucket(plain)


@_check("multipart", "an upload in parts is locked like any other")
def _multipart(target: Target) -> str:
    data = bytes(5 * 1024 * 1024) + uuid.uuid4().bytes
    until = whole_seconds(datetime.now(UTC) + timedelta(seconds=LOCK_S))
    key, lock = f"probe/{uuid.uuid4().hex}", Retention(COMPLIANCE, until)
    made = target.own.put_object(
        target.bucket, key, io.BytesIO(data), len(data), part_size=5 * 1024 * 1024, retention=lock
    )
    obj = LockedObject(key, str(made.version_id), data, until)
    return target.must_refuse(obj, lambda: target.delete(obj, bypass=True))


@_check("governance", "holds without bypass; only the administrator's bypass frees it, never our own account's")
def _governance(target: Target) -> str:
    obj = target.put(mode=GOVERNANCE)
    refusals = refused(lambda: target.delete(obj))
    refused(lambda: target.delete(obj, bypass=True, client=target.own))
    target.delete(obj, bypass=True)
    return refusals


@_check("own-account", "our own account cannot delete, hide, reconfigure, nor make buckets")
def _own_account(target: Target) -> str:
    obj = target.put(lock_s=None)
    rule = Rule(ENABLED, rule_filter=Filter(prefix="probe/"), expiration=Expiration(days=1))
    attempts: list[Callable[[], object]] = [
        lambda: target.delete(obj, client=target.own),
        lambda: target.own.remove_object(target.bucket, obj.key),
        lambda: target.own.set_bucket_versioning(target.bucket, VersioningConfig(SUSPENDED)),
        lambda: target.own.set_bucket_lifecycle(target.config.bucket, LifecycleConfig([rule])),
        lambda: target.own.set_object_lock_config(target.config.bucket, ObjectLockConfig(GOVERNANCE, 1, DAYS)),
        lambda: target.own.delete_bucket_policy(target.config.bucket),
        lambda: target.own.make_bucket(f"{target.bucket}-own-{uuid.uuid4().hex[:8]}"),
        lambda: target.own.remove_bucket(target.config.bucket),
    ]
    refusals = [refused(attempt) for attempt in attempts]
    if target.read(obj) != obj.data:
        raise Hole("the bytes changed")
    return ", ".join(dict.fromkeys(refusals))


def _locked_shortly(target: Target) -> tuple[LockedObject, LockedObject, list[str]]:
    """Two objects under a short lock, the second under a legal hold too, and what trying to delete
    them refusals.

    On a busy machine the shortest lock may end before the attempt; only the longest decides.
    """
    for lock_s in _SHORT_LOCKS_S:
        try:
            free, held = target.put(lock_s=lock_s), target.put(lock_s=lock_s, legal_hold=True)
            return free, held, [refused(partial(target.delete, free)), refused(partial(target.delete, held))]
        except (Hole, S3Error):
            if lock_s == _SHORT_LOCKS_S[-1]:
                raise
    raise AssertionError("there is a longest lock")


@_check(
    "expiry-and-legal-hold", "a lock ends after its last second and not before; a legal hold outlives it until lifted"
)
def _expiry(target: Target) -> str:
    free, held, refusals = _locked_shortly(target)
    _wait_for_expiry(held)
    target.delete(free)
    refused(lambda: target.read(free))
    refusals += [refused(lambda: target.delete(held)), refused(lambda: target.delete(held, bypass=True))]
    target.must_be_intact(held)
    target.own.disable_object_legal_hold(target.bucket, held.key, version_id=held.version_id)
    target.delete(held)
    return ", ".join(dict.fromkeys(refusals))


@_check("administration", "the store's administration refuses our own account")
def _administration(target: Target) -> str:
    credentials = target.own_credentials
    admin = MinioAdmin(
        endpoint=target.config.endpoint,
        credentials=StaticProvider(credentials.access_key, credentials.secret_key),
        http_client=target.own._http,
    )
    try:
        admin.info()
    except MinioAdminException as e:
        return f"refused: {e._code}"
    raise Hole("accepted")


def _wait_for_expiry(obj: LockedObject) -> None:
    time.sleep(max(0.0, (obj.retain_until - datetime.now(UTC)).total_seconds() + 1.0))
