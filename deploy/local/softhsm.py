"""SoftHSM 2 in the place of the Department's HSM: real PKCS#11, keys in files under the stack's
folder.
"""

from pathlib import Path

from .layout import LocalError, Stack, write_private

_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
)

_SETTINGS = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = WARNING
slots.removable = false
"""


def prepare(stack: Stack) -> None:
    """Make the token folder and SoftHSM's configuration; tokens are made by the key ceremony."""
    folder = stack.root / "softhsm"
    (folder / "tokens").mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(settings_file(stack), _SETTINGS.format(tokens=folder / "tokens"))


def settings_file(stack: Stack) -> Path:
    """SoftHSM's configuration, which a process finds through SOFTHSM2_CONF."""
    return stack.root / "softhsm" / "softhsm2.conf"


def environment(stack: Stack) -> dict[str, str]:
    """What a process needs in its environment to see the stack's tokens."""
    return {"SOFTHSM2_CONF": str(settings_file(stack))}


def module() -> Path:
    """The PKCS#11 module. Raises LocalError when SoftHSM 2 is not installed."""
    for path in _MODULES:
        if path.exists():
            return path
    raise LocalError("SoftHSM 2 is not installed (libsofthsm2.so not found); run: make setup")
