"""The entry point of the `tvs` command."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from cryptography.utils import CryptographyDeprecationWarning

from certstore.certificate import CertificateError
from certstore.store import StoreError
from ctlcache.signing import SigningError
from tvs import __version__
from tvs.cli import (
    certificates,
    ctl,
    init,
    lists,
    nodes,
    own_certificates,
    phone,
    query,
    replay,
    serve,
    sql,
    tls,
    tokens,
)
from tvs.cli.common import FAILED, INTERRUPTED, USAGE, CommandError, Parser
from tvs.config import ConfigError
from tvs.start import StartError
from tvs.state import StateError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_DESCRIPTION = "A Trust Verification Service for Cisco IP phones, and the trust lists around it."
_EPILOG = """\
first steps:
  tvs init --state DIR              make certificates, database and trust lists
  tvs serve --state DIR             answer phones on TCP 2445
  tvs query --server HOST --trust DIR/tftp/ITLFile.tlv --ctl DIR/tftp/CTLFile.tlv
                                    ask for the signer of a CTL file, as a phone does

exit statuses:
  0 done, trusted or verified    1 not trusted, not verified or failed
  2 wrong usage or settings      3 no answer from the server

The documentation is in docs/ of the project.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = Parser(prog="tvs", description=_DESCRIPTION, epilog=_EPILOG)
    root.add_argument("--version", action="version", version=f"tvs {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.add_commands(commands)
    init.add_commands(commands)
    query.add_commands(commands)
    phone.add_commands(commands)
    replay.add_commands(commands)
    show = commands.add_parser("show", help="show trust lists, certificates and nodes").add_subparsers(
        title="what to show", metavar="WHAT", required=True
    )
    change = commands.add_parser("set", help="change certificates and nodes").add_subparsers(
        title="what to change", metavar="WHAT", required=True
    )
    utils = commands.add_parser("utils", help="mode of the cluster, CTL and ITL files").add_subparsers(
        title="of what", metavar="WHAT", required=True
    )
    ctl.add_commands(commands, utils)
    sql.add_commands(commands)
    nodes.add_show_commands(show)
    nodes.add_set_commands(change)
    lists.add_show_commands(show)
    certificates.add_show_commands(show)
    certificates.add_set_commands(change)
    own_certificates.add_requests(change, show)
    tls.add_commands(show)
    tokens.add_show_commands(show)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    # Certificates of old tokens and phones are odd (negative serial numbers …): shown, not complained about.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    try:
        given = parser().parse_args(arguments)
        status: int = given.handler(given)
        sys.stdout.flush()
    except ConfigError as error:
        return _failed("\n".join(error.problems), USAGE)
    except CommandError as error:
        return _failed(str(error), error.status)
    except (StateError, StoreError, StartError, CertificateError, SigningError) as error:
        return _failed(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as head(1) does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _failed(sentences: str, status: int) -> int:
    for sentence in sentences.splitlines():
        sys.stderr.write(f"tvs: {sentence}\n")
    return status
