"""The option `--role` of commands that import trusted certificates."""

from __future__ import annotations

import argparse
from textwrap import fill

from proto.roles import TrustRole, find_role, role_name

_NOTES = {
    TrustRole.SAST: " (signs trust lists)",
    TrustRole.TFTP: " (signs files)",
    TrustRole.APP_SERVER: " (HTTPS services)",
}
_ROLES = ", ".join(f"{int(role)}~{role_name(role)}{_NOTES.get(role, '')}" for role in TrustRole)
ROLE_HELP = fill(
    f"Roles, by name in any case or by number: {_ROLES}.", 116, break_on_hyphens=False, subsequent_indent="  "
).replace("~", " ")
"""The roles, for the end of a help text."""


def role_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--role`, which may be given several times."""
    parser.add_argument(
        "--role",
        action="append",
        type=_role,
        default=[],
        metavar="ROLE",
        help="a role for it in place of those of the trust store, such as APP-SERVER; may be given several times",
    )


def _role(text: str) -> TrustRole:
    try:
        return find_role(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
