"""`tvs show nodes`, `tvs show phones`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli.common import OK, say, say_json, state_command, store_of
from tvs.cli.tables import table
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    import argparse

    from certstore.store import CertificateStore, Node
    from tvs.cli.common import Commands


_NO_CERTIFICATE = "none"


def add_show_commands(show: Commands) -> None:
    """Adds `show nodes` and `show phones`."""
    for name, help_text, handler in (
        ("nodes", "nodes of the cluster", _show),
        ("phones", "kinds of phones that the cluster has", _show_phones),
    ):
        parser = show.add_parser(
            name, help=help_text, description=f"Shows the {help_text}.", epilog=f"example:\n  tvs show {name} --json"
        )
        state_command(parser, handler)


def _show(arguments: argparse.Namespace) -> int:
    with store_of(arguments) as store:
        nodes = [_described(store, node) for node in store.nodes()]
    if arguments.json:
        say_json(nodes)
        return OK
    columns = {"Name": "name", "Address": "address", "Type": "type", "CallManager": "call_manager"}
    if any(node["call_manager_ecdsa"] != _NO_CERTIFICATE for node in nodes):
        columns["CallManager-ECDSA"] = "call_manager_ecdsa"
    columns["TVS"] = "tvs"
    say(table(tuple(columns), [tuple(node[key] for key in columns.values()) for node in nodes]))
    return OK


def _described(store: CertificateStore, node: Node) -> dict[str, str]:
    ends = {
        entry.unit: f"until {entry.certificate.not_after:%Y-%m-%d}"
        for entry in store.entries(own=True)
        if (entry.node or "").lower() == node.name.lower()
    }
    return {
        "name": node.name,
        "address": node.address,
        "type": "Publisher" if node.publisher else "Subscriber",
        "call_manager": ends.get(Purpose.CallManager, _NO_CERTIFICATE),
        "call_manager_ecdsa": ends.get(Purpose.CallManager_ECDSA, _NO_CERTIFICATE),
        "tvs": ends.get(Purpose.TVS, _NO_CERTIFICATE),
    }


def _show_phones(arguments: argparse.Namespace) -> int:
    from tvs.manage.kinds import phone_kinds

    with store_of(arguments) as store:
        kinds = phone_kinds(store)
    if arguments.json:
        say_json({kind.value: kind in kinds for kind in PhoneKind})
        return OK
    rows = [(kind, "yes" if kind in kinds else "no", kind.phones) for kind in PhoneKind]
    say(table(("Kind", "Here", "Phones"), rows))
    return OK
