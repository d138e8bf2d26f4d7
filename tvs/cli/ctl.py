"""`tvs utils ctl …`, `tvs utils itl …`, `tvs ctl plan` and `tvs file delete tftp`: the trust lists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.administration import plan_only
from tvs.cli.changes import (
    STATUSES,
    ask,
    change_options,
    digest_of,
    digest_option,
    make_change,
    outlook_of,
    outlook_options,
)
from tvs.cli.common import (
    FAILED,
    OK,
    USAGE,
    CommandError,
    handled_by,
    json_option,
    say,
    say_json,
    state_of,
    state_option,
)
from tvs.cli.tokens import token_options, token_source
from tvs.cluster import propose_ctl, propose_deletion, propose_itl, propose_mode, propose_recovery_ctl
from tvs.cluster.situation import CTL_NAME, ITL_NAME
from tvs.plan import plan_json, plan_text
from tvs.plan.changes import propose_planned

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

RESTART = "Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these services"
_MODES = {"mixed-mode": ("Mixed mode", "Mixed Mode"), "non-secure-mode": ("non secure mode", "Non Secure Mode")}
"""The original's words in the question, and in the results."""
_UPDATE_EXAMPLES = """\
examples:
  tvs utils ctl update CTLFile --digest sha1
  tvs utils ctl update CTLFile --add-token --token pkcs11:token=SAST-1 --token pkcs11:token=SAST-2
                               from CallManager to tokens; the second one signs (see: tvs show tokens)
"""
_PLAN_EPILOG = """\
CHANGE is one of
  (nothing)                    the files as they are
  update [CTLFile]             tvs utils ctl update CTLFile
  set-cluster MODE             mixed-mode or non-secure-mode
  regen UNIT                   tvs set cert regen UNIT, and the update of the CTL file that it makes necessary
  file FILE …                  other CTL or ITL files in place of the present ones
  delete NAME                  tvs file delete tftp NAME
  reset ctl | itl              tvs utils ctl reset localkey, tvs utils itl reset localkey

examples:
  tvs ctl plan regen CallManager
  tvs ctl plan update --digest sha1 --phones with-tvs,tls1.0
  tvs ctl plan --held CTLFile.tlv --held ITLFile.tlv       for phones that hold these files

exit statuses:
  0 safe    1 phones would be lost, or it failed    2 wrong usage
"""


def add_commands(commands: Commands, utils: Commands) -> None:
    """Adds `ctl plan`, `utils ctl`, `utils itl` and `file delete tftp`."""
    _add_plan(commands)
    _add_utils_ctl(utils)
    _add_utils_itl(utils)
    _add_file_delete(commands)


# -- utils ctl ---------------------------------------------------------------------------------------------


def _add_utils_ctl(utils: Commands) -> None:
    ctl = utils.add_parser("ctl", help="mode of the cluster and CTL file").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    mode = ctl.add_parser(
        "set-cluster",
        help="set the cluster to mixed or non-secure mode",
        description="Sets the mode of the cluster and makes its trust lists, signed by CallManager.",
        epilog=f"example:\n  tvs utils ctl set-cluster mixed-mode\n\n{STATUSES}",
    )
    mode.add_argument("mode", choices=list(_MODES), metavar="MODE", help="mixed-mode or non-secure-mode")
    change_options(mode, digest=True)
    handled_by(mode, _set_cluster)
    update = ctl.add_parser(
        "update",
        help="make the CTL file again",
        description="Makes the CTL file from the certificates of now, signed by the publisher's CallManager, or by a "
        "hardware token.",
        epilog=f"{_UPDATE_EXAMPLES}\n{STATUSES}",
    )
    update.add_argument("file", choices=["CTLFile"], metavar="CTLFile", help="the CTL file")
    change_options(update, digest=True)
    token_options(update)
    handled_by(update, _update)
    reset = ctl.add_parser(
        "reset",
        help="sign the CTL file with ITLRecovery",
        description="Makes the CTL file, signed by ITLRecovery, which phones still know when CallManager has changed.",
        epilog=STATUSES,
    )
    _local_key(reset)
    change_options(reset, digest=True)
    handled_by(reset, _reset_ctl)


def _local_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", choices=["localkey"], metavar="localkey", help="ITLRecovery's key of this node")


def _set_cluster(arguments: argparse.Namespace) -> int:
    lower, title = _MODES[arguments.mode]
    ask(f"This operation will set the cluster to {lower}. Do you want to continue? (y/n):", arguments)
    say(f"\nMoving Cluster to {title}")
    mixed_mode = arguments.mode == "mixed-mode"
    make_change(arguments, partial(propose_mode, mixed_mode=mixed_mode, digest=digest_of(arguments)))
    say(f"Cluster set to {title}")
    say(RESTART)
    return OK


def _update(arguments: argparse.Namespace) -> int:
    with token_source(arguments) as make_source:
        ask("This operation will update the CTLFile. Do you want to continue? (y/n):", arguments)
        say("\nUpdating CTL file")
        make_change(arguments, partial(propose_ctl, make_source=make_source, digest=digest_of(arguments)))
    say("CTL file Updated")
    say(RESTART)
    return OK


def _reset_ctl(arguments: argparse.Namespace) -> int:
    ask("This operation will sign the CTLFile with the ITLRecovery key. Do you want to continue? (y/n):", arguments)
    say("\nUpdating CTL file")
    make_change(arguments, partial(propose_recovery_ctl, digest=digest_of(arguments)))
    say("CTL file Updated")
    say(RESTART)
    return OK


# -- utils itl ---------------------------------------------------------------------------------------------


def _add_utils_itl(utils: Commands) -> None:
    itl = utils.add_parser("itl", help="ITL file").add_subparsers(title="what to do", metavar="ACTION", required=True)
    reset = itl.add_parser(
        "reset",
        help="sign the ITL file with ITLRecovery",
        description="Makes the ITL file, signed by ITLRecovery, which phones still know when CallManager and TVS have "
        "both changed. When all phones have fetched it: tvs utils itl update ITLFile",
        epilog=STATUSES,
    )
    _local_key(reset)
    change_options(reset, digest=True)
    handled_by(reset, _reset_itl)
    update = itl.add_parser(
        "update",
        help="make the ITL file again",
        description="Makes the ITL file, signed by CallManager. Other commands do so where its contents change.",
        epilog=STATUSES,
    )
    update.add_argument("file", choices=["ITLFile"], metavar="ITLFile", help="the ITL file")
    change_options(update, digest=True)
    handled_by(update, _update_itl)


def _reset_itl(arguments: argparse.Namespace) -> int:
    ask("This operation will sign the ITLFile with the ITLRecovery key. Do you want to continue? (y/n):", arguments)
    make_change(arguments, partial(propose_itl, signer=Purpose.ITLRecovery, digest=digest_of(arguments)))
    say("The reset ITL file was generated successfully")
    say(RESTART)
    return OK


def _update_itl(arguments: argparse.Namespace) -> int:
    ask("This operation will update the ITLFile. Do you want to continue? (y/n):", arguments)
    say("\nUpdating ITL file")
    make_change(arguments, partial(propose_itl, digest=digest_of(arguments)))
    say("ITL file Updated")
    say(RESTART)
    return OK


# -- file delete tftp --------------------------------------------------------------------------------------


def _add_file_delete(commands: Commands) -> None:
    delete = (
        commands.add_parser("file", help="delete trust lists")
        .add_subparsers(title="what to do", metavar="ACTION", required=True)
        .add_parser("delete", help="delete a file")
        .add_subparsers(title="where", metavar="WHERE", required=True)
    )
    tftp = delete.add_parser(
        "tftp",
        help="a trust list that phones fetch",
        description=f"Deletes {CTL_NAME} or {ITL_NAME} from the TFTP directory; it stays beside as NAME.1.",
        epilog=f"example:\n  tvs file delete tftp {CTL_NAME}\n\n{STATUSES}",
    )
    tftp.add_argument("name", choices=[CTL_NAME, ITL_NAME], metavar="NAME", help=f"{CTL_NAME} or {ITL_NAME}")
    change_options(tftp)
    handled_by(tftp, _delete)


def _delete(arguments: argparse.Namespace) -> int:
    name = arguments.name
    say(f"Delete the File {name}?")
    ask('Enter "y" followed by return to continue: ', arguments)
    change = make_change(arguments, lambda _, situation: propose_deletion(situation, name))
    before = change.before.ctl if name == CTL_NAME else change.before.itl
    found = int(before is not None)
    say(f"files: found = {found}, deleted = {found}")
    return OK if found else FAILED


# -- ctl plan ----------------------------------------------------------------------------------------------


def _add_plan(commands: Commands) -> None:
    ctl = commands.add_parser("ctl", help="what phones will do").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    plan = ctl.add_parser(
        "plan",
        help="what phones will do when something changes",
        description="Says what each kind of phone will do after a change, and what is wrong; nothing is changed.",
        epilog=_PLAN_EPILOG,
    )
    plan.add_argument("change", nargs="*", metavar="CHANGE", help="see below")
    state_option(plan)
    outlook_options(plan)
    digest_option(plan)
    json_option(plan)
    handled_by(plan, _plan)


def _plan(arguments: argparse.Namespace) -> int:
    try:
        propose = propose_planned(arguments.change, digest_of(arguments))
    except ValueError as error:
        raise CommandError(f"{error}\nTry: tvs ctl plan --help", USAGE) from None
    plan = plan_only(state_of(arguments), propose, outlook_of(arguments))
    if arguments.json:
        say_json(plan_json(plan))
    else:
        say(plan_text(plan))
    return OK if plan.safe else FAILED
