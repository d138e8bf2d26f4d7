"""`tvs show nodes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from certstore.purposes import Purpose
from tvs.cli.common import OK, say, say_json, state_command, store_of
from tvs.cli.tables import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from certstore.store import CertificateStore, Node
    from tvs.cli.common import Commands


_NO_CERTIFICATE = "none"
PATIENCE = 2.5
"""Seconds for which a node that lives is seen to report: it does so once a second."""
LOOK = 0.1
"""Seconds between two looks at the reports."""
_STATES = {"absent": "no service seen", "unknown": "no report now"}
_NO_REPORT = (
    f"no report now: none came in the {PATIENCE:g} s for which this command watched; for how long before, is not known"
)


def add_show_commands(show: Commands) -> None:
    """Adds `show nodes`."""
    what = "nodes of the cluster"
    parser = show.add_parser(
        "nodes", help=what, description=f"Shows the {what}.", epilog="example:\n  tvs show nodes --json"
    )
    state_command(parser, _show)


def _show(arguments: argparse.Namespace) -> int:
    with store_of(arguments) as store:
        members, ends = store.nodes(), _ends(store)
        nodes = [_described(node, ends.get(node.name.lower(), {})) for node in members]
        if store.reports():
            for node, status in zip(nodes, _served(store, members), strict=True):
                node |= {name: status[name] for name in ("generation", "state", "staleness", "problem")}
    if arguments.json:
        say_json(nodes)
        return OK
    columns = {"Name": "name", "Address": "address", "Type": "type", "CallManager": "call_manager"}
    if any(node["call_manager_ecdsa"] != _NO_CERTIFICATE for node in nodes):
        columns["CallManager-ECDSA"] = "call_manager_ecdsa"
    columns["TVS"] = "tvs"
    if any("state" in node for node in nodes):
        columns |= {"Generation": "generation", "State": "state", "Staleness": "staleness"}
    say(table(tuple(columns), [tuple(_cell(key, node) for key in columns.values()) for node in nodes]))
    if any(node.get("state") == "unknown" for node in nodes):
        say(_NO_REPORT)
    for node in nodes:
        if node.get("problem"):
            say(f"{node['name']}: {node['problem']}")
    return OK


def _ends(store: CertificateStore) -> dict[str, dict[Purpose, str]]:
    """The ends of own certificates by node, in lower case, and unit."""
    ends: dict[str, dict[Purpose, str]] = {}
    for entry in store.entries(own=True):
        ends.setdefault((entry.node or "").lower(), {})[entry.unit] = f"until {entry.certificate.not_after:%Y-%m-%d}"
    return ends


def _described(node: Node, ends: Mapping[Purpose, str]) -> dict[str, Any]:
    return {
        "name": node.name,
        "address": node.address,
        "type": "Publisher" if node.publisher else "Subscriber",
        "call_manager": ends.get(Purpose.CallManager, _NO_CERTIFICATE),
        "call_manager_ecdsa": ends.get(Purpose.CallManager_ECDSA, _NO_CERTIFICATE),
        "tvs": ends.get(Purpose.TVS, _NO_CERTIFICATE),
    }


def _served(store: CertificateStore, nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """What each of these nodes serves, in their order.

    Waits until it is known of each whether it lives, `PATIENCE` seconds at most.
    """
    import time

    from tvs.cluster.nodestates import Liveness

    liveness, until = Liveness(), time.monotonic() + PATIENCE
    while True:
        reports, now = store.reports(), time.monotonic()
        liveness.read(reports, now)
        if now >= until or all(liveness.lives(report.node, now) is not None for report in reports):
            current = store.generation().number
            return [status.to_json() for node in nodes for status in liveness.statuses([node], current, now)]
        time.sleep(LOOK)


def _cell(key: str, node: Mapping[str, Any]) -> str:
    """A value as the table shows it; the staleness that a node reported last is not the one that it has now."""
    value = node[key]
    if key == "state":
        return _STATES.get(str(value), str(value))
    if value is None or (key == "staleness" and node["state"] == "unknown"):
        return ""
    return f"{value:.1f} s" if key == "staleness" else str(value)
