"""`tvs utils ctl …` and `tvs utils itl …`: the cluster's mode and its trust lists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tvs.cli.changes import STATUSES, ask, change_options, make_change, no_digest_option, say_change, say_done
from tvs.cli.common import OK, handled_by, say, state_of, store_of, tell
from tvs.cli.tokens import token_options, token_source
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tvs.cli.common import Commands
    from tvs.cluster.change import Change
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

RESTART = "Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services"
_MODES = {"mixed-mode": ("Mixed mode", "Mixed Mode"), "non-secure-mode": ("non secure mode", "Non Secure Mode")}
"""The original's words in the question, and in the results."""
_OTHER_SIGNER = """\
Makes the {list} file, signed for the moment by the signer that is not the cluster's: by ITLRecovery in a cluster whose
signer is CallManager (10.x, 11.x), by CallManager in one whose signer is ITLRecovery (12.0 and later). Phones still
know that one after the cluster's signer, or that signer and TVS, have changed. When all phones have fetched the file,
the next update goes back"""
"""The description of both resets."""
_UPDATE_EXAMPLES = """\
examples:
  tvs utils ctl update CTLFile
  tvs utils ctl update CTLFile --add-token --token pkcs11:token=SAST-1 --token pkcs11:token=SAST-2
                               from the cluster's signer to tokens; the second one signs (see: tvs show tokens)
"""


def add_commands(commands: Commands) -> None:
    """Adds `utils ctl` and `utils itl`."""
    utils = commands.add_parser("utils", help="mode of the cluster, CTL and ITL files").add_subparsers(
        title="of what", metavar="WHAT", required=True
    )
    _add_ctl(utils)
    _add_itl(utils)


def _carry_out(
    arguments: argparse.Namespace, operation: str, propose: Callable[..., Change], *, begin: str = "", done: str
) -> int:
    """Asks, makes the change and prints the result, in the original's words."""

    def ask_first() -> None:
        ask(f"This operation will {operation}. Do you want to continue? (y/n):", arguments)
        if begin:
            tell(f"\n{begin}", arguments)

    made = make_change(arguments, propose, ask_first)
    return say_change(arguments, made, done, RESTART)


def _local_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", choices=["localkey"], metavar="localkey", help="the key of the other signer")


# -- ctl ---------------------------------------------------------------------------------------------------


def _add_ctl(utils: Commands) -> None:
    ctl = utils.add_parser("ctl", help="mode of the cluster and CTL file").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    mode = ctl.add_parser(
        "set-cluster",
        help="set the cluster to mixed or non-secure mode",
        description="Sets the mode of the cluster and makes its trust lists, signed by the cluster's signer.",
        epilog=f"example:\n  tvs utils ctl set-cluster mixed-mode\n\n{STATUSES}",
    )
    mode.add_argument("mode", choices=list(_MODES), metavar="MODE", help="mixed-mode or non-secure-mode")
    change_options(mode)
    no_digest_option(mode)
    handled_by(mode, _set_cluster)
    update = ctl.add_parser(
        "update",
        help="make a new CTL file",
        description="Makes the CTL file from the current certificates, signed by the cluster's signer (tvs show "
        "cluster), or by a hardware token.",
        epilog=f"{_UPDATE_EXAMPLES}\n{STATUSES}",
    )
    update.add_argument("file", choices=["CTLFile"], metavar="CTLFile", help="the CTL file")
    change_options(update)
    no_digest_option(update)
    token_options(update)
    handled_by(update, _update)
    reset = ctl.add_parser(
        "reset",
        help="sign the CTL file with the other signer",
        description=f"{_OTHER_SIGNER.format(list='CTL')}: tvs utils ctl update CTLFile",
        epilog=f"example:\n  tvs utils ctl reset localkey\n\n{STATUSES}",
    )
    _local_key(reset)
    change_options(reset)
    no_digest_option(reset)
    handled_by(reset, _reset_ctl)


def _set_cluster(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_mode

    lower, title = _MODES[arguments.mode]
    propose = partial(propose_mode, mixed_mode=arguments.mode == "mixed-mode")
    return _carry_out(
        arguments,
        f"set the cluster to {lower}",
        propose,
        begin=f"Moving Cluster to {title}",
        done=f"Cluster set to {title}",
    )


def _update(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_ctl

    with token_source(arguments) as make_source:
        propose = partial(propose_ctl, make_source=make_source)
        return _carry_out(arguments, "update the CTLFile", propose, begin="Updating CTL file", done="CTL file Updated")


def _other_signer(arguments: argparse.Namespace) -> str:
    from tvs.cluster.situation import read_situation

    with store_of(arguments) as store:
        return read_situation(state_of(arguments), store).other_signer


def _reset_ctl(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_reset_ctl

    return _carry_out(
        arguments,
        f"sign the CTLFile with the {_other_signer(arguments)} key",
        propose_reset_ctl,
        begin="Updating CTL file",
        done="CTL file Updated",
    )


# -- itl ---------------------------------------------------------------------------------------------------


def _add_itl(utils: Commands) -> None:
    itl = utils.add_parser("itl", help="ITL file").add_subparsers(title="what to do", metavar="ACTION", required=True)
    reset = itl.add_parser(
        "reset",
        help="sign the ITL file with the other signer",
        description=f"{_OTHER_SIGNER.format(list='ITL')}: tvs utils itl update ITLFile",
        epilog=f"example:\n  tvs utils itl reset localkey\n\n{STATUSES}",
    )
    _local_key(reset)
    change_options(reset)
    no_digest_option(reset)
    handled_by(reset, _reset_itl)
    update = itl.add_parser(
        "update",
        help="make the trust lists that nodes need, or a new ITL file",
        description="Makes the ITL file as the database is, signed by the cluster's signer, and the CTL file, if it "
        "lacks CallManager of a node and no hardware token signs it. Nodes that have joined need this, once for all of "
        "them. With ITLFile, makes that file anew in any case, and no other.",
        epilog="examples:\n"
        "  tvs utils itl update             after nodes have joined the cluster (tvs init --join)\n"
        f"  tvs utils itl update ITLFile     the ITL file, also an equal one\n\n{STATUSES}",
    )
    update.add_argument("file", nargs="?", choices=["ITLFile"], metavar="ITLFile", help="the ITL file alone")
    change_options(update)
    no_digest_option(update)
    handled_by(update, _update_itl)


def _reset_itl(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_reset_itl

    return _carry_out(
        arguments,
        f"sign the ITLFile with the {_other_signer(arguments)} key",
        propose_reset_itl,
        done="The reset ITL file was generated successfully",
    )


def _update_itl(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_itl

    if arguments.file is None:
        return _update_lists(arguments)
    return _carry_out(arguments, "update the ITLFile", propose_itl, begin="Updating ITL file", done="ITL file Updated")


class _NothingToDo(Exception):  # noqa: N818 - not an error
    """The lists are what the database says."""


def _update_lists(arguments: argparse.Namespace) -> int:
    from tvs.cluster.proposals import propose_lists

    def propose(state: StateDirectory, situation: Situation) -> Change:
        change = propose_lists(state, situation)
        if change.after == change.before:
            raise _NothingToDo
        return change

    question = "This operation will update the trust lists. Do you want to continue? (y/n):"
    try:
        made = make_change(arguments, propose, partial(ask, question, arguments))
    except _NothingToDo:
        if arguments.json:
            say_done("update the trust lists")
        else:
            say("The trust lists have everything that the database has; nothing was changed.")
        return OK
    before, after = made.change.before, made.change.after
    lists = ((ITL_NAME, before.itl, after.itl), (CTL_NAME, before.ctl, after.ctl))
    return say_change(arguments, made, *(f"{name} Updated" for name, old, new in lists if old != new), RESTART)
