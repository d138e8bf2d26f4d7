"""Schedule of a load test: every call with its time, phone and questions, fixed before the first call."""

from __future__ import annotations

import itertools
import math
import random
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tvs.replay.questions.model import Caller, pseudonym

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tvs.replay.questions.model import Ask, Asked, Recording

MAX_CALLS = 20_000_000
"""Maximum calls of one schedule: each takes 24 bytes, in the parent and in a generator process."""
FEW_PHONES = 64
"""With fewer phones than this for each process, calls are distributed one by one instead of phone by phone."""
Talk = tuple[tuple[float, int], ...]
"""The questions of one connection: seconds after the call's time, and the question's number."""


class Call(NamedTuple):
    """One connection: its time in seconds, the phone and the talk as numbers of the schedule's tables."""

    at: float
    phone: int
    talk: int


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A schedule in columns.

    Attributes:
        mode: description of the mode, for reports.
        phones, asked, talks: tables of phones, questions and talks.
        at: seconds from the start at which each call is due; all 0 in a closed model.
        phone, talk: number of each call's phone and talk.
        at_once: None for an open model: calls start at their times, whatever the server does. Otherwise the number of
            phones that are connected at once; a call starts when an earlier one has ended.
        duration: seconds after which no call starts; None makes each call once.
    """

    mode: str
    phones: list[Caller]
    asked: list[Asked]
    talks: list[Talk]
    at: array[float] = field(default_factory=lambda: array("d"))
    phone: array[int] = field(default_factory=lambda: array("L"))
    talk: array[int] = field(default_factory=lambda: array("L"))
    at_once: int | None = None
    duration: float | None = None

    @property
    def open(self) -> bool:
        """Whether calls start at their times, whatever the server does."""
        return self.at_once is None

    @property
    def queries(self) -> int:
        """Number of queries in all calls."""
        sizes = [len(talk) for talk in self.talks]
        return sum(sizes[talk] for talk in self.talk)

    @property
    def length(self) -> float:
        """Seconds from the start to the last planned query; 0 if nothing limits the run."""
        if not self.open:
            return self.duration or 0.0
        last = [talk[-1][0] for talk in self.talks]
        return max((at + last[talk] for at, talk in zip(self.at, self.talk, strict=True)), default=0.0)

    def part(self, number: int, parts: int) -> Schedule:
        """The calls of one of several processes. A phone stays with one process, unless there are few phones."""
        by_phone = len(self.phones) >= FEW_PHONES * parts
        rows = range(len(self.at))
        chosen = [row for row in rows if (self.phone[row] if by_phone else row) % parts == number]
        return Schedule(
            mode=self.mode,
            phones=self.phones,
            asked=self.asked,
            talks=self.talks,
            at=array("d", (self.at[row] for row in chosen)),
            phone=array("L", (self.phone[row] for row in chosen)),
            talk=array("L", (self.talk[row] for row in chosen)),
            at_once=None if self.at_once is None else _share(self.at_once, number, parts),
            duration=self.duration,
        )


def _share(count: int, number: int, parts: int) -> int:
    return count // parts + (number < count % parts)


# -- from recordings to calls ----------------------------------------------------------------------------------------


def _calls(asks: Iterable[Ask], talks: dict[Talk, int]) -> list[Call]:
    """Groups queries of one connection into one call; other queries get a call each. Adds new talks to `talks`."""
    grouped: dict[object, list[Ask]] = {}
    for number, ask in enumerate(asks):
        key = ("own", number) if ask.connection is None else (ask.connection, ask.phone)
        grouped.setdefault(key, []).append(ask)
    return [_call(together, talks) for together in grouped.values()]


def _call(asks: list[Ask], talks: dict[Talk, int]) -> Call:
    start = asks[0].at
    talk = tuple((round(ask.at - start, 4), ask.asked) for ask in asks)
    return Call(start, asks[0].phone, talks.setdefault(talk, len(talks)))


def _schedule(recording: Recording, talks: dict[Talk, int], calls: Iterable[Call], mode: str) -> Schedule:
    schedule = Schedule(mode=mode, phones=list(recording.phones), asked=recording.asked, talks=list(talks))
    for call in itertools.islice(calls, MAX_CALLS + 1):
        schedule.at.append(call.at)
        schedule.phone.append(call.phone)
        schedule.talk.append(call.talk)
    if len(schedule.at) > MAX_CALLS:
        raise ValueError(f"the schedule has more than {MAX_CALLS} calls: shorten it, or lower the rate")
    return schedule


# -- modes -----------------------------------------------------------------------------------------------------------


def recorded_times(recording: Recording, speed: float) -> Schedule:
    """Keeps the recorded times, `speed` times as fast."""
    talks: dict[Talk, int] = {}
    calls = _calls((ask._replace(at=ask.at / speed) for ask in recording.asks), talks)
    return _schedule(recording, talks, calls, f"recorded times, speed {speed:g}")


def constant_rate(recording: Recording, *, rate: float, duration: float, ramp: float = 0.0) -> Schedule:
    """Spaces calls evenly, `rate` a second for `duration` seconds, and cycles through the recording's calls.

    The rate grows linearly from 0 for the first `ramp` seconds.
    """
    talks: dict[Talk, int] = {}
    endless = itertools.cycle(_calls(recording.asks, talks))
    times = itertools.takewhile(lambda at: at < duration, _arrivals(rate, ramp))
    calls = (call._replace(at=at) for at, call in zip(times, endless, strict=False))
    ramped = f", ramp {ramp:g} s" if ramp else ""
    return _schedule(recording, talks, calls, f"constant rate, {rate:g}/s for {duration:g} s{ramped}")


def _arrivals(rate: float, ramp: float) -> Iterator[float]:
    """Start times: rate * t² / (2 * ramp) calls have started t seconds into the ramp."""
    in_ramp = rate * ramp / 2
    for number in itertools.count():
        yield math.sqrt(2 * number * ramp / rate) if number < in_ramp else ramp + (number - in_ramp) / rate


def storm(recording: Recording, *, phones: int, within: float, pause: float, seed: int) -> Schedule:
    """Lets `phones` phones come back within `within` seconds, each with its recorded calls.

    First calls are uniformly random, as phones boot; the same `seed` gives the same times. Each further call of a
    phone follows `pause` seconds later. Copies of phones are added if the recording has fewer.
    """
    talks: dict[Talk, int] = {}
    by_phone: dict[int, list[Call]] = {}
    for call in _calls(recording.asks, talks):
        by_phone.setdefault(call.phone, []).append(call)
    templates = list(by_phone.values())
    callers = list(recording.phones)
    chance = random.Random(seed)  # noqa: S311 - times of calls, no secrets
    calls: list[Call] = []
    for number in range(phones):
        template = templates[number % len(templates)]
        phone = _copy(callers, template[0].phone, number) if number >= len(templates) else template[0].phone
        start = chance.uniform(0, within)
        calls += [Call(start + turn * pause, phone, call.talk) for turn, call in enumerate(template)]
    calls.sort()
    schedule = _schedule(recording, talks, calls, f"storm, {phones} phones within {within:g} s")
    schedule.phones = callers
    return schedule


def _copy(callers: list[Caller], original: int, number: int) -> int:
    callers.append(Caller(pseudonym(callers[original].device, number + 1)))
    return len(callers) - 1


def in_loop(recording: Recording, *, at_once: int, duration: float | None) -> Schedule:
    """Closed model: `at_once` phones, each calls again as soon as it has its answer.

    `duration` is in seconds; None makes the recording's calls once, in their order.
    """
    talks: dict[Talk, int] = {}
    calls = [call._replace(at=0.0) for call in _calls(recording.asks, talks)]
    length = "once" if duration is None else f"for {duration:g} s"
    schedule = _schedule(recording, talks, calls, f"closed loop, {at_once} phones at once, {length}")
    schedule.at_once, schedule.duration = at_once, duration
    return schedule
