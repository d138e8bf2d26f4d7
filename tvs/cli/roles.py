"""The option `--role` of commands that import trusted certificates."""

from __future__ import annotations

import argparse

from proto.roles import TrustRole, find_role

ROLE_HELP = """\
roles, by name in any case or by number:
  0 SAST (signs trust lists)   1 CCM   2 CCM+TFTP   3 TFTP (signs files)   4 CAPF   5 SRST   6 FIREWALL
  7 APP-SERVER (HTTPS services)   20 CERTIFICATE-AUTHORITY   21 TVS   22 SIGNALING-CALL-CONTROL
  23 PROVISIONING-SERVICE   24 DATA-SERVICE   25 NETWORK-ELEMENT   26 VPN   27 SERVICEABILITY   255 UNKNOWN
"""


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
