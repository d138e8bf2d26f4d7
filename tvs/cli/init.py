"""`tvs init`: a new state directory."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli import values
from tvs.cli.changes import DIGESTS, SIGNERS, say_done
from tvs.cli.common import OK, USAGE, CommandError, handled_by, json_option, progress, say, state_of, state_option
from tvs.errors import StateError

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.state import StateDirectory

MAX_VALUE = 128
"""Characters of a value in a subject: ub-state-name, the longest of these upper bounds of RFC 5280."""
_EPILOG = """\
Makes the certificate database, own TVS, CallManager, CAPF and ITLRecovery certificates with their keys, and signed
trust lists under DIR/tftp/, in mixed mode. A directory with anything in it is left alone; an empty one stays its
owner's, also if root runs the command.

examples:
  tvs init --state /var/lib/tvs --name cucm-pub.example.com --address 192.0.2.10
  tvs init --state DIR --name pub --subject 'OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL'
  tvs init --state DIR --signer CallManager        a cluster as those of 10.x and 11.x
"""


def add_commands(commands: Commands) -> None:
    """Adds `init`."""
    from tvs.units import FIRST_SIGNER, ORGANISATION, KeyType

    parser = commands.add_parser(
        "init", help="make a state directory", description="Makes a state directory.", epilog=_EPILOG
    )
    state_option(parser)
    parser.add_argument(
        "--name", type=values.host_name, metavar="HOST", help="this node's host name (default: this machine's)"
    )
    parser.add_argument(
        "--address", type=values.address, metavar="IP", help="this node's IP address, for certificates and trust lists"
    )
    parser.add_argument(
        "--subject",
        type=_subject,
        default=ORGANISATION,
        metavar="NAME",
        help="the rest of the certificates' names after CN (default: %(default)s)",
    )
    parser.add_argument(
        "--tvs-key",
        type=values.one_of(KeyType),
        choices=list(KeyType),
        default=KeyType.RSA2048,
        metavar="KIND",
        help="key of the TVS certificate: rsa2048 (default; every phone), rsa4096 (four times the CPU), "
        "p256 (fastest; phones with ECDSA only)",
    )
    parser.add_argument(
        "--signer",
        choices=SIGNERS,
        default=FIRST_SIGNER,
        metavar="UNIT",
        help="signer of trust lists: ITLRecovery (default; as from 12.0 on: a new CallManager certificate costs no "
        "phone) or CallManager (10.x, 11.x); later: tvs set signer",
    )
    parser.add_argument(
        "--digest",
        choices=list(DIGESTS),
        default="sha1",
        help="digest of trust lists: sha1 (default; every phone), sha256 or sha512 (not 7900 series); "
        "later: tvs set digest",
    )
    json_option(parser)
    handled_by(parser, _init)


def _subject(text: str) -> str:
    """The rest of a subject; if it is empty, the certificates have nothing but a common name."""
    from cryptography.x509.oid import NameOID

    from certstore.names import name_from_text

    try:
        attributes = list(name_from_text(values.text(text))) if text else []
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    for attribute in attributes:
        if attribute.oid == NameOID.COMMON_NAME:
            raise ArgumentTypeError(f"{values.shown(text)} has a CN: each certificate gets its own")
        if not 0 < len(attribute.value) <= MAX_VALUE:
            raise ArgumentTypeError(f"{values.shown(text)} has a value that is empty or longer than {MAX_VALUE}")
    return text


def _init(arguments: argparse.Namespace) -> int:
    from tvs.manage.provision import NewCluster, initialise, this_host

    try:
        cluster = NewCluster(
            name=arguments.name or this_host(),
            address=arguments.address,
            organisation=arguments.subject,
            tvs_key=arguments.tvs_key,
            signer=Purpose(arguments.signer),
            digest=DIGESTS[arguments.digest],
        )
    except StateError as error:  # a wrong argument, which the sentence names
        raise CommandError(str(error), USAGE) from None
    state = initialise(state_of(arguments).path, cluster, progress)
    if arguments.json:
        say_done("init", **_facts(state))
        return OK
    say(f"Made {state.path} for {cluster.name}, in mixed mode.")
    say(f"  database      {state.database}")
    say(f"  private keys  {state.keys}")
    say(f"  CTL file      {state.ctl_file}")
    say(f"  ITL file      {state.itl_file}")
    say(f"  lists         signed by {cluster.signer} with {cluster.digest.text}")
    say(f"Start the service with: tvs serve --state {state.path}")
    return OK


def _facts(state: StateDirectory) -> dict[str, object]:
    """The new state directory: its paths, and the same facts as those of a change."""
    from tvs.cluster.situation import read_situation
    from tvs.manage.changed import changed_facts

    with state.opened() as store:
        after = read_situation(state, store)
    before = replace(after, nodes=(), entries=(), ctl=None, itl=None)
    paths = {"state": str(state.path), "database": str(state.database), "keys": str(state.keys)}
    return {**changed_facts(state, before, after), **paths}
