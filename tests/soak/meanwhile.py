"""What goes on beside the connections: reloads, imports, other trust lists, scrapes, a log that is rotated."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.bench.client import BenchError
from tests.fixtures.certificates import certificate, pem
from tests.fixtures.running import run_tvs
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.soak.site import Site

PATIENCE = 60.0
SCRAPES = 5
"""Scrapes of each path of the admin port in a round."""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition. Raises `BenchError` after `PATIENCE` seconds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise BenchError(f"did not happen within {PATIENCE:g} s: {what}")
        time.sleep(0.05)


def request_lines(log: Path) -> int:
    """Lines of requests in a log."""
    with log.open("rb") as file:
        return sum(b" | info request " in line for line in file)


class Meanwhile:
    """Events that happen again and again, in turn.

    Args:
        site: the service.

    Attributes:
        done: how often each happened.
        lines: lines of requests in the logs that were rotated away, which are removed.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._events = itertools.cycle(
            (
                ("scrape", self._scrape),
                ("reload", self._reload),
                ("trust list", self._swap_list),
                ("import", self._import),
                ("deletion", self._delete),
            )
        )
        self.lines = 0
        self._certificate = pem(certificate("CN=imported;O=Example", 99))
        self._lists = [site.service.state.ctl_file.read_bytes(), site.service.state.itl_file.read_bytes()]
        self.done = Counter[str]()

    def next(self) -> None:
        """Lets the next event happen."""
        name, event = next(self._events)
        event()
        self.done[name] += 1

    def _scrape(self) -> None:
        for _ in range(SCRAPES):
            for path in ("/metrics", "/readyz", "/healthz"):
                self._site.get(path)

    def _reload(self) -> None:
        """A reload with the other TVS certificate, which opens the log again, as after logrotate; the old one goes."""
        self._site.use((self.done["reload"] + 1) % 2)
        log = self._site.log
        old = log.rename(log.with_suffix(".old"))
        os.kill(self._site.service.process.pid, signal.SIGHUP)
        wait_for(lambda: log.exists() and b" reloaded" in log.read_bytes(), "the reload's end")
        self.lines += request_lines(old)
        old.unlink()

    def _swap_list(self) -> None:
        """A damaged trust list, another good one, and the first again, each until it was looked at."""
        path = self._site.service.state.ctl_file
        for data, result in (
            (self._lists[0][:100], "damaged"),
            (self._lists[1], "reloaded"),
            (self._lists[0], "reloaded"),
        ):
            before = self._looks(result)
            write_atomically(path, data)
            wait_for(lambda: self._looks(result) > before, f"a trust list was {result}")  # noqa: B023 - waited for here

    def _looks(self, result: str) -> int:
        return self._site.metrics()["tvs_ctl_reloads_total"][result,]

    def _import(self) -> None:
        file = self._site.directory / "imported.pem"
        file.write_bytes(self._certificate)
        self._tvs("set", "cert", "import", "trust", "Phone-SAST-trust", file, "--offline")

    def _delete(self) -> None:
        self._tvs("set", "cert", "delete", "Phone-SAST-trust", "imported.pem", "--force", "--offline")

    def _tvs(self, *words: object) -> None:
        done = run_tvs(*words, "--state", self._site.service.state.path)
        if done.returncode:
            raise BenchError(f"tvs {' '.join(map(str, words))}: {done.stderr}")
