"""`tvs show …`: the group of commands that print and change nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.cli.common import Commands

MODULES = {
    "status": "status",
    "queries": "queries",
    "signers": "queries",
    "nodes": "nodes",
    "phones": "phones",
    "ctl": "lists",
    "itl": "lists",
    "cert": "certificates",
    "csr": "requests",
    "tls-profile": "tls",
    "tokens": "tokens",
    "cluster": "cluster",
}
"""The module of each word that can follow; it is imported only for that word, or for a help text that names all."""


def add_commands(commands: Commands, what: str = "") -> None:
    """Adds `show` and its commands.

    Args:
        commands: parsers of the first words.
        what: the word after `show`; empty: all of them.
    """
    show = commands.add_parser("show", help="show status, trust lists, certificates and nodes").add_subparsers(
        title="what to show", metavar="WHAT", required=True
    )
    for module in dict.fromkeys([MODULES[what]] if what else MODULES.values()):
        import_module(f"tvs.cli.show.{module}").add_show_commands(show)
