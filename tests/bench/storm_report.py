"""A storm's figures: as a value, as tables for people, as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import output
from tests.bench.client import percentile
from tests.bench.measure import FULL
from tests.bench.overload import LATE

if TYPE_CHECKING:
    from tests.bench.storm_phones import Counts


@dataclass(frozen=True, kw_only=True)
class Storm:
    """One storm.

    Attributes:
        phones: all of them, the emulator's too.
        within: seconds in which they began.
        of_capacity: their rate, of the capacity of a node that lives; 0 if it was not measured.
        queue_delay: the service's ``max_queue_delay``; empty: its default.
        names: of the nodes, in order: ``alive``, ``refusing``, ``silent``.
        fleet: the phones of the C program.
        emulated: the phones of the emulator; None without any.
        counted: growth of the services' counters.
        share: share of its core that the services had while phones began.
        others: share that other programs and the hypervisor had of it.
        clients: share of the phones' core that was in use while they began.
        memory_before, memory_most: MiB of all services' processes.
    """

    phones: int
    within: float
    of_capacity: float
    queue_delay: str
    names: list[str]
    fleet: Counts
    emulated: Counts | None
    counted: dict[str, int]
    share: float
    others: float
    clients: float
    memory_before: float
    memory_most: float

    @property
    def problem(self) -> str:
        """The reason why the figures do not count; empty if they do."""
        late = percentile(self.fleet.late, 0.99)
        if late > LATE:
            return f"phones began late, by {late:.0f} ms with 1 of 100"
        return f"the phones' core was {self.clients:.0%} in use: they answer late" if self.clients > FULL else ""


# -- tables ---------------------------------------------------------------------------------------------------------

_HEAD = ("answered", "phones", "share", "p50 s", "p99 s", "max s")
_LEGEND = """\
  Times from the moment at which a phone wanted to begin until its answer, or until it gave up. Pass: a phone's way
  through all its nodes, in an order of its own. Attempts in vain are those of the C program's phones."""


def show(suite: str, ciphers: str, storm: Storm) -> None:
    """Prints one storm."""
    rate, delay = storm.phones / storm.within, storm.queue_delay or "as by default"
    of = f", {storm.of_capacity:g} times the capacity" if storm.of_capacity else ""
    output.say(
        f"\nstorm: {storm.phones:,} phones in {storm.within:.1f} s ({rate:.0f} a second{of}), nodes "
        f"{', '.join(storm.names)}; {suite}: {ciphers}; max_queue_delay {delay}"
    )
    output.say(output.table(_HEAD, _rows(storm.fleet, len(storm.names))))
    if storm.emulated is not None:
        head = ("of the emulator", *_HEAD[1:])
        output.say(output.table(head, _rows(storm.emulated, len(storm.names))))
    for line in _sentences(storm):
        output.say(f"  {line}")
    output.say(_LEGEND)


def _rows(counts: Counts, nodes: int) -> list[tuple[str, ...]]:
    """A row for each attempt of the first pass, for each later pass, for phones without an answer, for all."""
    groups: dict[str, Counter[int]] = {f"at attempt {number}": Counter() for number in range(1, nodes + 1)}
    for attempt, times in sorted(counts.answers.items()):
        number = (attempt - 1) // nodes + 1
        name = f"at attempt {attempt}" if number == 1 else f"in pass {number}"
        groups.setdefault(name, Counter()).update(times)
    everyone: Counter[int] = Counter()
    for times in groups.values():
        everyone.update(times)
    groups |= {"all": everyone, "never": counts.gave_up}
    rows = [(name, *_figures(times, counts.begun)) for name, times in groups.items()]
    return [*rows, ("wrong", output.number(counts.wrong), "", "", "", "")]


def _figures(times: Counter[int], phones: int) -> tuple[str, ...]:
    if not times:
        return ("0", "0.0%", "-", "-", "-")
    seconds = (output.number(percentile(times, share) / 1000, 3) for share in (0.5, 0.99, 1.0))
    return (output.number(times.total()), f"{times.total() / phones:.1%}", *seconds)


def _sentences(storm: Storm) -> list[str]:
    fleet, emulated = storm.fleet, storm.emulated
    lines = [f"last answer: {fleet.last_answer_s:.1f} s after the first phone began"]
    if emulated is not None:
        lines[0] += (
            f"; of the emulator's {emulated.last_answer_s:.1f} s, {emulated.cpu_s / emulated.begun * 1000:.1f} ms"
        )
        lines[0] += " of CPU time a phone"
    for name, ends in zip(storm.names, fleet.failures, strict=True):
        ended = ", ".join(f"{count:,} {kind}" for kind, count in ends.items() if count)
        lines.append(f"attempts in vain, {name}: {ended or 'none'}")
    counted = ", ".join(f"{name.removeprefix('tvs_')} {count:,}" for name, count in sorted(storm.counted.items()))
    lines.append(f"the service counted: {counted}")
    lines.append(
        f"the service: {storm.share:.1%} of its core while phones began (others {storm.others:.1%}); memory "
        f"{storm.memory_before:.1f} MiB before, {storm.memory_most:.1f} at most; the phones' core "
        f"{storm.clients:.1%} in use"
    )
    lines.append(f"phones began late by {percentile(fleet.late, 0.99):.1f} ms with 1 of 100  {storm.problem}".rstrip())
    return lines + [f"the emulator: {sentence}" for sentence in (emulated.sentences if emulated else [])]


# -- JSON -----------------------------------------------------------------------------------------------------------


def as_json(storm: Storm) -> dict[str, object]:
    """All figures."""
    emulated = None if storm.emulated is None else _summary(storm.emulated)
    return {**vars(storm), "fleet": _summary(storm.fleet), "emulated": emulated, "problem": storm.problem}


def _summary(counts: Counts) -> dict[str, object]:
    return {
        "phones": counts.begun,
        "answered": counts.answered,
        "never": counts.never,
        "wrong": counts.wrong,
        "attempts": {attempt: _times(times) for attempt, times in sorted(counts.answers.items())},
        "gave_up": _times(counts.gave_up),
        "failures": counts.failures,
        "sentences": counts.sentences,
        "last_answer_s": counts.last_answer_s,
        "cpu_s": counts.cpu_s,
        "late_p99_ms": percentile(counts.late, 0.99),
    }


def _times(times: Counter[int]) -> dict[str, float]:
    named = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {"phones": times.total(), **{name: percentile(times, share) for name, share in named.items()}}
