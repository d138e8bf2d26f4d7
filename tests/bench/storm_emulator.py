"""`python -m tests.bench.storm_emulator FLEET`: phones of the emulator in a storm.

A phone has the lists of before its cluster's signer changed, and nodes in an order of its own. It boots
(`tvs.phone.boot`): the new CTL's signer is in no installed list, so it asks its TVS servers in turn. When none has
answered, it boots again after a pause. FLEET is a JSON file of `Fleet`'s fields. One line of JSON comes at the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.config.endpoint import Endpoint
from tvs.phone import DirectorySource, ListKind, ListOutcome, Phone, Refusal, Voucher, find_model
from tvs.phone.boot import boot
from tvs.phone.console import Console

if TYPE_CHECKING:
    from tvs.phone import BootReport

MODEL = "8861"
ADDRESSES = 250
"""Phones of each network 127.n.m.0/24."""
_TRY_AGAIN = {Refusal.TVS_UNREACHABLE, Refusal.TVS_UNTRUSTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The phones, and what they know.

    Attributes:
        phones: their number.
        within: seconds in which they begin, at random moments.
        ports: of the nodes on 127.0.0.1.
        patience: seconds for each step with a node.
        pause: seconds; a phone begins again after half to one and a half of it.
        passes: times that a phone goes through its nodes.
        network: phones have addresses of 127.network.0.0/16, each its own.
        before, after: directories of the lists that phones have, and of those that they fetch.
    """

    phones: int
    within: float
    ports: list[int]
    patience: float
    pause: float
    passes: int
    network: int
    before: str
    after: str


@dataclass
class Counted:
    """Counts of the phones.

    Attributes:
        answers: microseconds until the answer, by the attempt that had it.
        gave_up: microseconds until a phone gave up.
        wrong: phones that refused an answer.
        sentences: what they said then, and others that gave up, a few.
        late: microseconds by which phones began later than planned.
        last_answer_s: seconds from the start until the last answer.
        cpu_s: CPU seconds of the process for the storm.
    """

    answers: dict[int, Counter[int]] = field(default_factory=dict)
    gave_up: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    sentences: list[str] = field(default_factory=list)
    late: Counter[int] = field(default_factory=Counter)
    last_answer_s: float = 0.0
    cpu_s: float = 0.0


class Attempts(Console):
    """A console that counts the connections that a phone tries."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def connecting(self, server: Endpoint) -> None:  # noqa: ARG002 - the event's argument
        """One more."""
        self.made += 1


def order(number: int, nodes: list[int], dice: random.Random) -> list[int]:
    """The nodes of a phone: the first by its number, so that each node is first with as many phones."""
    first = nodes[number % len(nodes)]
    others = [node for node in nodes if node != first]
    dice.shuffle(others)
    return [first, *others]


def fleet(facts: Fleet, dice: random.Random) -> list[Phone]:
    """Phones with the old lists installed."""
    lists = {kind: (Path(facts.before) / kind.file_name).read_bytes() for kind in ListKind}
    phones = []
    for number in range(facts.phones):
        address = f"127.{facts.network}.{number // ADDRESSES}.{1 + number % ADDRESSES}"
        phone = Phone(
            f"{number:012X}",
            find_model(MODEL),
            console=Attempts(),
            timeout=facts.patience,
            local_address=address,
        )
        for kind, data in lists.items():
            phone.flash.install(kind, data)
        phone.flash.servers = tuple(Endpoint.parse(f"127.0.0.1:{port}") for port in order(number, facts.ports, dice))
        phones.append(phone)
    return phones


class Storm:
    """The phones' way through a storm.

    Args:
        facts: the phones, and what they know.
        dice: for moments, orders and pauses.
    """

    def __init__(self, facts: Fleet, dice: random.Random) -> None:
        self.counted = Counted()
        self._facts = facts
        self._dice = dice
        self._source = DirectorySource(Path(facts.after))
        self._start = 0.0

    async def run(self) -> None:
        """Lets all phones begin, and waits until the last has its answer or has given up."""
        phones = fleet(self._facts, self._dice)
        moments = sorted(self._dice.uniform(0, self._facts.within) for _ in phones)
        self._start, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(self._one(*pair) for pair in zip(phones, moments, strict=True)))
        self.counted.cpu_s = time.process_time() - cpu

    async def _one(self, phone: Phone, moment: float) -> None:
        planned = self._start + moment
        await asyncio.sleep(planned - time.monotonic())
        self.counted.late[_us(time.monotonic() - planned)] += 1
        for number in range(self._facts.passes):
            if number:
                await asyncio.sleep(self._facts.pause * self._dice.uniform(0.5, 1.5))
            report = await boot(phone, self._source)
            if report.ctl.refusal not in _TRY_AGAIN:
                self._ended(phone, report, planned)
                return
        self.counted.gave_up[_us(time.monotonic() - planned)] += 1
        self._say(report)

    def _ended(self, phone: Phone, report: BootReport, planned: float) -> None:
        """Counts a phone that had an answer: the list is installed with the word of TVS, or the answer was wrong."""
        now = time.monotonic()
        vouched = report.ctl.vouched
        if report.ctl.outcome is not ListOutcome.UPDATED or vouched is None or vouched.voucher is not Voucher.TVS:
            self.counted.wrong += 1
            self._say(report)
            return
        assert isinstance(phone.console, Attempts)
        self.counted.answers.setdefault(phone.console.made, Counter())[_us(now - planned)] += 1
        self.counted.last_answer_s = now - self._start

    def _say(self, report: BootReport) -> None:
        if len(self.counted.sentences) < 5:
            self.counted.sentences.append(report.ctl.sentence)


def _us(seconds: float) -> int:
    return round(max(seconds, 0) * 1e6)


def main() -> int:
    """Runs the phones of a file, from the moment at which a line comes on standard input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    facts = Fleet(**json.loads(Path(sys.argv[1]).read_text()))
    storm = Storm(facts, random.Random(facts.network))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if sys.stdin.readline():
        asyncio.run(storm.run())
        sys.stdout.write(json.dumps(vars(storm.counted)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
