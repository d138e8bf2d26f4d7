"""Large stores: time until ready, memory of each certificate, the rate, one import among many, and the
comparison with the whole database after a start.

A small store (the one that `tvs init` makes) and a large one are measured in turn.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from certstore.opening import open_store
from tests.bench import machine, output, servers, verification
from tests.bench.client import BenchError, Load, Target
from tests.bench.manycerts import UNIT, certificates, fill
from tests.bench.measure import WARM_UP, Series, measure, median, rounds
from tests.bench.run import positive, positives
from tests.bench.site import ask, make_site, question_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.bench.client import Totals
    from tests.bench.place import Place
    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384"
"""With P-256 the look-ups are a larger share of the work than with RSA."""
ASKED = 1000
"""Certificates that clients ask for, spread over the store."""
QUIET_SLOTS = 1
"""Connections of each client while an import is watched: the core must not be full for a p99 to say anything."""
WINDOW = 1.0
"""Seconds that are watched, in turn without an import and from one on."""
SURE = 40
"""Positive answers in a row on new connections, after which no worker can be left without the certificate."""
PATIENCE = 30.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--certificates",
        type=positives,
        default=[100_000],
        metavar="A,B",
        help="store: how many certificates (default: 100000; a million takes ten minutes to import)",
    )
    parser.add_argument(
        "--store-workers",
        type=positive,
        default=4,
        metavar="N",
        help="store: workers that see an import (default: 4)",
    )
    parser.add_argument(
        "--imports",
        type=positive,
        default=30,
        metavar="N",
        help="store: imports under load, each beside a second without one (default: 30)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Cost of a store's size.

    Attributes:
        certificates: in the large store, beside those of `tvs init`.
        ready_small, ready_large: seconds from the start of `tvs serve` until it was ready.
        kib_worker: KiB of each certificate in one worker (growth of its resident memory).
        kib_all: KiB of each in all processes together, what they share counted once.
    """

    certificates: int
    ready_small: float
    ready_large: float
    kib_worker: float
    kib_all: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Imports one after the other while phones are answered.

    Attributes:
        visible: seconds from each commit until every worker vouched for the certificate.
        quiet, meanwhile: p99 of the answers in windows without an import, and in those that begin with one, ms.
        noise: p99 in the one half of the quiet windows divided by that in the other: what the machine does by itself.
        failed: connections that failed.
    """

    visible: list[float]
    quiet: float
    meanwhile: float
    noise: float
    failed: int


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    return {str(count): _measured(run, count) for count in run.options.certificates}


def _measured(run: Run, count: int) -> dict[str, object]:
    output.tell(f"store of {count} certificates: importing")
    small = make_site(run.folder(f"store-small-{count}"), "p256")
    large = make_site(run.folder(f"store-{count}"), "p256")
    source = certificates()
    added = fill(large.state, source, count)
    questions = [question_for(der) for der in added[:: max(1, count // ASKED)]]
    place = run.setup.servers
    with (
        servers.ours("ours", small, place, "--log-level", "info") as few,
        servers.ours("ours, large store", large, place, "--log-level", "info", questions=questions) as many,
    ):
        size = _size(few, many, count)
        series = rounds([many, few], lambda server: measure(server, CIPHERS, run.setup), run.setup.rounds, output.tell)
    servers_place, clients_place = run.setup.halves
    workers = run.options.store_workers
    started = partial(servers.ours, "imports", large, servers_place, "--log-level", "info", workers=workers)
    with started() as server:
        imports = _imports(run, server, large.state / "tvs.db", source, clients_place)
    verification.forget_tokens(large.state / "tvs.db")
    verified = verification.verification(started, run.setup.program, clients_place, CIPHERS, workers)
    _show(size, series, imports)
    verification.show(verified)
    return {
        "size": asdict(size),
        **output.as_json(series, [(series[0], series[1])]),
        "imports": asdict(imports),
        "verification": asdict(verified),
    }


def _size(few: Server, many: Server, count: int) -> Size:
    def worker(server: Server) -> int:
        return max(machine.resident_of(pid) for pid in server.pids)

    def everything(server: Server) -> int:
        return machine.memory_of(server.pids)

    return Size(
        certificates=count,
        ready_small=few.ready_after,
        ready_large=many.ready_after,
        kib_worker=(worker(many) - worker(few)) / count / 1024,
        kib_all=(everything(many) - everything(few)) / count / 1024,
    )


def _imports(run: Run, server: Server, database: Path, source: Iterator[bytes], clients: Place) -> Imports:
    """Imports some certificates and asks for each until every worker has it; then others, under load.

    Who asks would be part of the load.
    """
    target = Target(port=server.port, ciphers=CIPHERS, exchanges=server.exchanges, slots=QUIET_SLOTS)
    windows: list[Totals] = []
    with closing(open_store(str(database))) as store:
        visible = [seen_after(server.port, store, next(source)) for _ in range(run.setup.rounds)]
        with Load(run.setup.program, target, clients) as load:
            time.sleep(WARM_UP)
            for number in range(2 * run.options.imports):
                before = load.mark()
                if number % 2:
                    store.import_certificate(next(source), UNIT)
                time.sleep(WINDOW)
                windows.append(load.mark() - before)
    quiet, imports = windows[::2], windows[1::2]
    found = Imports(
        visible=visible,
        quiet=_p99(quiet),
        meanwhile=_p99(imports),
        noise=_p99(quiet[::2]) / _p99(quiet[1::2] or quiet),
        failed=sum(window.failed for window in windows),
    )
    output.tell(f"{len(imports)} imports: p99 {found.quiet:.2f} ms without, {found.meanwhile:.2f} ms with one")
    return found


def _p99(windows: list[Totals]) -> float:
    """Over all answers of these windows, milliseconds."""
    together = sum((window.latency for window in windows), Counter[int]())
    return replace(windows[0], latency=together).percentile(0.99)


def seen_after(port: int, store: CertificateStore, der: bytes) -> float:
    """Imports a certificate; seconds from then until every worker vouches for it."""
    store.import_certificate(der, UNIT)
    committed = time.monotonic()
    return _visible(port, question_for(der)) - committed


def _visible(port: int, question: bytes) -> float:
    """When the first of the positive answers came after which no negative one did."""
    until = time.monotonic() + PATIENCE
    first, in_a_row = 0.0, 0
    while in_a_row < SURE:
        try:
            ask(port, question)
        except BenchError:
            in_a_row = 0
        else:
            first = time.monotonic() if in_a_row == 0 else first
            in_a_row += 1
        if time.monotonic() > until:
            raise BenchError(f"an imported certificate is not known in every worker after {PATIENCE:g} s")
    return first


def _show(size: Size, series: list[Series], imports: Imports) -> None:
    output.say(f"\nstore of {size.certificates:,} certificates")
    output.say(f"  ready after {size.ready_large:.2f} s (small store: {size.ready_small:.2f} s)")
    output.say(f"  memory of each: {size.kib_worker:.2f} KiB in one worker, {size.kib_all:.2f} KiB in all processes")
    output.say(output.series_table(series))
    output.say(output.ratio_line(series[0], series[1]))
    visible = imports.visible
    output.say(
        f"  an import: in every worker after {median(visible):.3f} s (at most {max(visible):.3f}); p99 of answers "
        f"meanwhile {imports.meanwhile / imports.quiet:.2f} times that without one (noise: {imports.noise:.2f}); "
        f"{imports.failed} connections failed"
    )
