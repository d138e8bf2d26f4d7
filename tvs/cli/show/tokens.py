"""`tvs show tokens`: hardware tokens that can sign the CTL file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli.common import FAILED, OK, CommandError, say, say_json, state_command, state_of, store_of
from tvs.cli.tables import table
from tvs.cli.tokens import module_options, time_limit_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.cluster.tokens import SeenToken


_COLUMNS = ("CERTIFICATE", "CTL FILE", "TVS", "TOKEN")


_EXAMPLES = """\
CTL FILE: whether the present CTL file has the token (signer: it signed the file).
TVS: whether TVS vouches for it as a security token.

examples:
  tvs show tokens                                  of all modules that p11-kit knows
  tvs show tokens --token-module /usr/lib/libeToken.so
  tvs show tokens --pem > tokens.pem               the certificates, to load them before they sign:
  tvs set cert import trust Phone-SAST-trust tokens.pem

exit statuses: 0 tokens are there, 1 none or the module failed.
"""


def add_show_commands(show: Commands) -> None:
    """Adds `show tokens`."""
    parser = show.add_parser(
        "tokens",
        help="hardware tokens that can sign the CTL file",
        description="Lists the certificates on the hardware tokens that are plugged in. No PIN is needed.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--pem", action="store_true", help="print the certificates in PEM and nothing else")
    module_options(parser)
    state_command(parser, _show)


def _show(arguments: argparse.Namespace) -> int:
    import ssl

    from ctlcache.pkcs11.module import TokenModule
    from tvs.cluster.situation import read_situation
    from tvs.cluster.tokens import seen_tokens

    with store_of(arguments) as store:
        situation = read_situation(state_of(arguments), store)
    with TokenModule(arguments.token_module, time_limit=time_limit_of(arguments)) as module:
        seen = seen_tokens(situation, module.tokens())
    if arguments.json:
        say_json([_facts(one) for one in seen])
    elif arguments.pem:
        for one in seen:
            if one.item is not None:
                say(ssl.DER_cert_to_PEM_cert(one.item.certificate.der).rstrip())
    elif seen:
        say(table(_COLUMNS, [_row(one) for one in seen]))
    else:
        raise CommandError(f"the PKCS#11 module {module.path} shows no token; is one plugged in?")
    return OK if seen else FAILED


def _facts(one: SeenToken) -> dict[str, object]:
    certificate = one.item.certificate if one.item is not None else None
    return {
        **one.token.identity,
        "uri": str(one.token.uri(one.item)),
        "subject_name": certificate.subject_name if certificate else None,
        "serial_number": certificate.serial_number.hex().upper() if certificate else None,
        "not_after": certificate.not_after.isoformat() if certificate else None,
        "in_ctl": one.in_ctl,
        "signs_ctl": one.signs_ctl,
        "trusted": one.trusted,
    }


def _row(one: SeenToken) -> tuple[str, ...]:
    in_ctl = "signer" if one.signs_ctl else "yes" if one.in_ctl else "no"
    name = one.item.certificate.common_name.strip() if one.item is not None else "(none)"
    return name, in_ctl, "yes" if one.trusted else "no", str(one.token.uri(one.item))
