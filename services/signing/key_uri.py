"""PKCS#11 URIs (RFC 7512): the name of a private key in a token, never with its PIN."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from services.common.errors import Invalid, Violation

_MODULE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class KeyUri:
    """A key. `module` is a name in the supervisor's configuration; the other parts select token and
    object.

    token: label of the token. serial: its serial number, or "". label and key_id: CKA_LABEL and
    CKA_ID of the key; one of the two may be empty.
    """

    module: str
    token: str
    serial: str
    label: str
    key_id: bytes

    @property
    def token_name(self) -> tuple[str, str, str]:
        """Identifies the token among all modules. A token has one owner process and one activation
        at most.
        """
        return (self.module, self.token, self.serial)


def parse(uri: str, field: str = "key_uri") -> KeyUri:
    """Read ``pkcs11:token=…;serial=…;object=…;id=%01?module-name=…``.

    The file of the module is looked up in the configuration under its name: a caller must not
    choose what code the owner process loads, so ``module-path`` is refused, and so are
    ``pin-value`` and ``pin-source``. Raises Invalid.
    """
    scheme, _, rest = uri.partition(":")
    path, _, query = rest.partition("?")
    problems: list[Violation] = []
    if scheme != "pkcs11":
        problems.append(Violation(field, "NOT_A_PKCS11_URI", "Định danh khóa phải bắt đầu bằng “pkcs11:”."))
    parts = _attributes(path, ";", {"token", "serial", "object", "id", "type"}, field=field, problems=problems)
    options = _attributes(query, "&", {"module-name"}, field=field, problems=problems)
    module = options.get("module-name", b"").decode("utf-8", "replace")
    if not _MODULE_NAME.fullmatch(module):
        problems.append(Violation(field, "MODULE_NAME_MISSING", "Định danh khóa thiếu module-name hợp lệ."))
    if not parts.get("token"):
        problems.append(Violation(field, "TOKEN_MISSING", "Định danh khóa thiếu tên thiết bị (token)."))
    if not parts.get("object") and not parts.get("id"):
        problems.append(Violation(field, "KEY_MISSING", "Định danh khóa thiếu tên hoặc mã khóa (object, id)."))
    if parts.get("type", b"private") != b"private":
        problems.append(Violation(field, "NOT_A_PRIVATE_KEY", "Định danh phải trỏ tới khóa bí mật (type=private)."))
    if problems:
        raise Invalid(problems)
    text = {name: value.decode("utf-8", "replace") for name, value in parts.items()}
    return KeyUri(module, text["token"], text.get("serial", ""), text.get("object", ""), parts.get("id", b""))


def _attributes(
    text: str, separator: str, known: set[str], *, field: str, problems: list[Violation]
) -> dict[str, bytes]:
    attributes: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name not in known:
            rule = "PIN_IN_URI" if name.startswith("pin-") else "UNKNOWN_ATTRIBUTE"
            problems.append(Violation(field, rule, f"Định danh khóa không được có thuộc tính “{name}”."))
        elif name in attributes:
            problems.append(Violation(field, "REPEATED_ATTRIBUTE", f"Thuộc tính “{name}” bị lặp lại."))
        else:
            attributes[name] = unquote_to_bytes(value)
    return attributes
