"""Options of `tvs replay`, by group."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tvs.cli.values import output_file, server, shown, whole_number
from tvs.config.endpoint import DEFAULT_PORT
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable

_Value = TypeVar("_Value")


def parsed(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Wraps a parser of option values so that argparse shows its sentence."""

    def read(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


MAX_TIME = 366 * 86_400
"""Seconds of the longest time of an option, so that no run counts on more."""


def time_up(text: str) -> float:
    """Parses a time from 0 seconds to a year."""
    from tvs.replay.units import parse_duration

    seconds = parsed(parse_duration)(text)
    if seconds > MAX_TIME:
        raise argparse.ArgumentTypeError(f"{shown(text)} is longer than a year")
    return seconds


def time_above_zero(text: str) -> float:
    """Parses a time above 0 seconds, up to a year."""
    seconds = time_up(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a time above 0")
    return seconds


def count(text: str) -> int:
    """Parses a whole number from 1 to 10,000,000."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:10]) <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000000")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed; write 1, 10 or max")
    return speed


class _RemovedOption(argparse.Action):
    """An option of earlier versions: an error that names its replacement."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, _values: object, option: object = None
    ) -> None:
        parser.error(
            f"{option} is not an option any more; write the page with --html page.html, a browser makes the picture "
            "(docs/replay.md): "
            "chromium --headless --hide-scrollbars --window-size=1280,1700 --screenshot=page.png page.html"
        )


def server_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the service and the trust in it."""
    group = parser.add_argument_group("the service")
    group.add_argument("--server", type=server(DEFAULT_PORT), metavar="HOST[:PORT]", help="the service (port 2445)")
    trust = group.add_mutually_exclusive_group()
    trust.add_argument(
        "--trust", type=Path, metavar="FILE", help="an ITL, a CTL or a PEM that vouches for the server's certificate"
    )
    trust.add_argument("--insecure", action="store_true", help="take any server's certificate")
    group.add_argument(
        "--timeout",
        type=time_above_zero,
        default=5.0,
        metavar="TIME",
        help="limit for each of TCP, TLS and an answer (default: 5s)",
    )


def source_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the queries and the expected answers."""
    group = parser.add_argument_group("the queries")
    group.add_argument("--from", dest="source", type=Path, metavar="FILE", help="recording, log, capture or CSV table")
    group.add_argument("--keylog", type=Path, metavar="FILE", help="TLS key log of a capture")
    group.add_argument(
        "--capture-port",
        type=whole_number(1, 65535),
        default=DEFAULT_PORT,
        metavar="PORT",
        help="the service's port in a capture",
    )
    group.add_argument(
        "--expect",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CTL, ITL or certificates that the service must vouch for; also finds the certificates of logged "
        "verifications (repeatable)",
    )
    group.add_argument("--phones", type=count, metavar="N", help="an imagined fleet of N phones")
    group.add_argument(
        "--mix",
        metavar="SERIES:SHARE,…",
        help="shares of its series, such as 7900:20,8800:80 (69xx, 7800, 7900, 8800, 89xx, 98xx, 99xx)",
    )
    group.add_argument(
        "--ask",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="each of its phones asks for the signer of this CTL or ITL, or about this certificate (repeatable)",
    )


def mode_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the times of the calls."""
    from tvs.replay.units import parse_rate

    group = parser.add_argument_group("the times")
    mode = group.add_mutually_exclusive_group()
    mode.add_argument(
        "--speed",
        type=_speed,
        metavar="N|max",
        help="the recorded times, N times as fast (default: 1); max: ignore the times",
    )
    mode.add_argument("--rate", type=parsed(parse_rate), metavar="N/s", help="N calls a second, for --duration")
    mode.add_argument("--storm", type=count, metavar="N", help="N phones come back within the time of --within")
    mode.add_argument("--loop", type=count, metavar="N", help="N phones call again and again, for --duration")
    group.add_argument("--duration", type=time_above_zero, metavar="TIME", help="such as 90s, 5m")
    group.add_argument("--ramp", type=time_up, default=0.0, metavar="TIME", help="time in which the rate grows")
    group.add_argument(
        "--within", type=time_above_zero, default=300.0, metavar="TIME", help="duration of a storm (default: 5m)"
    )
    group.add_argument(
        "--pause",
        type=time_up,
        default=1.0,
        metavar="TIME",
        help="pause between a phone's calls in a storm (default: 1s)",
    )
    group.add_argument("--seed", type=int, default=1, metavar="N", help="seed of a storm's random times (default: 1)")
    group.add_argument(
        "--at-once", type=count, default=100, metavar="N", help="phones at once with --speed max (default: 100)"
    )


def phone_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for connections and generator processes."""
    group = parser.add_argument_group("the phones")
    group.add_argument(
        "--tls-profile",
        choices=["phone", *TLSProfile],
        default="phone",
        help="TLS of all phones; phone: each as its series does, the 7900 series TLS 1.0 (default)",
    )
    group.add_argument("--certificate", type=Path, metavar="FILE", help="the phones' own certificate, PEM")
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    group.add_argument(
        "--resume", action="store_true", help="phones resume their TLS sessions (those of the 8800 series never do)"
    )
    group.add_argument(
        "--sources",
        metavar="ADDRESSES",
        help="source addresses, such as 127.0.0.2-127.0.0.65 (loopback: 64 by default)",
    )
    group.add_argument("--processes", type=count, metavar="N", help="generator processes (default: half of the cores)")
    group.add_argument(
        "--late-after",
        type=time_up,
        default=0.02,
        metavar="TIME",
        help="delay from which a call is late (default: 20ms)",
    )


def report_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for reports and thresholds."""
    group = parser.add_argument_group("the reports")
    group.add_argument("--quiet", action="store_true", help="no live view")
    group.add_argument(
        "--json", type=output_file, metavar="FILE", help="the whole result, for machines and for compare"
    )
    group.add_argument("--csv", type=output_file, metavar="FILE", help="one row a second")
    group.add_argument("--html", type=output_file, metavar="FILE", help="a page with charts, which needs no network")
    for name in ("--png", "--dark"):
        group.add_argument(name, action=_RemovedOption, nargs="?", help=argparse.SUPPRESS)
    group.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="exit with 99 if 'p99>250ms', 'tls.p99.9>1s', 'errors>0.1%%', 'rate<400/s' … (repeatable)",
    )
