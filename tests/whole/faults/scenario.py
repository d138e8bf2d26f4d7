"""What every fault goes through: workers killed during it, a reload during it, repair, and a new change after it.

Phones ask all the time about a certificate that the service vouches for, and about one that it does not. A wrong answer
is never right; a conversation may fail only because the worker that held it was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import Load, asking, until
from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    GoThrough = Callable[..., Awaitable[None]]
    ServeAt = Callable[[StateDirectory], Serve]
    Tvs = Callable[..., subprocess.CompletedProcess[str]]
    Workers = Callable[[Running], list[int]]

DEVICE = "CP-8861-SEP000000000001"
KNOWN, UNKNOWN = certificate("CN=known", 0x81), certificate("CN=unknown", 0x82)
LATER = certificate("CN=later", 0x83)
PHONES = 2
WORKERS = 2
SOUND = ("ok", "missing")
"""States of a CTL file that nobody has to repair: one that works, and a non-secure cluster's."""
KILLED = WORKERS + 1
"""Workers that are killed: all, one after the other, and one more after the reload."""


@dataclass(kw_only=True)
class Fault:
    """Something that breaks while the service runs.

    Attributes:
        state: the state directory.
        folder: a folder for what the fault needs beside it.
        service: the service, once it runs.
        settings: text of tvs.toml.
        options: further options of `tvs serve`.
        start: further arguments of `tests.fixtures.running.start_service`.
        notice: text of a log line that says what is wrong, as soon as it breaks; empty if nothing notices.
        at_start: text of a log line of a worker that starts meanwhile; empty if it has nothing to say.
        refusal: text of the refused reload; empty if the reload is taken.
        changes_arrive: whether new certificates reach phones during the fault.
    """

    state: StateDirectory
    folder: Path
    service: Running = field(init=False)
    settings: str = ""
    options: tuple[str, ...] = ()
    start: dict[str, Any] = field(default_factory=dict)
    notice: ClassVar[str] = ""
    at_start: ClassVar[str] = ""
    refusal: ClassVar[str] = ""
    changes_arrive: ClassVar[bool] = False

    def prepare(self) -> None:
        """Before the service starts."""

    def started(self) -> None:
        """After the service has started."""

    def break_it(self) -> None:
        """Breaks something."""
        raise NotImplementedError

    def mend(self) -> None:
        """Makes it good again."""
        raise NotImplementedError

    async def mended(self) -> None:
        """Waits for what comes back by itself, beside new changes."""

    async def afterwards(self) -> None:
        """After everything, when phones no longer ask."""

    async def reload(self) -> None:
        """Reloads the service while something is broken: it is refused for that reason, or taken."""
        lines = await reload(self.service)
        if self.refusal:
            assert all("reload_refused" in line for line in lines), lines
            assert any(self.refusal in line for line in lines), lines
        else:
            assert " info reloaded" in lines[-1], lines

    def close(self) -> None:
        """At the end, also when the test failed."""

    def told(self, readiness: dict[str, Any]) -> bool:
        """Whether `/readyz` says what is wrong, for a fault that it shows. It stays 200 in any case."""
        return not readiness["reasons"]


@dataclass(kw_only=True)
class Moved(Fault):
    """A file is moved away, and something else may come into its place; then it comes back."""

    @property
    def path(self) -> Path:
        """The file."""
        raise NotImplementedError

    def break_it(self) -> None:
        """Moves it away."""
        self.path.rename(self.folder / "moved")
        self.replace()

    def replace(self) -> None:
        """Puts something else there."""

    def mend(self) -> None:
        """Moves it back."""
        if self.path.is_dir():
            self.path.rmdir()
        (self.folder / "moved").replace(self.path)


class Asking(Load):
    """Phones that ask about both certificates, again and again."""

    def __init__(self, service: Running) -> None:
        super().__init__(service.endpoint, service.trust)
        self._service = service

    async def ask(self) -> None:
        """One conversation."""
        assert await answers(self._service, KNOWN, UNKNOWN) == [True, False]
        self.answered += 1


async def answers(service: Running, *certificates: bytes) -> list[bool]:
    """Asks about certificates in one connection: whether each is trusted. A trusted one comes with its bytes."""
    found = []
    async with service.client() as phone:
        for der in certificates:
            answer = await phone.verify(device=DEVICE, certificate=der)
            found.append(answer.status is TrustStatus.TRUSTED)
    return found


async def until_trusted(service: Running, der: bytes) -> None:
    """Waits until a phone is told to trust a certificate."""
    async with asyncio.timeout(PATIENCE):
        while await answers(service, der) != [True]:  # noqa: ASYNC110 - the service is asked, there is no event
            await asyncio.sleep(0.05)


async def kill(service: Running, workers: Workers, slot: int) -> None:
    """Kills a worker, and waits for its replacement."""
    victim = workers(service)[slot]
    os.kill(victim, signal.SIGKILL)
    await until(lambda: workers(service)[slot] not in (0, victim), "a new worker")


def count(service: Running, text: str) -> int:
    """Number of log lines with a text."""
    return sum(text in line for line in service.lines())


async def reload(service: Running) -> list[str]:
    """A reload: its last lines."""
    before = len(finished(service))
    service.reload()
    await until(lambda: len(finished(service)) > before, "the reload's end")
    return finished(service)[before:]


def finished(service: Running) -> list[str]:
    """The lines about ends of reloads."""
    return [line for line in service.lines() if " info reloaded" in line or " reload_refused " in line]


def add(state: StateDirectory, der: bytes) -> int:
    """Imports a certificate; returns the change number."""
    with closing(state.store()) as store:
        store.import_certificate(der, Purpose.Phone_SAST_trust)
        return store.change_number()


def restored(source: Path, target: Path) -> None:
    """Copies a database into another one's file, as `.restore` of SQLite's shell does: the file stays the same."""
    with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as after:
        before.backup(after)


async def run(fault: Fault, serve: Serve, probe: Probe, workers: Workers) -> None:
    """Runs a service through a fault."""
    add(fault.state, KNOWN)
    fault.prepare()
    (fault.state.path / "tvs.toml").write_text(fault.settings)
    service = fault.service = serve("--workers", str(WORKERS), "--log-level", "info", *fault.options, **fault.start)
    fault.started()
    try:
        await course(fault, probe, workers)
    finally:
        fault.close()
    assert service.process.poll() is None


async def course(fault: Fault, probe: Probe, workers: Workers) -> None:
    """Everything that happens to the service, and what must be true afterwards."""
    service = fault.service
    async with asking(Asking(service), phones=PHONES) as phones:
        await break_it(fault, phones, workers, probe)
        await during(fault, phones, workers, probe)
        fault.mend()
        await fault.mended()
        if not fault.changes_arrive:
            add(fault.state, LATER)
        await until_in_use(fault, probe, repaired=True)
        assert " info reloaded" in (await reload(service))[-1]
    assert len(phones.failures) <= KILLED * PHONES, phones.failures
    assert await answers(service, LATER, KNOWN, UNKNOWN) == [True, True, False]
    status, readiness = probe(service, "/readyz")
    assert (status, readiness["db"]["up"]) == (200, True)
    assert readiness["ctl"]["state"] in SOUND
    await fault.afterwards()


async def break_it(fault: Fault, phones: Asking, workers: Workers, probe: Probe) -> None:
    """The fault begins: it is noticed, and phones are answered; so are they by new workers."""
    service = fault.service
    fault.break_it()
    if fault.notice:
        await until(lambda: count(service, fault.notice), f"a line with {fault.notice!r}")
    await phones.more()
    for slot in range(WORKERS):
        await kill(service, workers, slot)
    await until(lambda: fault.told(probe(service, "/readyz")[1]), "what is wrong is in /readyz")
    assert probe(service, "/readyz")[0] == 200
    if fault.at_start:
        await until(lambda: count(service, fault.at_start) >= 2, f"lines of new workers with {fault.at_start!r}")
    await phones.more()


async def during(fault: Fault, phones: Asking, workers: Workers, probe: Probe) -> None:
    """A reload during the fault, and a new worker after it."""
    service = fault.service
    before = workers(service)
    await fault.reload()
    assert workers(service) == before
    await phones.more()
    if fault.changes_arrive:
        add(fault.state, LATER)
        await until_in_use(fault, probe, repaired=False)
    await kill(service, workers, 0)
    await phones.more()
    assert probe(service, "/readyz")[0] == 200


async def until_in_use(fault: Fault, probe: Probe, *, repaired: bool) -> None:
    """Waits until all workers have the database, with all of its certificates, and after repair a good CTL file."""
    with closing(fault.state.store()) as store:
        wanted = {"up": True, "certificates": sum(1 for _ in store.trusted())}

    def in_use() -> bool:
        readiness = probe(fault.service, "/readyz")[1]
        found = {name: readiness["db"][name] for name in wanted}
        return found == wanted and (not repaired or readiness["ctl"]["state"] in SOUND)

    await until(in_use, "all workers have the new certificate")
    assert await answers(fault.service, LATER) == [True]
