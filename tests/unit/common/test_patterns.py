import pytest

from services.common.patterns import matches


@pytest.mark.parametrize(
    ("name", "patterns", "fits"),
    [
        ("vendor/smas", ("vendor/*",), True),
        ("vendor/smas", ("service/print", "vendor/smas"), True),
        ("vendor/smas", ("vendor/sma",), False),
        ("vendor/SMAS", ("vendor/smas",), False),
        ("vendor/smas", (), False),
    ],
)
def test_a_name_fits_one_of_its_patterns_to_the_letter(name: str, patterns: tuple[str, ...], fits: bool) -> None:
    assert matches(name, patterns) is fits
