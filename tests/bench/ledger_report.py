"""Figures of the record of phones: as values, as tables for people, as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.bench import output
from tests.bench.ledger_rounds import middle, ratios
from tests.bench.measure import median

if TYPE_CHECKING:
    from tests.bench.ledger_rounds import Round
    from tests.bench.ledger_service import Kept
    from tests.bench.measure import Series

COMPARED = {"p50": "p50_ms", "p99": "p99_ms", "workers": "workers_us", "service": "service_us"}
"""Values of rounds whose ratios are shown, by their names."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rounds at one rate.

    Attributes:
        rate: phones a second.
        seconds: length of a round.
        rounds: by the service's name; the one that records is the first.
        names: different phones that asked each service.
        kept: what became of the requests to the service that records.
    """

    rate: float
    seconds: float
    rounds: dict[str, list[Round]]
    names: int
    kept: Kept

    @property
    def answered(self) -> int:
        """Phones that the service that records has answered."""
        return sum(one.answered for one in next(iter(self.rounds.values())))


@dataclass(frozen=True, kw_only=True)
class Above:
    """Questions on open connections, more than the channel carries.

    Attributes:
        series: of each service; the one that records is the first.
        together: questions at once on each connection.
        kept: what became of the requests to the service that records.
    """

    series: list[Series]
    together: int
    kept: Kept


# -- tables ---------------------------------------------------------------------------------------------------------

_HEAD = ("service", "answered", "p50 ms", "p99 ms", "max ms", "workers", "observer", "service", "database", "rounds")
_RATIOS_HEAD = ("of the same round", *COMPARED, "pairs")
_LEGEND = """\
  Workers, observer (which records), service (all processes), database (PostgreSQL's processes): CPU µs for each answer.
  Ratios: the median, the lowest and the highest. Noise: a service's rounds, each by the one before it. Pairs: those of
  the CPU times; where phones began late, their times do not count."""


def part_text(part: Part, store: str) -> str:
    """One part as a table."""
    first, *others = part.rounds
    rows = [_ratios_row(f"{first} / {other}", part.rounds[first], part.rounds[other]) for other in others]
    rows += [_ratios_row(f"noise, {name}", rounds[1:], rounds[:-1]) for name, rounds in part.rounds.items()]
    machine = (
        f"phones began late by {_most(part, 'late_ms'):.1f} ms at most, with 1 of 100 of a round; their program had "
        f"{_most(part, 'clients'):.0%} of its core at most, others {_most(part, 'others'):.0%} of the service's"
    )
    lines = (
        f"\nledger, {store}: {part.rate:.0f} phones a second in rounds of {part.seconds:g} s",
        output.table(_HEAD, [_row(name, rounds) for name, rounds in part.rounds.items()]),
        output.table(_RATIOS_HEAD, rows),
        f"  {machine}",
        f"  {part.names:,} phones asked, {part.answered:,} answers; {_kept_text(part.kept)}",
        _LEGEND,
    )
    return "\n".join(lines)


def _most(part: Part, value: str) -> float:
    return max(float(getattr(one, value)) for rounds in part.rounds.values() for one in rounds)


def _row(name: str, rounds: list[Round]) -> tuple[str, ...]:
    counted = sum(not one.problem for one in rounds)
    return (
        name,
        output.number(sum(one.answered for one in rounds)),
        *(output.number(middle(rounds, value), 2) for value in ("p50_ms", "p99_ms")),
        output.number(max(one.max_ms for one in rounds)),
        *(output.number(middle(rounds, f"{value}_us"), 1) for value in ("workers", "observer", "service", "database")),
        f"{counted}/{len(rounds)}",
    )


def _ratios_row(name: str, rounds: list[Round], reference: list[Round]) -> tuple[str, ...]:
    found = [ratios(rounds, reference, value) for value in COMPARED.values()]
    return (name, *map(_spread, found), str(len(found[-1])))


def _spread(found: list[float]) -> str:
    return f"{median(found):.3f} ({min(found):.3f} … {max(found):.3f})" if found else "-"


def _kept_text(kept: Kept) -> str:
    return (
        f"the service counted {kept.requests:,}, recorded {kept.recorded:,} of {kept.phones:,} new phones; dropped: "
        f"list_full {kept.list_full:,}, not_read {kept.not_read:,}, left out {kept.left_out:,}; lost: {kept.lost:,}"
    )


def above_text(above: Above) -> str:
    """The part above the channel's bound as a table."""
    lines = (
        f"\nledger: {above.together} questions at once on open connections, more than the channel carries",
        output.series_table(above.series),
        *(output.ratio_line(above.series[0], other) for other in above.series[1:]),
        f"  {_kept_text(above.kept)}",
    )
    return "\n".join(lines)


# -- JSON -----------------------------------------------------------------------------------------------------------


def as_json(steady: Part, fast: Part, above: Above) -> dict[str, object]:
    """All figures."""
    first, *others = above.series
    return {
        "steady": _part_as_json(steady),
        "fast": _part_as_json(fast),
        "above": {
            **output.as_json(above.series, [(first, other) for other in others]),
            "together": above.together,
            "kept": _kept_as_json(above.kept),
        },
    }


def _part_as_json(part: Part) -> dict[str, object]:
    first, *others = part.rounds
    return {
        "rate": part.rate,
        "seconds": part.seconds,
        "names": part.names,
        "answered": part.answered,
        "kept": _kept_as_json(part.kept),
        "rounds": {
            name: [{**asdict(one), "problem": one.problem} for one in rounds] for name, rounds in part.rounds.items()
        },
        "ratios": {
            other: {value: ratios(part.rounds[first], part.rounds[other], value) for value in COMPARED.values()}
            for other in others
        },
        "noise": {
            name: {value: ratios(rounds[1:], rounds[:-1], value) for value in COMPARED.values()}
            for name, rounds in part.rounds.items()
        },
    }


def _kept_as_json(kept: Kept) -> dict[str, int]:
    return {**asdict(kept), "dropped": kept.dropped, "lost": kept.lost}
