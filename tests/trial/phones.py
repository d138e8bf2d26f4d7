"""`python -m tests.trial.phones FILE`: phones of the emulator on one machine, each with an address of its own.

FILE is JSON with the fields of `Fleet`. Each phone asks about a certificate that the cluster trusts, and about a
stranger's, on a connection of its own, again and again. SIGTERM ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from certstore.certificate import Certificate
from tvs.config.endpoint import Endpoint
from tvs.phone import ListKind, Phone, find_model
from tvs.phone.proxy import TVSUnavailable

MODEL = "8861"
NOTED = 0.5
"""Seconds between two notes."""
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The phones, and what they know.

    Attributes:
        addresses: one for each phone.
        servers: the nodes, as ``address:port``.
        itl: file of the ITL that they have installed.
        known: folder of certificates (DER) that the cluster trusts; one that is put there is trusted from then on.
        stranger: file of one that it does not trust.
        interval: seconds from a phone's question to its next one.
        timeout: seconds for each step with a node.
        result: file for what they saw.
    """

    addresses: list[str]
    servers: list[str]
    itl: str
    known: str
    stranger: str
    interval: float
    timeout: float
    result: str


@dataclass
class Seen:
    """What the phones saw.

    Attributes:
        began: phones that have had an answer.
        answers: right answers.
        wrong: sentences about wrong answers.
        failed: sentences about questions that no node answered.
        other: answers of another node than the first that was tried.
        slowest: seconds of the slowest question.
        servers: answers by node.
    """

    began: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    other: int = 0
    slowest: float = 0.0
    servers: Counter[str] = field(default_factory=Counter)


class Phones:
    """All phones of this process.

    Args:
        fleet: what they know.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._dice = random.Random(fleet.addresses[0])
        self._stranger = Certificate.from_der(Path(fleet.stranger).read_bytes())
        self._known: list[tuple[str, Certificate]] = []
        self.seen = Seen()

    async def run(self) -> None:
        """Lets all of them ask, until cancelled."""
        self._look()
        async with asyncio.TaskGroup() as tasks:
            for number, address in enumerate(self._fleet.addresses):
                tasks.create_task(self._one(number, address))
            while True:
                await asyncio.sleep(NOTED)
                self._look()
                self.note()

    def _look(self) -> None:
        """Takes new certificates: from now on all nodes must trust them."""
        have = {name for name, _ in self._known}
        for path in sorted(Path(self._fleet.known).glob("*.der")):
            if path.name not in have:
                self._known.append((path.name, Certificate.from_der(path.read_bytes())))

    def note(self) -> None:
        """Writes what they saw."""
        result = Path(self._fleet.result)
        new = result.with_suffix(".new")
        new.write_text(json.dumps(vars(self.seen)))
        new.replace(result)

    async def _one(self, number: int, address: str) -> None:
        phone = self._phone(number, address)
        await asyncio.sleep(self._dice.uniform(0, self._fleet.interval))
        began = False
        while True:
            start = time.monotonic()
            answered = await self._ask(phone)
            self.seen.began += answered and not began
            began = began or answered
            self.seen.slowest = max(self.seen.slowest, time.monotonic() - start)
            await asyncio.sleep(max(0, start + self._fleet.interval - time.monotonic()))

    def _phone(self, number: int, address: str) -> Phone:
        phone = Phone(f"{number:012X}", find_model(MODEL), timeout=self._fleet.timeout, local_address=address)
        phone.flash.install(ListKind.ITL, Path(self._fleet.itl).read_bytes())
        servers = [Endpoint.parse(text) for text in self._fleet.servers]
        first = number % len(servers)
        phone.flash.servers = (*servers[first:], *servers[:first])
        return phone

    async def _ask(self, phone: Phone) -> bool:
        """Two questions on one connection. Returns whether both were answered."""
        name, known = self._dice.choice(self._known)
        phone.flush_answers()
        try:
            async with phone.tvs() as proxy:
                for certificate, trusted in ((known, True), (self._stranger, False)):
                    answer = await proxy.verify(certificate)
                    if answer.trusted is trusted:
                        self.seen.answers += 1
                        self.seen.servers[str(answer.server)] += 1
                    elif len(self.seen.wrong) < _MOST:
                        self.seen.wrong.append(f"{phone.name}: {answer.server}: {name} {answer.trusted}")
                self.seen.other += proxy.connections > 1
        except TVSUnavailable as error:
            if len(self.seen.failed) < _MOST:
                self.seen.failed.append(f"{phone.name} at {time.monotonic():.1f}: {error}")
            return False
        return True


async def _main(phones: Phones) -> None:
    running = asyncio.ensure_future(phones.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> int:
    """Runs the phones of a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    phones = Phones(Fleet(**json.loads(Path(sys.argv[1]).read_text())))
    asyncio.run(_main(phones))
    phones.note()
    return 0


if __name__ == "__main__":
    sys.exit(main())
