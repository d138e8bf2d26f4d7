"""Complete connections a second on one core: TCP, full TLS 1.2 handshake, one query, the whole answer, close.

Ours with info log and metrics, with debug traces to a file, and another revision of it; against nginx and servers in
plain Python, of which `bare` shows the floor.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.bench import output, servers
from tests.bench.measure import Sample, measure, rounds
from tests.bench.run import some_of
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.measure import Series
    from tests.bench.run import Run
    from tests.bench.servers import Server

SUITES = {
    "rsa": ("rsa2048", "ECDHE-RSA-AES256-GCM-SHA384"),
    "rsa-kx": ("rsa2048", "AES256-GCM-SHA384"),
    "p256": ("p256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
}
"""Key of the server and cipher suite. rsa-kx: the RSA key exchange that Cisco's service prefers."""
SERVERS = ("ours", "nginx", "bare", "asyncio", "threads", "debug")
OURS = "ours"
DEBUG = "ours, debug"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--suites",
        type=some_of(SUITES),
        default=list(SUITES),
        metavar="A,B",
        help=f"kinds of handshakes: {', '.join(SUITES)} (default: all)",
    )
    parser.add_argument(
        "--servers",
        type=some_of(SERVERS),
        default=list(SERVERS),
        metavar="A,B",
        help=f"servers: {', '.join(SERVERS)} (default: all; debug: ours with traces to a file)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    return {suite: _suite(run, suite) for suite in run.options.suites}


def _suite(run: Run, suite: str) -> dict[str, object]:
    key, ciphers = SUITES[suite]
    output.tell(f"handshakes: {suite} ({ciphers}, {key})")
    with _running(run, run.folder(f"handshakes-{suite}"), key) as running:

        def measured(server: Server) -> Sample:
            return measure(server, ciphers, run.setup)

        series = rounds(running, measured, run.setup.rounds, output.tell)
    pairs = _pairs(series)
    _show(suite, series, pairs)
    return output.as_json(series, pairs)


def _pairs(series: list[Series]) -> list[tuple[Series, Series]]:
    """Pairs for ratios: ours by each reference, our traces by our info rate, the floor by nginx."""
    by_name = {one.name: one for one in series}
    pairs = [(series[0], one) for one in series[1:] if one.name != DEBUG]
    if DEBUG in by_name:
        pairs.append((by_name[DEBUG], series[0]))
    if "bare" in by_name and "nginx" in by_name:
        pairs.append((by_name["bare"], by_name["nginx"]))
    return pairs


@contextlib.contextmanager
def _running(run: Run, folder: Path, key: str) -> Iterator[list[Server]]:
    """The chosen servers, ours first, all on the same core."""
    place, chosen = run.setup.servers, run.options.servers
    site = make_site(folder, key)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(servers.ours(OURS, site, place, "--log-level", "info"))]
        if "nginx" in chosen:
            size = servers.answer_size(running[0])
            running.append(stack.enter_context(servers.nginx("nginx", site, place, size)))
        running += [
            stack.enter_context(servers.python(f"reference_{name}", name, site, place))
            for name in ("bare", "asyncio", "threads")
            if name in chosen
        ]
        if "debug" in chosen:
            running.append(stack.enter_context(servers.ours(DEBUG, site, place, "--log-level", "debug")))
        if run.against is not None:
            other = make_site(run.folder(f"{folder.name}-against"), key, run.against)
            running.append(stack.enter_context(servers.ours(run.options.against, other, place, "--log-level", "info")))
        yield running


def _show(suite: str, series: list[Series], pairs: list[tuple[Series, Series]]) -> None:
    output.say(f"\nhandshake + query + answer, one core, {suite}: {SUITES[suite][1]}")
    output.say(output.series_table(series))
    for one, reference in pairs:
        output.say(output.ratio_line(one, reference))
