"""`tvs phone`: a phone that boots, asks and installs."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tvs.cli.common import (
    FAILED,
    NO_ANSWER,
    OK,
    USAGE,
    CommandError,
    handled_by,
    json_option,
    say,
    say_json,
)
from tvs.config import DEFAULT_PORT, Endpoint
from tvs.log import printable
from tvs.phone.configuration import MAX_CONFIGURATION, MAX_SERVERS, ConfigurationError, tvs_servers
from tvs.phone.console import Console, console_for
from tvs.phone.flash import FlashDirectory, FlashError
from tvs.phone.models import MODELS, find_model
from tvs.phone.phone import DEFAULT_TIMEOUT, HOST_NOT_FOUND, Phone
from tvs.phone.reports import BootOutcome, ListOutcome
from tvs.phone.sources import FetchError, open_source
from tvs.phone.status import PhoneStatus, status_of
from tvs.phone.trust import ListKind

if TYPE_CHECKING:
    from tvs.cli.common import Commands
    from tvs.phone.models import PhoneModel
    from tvs.phone.reports import BootReport, HTTPSReport, ListReport

HTTPS_PORT = 443
_DESCRIPTION = "Emulates an IP phone's side of trust: its lists, its TVS client, its secure services."
_BOOT_EPILOG = """\
The first boot takes the lists on trust, as a phone from the factory does. Later ones accept a list whose signer is in
the installed CTL or ITL, or whom a TVS server vouches for.

examples:
  tvs phone boot --mac 001122334455 --model CP-8861 --state ./phone --from tftp://192.0.2.10
  tvs phone boot --state ./phone --from http://192.0.2.10:6970
  tvs phone boot --mac 001122334455 --model CP-8861 --state ./phone --from /var/lib/tvs/tftp --tvs 192.0.2.10

exit statuses: 0 the phone runs on the fetched lists, 1 it refused a list and kept the old one, 2 wrong usage,
3 nothing could be fetched.
"""
_HTTPS_EPILOG = """\
example:
  tvs phone https --state ./phone 192.0.2.20:8443

exit statuses: 0 connected, 1 'Host Not Found': nobody vouches for the certificate, 2 wrong usage,
3 the server does not answer.
"""
_STATUS_EPILOG = """\
example:
  tvs phone status --state ./phone

exit statuses: 0 done, 1 no phone was booted there.
"""


def add_commands(commands: Commands) -> None:
    """Adds `phone`."""
    phone = commands.add_parser("phone", help="emulate a phone", description=_DESCRIPTION).add_subparsers(
        title="what the phone does", metavar="WHAT", required=True
    )
    _add_boot(phone)
    _add_https(phone)
    status = phone.add_parser(
        "status",
        help="what the screen shows",
        description="Shows what the phone's screen shows.",
        epilog=_STATUS_EPILOG,
    )
    _flash_option(status)
    json_option(status)
    handled_by(status, _status)
    models = phone.add_parser(
        "models", help="the known models", description="Lists the known models and how they differ in trust."
    )
    json_option(models)
    handled_by(models, _models)


def _add_boot(phone: Commands) -> None:
    parser = phone.add_parser(
        "boot",
        help="start: fetch the trust lists, check and install them",
        description="Starts the phone: it fetches its trust lists, checks and installs them. Prints its console.",
        epilog=_BOOT_EPILOG,
    )
    parser.add_argument("--mac", metavar="MAC", help="MAC address; needed at the first boot")
    parser.add_argument("--model", metavar="MODEL", help="such as CP-7975 or CP-8861; needed at the first boot")
    _flash_option(parser)
    parser.add_argument(
        "--from", dest="source", required=True, metavar="SOURCE", help="tftp://HOST, http://HOST[:6970] or a directory"
    )
    servers = parser.add_mutually_exclusive_group()
    servers.add_argument(
        "--config", type=Path, metavar="FILE", help="a configuration file (SEP….cnf.xml), for its TVS servers"
    )
    servers.add_argument(
        "--tvs",
        action="append",
        metavar="HOST[:PORT]",
        help=f"a TVS server, up to {MAX_SERVERS} times, the first one first (default: those of the configuration "
        "that the phone fetched at its last boot)",
    )
    parser.add_argument(
        "--lsc", type=Path, metavar="FILE", help="install the phone's own certificate: PEM with its key"
    )
    _timeout_option(parser)
    json_option(parser)
    handled_by(parser, _boot)


def _add_https(phone: Commands) -> None:
    parser = phone.add_parser(
        "https",
        help="connect to a secure service URL",
        description="Does what the phone does for a secure service URL: is the certificate in a list, in the cache "
        "of TVS answers, or does TVS vouch for it?",
        epilog=_HTTPS_EPILOG,
    )
    parser.add_argument("server", metavar="HOST[:PORT]", help="the HTTPS server, or an https:// address (port 443)")
    _flash_option(parser)
    _timeout_option(parser)
    json_option(parser)
    handled_by(parser, _https)


def _flash_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="the phone's flash, a directory for this phone alone"
    )


def _timeout_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="for each step with a server (default: %(default)g)",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to 3600")
    return seconds


# -- a phone from its directory --------------------------------------------------------------------------------------


def _flash(path: Path, device: str | None = None) -> FlashDirectory:
    try:
        return FlashDirectory(path, device)
    except FlashError as error:
        raise CommandError(str(error)) from None


_DEVICE = re.compile(r"(CP-[0-9]{4})-SEP([0-9A-F]{12})")


def _phone(flash: FlashDirectory, console: Console, timeout: float) -> Phone:
    match = _DEVICE.fullmatch(flash.device)
    if match is None:
        raise CommandError(f"{flash.path / 'phone.json'}: {flash.device!r} is no device name such as CP-8861-SEP…")
    try:
        return Phone(match[2], find_model(match[1]), flash=flash, console=console, timeout=timeout)
    except ValueError as error:
        raise CommandError(f"{flash.path / 'phone.json'}: {error}") from None


def _console(flash: FlashDirectory, arguments: argparse.Namespace) -> tuple[Console, list[str]]:
    """The console, on standard output or, with --json, in a list."""
    lines: list[str] = []
    model = find_model(flash.device[3:7])
    return console_for(model, lines.append if arguments.json else say, number=flash.line_number), lines


# -- boot ------------------------------------------------------------------------------------------------------------


def _boot(arguments: argparse.Namespace) -> int:
    flash = _flash(arguments.state, _device(arguments))
    try:
        source = open_source(arguments.source, arguments.timeout)
        servers = _servers(arguments)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    except FetchError as error:
        raise CommandError(str(error), NO_ANSWER) from None
    console, lines = _console(flash, arguments)

    async def run() -> BootReport:
        try:
            return await _phone(flash, console, arguments.timeout).boot(source)
        finally:
            await source.close()

    try:
        with flash.lock():
            if arguments.lsc is not None:
                flash.install_lsc(arguments.lsc)
            if servers is not None:
                flash.servers = servers
            report = asyncio.run(run())
    except FlashError as error:
        raise CommandError(str(error)) from None
    return _say_boot(report, status_of(_phone(flash, console, arguments.timeout)), lines, as_json=arguments.json)


def _device(arguments: argparse.Namespace) -> str | None:
    if arguments.mac is None and arguments.model is None:
        return None
    if arguments.mac is None or arguments.model is None:
        raise CommandError("--mac and --model go together", USAGE)
    try:
        return Phone(arguments.mac, find_model(arguments.model)).device
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _servers(arguments: argparse.Namespace) -> tuple[Endpoint, ...] | None:
    """The TVS servers that the command line names; None where it names none. Raises `ValueError`."""
    if arguments.config is not None:
        return _configured(arguments.config)
    if arguments.tvs is None:
        return None
    if len(arguments.tvs) > MAX_SERVERS:
        raise ValueError(f"a phone has at most {MAX_SERVERS} TVS servers, not {len(arguments.tvs)}")
    return tuple(Endpoint.parse(text, DEFAULT_PORT) for text in arguments.tvs)


def _configured(path: Path) -> tuple[Endpoint, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIGURATION + 1)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        servers = tvs_servers(data)
    except ConfigurationError as error:
        raise ValueError(f"{path}: {error}") from None
    if not servers:
        raise ValueError(f"{path}: names no TVS server (<TVS><members><member>…)")
    return servers


_STATUSES = {BootOutcome.RUNNING: OK, BootOutcome.REFUSED: FAILED, BootOutcome.NOTHING: NO_ANSWER}


def _say_boot(report: BootReport, status: PhoneStatus, lines: list[str], *, as_json: bool) -> int:
    lists = [item for item in (report.ctl, report.itl) if item.outcome is not ListOutcome.NOT_USED]
    if as_json:
        say_json(
            {
                "device": status.device,
                "outcome": report.outcome,
                "lists": {item.kind: _list_json(item) for item in lists},
                "messages": report.messages,
                "configuration": report.configuration or None,
                "status": status.as_json(),
                "console": lines,
            }
        )
        return _STATUSES[report.outcome]
    for item in lists:
        say(f"{item.kind}  {_list_text(item)}")
    if report.configuration:
        say(f"     {printable(report.configuration)}")
    for text in report.messages:
        say(text)
    return _STATUSES[report.outcome]


def _list_json(item: ListReport) -> dict[str, object]:
    vouched = item.vouched
    return {
        "outcome": item.outcome,
        "file": item.name or None,
        "voucher": vouched.voucher if vouched else None,
        "server": str(vouched.server) if vouched and vouched.server else None,
        "roles": list(vouched.roles) if vouched else [],
        "refusal": item.refusal,
        "sentence": printable(item.sentence) or None,
    }


_VOUCHED = {
    "first": "taken on trust, the first list of this phone",
    "ctl": "its signer is in the installed CTL",
    "itl": "its signer is in the installed ITL",
    "tvs": "TVS vouches for its signer",
}


def _list_text(item: ListReport) -> str:
    text = f"{item.outcome.replace('_', ' ')}{f' ({item.name})' if item.name else ''}"
    if item.vouched is not None:
        server = f" ({item.vouched.server})" if item.vouched.server else ""
        return f"{text}: {_VOUCHED[item.vouched.voucher]}{server}"
    return f"{text}: {printable(item.sentence)}" if item.sentence else text


# -- https -----------------------------------------------------------------------------------------------------------


def _https(arguments: argparse.Namespace) -> int:
    try:
        text = arguments.server
        server = Endpoint.parse(urlsplit(text).netloc if text.lower().startswith("https://") else text, HTTPS_PORT)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    flash = _flash(arguments.state)
    console, lines = _console(flash, arguments)
    try:
        with flash.lock():
            report = asyncio.run(_phone(flash, console, arguments.timeout).https(server))
    except FlashError as error:
        raise CommandError(str(error)) from None
    return _say_https(report, lines, as_json=arguments.json)


def _say_https(report: HTTPSReport, lines: list[str], *, as_json: bool) -> int:
    if as_json:
        say_json(
            {
                "server": str(report.server),
                "connected": report.connected,
                "certificate_sha1": _sha1(report.certificate),
                "tls": report.tls or None,
                "voucher": report.voucher,
                "cached": report.cached,
                "refusal": report.refusal,
                "sentence": printable(report.sentence) or None,
                "console": lines,
            }
        )
    elif report.connected:
        say(f"Connected to {report.server}, {report.tls}: {_certified(report)}")
    else:
        say(HOST_NOT_FOUND)
        say(f"  {report.server}: {printable(report.sentence)}" if report.reached else f"  {printable(report.sentence)}")
    if not report.reached:
        return NO_ANSWER
    return OK if report.connected else FAILED


def _certified(report: HTTPSReport) -> str:
    if report.cached:
        return "TVS vouched for its certificate, the answer is in the cache"
    voucher = report.voucher or ""
    return "TVS vouches for its certificate" if voucher == "tvs" else f"its certificate is in the {voucher.upper()}"


def _sha1(certificate: bytes | None) -> str | None:
    return None if certificate is None else hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


# -- status and models -----------------------------------------------------------------------------------------------


def _status(arguments: argparse.Namespace) -> int:
    flash = _flash(arguments.state)
    status = status_of(_phone(flash, Console(), DEFAULT_TIMEOUT))
    if arguments.json:
        say_json(status.as_json())
        return OK
    say(f"Device           {status.device}")
    say(f"Trust lists      {status.installed}")
    for item in status.lists:
        say(f"{f'{item.kind} file':<17}{item.checksum} ({item.checksum_name}), {item.size} bytes")
        say(f"{'':<17}signed by {printable(item.signer)}, {item.records} records")
    for kind in (kind for kind in ListKind if kind not in {item.kind for item in status.lists}):
        say(f"{f'{kind} file':<17}not installed")
    for number, server in enumerate(status.servers, 1):
        say(f"{f'TVS server {number}':<17}{server}")
    if not status.servers:
        say(f"{'TVS servers':<17}{'none' if status.tvs else 'this model does not ask TVS'}")
    for answer in status.answers:
        roles = ", ".join(map(str, answer.roles))
        say(f"{'TVS cache':<17}{printable(answer.unique_map_id)}, roles {roles}, until {_time(answer.expires)}")
    say(f"{'LSC':<17}{status.lsc or 'not installed'}")
    say("Status messages")
    for when, text in status.messages:
        say(f"  {_time(when)}  {text}")
    return OK


def _time(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _models(arguments: argparse.Namespace) -> int:
    models = sorted(MODELS.values(), key=lambda model: model.name)
    if arguments.json:
        say_json([_model_json(model) for model in models])
        return OK
    say(f"{'Model':<9}{'TVS':<5}{'TLS':<9}{'Digests of lists':<25}{'On screen':<11}Console")
    for model in models:
        row = _model_json(model)
        digests = ", ".join(row["digests"])  # type: ignore[arg-type] # a list of names
        say(
            f"{model.name:<9}{'yes' if model.tvs else 'no':<5}{model.facts.tls:<9}{digests:<25}"
            f"{model.facts.checksum.upper():<11}{model.facts.console}"
        )
    return OK


def _model_json(model: PhoneModel) -> dict[str, object]:
    facts = model.facts
    return {
        "model": model.name,
        "series": model.series,
        "tvs": model.tvs,
        "tls": facts.tls,
        "digests": [digest.name for digest in sorted(facts.digests)],
        "checksum": facts.checksum,
        "console": facts.console,
    }
