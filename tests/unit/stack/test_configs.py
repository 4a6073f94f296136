"""What `deploy.local` writes, the services' own reader reads back; and names and ports that are
refused.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.local import configs, layout
from services.common import config


@dataclass(frozen=True)
class Key:
    name: str
    file: Path


@dataclass(frozen=True)
class Inner:
    path: Path
    modules: dict[str, Path]
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Outer:
    text: str
    number: int
    ratio: float
    on: bool
    ports: tuple[str, ...]
    inner: Inner
    missing: str | None = None
    last: int = field(default=3)


def test_a_configuration_reads_back_equal(tmp_path: Path) -> None:
    value = Outer(
        text='Trường "Trần Phú" \\ \n tab\t',
        number=-3,
        ratio=0.25,
        on=True,
        ports=("127.0.0.1:1", "127.0.0.1:2"),
        inner=Inner(Path("/a b/ổ"), {"soft hsm": Path("/lib.so")}, (Key("seal", Path("/pin")),)),
    )
    path = tmp_path / "x.toml"
    path.write_text(configs.dump(value), encoding="utf-8")
    assert config.load(Outer, path) == value


def test_what_toml_cannot_say_is_refused() -> None:
    @dataclass(frozen=True)
    class Strange:
        value: complex

    with pytest.raises(TypeError, match="value: complex"):
        configs.dump(Strange(1j))


@pytest.mark.parametrize("name", ["", "Main", "../main", "a" * 21, "1st", "a b"])
def test_a_stack_name_is_a_plain_folder_name(name: str) -> None:
    with pytest.raises(layout.LocalError, match="stack name"):
        layout.open_stack(name, 30000)


@pytest.mark.parametrize("base", [80, 1023, 65436])
def test_ports_stay_inside_the_unprivileged_range(base: int) -> None:
    with pytest.raises(layout.LocalError, match="port base"):
        layout.open_stack("mine", base)


def test_a_stack_without_known_ports_asks_for_them() -> None:
    with pytest.raises(layout.LocalError, match="HOSO_PORT_BASE"):
        layout.open_stack("mine")


def test_sockets_fit_into_an_address_however_deep_the_checkout_is() -> None:
    deep = layout.Stack("main", 26000, Path("/home") / ("x" * 100) / ".run/main")
    assert len(str(deep.sockets / "archive-provision.notify")) < 107
    assert deep.sockets != layout.Stack("main", 26000, Path("/home") / ("y" * 100) / ".run/main").sockets
