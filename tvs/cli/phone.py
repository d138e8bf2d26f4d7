"""`tvs phone`: boots an emulated phone, connects it to secure services, shows its screen."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
from tvs.cli.phone_options import boot_options, flash_option, https_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tvs.cli.common import Commands
    from tvs.config.endpoint import Endpoint
    from tvs.phone.files.source import FileSource
    from tvs.phone.flash import FlashDirectory
    from tvs.phone.phone import Phone
    from tvs.phone.reports import BootReport

_DESCRIPTION = "Emulates an IP phone's side of trust: its lists, its TVS client, its secure services."
_EPILOG = """\
examples:
  tvs phone boot --mac 001122334455 --model CP-8861 --state ./phone --from tftp://192.0.2.10
  tvs phone https --state ./phone 192.0.2.20:8443
  tvs phone status --state ./phone
"""
_BOOT_EPILOG = """\
The first boot takes the lists on trust, as a phone from the factory does. Later boots accept a list whose signer is in
the installed CTL or ITL, or for whose signer a TVS server vouches.

examples:
  tvs phone boot --mac 001122334455 --model CP-8861 --state ./phone --from tftp://192.0.2.10
  tvs phone boot --state ./phone --from http+tftp://192.0.2.10
  tvs phone boot --mac 001122334455 --model CP-8861 --state ./phone --from /var/lib/tvs/tftp --tvs 192.0.2.10

exit statuses: 0 the phone runs on the fetched lists, 1 it refused a list and kept the old one, or its directory cannot
be used, 2 wrong usage, 3 nothing could be fetched.
"""
_HTTPS_EPILOG = """\
example:
  tvs phone https --state ./phone 192.0.2.20:8443

exit statuses: 0 connected, 1 'Host Not Found': no list and no server vouches for the certificate, 2 wrong usage,
3 the server does not answer.
"""
_MODELS_EPILOG = """\
examples:
  tvs phone models
  tvs phone models --json
"""
_STATUS_EPILOG = """\
example:
  tvs phone status --state ./phone

exit statuses: 0 done, 1 no phone was booted in this directory.
"""


def add_commands(commands: Commands) -> None:
    """Adds `phone`."""
    parser = commands.add_parser("phone", help="emulate a phone", description=_DESCRIPTION, epilog=_EPILOG)
    phone = parser.add_subparsers(title="actions of the phone", metavar="ACTION", required=True)
    boots = phone.add_parser(
        "boot",
        help="boot: fetch, check and install the trust lists",
        description="Boots the phone: it fetches, checks and installs its trust lists. Prints its console.",
        epilog=_BOOT_EPILOG,
    )
    boot_options(boots)
    handled_by(boots, _boot)
    https = phone.add_parser(
        "https",
        help="connect to a secure service URL",
        description="Connects to a secure service URL as the phone does: the certificate must be in an installed "
        "list or in the cache of TVS answers, or TVS must vouch for it, each as APP-SERVER.",
        epilog=_HTTPS_EPILOG,
    )
    https_options(https)
    handled_by(https, _https)
    status = phone.add_parser(
        "status",
        help="show the phone's screen",
        description="Shows what the phone's screen shows.",
        epilog=_STATUS_EPILOG,
    )
    flash_option(status)
    json_option(status)
    handled_by(status, _status)
    models = phone.add_parser(
        "models",
        help="list the known models",
        description="Lists the known models and how they differ in trust.",
        epilog=_MODELS_EPILOG,
    )
    json_option(models)
    handled_by(models, _models)


# -- a phone from its directory --------------------------------------------------------------------------------------


@contextmanager
def _flash_errors(wrong: int = FAILED) -> Iterator[None]:
    """Turns a `FlashError` into a `CommandError`, with the status `wrong` for the directory of something else."""
    from tvs.phone.flash import FlashError, WrongFlashError

    try:
        yield
    except WrongFlashError as error:
        raise CommandError(str(error), wrong) from None
    except FlashError as error:
        raise CommandError(str(error)) from None


def _phone(flash: FlashDirectory, arguments: argparse.Namespace) -> tuple[Phone, list[str]]:
    """The phone, and the lines of its console: kept with --json, otherwise printed at once."""
    from tvs.phone.defaults import DEFAULT_TIMEOUT
    from tvs.phone.firmware import console_for
    from tvs.phone.flash import FlashError
    from tvs.phone.models import parse_device
    from tvs.phone.phone import Phone

    try:
        model, mac = parse_device(flash.device)
    except ValueError as error:
        raise FlashError(f"{flash.path / 'phone.json'}: {error}") from None
    lines: list[str] = []
    console = console_for(model, lines.append if arguments.json else say, number=flash.line_number)
    timeout = getattr(arguments, "timeout", DEFAULT_TIMEOUT)
    return Phone(mac, model, flash=flash, console=console, timeout=timeout), lines


# -- boot ------------------------------------------------------------------------------------------------------------


def _boot(arguments: argparse.Namespace) -> int:
    import asyncio

    from tvs.cli.phone_output import say_boot
    from tvs.phone.files.opening import open_source
    from tvs.phone.files.source import FetchError
    from tvs.phone.flash import FlashDirectory
    from tvs.phone.lock import lock_flash
    from tvs.phone.status import status_of

    device = _device(arguments)
    try:
        source = open_source(arguments.source, arguments.timeout)
        servers = _servers(arguments)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    except FetchError as error:
        raise CommandError(str(error), NO_ANSWER) from None
    with _flash_errors(wrong=USAGE), lock_flash(arguments.state, make=device is not None):
        flash = FlashDirectory(arguments.state, device)
        if arguments.lsc is not None:
            flash.install_lsc(arguments.lsc)
        if servers is not None:
            flash.servers = servers
        phone, lines = _phone(flash, arguments)
        report = asyncio.run(_booted(phone, source))
    return say_boot(report, status_of(phone), lines, as_json=arguments.json)


async def _booted(phone: Phone, source: FileSource) -> BootReport:
    from tvs.phone.boot import boot

    try:
        return await boot(phone, source)
    finally:
        await source.close()


def _device(arguments: argparse.Namespace) -> str | None:
    from tvs.phone.models import find_model
    from tvs.phone.phone import Phone

    if arguments.mac is None and arguments.model is None:
        return None
    if arguments.mac is None or arguments.model is None:
        raise CommandError("--mac and --model go together", USAGE)
    try:
        return Phone(arguments.mac, find_model(arguments.model)).device
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _servers(arguments: argparse.Namespace) -> tuple[Endpoint, ...] | None:
    """The TVS servers of the command line; None if it names none. Raises `ValueError`."""
    from tvs.phone.configuration import MAX_SERVERS, read_servers

    if arguments.config is not None:
        return read_servers(arguments.config)
    if arguments.tvs is None:
        return None
    if len(arguments.tvs) > MAX_SERVERS:
        raise ValueError(f"a phone has at most {MAX_SERVERS} TVS servers, not {len(arguments.tvs)}")
    return tuple(arguments.tvs)


# -- https -----------------------------------------------------------------------------------------------------------


def _https(arguments: argparse.Namespace) -> int:
    import asyncio

    from tvs.cli.phone_output import say_https
    from tvs.phone.flash import FlashDirectory
    from tvs.phone.https import connect
    from tvs.phone.lock import lock_flash

    with _flash_errors(), lock_flash(arguments.state, make=False):
        phone, lines = _phone(FlashDirectory(arguments.state), arguments)
        report = asyncio.run(connect(phone, arguments.server))
    return say_https(report, lines, as_json=arguments.json)


# -- status and models -----------------------------------------------------------------------------------------------


def _status(arguments: argparse.Namespace) -> int:
    from tvs.cli.phone_output import say_status
    from tvs.phone.flash import FlashDirectory
    from tvs.phone.status import status_of

    with _flash_errors():
        phone, _ = _phone(FlashDirectory(arguments.state), arguments)
    status = status_of(phone)
    if arguments.json:
        say_json(status.as_json())
        return OK
    say_status(status)
    return OK


def _models(arguments: argparse.Namespace) -> int:
    from tvs.cli.phone_output import say_models

    say_models(as_json=arguments.json)
    return OK
