"""The method: system and references take turns, A B A B …, and each pair of neighbours gives one
ratio.

A machine that slows down or has other work to do in the middle of a run slows both sides of a pair
alike, so the median of the ratios holds still where the rates do not. The smallest ratio shows how
far a single pair strayed.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Callable[[int], "Slice"]
"""Does the work of one slice; the argument is the number of the pair, from 0."""
Tell = Callable[[str], None]
"""Says in one line how far a measurement is."""


@dataclass(frozen=True)
class Settings:
    """How long to measure. pairs: how many; seconds: aimed length of the system's slice in each."""

    pairs: int
    seconds: float


@dataclass(frozen=True)
class Slice:
    """Work done without a break: how much of it, in how many seconds."""

    amount: float
    seconds: float

    @property
    def rate(self) -> float:
        """Work per second."""
        return self.amount / self.seconds


@dataclass(frozen=True)
class Rates:
    """Rates of the system and of each reference, in the order of the pairs."""

    system: tuple[float, ...]
    references: Mapping[str, tuple[float, ...]]

    def ratios(self, reference: str) -> tuple[float, ...]:
        """System by reference, pair by pair."""
        return tuple(ours / bare for ours, bare in zip(self.system, self.references[reference], strict=True))


def take_turns(pairs: int, system: Run, references: Mapping[str, Run], tell: Tell) -> Rates:
    """Run system and references `pairs` times in turn. Raises ValueError for fewer than one
    pair.
    """
    if pairs < 1:
        raise ValueError("there must be one pair or more")
    ours: list[float] = []
    bare: dict[str, list[float]] = {name: [] for name in references}
    for number in range(pairs):
        ours.append(system(number).rate)
        for name, run in references.items():
            bare[name].append(run(number).rate)
        shown = "; ".join(f"{name} {_short(rates[-1])}/s" for name, rates in bare.items())
        tell(f"pair {number + 1} of {pairs}: {_short(ours[-1])}/s against {shown}")
    return Rates(tuple(ours), {name: tuple(rates) for name, rates in bare.items()})


def repeat_for(seconds: float, work: Callable[[], float]) -> Slice:
    """Repeat `work`, which returns how much it did, until `seconds` are over; at least once."""
    done = 0.0
    began = time.perf_counter()
    while True:
        done += work()
        spent = time.perf_counter() - began
        if spent >= seconds:
            return Slice(done, spent)


def amount_for(seconds: float, trial: Slice, *, least: int, most: int, step: int = 1) -> int:
    """Amount of work that takes `seconds` at the rate of `trial`: a multiple of `step` within
    `least` and `most`.
    """
    wanted = int(trial.rate * seconds) // step * step
    return max(least, min(wanted, most // step * step))


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
