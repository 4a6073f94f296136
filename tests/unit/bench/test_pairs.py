"""Whether a ratio of the bench means what it says."""

import pytest

from bench.pairs import Slice, amount_for, repeat_for, take_turns


def test_system_and_references_take_turns_and_each_pair_gives_a_ratio() -> None:
    order: list[str] = []

    def run(name: str, rates: list[float]):  # type: ignore[no-untyped-def]
        def slice_of(number: int) -> Slice:
            order.append(name)
            return Slice(rates[number], 1.0)

        return slice_of

    messages: list[str] = []
    rates = take_turns(
        2,
        run("system", [60.0, 10.0]),
        {"bare": run("bare", [100.0, 40.0]), "other": run("other", [120.0, 10.0])},
        messages.append,
    )
    assert order == ["system", "bare", "other"] * 2
    assert rates.ratios("bare") == (0.6, 0.25)
    assert rates.ratios("other") == (0.5, 1.0)
    assert len(messages) == 2
    assert "2 of 2" in messages[1]


def test_no_pair_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="one pair"):
        take_turns(0, lambda _: Slice(1, 1), {}, print)


def test_a_rate_is_work_by_time() -> None:
    assert Slice(30, 1.5).rate == 20


def test_work_is_repeated_until_time_is_over_and_at_least_once() -> None:
    assert repeat_for(0.0, lambda: 7).amount == 7
    many = repeat_for(0.05, lambda: 1)
    assert many.seconds >= 0.05
    assert many.amount > 1


@pytest.mark.parametrize(
    ("seconds", "least", "most", "step", "expected"),
    [
        (2.0, 1, 1000, 1, 200),
        (2.0, 1, 150, 1, 150),
        (0.001, 4, 1000, 1, 4),
        (2.0, 1, 1000, 150, 150),
        (20.0, 1, 1000, 150, 900),
    ],
)
def test_the_amount_follows_the_trial_within_its_bounds(
    seconds: float, least: int, most: int, step: int, expected: int
) -> None:
    assert amount_for(seconds, Slice(50, 0.5), least=least, most=most, step=step) == expected
