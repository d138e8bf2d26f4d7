"""`tvs set trace`: another log level of the running service, for a time, of all phones or of some."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from tvs.cli import values
from tvs.cli.common import FAILED, OK, USAGE, CommandError, say, say_json
from tvs.cli.show.service import report_of, service_command, time_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from tvs.cli.common import Commands
    from tvs.log.tracing import TraceOrder
    from tvs.manage.tracing import Confirmed

_DEFAULT_TIME = "10m"
_MAX_HOURS = 24
_EPILOG = """\
debug writes the original's trace lines (docs/traces.md), info a line for each request. The settings' log_level is in
force again when the time is over, at once with 'tvs set trace info'. The time goes on over a restart of the service.

A phone is named as its requests name it (tvs show queries), or as the Unified CM does: SEP and twelve digits. Its lines
begin with the connection, and appear when its certificate or its first request has named it; connections that were
open before are not traced. Several devices and addresses: the lines of all of them, up to 16 each.

examples:
  tvs set trace debug
  tvs set trace debug --for 2h --device SEPB000B4BA0AEE
  tvs set trace debug --address 192.0.2.77 --address 192.0.2.78
  tvs set trace info

exit statuses:
  0 every worker does it           1 not confirmed, or failed
  2 wrong usage or settings        3 no answer from the service
"""


def add_set_commands(change: Commands) -> None:
    """Adds `set trace`."""
    parser = change.add_parser(
        "trace",
        help="what the running service logs, for a time",
        description="Changes the log level of the running service for a time, for all phones or for some, and waits "
        "until every worker has confirmed it. No restart, no reload.",
        epilog=_EPILOG,
    )
    parser.add_argument("level", choices=("debug", "info"), metavar="debug|info", help="the lowest level to write")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=values.duration(_MAX_HOURS),
        metavar="TIME",
        help=f"how long: 90s, 10m, 2h, at most {_MAX_HOURS}h (default of debug: {_DEFAULT_TIME}; info without it ends "
        "what was ordered)",
    )
    parser.add_argument(
        "--device",
        dest="devices",
        type=_device,
        action="append",
        default=[],
        metavar="NAME",
        help="debug lines of this phone only; may be given several times",
    )
    parser.add_argument(
        "--address",
        dest="addresses",
        type=_address,
        action="append",
        default=[],
        metavar="IP",
        help="debug lines of this address only; likewise",
    )
    service_command(parser, _set)


def _checked(check: Callable[[str], str], value: str) -> str:
    from tvs.log.tracing import TraceError

    try:
        return check(value)
    except TraceError as error:
        raise ArgumentTypeError(f"{values.shown(value)}: {error}") from None


def _device(value: str) -> str:
    from tvs.log.tracing import device_name

    return _checked(device_name, value)


def _address(value: str) -> str:
    from tvs.log.tracing import phone_address

    return _checked(phone_address, value)


def _order(arguments: argparse.Namespace) -> TraceOrder | None:
    """The order that the arguments mean; None ends the one in force."""
    from tvs.log.tracing import TraceError, TraceOrder

    some = arguments.devices or arguments.addresses
    if arguments.level == "info" and arguments.seconds is None and not some:
        return None
    seconds = values.duration(_MAX_HOURS)(_DEFAULT_TIME) if arguments.seconds is None else arguments.seconds
    try:
        return TraceOrder(
            level=arguments.level,
            seconds=seconds,
            made=time.time(),
            devices=tuple(dict.fromkeys(arguments.devices)),
            addresses=tuple(dict.fromkeys(arguments.addresses)),
        )
    except TraceError as error:
        raise CommandError(str(error), USAGE) from None


def _set(arguments: argparse.Namespace) -> int:
    from tvs.cli.common import state_of
    from tvs.manage.tracing import change_trace

    order = _order(arguments)
    confirmed = change_trace(state_of(arguments), order, lambda: report_of(arguments))
    base = confirmed.trace["settings_level"]
    ended_at_debug = order is None and base == "debug"
    if ended_at_debug:
        raise CommandError(
            "what was ordered is ended, and the log stays at debug: log_level says so in the settings. For a time: "
            "tvs set trace info --for 10m; for good: log_level, then reload the service",
            FAILED,
        )
    if arguments.json:
        say_json(_document(confirmed))
    else:
        say(_sentence(confirmed))
        if order is not None and order.some and base == "debug":
            say("The settings' log_level is debug: the lines of all phones are written.")
    return OK


def _document(confirmed: Confirmed) -> dict[str, object]:
    return {"done": True, **confirmed.trace, "workers": confirmed.workers}


def _sentence(confirmed: Confirmed) -> str:
    trace = confirmed.trace
    on = f"on {confirmed.workers} of {confirmed.slots} workers"
    if not trace["number"]:
        return f"{trace['settings_level']} {on}, as the settings say"
    return f"{trace['level']} {on} until {moment(trace['until'])}{phones(trace)}"


def moment(seconds: float) -> str:
    """A time of the day here; with its date, unless that is today's."""
    text = time_text(seconds)
    day, _, clock = text.partition(" ")
    return clock if time_text(time.time()).startswith(day) else text


def phones(trace: Mapping[str, Any]) -> str:
    """The phones of an order, behind a comma; empty for all."""
    from tvs.status.words import traced_phones

    names = traced_phones(trace)
    return f", for {names} only" if names else ""
