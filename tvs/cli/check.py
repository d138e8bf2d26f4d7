"""`tvs check`: a check of a running service and of the files that phones get, as a monitoring plugin."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.common import CHECK_FAILED, handled_by, json_option, say, say_json, state_of, state_option
from tvs.config.endpoint import DEFAULT_PORT, Endpoint

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.client.monitoring import Report

_MAX_DAYS = 36_500
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as settings name all addresses of a machine
"""Where a service that listens on all addresses is asked."""
_EPILOG = """\
Asks the service as a phone does, and prints one line for a monitoring system (Nagios, Icinga, Zabbix …):
  the ITL file, and the CTL file if there is one, are verified;
  the certificate that the service presents is in the ITL file, as phones want it, and does not expire soon;
  the signer of the CTL file, or of the ITL file, is trusted, and the answer's certificate verifies the list.
`tvs check files` fetches CTLFile.tlv and ITLFile.tlv as phones do, and compares them byte for byte.

examples:
  on the machine of the service:
    tvs check --state /var/lib/tvs
  from another one, with the files that phones have:
    tvs check --server 192.0.2.10 --itl ITLFile.tlv --ctl CTLFile.tlv --warning 60 --critical 14
  the files on the TFTP service and on its web server:
    tvs check files --state /var/lib/tvs --from tftp://192.0.2.10 --from http://192.0.2.10:6970

exit statuses: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (the check could not be made; wrong usage too).
"""


def add_commands(commands: Commands) -> None:
    """Adds `check`."""
    parser = commands.add_parser(
        "check",
        help="check a running service, for monitoring systems",
        description="Checks a service, or the files that phones get, as monitoring plugins do.",
        epilog=_EPILOG,
    )
    parser.usage_status = CHECK_FAILED
    parser.add_argument(
        "what", nargs="?", choices=("service", "files"), default="service", help="what is checked (default: service)"
    )
    state_option(parser)
    parser.add_argument("--itl", type=Path, metavar="FILE", help="the ITL file (default: that of the state directory)")
    parser.add_argument(
        "--ctl", type=Path, metavar="FILE", help="the CTL file (default: that of the state directory, without --itl)"
    )
    service = parser.add_argument_group("tvs check")
    service.add_argument(
        "--server",
        type=values.server(DEFAULT_PORT),
        metavar="HOST[:PORT]",
        help="the service, port 2445 unless it is named (default: where the settings have it listen, see tvs serve)",
    )
    days = values.whole_number(0, _MAX_DAYS)
    service.add_argument(
        "--warning", type=days, default=30, metavar="DAYS", help="of the presented certificate (default: %(default)s)"
    )
    service.add_argument(
        "--critical", type=days, default=7, metavar="DAYS", help="of the presented certificate (default: %(default)s)"
    )
    service.add_argument(
        "--slow", type=values.seconds, default=1.0, metavar="SECONDS", help="of an answer (default: %(default)g)"
    )
    files = parser.add_argument_group("tvs check files")
    files.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="SOURCE",
        help="tftp://HOST, http://HOST[:6970], http+tftp://HOST or a directory; several times",
    )
    parser.add_argument(
        "--timeout", type=values.seconds, default=5.0, metavar="SECONDS", help="for each step (default: %(default)g)"
    )
    json_option(parser)
    handled_by(parser, _check)


def _check(arguments: argparse.Namespace) -> int:
    from tvs.client.monitoring import UNKNOWN, Finding, Report

    try:
        report = _files(arguments) if arguments.what == "files" else _service(arguments)
    except Exception as error:  # noqa: BLE001 - a plugin says UNKNOWN, whatever happens to it
        report = Report([Finding(UNKNOWN, str(error) or type(error).__name__)])
    if arguments.json:
        say_json(_as_json(report))
    else:
        say(report.line)
    return report.severity.value


def _service(arguments: argparse.Namespace) -> Report:
    import asyncio

    from tvs.client.check import Limits, check_service

    if arguments.sources:
        raise ValueError("--from goes with: tvs check files")
    limits = Limits(
        warning_days=arguments.warning,
        critical_days=arguments.critical,
        warning_seconds=arguments.slow,
        critical_seconds=max(arguments.slow, arguments.timeout),
        timeout=arguments.timeout,
    )
    itl, ctl = _lists(arguments)
    return asyncio.run(check_service(arguments.server or _listening(arguments), itl, ctl, limits))


def _listening(arguments: argparse.Namespace) -> Endpoint:
    """Where the settings have the service listen, as a client of this machine reaches it. Raises `ValueError`."""
    from tvs.config.loading import load_config

    state = state_of(arguments)
    with state.rights() if state.path.exists() else nullcontext():
        listen = load_config({"state": str(state.path)}).listen
    if not listen.port:
        raise ValueError(f"listen = {listen} in the settings is any free port; say which one with --server HOST:PORT")
    return Endpoint(_LOOPBACK.get(listen.host, listen.host), listen.port)


def _lists(arguments: argparse.Namespace) -> tuple[Path, Path | None]:
    """The ITL file and the CTL file that phones have."""
    if arguments.itl is not None:
        return arguments.itl, arguments.ctl
    state = state_of(arguments)
    state.require()
    ctl = arguments.ctl or (state.ctl_file if state.ctl_file.exists() else None)
    return state.itl_file, ctl


def _files(arguments: argparse.Namespace) -> Report:
    import asyncio

    from tvs.phone.files.comparison import compare_files
    from tvs.phone.files.opening import open_source
    from tvs.units import CTL_NAME, ITL_NAME

    if not arguments.sources:
        raise ValueError("say where phones get their files: --from tftp://HOST, --from http://HOST:6970 …")
    if arguments.itl or arguments.ctl or arguments.server:
        raise ValueError("--itl, --ctl and --server do not go with files, which come from --state")
    state = state_of(arguments)
    state.require()
    sources = {address: open_source(address, arguments.timeout) for address in arguments.sources}
    return asyncio.run(compare_files(state.tftp, (CTL_NAME, ITL_NAME), sources))


def _as_json(report: Report) -> dict[str, object]:
    return {
        "status": report.severity.name,
        "sentence": report.sentence,
        "findings": [{"status": found.severity.name, "sentence": found.sentence} for found in report.findings],
        "measures": {measure.name: measure.value for measure in report.measures},
    }
