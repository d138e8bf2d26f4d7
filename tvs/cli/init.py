"""`tvs init`: a new state directory."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentTypeError
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from proto.text import printable
from tvs.cli import values
from tvs.cli.changes import DIGESTS, SIGNERS, say_done
from tvs.cli.common import OK, USAGE, CommandError, handled_by, json_option, progress, say, state_of, state_option
from tvs.errors import StateError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tvs.cli.common import Commands
    from tvs.state import StateDirectory

MAX_VALUE = 128
"""Characters of a value in a subject: ub-state-name, the longest of these upper bounds of RFC 5280."""
_EPILOG = """\
Makes the certificate database, own TVS, CallManager, CAPF and ITLRecovery certificates with their keys, and signed
trust lists under DIR/tftp/, in mixed mode. A directory with anything in it is left alone; an empty one stays its
owner's, also if root runs the command. So is a database of --store with a cluster in it; DIR/tvs.toml then names it.

With --join the directory is that of one more node of the cluster whose database the URL names: it makes its own TVS and
CallManager keys, which never leave it, and enters its certificates there. The names in them are those of the
publisher's, whose key signs the trust lists: its `tvs utils itl update` puts the new node into them. A node that was
entered with `tvs set node add NAME --address IP` and has no certificates yet is taken over. A SQLite database joins
nodes on one machine only: to try a cluster. If the command is killed, the same one again completes it.

examples:
  tvs init --state /var/lib/tvs --name cucm-pub.example.com --address 192.0.2.10
  tvs init --state DIR --name pub --subject 'OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL'
  tvs init --state DIR --signer CallManager        a cluster as those of 10.x and 11.x
  tvs init --state DIR --store sqlite:///srv/tvs/certificates.db
  tvs init --join postgresql://tvs@db.example.com/tvs --name cucm-sub1.example.com --address 192.0.2.11
"""


def add_commands(commands: Commands) -> None:
    """Adds `init`."""
    from tvs.units import ORGANISATION, KeyType

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
        "--store",
        type=values.store,
        metavar="URL",
        help="the certificate database, if it is not DIR/tvs.db: sqlite:///absolute/path or "
        "postgresql://user@host/database, without a password (default: TVS_STORE)",
    )
    parser.add_argument(
        "--join",
        type=values.store,
        metavar="URL",
        help="the certificate database of a cluster that this node joins, written as for --store",
    )
    parser.add_argument(
        "--subject",
        type=_subject,
        metavar="NAME",
        help=f"the rest of the certificates' names after CN (default: {ORGANISATION})",
    )
    parser.add_argument(
        "--tvs-key",
        type=values.one_of(KeyType),
        choices=list(KeyType),
        metavar="KIND",
        help="key of the TVS certificate: rsa2048 (default; every phone), rsa4096 (four times the CPU), "
        "p256 (fastest; phones with ECDSA only); with --join, by default, as the publisher's",
    )
    parser.add_argument(
        "--signer",
        choices=SIGNERS,
        metavar="UNIT",
        help="signer of trust lists: ITLRecovery (default; as from 12.0 on: a new CallManager certificate costs no "
        "phone) or CallManager (10.x, 11.x); later: tvs set signer",
    )
    parser.add_argument(
        "--digest",
        choices=list(DIGESTS),
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
    _name_left_over(state_of(arguments).path.absolute())
    return _make(arguments) if arguments.join is None else _join(arguments)


def _name_left_over(path: Path) -> None:
    """Warns of private keys that a killed command left beside the new directory."""
    from tvs.manage.building import left_beside
    from tvs.manage.provision import rights_to_make

    with suppress(StateError), rights_to_make(path):
        for folder in left_beside(path):
            reason = "an init that was killed left it, with private keys that nothing uses; remove it: rm -r"
            sys.stderr.write(f"tvs: warning: {printable(f'{folder}: {reason} {shlex.quote(str(folder))}')}\n")


def _make(arguments: argparse.Namespace) -> int:
    from tvs.manage.provision import NewCluster, initialise, this_host
    from tvs.units import FIRST_SIGNER, ORGANISATION, KeyType

    try:
        cluster = NewCluster(
            name=arguments.name or this_host(),
            address=arguments.address,
            organisation=ORGANISATION if arguments.subject is None else arguments.subject,
            tvs_key=arguments.tvs_key or KeyType.RSA2048,
            signer=Purpose(arguments.signer or FIRST_SIGNER),
            digest=DIGESTS[arguments.digest or "sha1"],
        )
    except StateError as error:  # a wrong argument, which the sentence names
        raise CommandError(str(error), USAGE) from None
    path = state_of(arguments).path
    state = initialise(path, cluster, progress, store=_store("--store", arguments.store, path))
    if arguments.json:
        say_done("init", **_facts(state))
        return OK
    say(f"Made {state.path} for {cluster.name}, in mixed mode.")
    _say_places(state)
    say(f"  lists         signed by {cluster.signer} with {cluster.digest.text}")
    say(f"Start the service with: tvs serve --state {state.path}")
    return OK


def _say_places(state: StateDirectory) -> None:
    say(f"  database      {state.store_name}")
    say(f"  private keys  {state.keys}")
    say(f"  CTL file      {state.ctl_file}")
    say(f"  ITL file      {state.itl_file}")


_OF_A_CLUSTER = ("store", "subject", "signer", "digest")
"""Options that do not go with --join: the cluster has them already."""


def _join(arguments: argparse.Namespace) -> int:
    from tvs.manage.joining import NewNode, join
    from tvs.manage.provision import this_host

    for option in _OF_A_CLUSTER:
        if getattr(arguments, option) is not None:
            raise CommandError(f"--{option} does not go with --join: the cluster has it already", USAGE)
    try:
        new = NewNode(name=arguments.name or this_host(), address=arguments.address, tvs_key=arguments.tvs_key)
    except StateError as error:  # a wrong argument, which the sentence names
        raise CommandError(str(error), USAGE) from None
    path = state_of(arguments).path
    _store("--join", arguments.join, path)
    joined = join(path, new, arguments.join, progress)
    for sentence in joined.refused:
        sys.stderr.write(f"tvs: warning: {printable(sentence)}\n")
    steps = [f"on {joined.publisher}: tvs utils itl update", f"tvs serve --state {joined.state.path}"]
    if arguments.json:
        say_done("join", **_facts(joined.state, before=joined.node.name), next_steps=steps)
        return OK
    again = ", which an earlier try had entered" if joined.completed else ""
    say(f"Made {joined.state.path} for {joined.node.name} in the cluster of {joined.publisher}{again}.")
    _say_places(joined.state)
    say("What must follow, in this order:")
    say(f"  1. {steps[0]}")
    say(f"     The key of {joined.publisher} signs the trust lists: phones trust {joined.node.name} with the new ones.")
    say(f"  2. {steps[1]}")
    return OK


def _store(option: str, chosen: str | None, path: Path) -> str | None:
    """The database of the new directory: commands in this environment would use that of TVS_STORE in any case."""
    from tvs.config.store import VARIABLE

    if VARIABLE not in os.environ:
        return chosen
    from tvs.config.loading import load_store

    named = load_store(path)
    if chosen not in (None, named):
        raise CommandError(
            f"{option} and TVS_STORE name two databases, and every command would use that of TVS_STORE; unset it", USAGE
        )
    return named


def _facts(state: StateDirectory, before: str | None = None) -> dict[str, object]:
    """The new state directory: its paths, and the same facts as those of a change.

    If the database was lost since, only the paths: the directory is made all the same.

    `before`: the node that has joined; None if the whole cluster is new.
    """
    from certstore.errors import StoreError
    from tvs.cluster.situation import read_situation
    from tvs.manage.changed import changed_facts

    paths: dict[str, object] = {"state": str(state.path), "database": state.store_name, "keys": str(state.keys)}
    try:
        with state.opened() as store:
            after = read_situation(state, store)
    except StoreError:
        return paths
    earlier = replace(after, nodes=(), entries=()) if before is None else after.without_node(before)
    earlier = replace(earlier, ctl=None, itl=None)
    return {**changed_facts(state, earlier, after), **paths}
