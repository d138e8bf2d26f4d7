"""`tvs set …`: the group of commands that change certificates, nodes, kinds of phones and the running service's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli import certificates, nodes, own_certificates, signers, tracing

if TYPE_CHECKING:
    from tvs.cli.common import Commands


def add_commands(commands: Commands) -> None:
    """Adds `set` and what can be changed."""
    change = commands.add_parser("set", help="change certificates, nodes and the log level").add_subparsers(
        title="what to change", metavar="WHAT", required=True
    )
    nodes.add_set_commands(change)
    certificates.add_set_commands(change)
    own_certificates.add_set_commands(change)
    signers.add_set_commands(change)
    tracing.add_set_commands(change)
