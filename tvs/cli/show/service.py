"""Options and requests of the commands that ask a running service's admin port."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvs.cli import values
from tvs.cli.common import NO_ANSWER, CommandError, state_command, state_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tvs.config.endpoint import Endpoint

EXIT_STATUSES = "exit statuses: 0 shown, 2 wrong usage or settings, 3 no answer from the service."
_ADMIN_PORT = 9445


def service_command(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    """Adds `--admin`, `--admin-token-file`, `--state` and `--json`, and sets the function that runs the command."""
    parser.add_argument(
        "--admin",
        type=values.server(_ADMIN_PORT),
        metavar="HOST[:PORT]",
        help="the service's admin port (default: that of the settings, see tvs serve)",
    )

    parser.add_argument(
        "--admin-token-file",
        type=Path,
        metavar="FILE",
        help="file with the token of the admin port (default: that of the settings, unless --admin names a port)",
    )

    def run(arguments: argparse.Namespace) -> int:
        try:
            return handler(arguments)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CommandError(f"the report lacks what this command shows ({error!r}): another release?") from None

    state_command(parser, run)


def report_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of the service that the arguments name. Raises `CommandError` if none comes."""
    from tvs.admin.client import NoReport, fetch_report

    try:
        return fetch_report(*_admin_port(arguments))
    except NoReport as error:
        raise CommandError(str(error), NO_ANSWER) from None


def _admin_port(arguments: argparse.Namespace) -> tuple[Endpoint, str | None]:
    """The admin port and its token: those of the settings, unless arguments name others."""
    if arguments.admin is not None:
        port: Endpoint = arguments.admin
        return port, _token(arguments.admin_token_file)
    from tvs.config.loading import load_config

    state = state_of(arguments)
    with state.rights() if state.path.exists() else nullcontext():
        config = load_config({"state": str(state.path)})
        token = _token(arguments.admin_token_file or config.admin_token_file)
    admin = config.admin
    if not admin.port:
        raise CommandError(f"admin = {admin} in the settings is any free port; say which one with --admin HOST:PORT")
    return admin, token


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    from tvs.admin.token import TokenError, read_token

    try:
        return read_token(path)
    except TokenError as error:
        raise CommandError(str(error)) from None


def time_text(seconds: float | None) -> str:
    """A time of the day here, as the log writes it; empty for none."""
    from datetime import UTC, datetime

    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
