"""`tvs phone`: a phone that boots, asks and installs."""

from __future__ import annotations

import argparse
import asyncio
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tvs.cli.common import (
    NO_ANSWER,
    OK,
    USAGE,
    CommandError,
    handled_by,
    json_option,
    say,
    say_json,
)
from tvs.cli.phone_output import say_boot, say_https, say_models, say_status
from tvs.config.endpoint import DEFAULT_PORT, Endpoint
from tvs.phone.configuration import MAX_CONFIGURATION, MAX_SERVERS, ConfigurationError, tvs_servers
from tvs.phone.console import console_for
from tvs.phone.files.opening import open_source
from tvs.phone.files.source import FetchError
from tvs.phone.flash import FlashDirectory, FlashError, lock_flash
from tvs.phone.models import find_model
from tvs.phone.phone import DEFAULT_TIMEOUT, Phone
from tvs.phone.status import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.cli.common import Commands
    from tvs.phone.files.source import FileSource
    from tvs.phone.reports import BootReport

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


@contextmanager
def _flash_errors() -> Iterator[None]:
    """What is wrong with a flash is the command's error."""
    try:
        yield
    except FlashError as error:
        raise CommandError(str(error)) from None


_DEVICE = re.compile(r"(CP-[0-9]{4})-SEP([0-9A-F]{12})")


def _phone(flash: FlashDirectory, arguments: argparse.Namespace) -> tuple[Phone, list[str]]:
    """The phone, and its console's lines: with --json they are kept, otherwise they are printed at once."""
    match = _DEVICE.fullmatch(flash.device)
    if match is None:
        raise FlashError(f"{flash.path / 'phone.json'}: {flash.device!r} is no device name such as CP-8861-SEP…")
    try:
        model = find_model(match[1])
    except ValueError as error:
        raise FlashError(f"{flash.path / 'phone.json'}: {error}") from None
    lines: list[str] = []
    console = console_for(model, lines.append if arguments.json else say, number=flash.line_number)
    timeout = getattr(arguments, "timeout", DEFAULT_TIMEOUT)
    return Phone(match[2], model, flash=flash, console=console, timeout=timeout), lines


# -- boot ------------------------------------------------------------------------------------------------------------


def _boot(arguments: argparse.Namespace) -> int:
    device = _device(arguments)
    try:
        source = open_source(arguments.source, arguments.timeout)
        servers = _servers(arguments)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    except FetchError as error:
        raise CommandError(str(error), NO_ANSWER) from None
    with _flash_errors(), lock_flash(arguments.state, make=True):
        flash = FlashDirectory(arguments.state, device)
        if arguments.lsc is not None:
            flash.install_lsc(arguments.lsc)
        if servers is not None:
            flash.servers = servers
        phone, lines = _phone(flash, arguments)
        report = asyncio.run(_booted(phone, source))
    return say_boot(report, status_of(phone), lines, as_json=arguments.json)


async def _booted(phone: Phone, source: FileSource) -> BootReport:
    try:
        return await phone.boot(source)
    finally:
        await source.close()


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


# -- https -----------------------------------------------------------------------------------------------------------


def _https(arguments: argparse.Namespace) -> int:
    try:
        text = arguments.server
        server = Endpoint.parse(urlsplit(text).netloc if text.lower().startswith("https://") else text, HTTPS_PORT)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    with _flash_errors(), lock_flash(arguments.state, make=False):
        phone, lines = _phone(FlashDirectory(arguments.state), arguments)
        report = asyncio.run(phone.https(server))
    return say_https(report, lines, as_json=arguments.json)


# -- status and models -----------------------------------------------------------------------------------------------


def _status(arguments: argparse.Namespace) -> int:
    with _flash_errors():
        phone, _ = _phone(FlashDirectory(arguments.state), arguments)
    status = status_of(phone)
    if arguments.json:
        say_json(status.as_json())
        return OK
    say_status(status)
    return OK


def _models(arguments: argparse.Namespace) -> int:
    say_models(as_json=arguments.json)
    return OK
