"""A service and the record of its phones: CPU time of its processes one by one, and what is in the record."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.bench import machine, servers
from tests.bench.client import BenchError
from tests.bench.site import ROOT, tvs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.place import Place
    from tests.bench.servers import Server
    from tests.bench.site import Site

_PATIENCE = 30.0
"""Seconds until everything must be recorded."""
PAUSE = 2.5
"""Seconds until what was seen is recorded, and counted: workers send ten times a second, the observer writes once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """CPU seconds of processes since their start.

    Attributes:
        workers: those that answer phones.
        observer: the process that records them, its thread that writes included; 0 if there is none.
        service: all processes.
        database: PostgreSQL's; 0 without it.
    """

    workers: float
    observer: float
    service: float
    database: float

    def __sub__(self, other: Cpus) -> Cpus:
        return Cpus(**{field.name: getattr(self, field.name) - getattr(other, field.name) for field in fields(Cpus)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of requests, since the service's start or between two looks.

    Attributes:
        requests: that the service counted as answered.
        recorded: requests that are counted in the record.
        phones: phones in the record.
        list_full, not_read: requests that the observer did not get, see ``tvs_observations_dropped_total``.
        left_out: requests that found no room in the record.
    """

    requests: int
    recorded: int
    phones: int
    list_full: int
    not_read: int
    left_out: int

    def __sub__(self, other: Kept) -> Kept:
        return Kept(**{field.name: getattr(self, field.name) - getattr(other, field.name) for field in fields(Kept)})

    @property
    def dropped(self) -> int:
        """Requests that are not in the record, and counted as such."""
        return self.list_full + self.not_read + self.left_out

    @property
    def lost(self) -> int:
        """Requests that are neither in the record nor counted as dropped."""
        return self.requests - self.recorded - self.dropped


class Service:
    """A running service.

    Args:
        server: the service.
        site: its state directory.
        database: processes of its database's server, their ancestors.

    Attributes:
        server: the service.
        name: for tables.
    """

    def __init__(self, server: Server, site: Site, database: Sequence[int]) -> None:
        self.server = server
        self.name = server.name
        self._state = site.state
        self._database = database
        self._processes = self._of_status()

    def _of_status(self) -> dict[str, int]:
        """Ids of the processes by slot."""
        found = tvs(ROOT, "show", "status", "--json", "--state", str(self._state), "--admin", self.server.admin)
        processes: dict[str, int] = json.loads(found)["service"]["processes"]
        return processes

    def cpu(self) -> Cpus:
        """The CPU time until now."""
        workers = [pid for slot, pid in self._processes.items() if slot.isdecimal()]
        observer = self._processes.get("observer")
        database = [pid for one in self._database for pid in machine.tree(one)]
        return Cpus(
            workers=machine.cpu_of(workers).total,
            observer=0.0 if observer is None else machine.cpu_of([observer]).total,
            service=machine.cpu_of([*self._processes.values()]).total,
            database=machine.cpu_of(database).total,
        )

    def unchanged(self) -> None:
        """Raises `BenchError` if a process was replaced: its CPU time would be missing."""
        if self._of_status() != self._processes:
            raise BenchError(f"{self.name}: a process of the service was replaced; see its log")

    def kept(self) -> Kept:
        """What became of requests, once all that was seen is recorded, as far as it will be."""
        until, before = time.monotonic() + _PATIENCE, None
        while time.monotonic() < until:
            time.sleep(PAUSE)
            found = self._kept()
            if found.lost == 0 or found == before:
                return found
            before = found
        raise BenchError(f"{self.name}: the record still changes {_PATIENCE:g} s after the last phone: {before}")

    def _kept(self) -> Kept:
        metrics = self._metrics()
        phones = json.loads(tvs(ROOT, "show", "phones", "--json", "--state", str(self._state)))["phones"]
        return Kept(
            requests=metrics["tvs_requests_total"],
            recorded=sum(phone["requests"] for phone in phones),
            phones=len(phones),
            list_full=metrics["tvs_observations_dropped_total list_full"],
            not_read=metrics["tvs_observations_dropped_total not_read"],
            left_out=metrics.get("tvs_fleet_dropped_total", 0),
        )

    def _metrics(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://{self.server.admin}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        found: dict[str, int] = {}
        for family in families:
            for sample in family.samples:
                name = f"{sample.name} {sample.labels.get('reason', '')}".strip()
                found[name] = found.get(name, 0) + int(sample.value)
        return found


def start(name: str, site: Site, place: Place, question: bytes, *options: str) -> Server:
    """The service of a name, with these options, and patience with connections that stay open."""
    patient = ("--request-timeout", "600", "--connection-timeout", "600")
    return servers.ours(name, site, place, "--log-level", "info", *patient, *options, questions=[question])
