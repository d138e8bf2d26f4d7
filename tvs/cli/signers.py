"""`tvs set signer`, `tvs set digest`, `tvs show cluster`: the signer and the digest of trust lists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cli.changes import DIGESTS, SIGNERS, STATUSES, change_options, make_change, say_change
from tvs.cli.common import handled_by
from tvs.cli.tokens import token_options, token_source

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_SIGNER_EPILOG = """\
signers:
  ITLRecovery   12.0 and later: a new CallManager certificate costs no phone
  CallManager   10.x and 11.x: with a new CallManager certificate phones ask TVS; those that cannot are lost

Phones without TVS know only the signers in their CTL file: announce another
signer to them first, restart them, and set it when all have fetched the lists.

examples:
  tvs set signer ITLRecovery
  tvs set signer ITLRecovery --announce           first, for phones without TVS
  tvs set signer ITLRecovery --held current       when they have fetched the lists

A CTL file that a hardware token signed stays; tvs utils ctl update CTLFile goes back to the cluster's signer.
"""
_DIGEST_EPILOG = """\
digests:
  sha1     every phone
  sha256   7800, 8800 and later series
  sha512   likewise

examples:
  tvs set digest sha1
  tvs set digest sha1 --token pkcs11:token=SAST-2        if that token signed the CTL file
"""
_PHONES_FETCH = "Phones fetch them when they restart."


def add_set_commands(change: Commands) -> None:
    """Adds `set signer` and `set digest`."""
    signer = change.add_parser(
        "signer",
        help="signer of trust lists",
        description="Sets the signer of trust lists and makes both lists, signed by it.",
        epilog=f"{_SIGNER_EPILOG}\n{STATUSES}",
    )
    signer.add_argument("signer", choices=SIGNERS, metavar="UNIT", help=" or ".join(SIGNERS))
    announce_option(signer)
    change_options(signer, question=False)
    handled_by(signer, _set_signer)
    digest = change.add_parser(
        "digest",
        help="digest of trust lists",
        description="Sets the digest of trust lists and makes both lists, signed with it.",
        epilog=f"{_DIGEST_EPILOG}\n{STATUSES}",
    )
    digest.add_argument("digest", choices=list(DIGESTS), metavar="DIGEST", help=", ".join(DIGESTS))
    change_options(digest, question=False)
    token_options(digest)
    handled_by(digest, _set_digest)


def announce_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--announce`."""
    parser.add_argument(
        "--announce",
        action="store_true",
        help="with set signer: only make lists that hold both signers, signed by the present one",
    )


def _set_signer(arguments: argparse.Namespace) -> int:
    from tvs.cluster.signers import propose_announcement, propose_signer

    signer = Purpose(arguments.signer)
    if not arguments.announce:
        made = make_change(arguments, partial(propose_signer, signer=signer))
        return say_change(arguments, made, f"{signer} signs the trust lists. {_PHONES_FETCH}", signer=signer)
    made = make_change(arguments, partial(propose_announcement, signer=signer))
    present = made.change.before.signer
    lines = (
        f"The trust lists hold {present} and {signer}; {present} still signs them. {_PHONES_FETCH}",
        f"When all phones have fetched them: tvs set signer {signer} --held current",
    )
    return say_change(arguments, made, *lines, signer=present, announced=signer)


def _set_digest(arguments: argparse.Namespace) -> int:
    from tvs.cluster.signers import propose_digest

    digest = DIGESTS[arguments.digest]
    with token_source(arguments) as make_source:
        made = make_change(arguments, partial(propose_digest, digest=digest, make_source=make_source))
    done = f"The trust lists are signed with {digest.text}. {_PHONES_FETCH}"
    return say_change(arguments, made, done, digest=digest.text)
