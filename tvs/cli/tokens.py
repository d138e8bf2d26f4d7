"""Hardware tokens: the options of `tvs utils ctl update CTLFile`, and `tvs show tokens`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.common import (
    USAGE,
    CommandError,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ctlcache.pkcs11.token import Token
    from tvs.cluster.proposals import MakeCtlSource
    from tvs.cluster.tokens import TokenChoice


# -- options ---------------------------------------------------------------------------------------------


def module_options(parser: argparse._ActionsContainer) -> None:
    """Adds `--token-module` and `--token-timeout`."""
    from ctlcache.pkcs11.defaults import DEFAULT_MODULE, TIME_LIMIT

    parser.add_argument(
        "--token-module",
        type=values.file_name,
        metavar="FILE",
        default=DEFAULT_MODULE,
        help="PKCS#11 module that reaches the tokens (default: p11-kit, which knows all that are registered)",
    )
    parser.add_argument(
        "--token-timeout",
        type=int,
        metavar="SECONDS",
        default=TIME_LIMIT,
        help=f"how long the module may take for one request (default: {TIME_LIMIT})",
    )


def token_options(parser: argparse.ArgumentParser, *, pin: bool = True) -> None:
    """Adds the options for a CTL file that a hardware token signs.

    Args:
        parser: of the command.
        pin: whether the token really signs, so that its PIN is needed.
    """
    group = parser.add_argument_group("hardware tokens")
    group.add_argument(
        "--token",
        action="append",
        metavar="URI",
        help="a token of the new CTL file, as in pkcs11:token=LABEL or pkcs11:serial=NUMBER (tvs show tokens prints "
        "them); may be repeated, the last one signs. Tokens that the CTL file has already stay in it",
    )
    group.add_argument(
        "--add-token", action="store_true", help="let tokens be added that the present CTL file does not have"
    )
    if pin:
        group.add_argument(
            "--pin-file",
            type=values.file_name,
            metavar="FILE",
            help="file with the signing token's PIN, mode 0600 (default: it is asked for)",
        )
    module_options(group)


@contextmanager
def token_source(arguments: argparse.Namespace) -> Iterator[MakeCtlSource | None]:
    """The CTL source for `propose_ctl` with the tokens that the options name; None without `--token`.

    Raises `CommandError` and `TokenError`.
    """
    choice = _choice(arguments)
    if choice is None:
        yield None
        return
    from tvs.cluster.tokens import inserted_tokens

    with inserted_tokens(choice) as make_source:
        yield make_source


def _choice(arguments: argparse.Namespace) -> TokenChoice | None:
    pin_file = getattr(arguments, "pin_file", None)  # a plan needs none
    time_limit = time_limit_of(arguments)
    if not arguments.token:
        if arguments.add_token or pin_file is not None:
            raise CommandError("--add-token and --pin-file go with --token URI", USAGE)
        return None
    from ctlcache.pkcs11.pin import PinFile
    from ctlcache.pkcs11.uri import TokenUri, TokenUriError
    from tvs.cluster.tokens import TokenChoice

    try:
        uris = tuple(TokenUri.parse(text) for text in arguments.token)
    except TokenUriError as error:
        raise CommandError(f"--token: {error}", USAGE) from None
    return TokenChoice(
        uris=uris,
        ask_pin=_ask_pin if pin_file is None else PinFile(pin_file),
        add_token=arguments.add_token,
        module=arguments.token_module,
        time_limit=time_limit,
    )


def time_limit_of(arguments: argparse.Namespace) -> int:
    """Seconds that the module may take for one request. Raises `CommandError`."""
    seconds: int = arguments.token_timeout
    if not 1 <= seconds <= 3600:
        raise CommandError(f"--token-timeout {seconds} is not in 1 … 3600 seconds", USAGE)
    return seconds


def _ask_pin(token: Token) -> str:
    """Asks for a PIN on the terminal, once, without showing it."""
    import getpass

    warning = "; one more wrong PIN locks it" if token.pin_final_try else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
            pin = getpass.getpass(f"PIN of {token}{warning}: ")
    except (getpass.GetPassWarning, EOFError):
        raise CommandError("there is no terminal to ask for the token's PIN on: use --pin-file FILE") from None
    if not pin:
        raise CommandError("no PIN was typed; nothing was changed")
    return pin
