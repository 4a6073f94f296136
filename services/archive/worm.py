"""The object store, seen only through S3 Object Lock semantics: put once under COMPLIANCE, read by
version, extend.

There is no method that deletes, overwrites or shortens. MinIO is the reference store and SeaweedFS
the embedded store; nothing here depends on either (ADR-0020). Errors of the SDK become those of
`services.common.errors`.
"""

import email.utils
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.retention import Retention as S3Retention

from services.archive.config import StoreConfig
from services.archive.domain import Version
from services.common.config import ConfigError, read_secret
from services.common.errors import Forged, NotFound, Rejected, Unavailable
from services.common.peer import host_of

CHUNK_BYTES = 256 * 1024
SERVER_HOST = host_of("server/s3")
"""The host name in the store's certificate, wherever it listens."""

# The store refuses *us*, not the request: an operator mends credentials or clock, and the same call
# then succeeds.
_REFUSES_US = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"})
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed"})
# MinIO and S3 say the first (which the SDK turns into None), SeaweedFS the others, when nothing is
# set on the version.
_NOT_SET = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "XMinioServerNotInitialized"})


@dataclass(frozen=True)
class Credentials:
    """An access key of the store and its secret; never logged."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, …)"


@dataclass(frozen=True)
class Retention:
    """How long one version is locked: mode ``COMPLIANCE`` or ``GOVERNANCE``, and an aware UTC
    time.
    """

    mode: str
    retain_until: datetime


def own_credentials(config: StoreConfig) -> Credentials:
    """The service's own account. Raises ConfigError when others may read its secret."""
    return Credentials(config.access_key, read_secret(config.secret_key_file))


def admin_credentials(config: StoreConfig) -> Credentials:
    """The administrator's account, for `provision` and `probe`. Raises ConfigError when it is not
    configured.
    """
    if config.probe_access_key is None or config.probe_secret_key_file is None:
        raise ConfigError("store.probe_access_key and store.probe_secret_key_file are needed for this role")
    return Credentials(config.probe_access_key, read_secret(config.probe_secret_key_file))


def connect(config: StoreConfig, credentials: Credentials) -> Minio:
    """An S3 client over TLS that trusts our CA only. It never retries: jobs and RPCs have rules of
    their own.
    """
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(config.ca_file),
        assert_hostname=SERVER_HOST,
        server_hostname=SERVER_HOST,
        timeout=urllib3.Timeout(connect=5.0, read=config.timeout_s),
        maxsize=16,
        retries=False,
    )
    return Minio(
        config.endpoint,
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        region=config.region,
        secure=True,
        http_client=pool,
    )


def clock_skew_s(client: Minio, bucket: str) -> float:
    """Seconds by which the store's clock is ahead of ours. Raises what the SDK raises."""
    # The SDK offers no call that returns the Date header of the bucket itself.
    response = client._execute("HEAD", bucket)
    store_time = email.utils.parsedate_to_datetime(response.headers["Date"])
    return (store_time - datetime.now(UTC)).total_seconds()


def content_key(sha256: bytes, kind: str = "records") -> str:
    """The only name an object may have: its content address, ``records/sha256/ab/cd/<64 hex
    digits>``.
    """
    if len(sha256) != 32:
        raise ValueError("sha256 is 32 raw bytes")
    digits = sha256.hex()
    return f"{kind}/sha256/{digits[:2]}/{digits[2:4]}/{digits}"


def whole_seconds(time: datetime) -> datetime:
    """`time` in UTC, cut to whole seconds, which is what every store keeps.

    Raises ValueError for a naive time: the SDK would take it for UTC, and Hà Nội time would be
    seven hours wrong.
    """
    if time.tzinfo is None:
        raise ValueError("retention needs an aware datetime")
    return time.astimezone(UTC).replace(microsecond=0)


class WormStore:
    """The records bucket with the service's own credentials. Threads may share it."""

    def __init__(self, config: StoreConfig, credentials: Credentials) -> None:
        self.bucket = config.bucket
        self._client = connect(config, credentials)

    def require_lock(self) -> None:
        """Make sure that the bucket is versioned and has object lock, without which nothing put
        there is safe.

        Raises Rejected: BUCKET_NOT_LOCKED; Unavailable.
        """
        with _store_errors(self.bucket):
            try:
                versioning = self._client.get_bucket_versioning(self.bucket).status
                self._client.get_object_lock_config(self.bucket)
            except S3Error as e:
                if e.code not in ("ObjectLockConfigurationNotFoundError", "NoSuchBucket"):
                    raise
                raise self._not_locked(str(e.code)) from e
        if versioning != ENABLED:
            raise self._not_locked(f"versioning {versioning}")

    def put_locked(
        self, key: str, data: bytes, sha256: bytes, retain_until: datetime, metadata: Mapping[str, str]
    ) -> str:
        """Store `data` under COMPLIANCE until `retain_until` and return its version id. Repeating
        changes nothing.

        key: ends with the digest, as `content_key(sha256)` does, so that two contents never meet
        under one name. metadata: ASCII, no personal data. A version that is already there is taken
        when it is alone, has the same bytes and the lock, which is extended when it is shorter.

        Raises Rejected: DIGEST_MISMATCH, STORE_TAMPERED (more than one version, a marker, other
        bytes, no lock); Unavailable.
        """
        until = whole_seconds(retain_until)
        if hashlib.sha256(data).digest() != sha256 or not key.endswith("/" + sha256.hex()):
            raise Rejected("DIGEST_MISMATCH", "Nội dung không khớp với mã băm đã ghi nhận.", key=key)
        present = self.versions(key)
        if not present:
            version_id = self._put_new(key, data, sha256, until, metadata)
            if version_id:
                return version_id
            present = self.versions(key)
        return self._adopt(key, data, until, present)

    def versions(self, key: str) -> list[Version]:
        """The history of `key`, newest first; more than one entry means that somebody else wrote
        there.
        """
        return [version for name, version in self.list_versions(key) if name == key]

    def list_versions(self, prefix: str) -> list[tuple[str, Version]]:
        """Every version and delete marker of every key that begins with `prefix`, with its key.
        Raises Unavailable.
        """
        with _store_errors(prefix):
            listed = self._client.list_objects(self.bucket, prefix=prefix, recursive=True, include_version=True)
            return [
                (
                    str(entry.object_name),
                    Version(
                        version_id=entry.version_id or "",
                        is_marker=bool(entry.is_delete_marker),
                        is_latest=bool(entry.is_latest),
                        size_bytes=entry.size or 0,
                        put_time=entry.last_modified,
                    ),
                )
                for entry in listed
            ]

    def read(self, key: str, version_id: str) -> bytes:
        """The bytes of one version; a marker above it does not matter. Raises NotFound:
        OBJECT_MISSING; Unavailable.
        """
        return b"".join(self.chunks(key, version_id))

    def chunks(self, key: str, version_id: str) -> Iterator[bytes]:
        """Like `read`, in pieces of CHUNK_BYTES."""
        with _store_errors(key):
            response = self._client.get_object(self.bucket, key, version_id=version_id)
            try:
                yield from response.stream(CHUNK_BYTES)
            finally:
                response.close()
                response.release_conn()

    def retention(self, key: str, version_id: str) -> Retention | None:
        """The lock of one version as the store reports it, or None. Raises NotFound,
        Unavailable.
        """
        with _store_errors(key):
            try:
                held = self._client.get_object_retention(self.bucket, key, version_id=version_id)
            except S3Error as e:
                if e.code not in _NOT_SET:
                    raise
                return None
        if held is None:
            return None
        return Retention(held.mode, held.retain_until_date.astimezone(UTC))

    def extend(self, key: str, version_id: str, retain_until: datetime) -> None:
        """Lock one version for longer. Repeating changes nothing.

        Raises Rejected: RETENTION_SHORTER (a lock is never shortened), STORE_TAMPERED (there is no
        COMPLIANCE lock).
        """
        until = whole_seconds(retain_until)
        held = self.retention(key, version_id)
        if held is None or held.mode != COMPLIANCE:
            raise tampered(key, "the version is not under COMPLIANCE")
        if until < whole_seconds(held.retain_until):
            raise Rejected(
                "RETENTION_SHORTER",
                "Thời hạn lưu trữ chỉ được kéo dài, không được rút ngắn.",
                held_until=held.retain_until.isoformat(),
                asked_until=until.isoformat(),
            )
        if until > held.retain_until:
            with _store_errors(key):
                self._client.set_object_retention(
                    self.bucket, key, S3Retention(COMPLIANCE, until), version_id=version_id
                )

    def require_locked(self, key: str, version_id: str, data: bytes, retain_until: datetime) -> None:
        """What the store acknowledged must be what it gives back, under COMPLIANCE until
        `retain_until` or later.

        Raises Rejected STORE_TAMPERED, NotFound OBJECT_MISSING, Unavailable.
        """
        held = self.retention(key, version_id)
        same = self.read(key, version_id) == data
        if not same or held is None or held.mode != COMPLIANCE or held.retain_until < whole_seconds(retain_until):
            message = "Kho lưu trữ trả về khác với nội dung đã gửi."
            raise Forged("STORE_TAMPERED", message, key=key, same=same, lock=held)

    def _put_new(
        self, key: str, data: bytes, sha256: bytes, until: datetime, metadata: Mapping[str, str]
    ) -> str | None:
        """Put under the condition that the key is new; None when another writer was first.

        The SDK's `put_object` cannot send If-None-Match (RFC 9110 §13.1.2), and without it two
        workers holding the same job after a lost lease would leave two versions that nobody can
        remove for decades.
        """
        headers: dict[str, str | list[str] | tuple[str]] = {
            "Content-Type": "application/octet-stream",
            "If-None-Match": "*",
            "x-amz-object-lock-mode": COMPLIANCE,
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-amz-meta-sha256": sha256.hex(),
        }
        headers.update({f"x-amz-meta-{name}": value for name, value in metadata.items()})
        with _store_errors(key):
            try:
                version_id = self._client._put_object(self.bucket, key, data, headers).version_id
            except S3Error as e:
                if e.code != "PreconditionFailed":
                    raise
                return None
        if not version_id:
            raise self._not_locked("the put returned no version id")
        return version_id

    def _adopt(self, key: str, data: bytes, until: datetime, present: list[Version]) -> str:
        """The id of the only version of `key` when it is ours already, extended to `until` when its
        lock is shorter.
        """
        if len(present) != 1 or present[0].is_marker:
            raise tampered(key, f"{len(present)} versions, {sum(v.is_marker for v in present)} delete markers")
        version_id = present[0].version_id
        if self.read(key, version_id) != data:
            raise tampered(key, "the version holds other bytes than its name says")
        held = self.retention(key, version_id)
        if held is None or held.mode != COMPLIANCE:
            raise tampered(key, "the version is not under COMPLIANCE")
        if held.retain_until < until:
            self.extend(key, version_id, until)
        return version_id

    def _not_locked(self, why: str) -> Rejected:
        return Rejected("BUCKET_NOT_LOCKED", "Kho lưu trữ chưa bật chế độ khóa đối tượng.", bucket=self.bucket, why=why)


def tampered(key: str, why: str) -> Forged:
    """The error STORE_TAMPERED: the store holds what archive did not put there."""
    return Forged("STORE_TAMPERED", "Kho lưu trữ có dấu hiệu bị can thiệp; cần kiểm tra ngay.", key=key, why=why)


@contextmanager
def _store_errors(subject: str) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into our errors; `subject` is the key or bucket
    spoken of.
    """
    try:
        yield
    except S3Error as e:
        if e.code in _MISSING:
            raise NotFound("OBJECT_MISSING", "Không tìm thấy đối tượng trong kho lưu trữ.", subject=subject) from e
        if e.code in _BUSY or e.code in _REFUSES_US or e.response.status >= 500:
            raise _away(subject, str(e.code)) from e
        raise Rejected("STORE_REFUSED", "Kho lưu trữ từ chối yêu cầu.", subject=subject, code=e.code) from e
    except (ServerError, InvalidResponseError, urllib3.exceptions.HTTPError) as e:
        raise _away(subject, type(e).__name__) from e
    except MinioException as e:
        raise Rejected("STORE_REFUSED", "Kho lưu trữ từ chối yêu cầu.", subject=subject, code=type(e).__name__) from e


def _away(subject: str, why: str) -> Unavailable:
    return Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", subject=subject, why=why)
