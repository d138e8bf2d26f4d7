"""`tvs show …`: the group of commands that print and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli import certificates, lists, nodes, own_certificates, signers, tls, tokens

if TYPE_CHECKING:
    from tvs.cli.common import Commands


def add_commands(commands: Commands) -> None:
    """Adds `show` and its commands."""
    show = commands.add_parser("show", help="show trust lists, certificates and nodes").add_subparsers(
        title="what to show", metavar="WHAT", required=True
    )
    nodes.add_show_commands(show)
    lists.add_show_commands(show)
    certificates.add_show_commands(show)
    own_certificates.add_show_commands(show)
    tls.add_show_commands(show)
    tokens.add_show_commands(show)
    signers.add_show_commands(show)
