"""The schedule: which phone calls when and what it asks then, all fixed before the first call."""

from __future__ import annotations

import itertools
import math
import random
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tvs.replay.questions.model import Phone, pseudonym

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tvs.replay.questions.model import Ask, Asked, Recording

MAX_CALLS = 20_000_000
"""Calls of one schedule at the most: each takes 24 bytes, here and in a generator process."""
FEW_PHONES = 64
"""With fewer phones than this a process, the calls are dealt out one by one and not phone by phone."""
Talk = tuple[tuple[float, int], ...]
"""What is asked on one connection: seconds after the call's time, and the question's number."""


class Call(NamedTuple):
    """One connection: when, by which phone, and what is asked on it (numbers of the plan's tables)."""

    at: float
    phone: int
    talk: int


@dataclass(slots=True, kw_only=True)
class Plan:
    """A schedule, in columns.

    Attributes:
        mode: what was asked for, for reports.
        phones, asked, talks: the tables.
        at: seconds from the start at which each call is due; all 0 in a closed model.
        phone, talk: who calls, and what is asked.
        at_once: None: an open model, calls begin when they are due whatever the server does. Else so many phones
            are connected at once, and each next call begins when one before it has ended.
        duration: seconds after which no call begins; None: the calls are made once.
    """

    mode: str
    phones: list[Phone]
    asked: list[Asked]
    talks: list[Talk]
    at: array[float] = field(default_factory=lambda: array("d"))
    phone: array[int] = field(default_factory=lambda: array("L"))
    talk: array[int] = field(default_factory=lambda: array("L"))
    at_once: int | None = None
    duration: float | None = None

    @property
    def open(self) -> bool:
        """Whether calls begin at their times, whatever the server does."""
        return self.at_once is None

    @property
    def queries(self) -> int:
        """Queries in all calls."""
        sizes = [len(talk) for talk in self.talks]
        return sum(sizes[talk] for talk in self.talk)

    @property
    def length(self) -> float:
        """Seconds from the start to the last query, as far as it is planned."""
        if not self.open:
            return self.duration or 0.0
        last = [talk[-1][0] for talk in self.talks]
        return max((at + last[talk] for at, talk in zip(self.at, self.talk, strict=True)), default=0.0)

    def part(self, number: int, parts: int) -> Plan:
        """The calls of one of several processes. A phone stays with one process, unless there are few phones."""
        by_phone = len(self.phones) >= FEW_PHONES * parts
        rows = range(len(self.at))
        chosen = [row for row in rows if (self.phone[row] if by_phone else row) % parts == number]
        return Plan(
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
    """Queries of one connection are one call; the others are a call each. New talks are entered in the table."""
    grouped: dict[object, list[Ask]] = {}
    for number, ask in enumerate(asks):
        key = ("own", number) if ask.connection is None else (ask.connection, ask.phone)
        grouped.setdefault(key, []).append(ask)
    return [_call(together, talks) for together in grouped.values()]


def _call(asks: list[Ask], talks: dict[Talk, int]) -> Call:
    start = asks[0].at
    talk = tuple((round(ask.at - start, 4), ask.asked) for ask in asks)
    return Call(start, asks[0].phone, talks.setdefault(talk, len(talks)))


def _plan(recording: Recording, talks: dict[Talk, int], calls: Iterable[Call], mode: str) -> Plan:
    plan = Plan(mode=mode, phones=list(recording.phones), asked=recording.asked, talks=list(talks))
    for call in itertools.islice(calls, MAX_CALLS + 1):
        plan.at.append(call.at)
        plan.phone.append(call.phone)
        plan.talk.append(call.talk)
    if len(plan.at) > MAX_CALLS:
        raise ValueError(f"the schedule has more than {MAX_CALLS} calls: shorten it, or lower the rate")
    return plan


# -- modes -----------------------------------------------------------------------------------------------------------


def recorded_times(recording: Recording, speed: float) -> Plan:
    """The recorded times, `speed` times as fast."""
    talks: dict[Talk, int] = {}
    calls = _calls((ask._replace(at=ask.at / speed) for ask in recording.asks), talks)
    return _plan(recording, talks, calls, f"recorded times, speed {speed:g}")


def constant_rate(recording: Recording, *, rate: float, duration: float, ramp: float = 0.0) -> Plan:
    """`rate` calls a second for `duration` seconds, evenly spaced, the recording's calls over and over.

    The rate grows from 0 in a straight line for the first `ramp` seconds.
    """
    talks: dict[Talk, int] = {}
    endless = itertools.cycle(_calls(recording.asks, talks))
    times = itertools.takewhile(lambda at: at < duration, _arrivals(rate, ramp))
    calls = (call._replace(at=at) for at, call in zip(times, endless, strict=False))
    ramped = f", ramp {ramp:g} s" if ramp else ""
    return _plan(recording, talks, calls, f"constant rate, {rate:g}/s for {duration:g} s{ramped}")


def _arrivals(rate: float, ramp: float) -> Iterator[float]:
    """While the rate grows, rate * t² / (2 * ramp) calls have begun after t seconds."""
    in_ramp = rate * ramp / 2
    for number in itertools.count():
        yield math.sqrt(2 * number * ramp / rate) if number < in_ramp else ramp + (number - in_ramp) / rate


def storm(recording: Recording, *, phones: int, within: float, pause: float, seed: int) -> Plan:
    """`phones` phones that come back within `within` seconds and then each make their calls.

    The first calls are spread evenly at random, as phones boot; the same `seed` gives the same times. Each next call
    of a phone follows `pause` seconds later. Where the recording has fewer phones, copies of them are added.
    """
    talks: dict[Talk, int] = {}
    by_phone: dict[int, list[Call]] = {}
    for call in _calls(recording.asks, talks):
        by_phone.setdefault(call.phone, []).append(call)
    templates = list(by_phone.values())
    everybody = list(recording.phones)
    chance = random.Random(seed)  # noqa: S311 - times of calls, no secrets
    calls: list[Call] = []
    for number in range(phones):
        template = templates[number % len(templates)]
        phone = _copy(everybody, template[0].phone, number) if number >= len(templates) else template[0].phone
        start = chance.uniform(0, within)
        calls += [Call(start + turn * pause, phone, call.talk) for turn, call in enumerate(template)]
    calls.sort()
    plan = _plan(recording, talks, calls, f"storm, {phones} phones within {within:g} s")
    plan.phones = everybody
    return plan


def _copy(everybody: list[Phone], original: int, number: int) -> int:
    everybody.append(Phone(pseudonym(everybody[original].device, number + 1)))
    return len(everybody) - 1


def in_loop(recording: Recording, *, at_once: int, duration: float | None) -> Plan:
    """A closed model: `at_once` phones, each calls again as soon as it has its answer.

    `duration` in seconds; None: the recording's calls are made once, in their order.
    """
    talks: dict[Talk, int] = {}
    calls = [call._replace(at=0.0) for call in _calls(recording.asks, talks)]
    length = "once" if duration is None else f"for {duration:g} s"
    plan = _plan(recording, talks, calls, f"closed loop, {at_once} phones at once, {length}")
    plan.at_once, plan.duration = at_once, duration
    return plan
