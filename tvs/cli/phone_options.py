"""Options of `tvs phone`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tvs.cli import values
from tvs.cli.common import json_option
from tvs.config.endpoint import DEFAULT_PORT

if TYPE_CHECKING:
    import argparse

    from tvs.config.endpoint import Endpoint

HTTPS_PORT = 443


def boot_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `tvs phone boot`."""
    from tvs.phone.configuration import MAX_SERVERS

    parser.add_argument("--mac", metavar="MAC", help="MAC address; needed at the first boot")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="such as CP-7975 or CP-8861 (tvs phone models lists all); needed at the first boot",
    )
    flash_option(parser)
    parser.add_argument(
        "--from",
        dest="source",
        type=str,
        required=True,
        metavar="SOURCE",
        help="tftp://HOST, http://HOST[:6970], http+tftp://HOST (HTTP on port 6970 first, then TFTP, as phones do), or "
        "a directory",
    )
    servers = parser.add_mutually_exclusive_group()
    servers.add_argument(
        "--config", type=Path, metavar="FILE", help="a configuration file (SEP<MAC>.cnf.xml), for its TVS servers"
    )
    servers.add_argument(
        "--tvs",
        action="append",
        type=values.server(DEFAULT_PORT),
        metavar="HOST[:PORT]",
        help=f"a TVS server, up to {MAX_SERVERS} times, in the order of use (default: the servers of the "
        "configuration that the phone fetched at its last boot)",
    )
    parser.add_argument(
        "--lsc", type=Path, metavar="FILE", help="install the phone's own certificate: PEM with its key"
    )
    _timeout_option(parser)
    json_option(parser)


def https_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `tvs phone https`."""
    parser.add_argument(
        "server",
        type=_https_server,
        metavar="HOST[:PORT]",
        help="the HTTPS server, or an https:// address (port 443)",
    )
    flash_option(parser)
    _timeout_option(parser)
    json_option(parser)


def flash_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--state`."""
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="the phone's flash, a directory of its own"
    )


def _timeout_option(parser: argparse.ArgumentParser) -> None:
    from tvs.phone.defaults import DEFAULT_TIMEOUT

    parser.add_argument(
        "--timeout",
        type=values.seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="limit for each step with a server (default: %(default)g)",
    )


def _https_server(text: str) -> Endpoint:
    return values.server(HTTPS_PORT)(urlsplit(text).netloc if text.lower().startswith("https://") else text)
