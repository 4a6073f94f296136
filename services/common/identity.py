"""Who is calling: the client by its certificate, the acting person by a signed token.

The client name is the one in its certificate (``vendor/smas``, ``service/print``), see `peer`. The
person travels as ``authorization: Bearer <JWT>``, see `tokens`.
"""

import contextvars
from dataclasses import dataclass

from services.common.errors import Forbidden, Unauthenticated
from services.common.patterns import matches
from services.common.tokens import TokenVerifier


@dataclass(frozen=True)
class Caller:
    """Who makes the present call.

    client: name from the certificate, such as ``vendor/smas``.
    person: id of the acting person, None when the client acts for itself.
    school: code of the school the person's token is good for, None without a person.
    """

    client: str
    person: str | None = None
    school: str | None = None


@dataclass(frozen=True)
class Access:
    """Which clients may call an RPC (shell patterns such as ``vendor/*``), and whether a person
    must act.
    """

    clients: tuple[str, ...]
    person: bool = False


SYSTEM = Caller(client="system")
"""The service itself, acting on an event."""

_current: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
_verifier: contextvars.ContextVar[TokenVerifier] = contextvars.ContextVar("verifier")


def caller() -> Caller:
    """The caller of the RPC that this thread is serving. Raises LookupError outside of an RPC."""
    return _current.get()


def acting(who: Caller) -> contextvars.Token[Caller]:
    """Set the caller of this thread; used by the gRPC server for each call and by tests of use
    cases.
    """
    return _current.set(who)


def verifying(verifier: TokenVerifier) -> None:
    """Set the verifier of `bearing` in this thread; used by the gRPC server for each call."""
    _verifier.set(verifier)


def bearing(token: str) -> Caller:
    """The calling client, acting for the person of this token instead of the call's own.

    For streams whose messages belong to several persons. Raises as TokenVerifier.verify.
    """
    client = _current.get().client
    person_id, school = _verifier.get().verify(token, client)
    return Caller(client=client, person=person_id, school=school)


def person(who: Caller, school: str) -> str:
    """The acting person, who must hold a token for `school`.

    Raises Unauthenticated PERSON_REQUIRED without a token, and as `check_school`.
    """
    if who.person is None:
        raise _person_required()
    check_school(who, school)
    return who.person


def check_school(who: Caller, school: str) -> None:
    """Raises Forbidden WRONG_SCHOOL when a person acts whose token is for another school."""
    if who.person is not None and who.school != school:
        raise Forbidden("WRONG_SCHOOL", "Người thực hiện không thuộc trường này.", school=school)


def vendor_of(client: str) -> str | None:
    """The name of the vendor that a client is; None for one that is none."""
    return _name_of(client, "vendor")


def service_of(client: str) -> str | None:
    """The name of the service that a client is; None for one that is none."""
    return _name_of(client, "service")


def is_operator(client: str) -> bool:
    """Whether a client is an operator of the Department."""
    return _name_of(client, "operator") is not None


def _name_of(client: str, kind: str) -> str | None:
    found, _, name = client.partition("/")
    return name if found == kind else None


def check_vendor(client: str, school: str, *, serves: bool, suspended: bool) -> None:
    """A vendor acts only for schools that use its software, and only while the Department has not
    suspended it. Raises Forbidden VENDOR_NOT_AUTHORISED, VENDOR_SUSPENDED.
    """
    if not serves:
        message = "Phần mềm này không được phép dùng cho trường và năm học đã nêu."
        raise Forbidden("VENDOR_NOT_AUTHORISED", message, client=client, school=school)
    if suspended:
        message = "Phần mềm này đang bị Sở Giáo dục và Đào tạo đình chỉ sử dụng."
        raise Forbidden("VENDOR_SUSPENDED", message, client=client, school=school)


def check_access(rpc: str, client: str, access: Access | None, *, has_person: bool) -> None:
    """Deny by default: raises Forbidden CLIENT_NOT_ALLOWED or Unauthenticated PERSON_REQUIRED."""
    if access is None or not matches(client, access.clients):
        raise Forbidden("CLIENT_NOT_ALLOWED", "Máy gọi không được phép dùng chức năng này.", client=client, rpc=rpc)
    if access.person and not has_person:
        raise _person_required()


def _person_required() -> Unauthenticated:
    return Unauthenticated("PERSON_REQUIRED", "Cần mã xác thực của người thực hiện (authorization: Bearer …).")
