"""The wall clock jumps while the service runs: deadlines, signs of life, reports and answers do not depend on it."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from tests.fixtures.clock import DAY
from tests.fixtures.processes import asking, until
from tests.whole.faults.scenario import KNOWN, Asking, Fault, add, answers, count, kill, reload

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.clock import WallClock
    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.whole.faults.scenario import GoThrough, Workers
    from tvs.state import StateDirectory

YEARS = 21 * 365 * DAY
"""Seconds after which all certificates of a new cluster have expired, and those of the tests."""
HOUR = 3600
LOADS = 2


@dataclass(kw_only=True)
class Jump(Fault):
    """The clock is set to another time.

    Attributes:
        clock: the clock.
    """

    clock: WallClock
    seconds: ClassVar[int]
    changes_arrive: ClassVar = True

    def prepare(self) -> None:
        """The service's processes have this clock."""
        self.start = {**self.start, "environment": self.clock.environment}

    def break_it(self) -> None:
        """Sets it."""
        self.clock.set(self.seconds)

    def mend(self) -> None:
        """Sets it right."""
        self.clock.set(0)


class Forth(Jump):
    """It is a day and an hour ahead."""

    seconds: ClassVar = DAY + HOUR


class Back(Jump):
    """It is a day and an hour behind."""

    seconds: ClassVar = -DAY - HOUR


class Expired(Jump):
    """All certificates have expired: the one that phones are presented, the list's signer, the trusted ones."""

    seconds: ClassVar = YEARS
    notice: ClassVar = "certificate_expired"

    def told(self, readiness: dict[str, Any]) -> bool:
        """Both that are in use are shown, and are not reasons."""
        return super().told(readiness) and readiness["expired"] == ["TVS TVS.pem", "signer CTLFile.tlv"]

    async def mended(self) -> None:
        """Each was reported once."""
        for name in ("TVS.pem", "CTLFile.tlv"):
            assert count(self.service, f"name={name}") == 1


@pytest.mark.parametrize("kind", [Forth, Back, Expired], ids=lambda kind: kind.__name__)
async def test_last_good_answers(go_through: GoThrough, make_clock: Callable[[], WallClock], kind: type[Jump]) -> None:
    """Phones are answered correctly before, during and after the jump, whatever dies; a reload is taken."""
    await go_through(kind, clock=make_clock())


def hour(line: str) -> int:
    """The hour of a log line."""
    found = re.match(r"([0-9]{2}):[0-9]{2}:[0-9]{2}\.[0-9]{3} \| ", line)
    assert found is not None, line
    return int(found[1])


async def test_nothing_but_log_times_follows_the_clock(
    serve: Serve,
    probe: Probe,
    scrape: Scrape,
    workers: Workers,
    state: StateDirectory,
    make_clock: Callable[[], WallClock],
) -> None:
    """While the clock jumps forth and back: no phone is cut off, no process is taken for hung, no duration is a day.

    A connection that waits when the clock jumps forth stays open; one that waits when it jumps back still ends at its
    deadline. Log lines have the clock's time.
    """
    clock = make_clock()
    options = ("--workers", "2", "--log-level", "info", "--handshake-timeout", "300", "--connection-timeout", "300")
    add(state, KNOWN)
    service = serve(*options, environment=clock.environment)
    with socket.create_connection((service.endpoint.host, service.endpoint.port), 50) as waiting:
        async with asking(Asking(service), phones=LOADS) as phones:
            waiting.setblocking(False)
            for seconds in (DAY + HOUR, 0, -DAY - HOUR, 0, DAY + HOUR):
                clock.set(seconds)
                await phones.more()
                await reload(service)
                local = time.localtime(time.time() + seconds)
                assert hour(service.lines()[-1]) in (local.tm_hour, (local.tm_hour - 1) % 24)
                status, health = probe(service, "/healthz")
                assert (status, health["silent_seconds"] < 5) == (200, True)
                with pytest.raises(BlockingIOError):
                    waiting.recv(1)
            await kill(service, workers, 0)
            await phones.more()
        found = scrape(service)
        assert found["tvs_event_loop_lag_seconds"] < HOUR
        assert all(
            0 <= value < HOUR for name, value in found.items() if name.startswith("tvs_request_duration_seconds_sum")
        )
        assert abs(found["tvs_ctl_last_success_timestamp_seconds"] - time.time()) < DAY + 2 * HOUR
        assert sum(value for name, value in found.items() if name.startswith("tvs_worker_restarts_total")) == 1
    assert not any(event in line for line in service.lines() for event in ("hung", "error", "Traceback"))


@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_deadline_across_a_jump(serve: Serve, make_clock: Callable[[], WallClock], seconds: int) -> None:
    """A silent connection is closed at its deadline, wherever the clock has gone meanwhile."""
    clock = make_clock()
    service = serve("--handshake-timeout", "3", environment=clock.environment)
    reader, writer = await asyncio.open_connection(service.endpoint.host, service.endpoint.port)
    await until(partial(count, service, "new ph on fd"), "the service has the connection")
    clock.set(seconds)
    async with asyncio.timeout(50):
        assert await reader.read() == b""
    writer.close()


async def test_certificates_that_expire(
    serve: Serve, probe: Probe, scrape: Scrape, state: StateDirectory, make_clock: Callable[[], WallClock]
) -> None:
    """Expired certificates, trusted or a list's, get the answers that they had; log, `/readyz` and metrics show it."""
    clock = make_clock()
    with closing(state.store()) as store:
        store.import_certificate(KNOWN, Purpose.Phone_SAST_trust)
        own = {entry.unit: entry.certificate for entry in store.entries(own=True)}
    asked = [KNOWN, *(own[unit].der for unit in (Purpose.CallManager, Purpose.ITLRecovery, Purpose.TVS))]
    service = serve("--log-level", "info", environment=clock.environment)
    before = await answers(service, *asked)
    name = 'tvs_certificate_not_after_timestamp_seconds{name="%s",use="%s"}'
    ends = [(name % ("TVS.pem", "TVS"), own[Purpose.TVS]), (name % ("CTLFile.tlv", "signer"), own[Purpose.ITLRecovery])]
    assert probe(service, "/readyz")[1]["expired"] == []
    for certificate in (own[Purpose.TVS], own[Purpose.ITLRecovery]):
        clock.set(int(certificate.not_after.timestamp() - time.time()) + 2)
        await until(partial(count, service, f"not_after={certificate.not_after.isoformat()}"), "a line about its end")
    assert all(scrape(service)[sample] == certificate.not_after.timestamp() for sample, certificate in ends)
    assert probe(service, "/readyz")[0] == 200
    assert probe(service, "/readyz")[1]["expired"] == ["TVS TVS.pem", "signer CTLFile.tlv"]
    assert Certificate.from_der(KNOWN).not_after.timestamp() < time.time() + YEARS
    clock.set(YEARS)
    assert await answers(service, *asked) == before
    assert count(service, "certificate_expired") == len(ends)
