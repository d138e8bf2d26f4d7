"""`tvs set node …`, `tvs set phones`."""

from __future__ import annotations

from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
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
from tvs.cli.common import OK, USAGE, CommandError, handled_by, say, state_command, state_of
from tvs.plan.phones import PhoneKind, parse_kinds

if TYPE_CHECKING:
    import argparse

    from tvs.cli.changes import MadeChange
    from tvs.cli.common import Commands

_NODE_EPILOG = f"""\
A node that shares the cluster's database enters itself: tvs init --join URL there. An entry that was made before,
without certificates, keeps its name and address for it. One with a database of its own also makes its own keys, which
stay on it (tvs init there); its certificates come here as files:
  tvs show cert own CallManager --pem > CallManager.pem         on the node
Without them the node is not in the trust lists; later: tvs set cert import own UNIT FILE --node NAME

example:
  tvs set node add cucm-sub1 --address 192.0.2.11 --call-manager CallManager.pem --tvs TVS.pem
  (--call-manager-ec CallManager-ECDSA.pem, if the node has an EC certificate as well)

The CTL file gets the node with the next: tvs utils ctl update CTLFile

{STATUSES}"""


_PROMOTE_EPILOG = f"""\
Run it on a subscriber. With --keys the signer of trust lists stays, and phones notice nothing: DIR has the keys of
ITLRecovery, of CAPF and, in a cluster whose lists CallManager signs, of the publisher's CallManager. They are checked
against the certificates in the database and copied. Without --keys those of this node are taken, if it was the
publisher before and has them all. Else a new ITLRecovery certificate signs the lists, or in such a cluster this node's
CallManager: phones ask TVS about it, and those that cannot are lost.

examples:
  tvs ctl plan promote                                what phones will do; nothing is changed
  tvs set node promote --keys /mnt/backup/tvs/keys
  tvs set node promote                                the keys are lost, too

{STATUSES}"""
_RENAME_EPILOG = f"""\
The database, the ITL file and the names of the node's certificates have the new name at once; the certificates
themselves have the old one until they are replaced, one at a time, in the order that the command prints.

examples:
  tvs set node rename cucm-pub cucm-pub2 --address 192.0.2.20
  tvs set node rename cucm-sub1 cucm-sub1 --address 192.0.2.21       another address only

{STATUSES}"""


def add_set_commands(change: Commands) -> None:
    """Adds `set node add|delete|rename` and `set phones`."""
    node = change.add_parser("node", help="add, delete or rename a node").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    add = node.add_parser(
        "add",
        help="add a subscriber",
        description="Adds a subscriber to the cluster. With the publisher's own name it changes its address.",
        epilog=_NODE_EPILOG,
    )
    add.add_argument("name", type=_node_name, metavar="NAME", help="host name; the publisher's changes its address")
    add.add_argument("--address", type=values.address, required=True, metavar="IP", help="IPv4 or IPv6 address")
    add.add_argument("--call-manager", type=Path, metavar="FILE", help="its CallManager certificate, PEM or DER")
    add.add_argument("--call-manager-ec", type=Path, metavar="FILE", help="its EC CallManager certificate, if any")
    add.add_argument("--tvs", type=Path, metavar="FILE", help="its TVS certificate, PEM or DER")
    change_options(add, question=False)
    handled_by(add, _add)
    delete = node.add_parser(
        "delete",
        help="delete a subscriber",
        description="Deletes a subscriber and its certificates from the cluster and from the ITL file.",
        epilog=f"example:\n  tvs set node delete cucm-sub1\n\n{STATUSES}",
    )
    delete.add_argument("name", metavar="NAME", help="host name")
    change_options(delete)
    handled_by(delete, _delete)
    rename = node.add_parser(
        "rename",
        help="give a node another name or address",
        description="Gives the publisher or a subscriber another name, address or both, and prints the steps that must "
        "follow.",
        epilog=_RENAME_EPILOG,
    )
    rename.add_argument("name", metavar="OLD", help="present host name")
    rename.add_argument("new", type=_node_name, metavar="NEW", help="host name afterwards; may be OLD")
    rename.add_argument("--address", type=values.address, metavar="IP", help="address afterwards (default: as before)")
    change_options(rename)
    handled_by(rename, _rename)
    promote = node.add_parser(
        "promote",
        help="make this subscriber the publisher, because that is lost",
        description="Makes this node the publisher of its cluster, in place of one that is lost for good. The old one "
        "becomes a subscriber.",
        epilog=_PROMOTE_EPILOG,
    )
    promote_options(promote)
    change_options(promote)
    handled_by(promote, _promote)
    phones = change.add_parser(
        "phones",
        help="kinds of phones in the cluster",
        description="Sets the kinds of phones in the cluster. Changes that would lose such phones are stopped.",
        epilog=f"{_kinds_text()}\n\nexample:\n  tvs set phones with-tvs tls1.0",
    )
    phones.add_argument("kinds", nargs="+", metavar="KIND", help=", ".join(PhoneKind))
    state_command(phones, _set_phones)


def promote_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--keys`."""
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="keys/ of the lost publisher's state directory, from its backup (default: those of this node, "
        "if it was the publisher before; else a new signer of trust lists)",
    )


def _kinds_text() -> str:
    return "kinds:\n" + "\n".join(f"  {kind:<12} {kind.phones}" for kind in PhoneKind)


def _add(arguments: argparse.Namespace) -> int:
    from certstore.store import Node
    from tvs.cluster.nodes import propose_node
    from tvs.manage.lookup import read_one_certificate

    node = Node(name=arguments.name, address=arguments.address, publisher=False)
    files = {
        Purpose.CallManager: arguments.call_manager,
        Purpose.CallManager_ECDSA: arguments.call_manager_ec,
        Purpose.TVS: arguments.tvs,
    }
    certificates = {unit: read_one_certificate(path) for unit, path in files.items() if path is not None}
    made = make_change(arguments, partial(propose_node, node=node, certificates=certificates))
    if len(made.change.after.nodes) > len(made.change.before.nodes):
        return say_change(arguments, made, f"Successfully added node {node.name}.")
    return _say_renamed(arguments, made, f"Successfully changed the address of {node.name} to {node.address}.")


def _promote(arguments: argparse.Namespace) -> int:
    from tvs.cluster.promotion import next_steps, propose_promotion

    question = "Make this node the publisher, because the present one is lost for good? (y/n):"
    made = make_change(arguments, partial(propose_promotion, keys=arguments.keys), partial(ask, question, arguments))
    name, steps = made.change.after.publisher.name, next_steps(made.change)
    lines = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    head = f"{name} is the publisher now, and signs the trust lists. What must follow:"
    return say_change(arguments, made, head, *lines, next_steps=steps)


def _rename(arguments: argparse.Namespace) -> int:
    from tvs.cluster.renaming import propose_rename

    address = "" if arguments.address is None else f" with address {arguments.address}"
    question = f"Rename node {arguments.name} to {arguments.new}{address}? (y/n):"
    propose = partial(propose_rename, old=arguments.name, new=arguments.new, address=arguments.address)
    made = make_change(arguments, propose, partial(ask, question, arguments))
    return _say_renamed(arguments, made, f"Successfully renamed node {arguments.name} to {arguments.new}{address}.")


def _say_renamed(arguments: argparse.Namespace, made: MadeChange, done: str) -> int:
    from tvs.cluster.renaming import next_steps

    steps = next_steps(made.change.before, made.change.after)
    return say_change(arguments, made, done, *following(steps), next_steps=steps)


def _node_name(value: str) -> str:
    """A node's name: its host name, or its address."""
    from certstore.errors import StoreError
    from certstore.rules.nodes import check_node
    from certstore.store import Node

    try:
        check_node(Node(name=value, address="", publisher=False))
    except StoreError as error:
        raise ArgumentTypeError(str(error)) from None
    return value


def _delete(arguments: argparse.Namespace) -> int:
    from tvs.cluster.nodes import propose_no_node, steps_without

    question = f"Delete node {arguments.name} and its certificates? (y/n):"
    made = make_change(arguments, partial(propose_no_node, name=arguments.name), partial(ask, question, arguments))
    steps = steps_without(made.change.before, made.change.after)
    done = f"Successfully deleted node {arguments.name}."
    return say_change(arguments, made, done, *following(steps), next_steps=steps)


def _set_phones(arguments: argparse.Namespace) -> int:
    from tvs.manage.unnoticed import set_phone_kinds

    try:
        kinds = parse_kinds(" ".join(arguments.kinds))
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    set_phone_kinds(state_of(arguments), kinds, say_taken, warn_unpublished)
    if arguments.json:
        say_done("phones", phones=sorted(kinds))
    else:
        say(f"The cluster has: {', '.join(sorted(kinds))}")
    return OK
