"""`tvs set cert regen`, `tvs set cert import own`, `tvs set csr gen`, `tvs show csr own`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.changes import (
    STATUSES,
    ask,
    change_options,
    following,
    make_change,
    say_change,
    say_done,
    say_taken,
    warn_unpublished,
)
from tvs.cli.common import OK, handled_by, json_option, say, state_of, state_option, tell, unit_of
from tvs.units import MADE_HERE

if TYPE_CHECKING:
    import argparse

    from certstore.purposes import Purpose
    from tvs.cli.changes import MadeChange
    from tvs.cli.common import Commands

_UNITS = ", ".join(MADE_HERE)
_AFTER_REGENERATION = (
    "In mixed mode, after CallManager, CallManager-ECDSA, CAPF or the lists' signer: tvs utils ctl update CTLFile",
    "After TVS: systemctl reload tvs, or SIGHUP, so that the service presents it",
    "In stages, so that phones know it before they meet it: tvs rollover TVS|CallManager|ITLRecovery",
    "On a subscriber, then on the publisher, whose key signs the lists: tvs utils itl update",
    "\nexamples:\n  tvs set cert regen CallManager",
    "  tvs set cert regen CallManager-ECDSA       an EC certificate beside it, also the first one\n",
    STATUSES,
)


def add_regen(cert: Commands) -> None:
    """Adds `set cert regen`."""
    from tvs.units import KeyType

    regen = cert.add_parser(
        "regen",
        help="make a new own certificate",
        description="Makes a new self-signed certificate of this node with a new key, and the ITL file that it needs, "
        "if this is the publisher.",
        epilog="\n".join(_AFTER_REGENERATION),
    )
    regen.add_argument("unit", metavar="UNIT", help=_UNITS)
    regen.add_argument(
        "--key",
        type=values.one_of(KeyType),
        choices=list(KeyType),
        metavar="KIND",
        help=f"{', '.join(KeyType)} (default: as before)",
    )
    change_options(regen)
    handled_by(regen, _regen)


def add_import(imports: Commands) -> None:
    """Adds `set cert import own`."""
    own = imports.add_parser(
        "own",
        help="import an own certificate",
        description="Imports an own certificate that an authority issued, and its chain into the unit's trust store.",
        epilog="examples:\n"
        "  tvs set csr gen CallManager > request.pem       have it signed, then\n"
        "  tvs set cert import own CallManager issued-with-chain.pem\n"
        f"  tvs set cert import own TVS sub1-TVS.pem --node cucm-sub1\n\n{STATUSES}",
    )
    own.add_argument("unit", metavar="UNIT", help=_UNITS)
    own.add_argument("file", type=Path, metavar="FILE", help="PEM (the certificate and its chain) or DER")
    own.add_argument("--key", type=Path, metavar="FILE", help="its private key, if it was not made here")
    own.add_argument("--node", metavar="NAME", help="its node (default: this one)")
    change_options(own, question=False)
    handled_by(own, _import)


def add_set_commands(change: Commands) -> None:
    """Adds `set csr gen`."""
    from tvs.units import KeyType

    gen = (
        change.add_parser("csr", help="make a certificate signing request")
        .add_subparsers(title="what to do", metavar="ACTION", required=True)
        .add_parser(
            "gen",
            help="make a certificate signing request",
            description="Makes a key and a certificate signing request, and prints the request.",
            epilog="example:\n  tvs set csr gen CallManager --key rsa4096 > request.pem",
        )
    )
    _unit(gen)
    gen.add_argument(
        "--key",
        type=values.one_of(KeyType),
        choices=list(KeyType),
        metavar="KIND",
        help=f"{', '.join(KeyType)} (default: as before)",
    )
    json_option(gen)
    handled_by(gen, _request)


def _unit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help=_UNITS)
    state_option(parser)


def _regen(arguments: argparse.Namespace) -> int:
    from tvs.cluster.certificates import propose_regeneration

    unit = unit_of(arguments.unit)

    def ask_first() -> None:
        warning = f"WARNING: This operation will overwrite any CA signed certificate previously imported for {unit}"
        tell(warning, arguments)
        ask("Proceed with regeneration (yes|no)? ", arguments, yes=("yes", "y"))

    made = make_change(arguments, partial(propose_regeneration, unit=unit, kind=arguments.key), ask_first)
    return say_own(arguments, made, unit, f"Successfully Regenerated Certificate for {unit}.", "regenerated")


def say_own(arguments: argparse.Namespace, made: MadeChange, unit: Purpose, done: str, how: str) -> int:
    """Prints the result of a change of an own certificate, and the steps that must follow.

    Returns the exit status.
    """
    from tvs.cluster.following import steps_after_own

    active = f"You must restart services related to {unit} for the {how} certificates to become active."
    steps = steps_after_own(made.change, unit)
    return say_change(arguments, made, done, active, *following(steps), next_steps=steps)


def _import(arguments: argparse.Namespace) -> int:
    from certstore.certificate import read_certificate_file
    from tvs.cluster.imports import propose_import
    from tvs.identity import load_private_key

    unit = unit_of(arguments.unit)
    certificates = read_certificate_file(arguments.file)
    key = load_private_key(arguments.key) if arguments.key else None
    propose = partial(propose_import, unit=unit, certificates=certificates, key=key, node=arguments.node)
    made = make_change(arguments, propose)
    return say_own(arguments, made, unit, f"Successfully imported certificate for {unit}.", "imported")


def _request(arguments: argparse.Namespace) -> int:
    from tvs.manage.unnoticed import make_request

    unit = unit_of(arguments.unit)
    request = make_request(state_of(arguments), unit, arguments.key, say_taken, warn_unpublished).rstrip()
    if arguments.json:
        say_done(f"request of {unit}", unit=unit, request=request)
    else:
        say(request)
    return OK
