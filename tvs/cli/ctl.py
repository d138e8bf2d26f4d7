"""`tvs ctl`: the behaviour of phones after a change, planned and seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.changes import no_digest_option, plan_options, plan_options_of, say_pending
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
from tvs.cli.nodes import promote_options
from tvs.cli.plan_words import spelled_change
from tvs.cli.roles import role_option
from tvs.cli.rollout import add_rollout_command
from tvs.cli.signers import announce_option
from tvs.cli.tokens import token_options, token_source

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
CHANGE is one of
  (nothing)                    the files as they are
  update [CTLFile]             tvs utils ctl update CTLFile, with --token: signed by a hardware token (without its PIN)
  update itl                   tvs utils itl update
  set-cluster MODE             mixed-mode or non-secure-mode
  regen UNIT                   tvs set cert regen UNIT, and the update of the CTL file that it makes necessary
  restore UNIT                 tvs set cert restore UNIT, likewise
  file FILE …                  other CTL or ITL files in place of the current ones
  delete NAME                  tvs file delete tftp NAME
  import UNIT FILE             tvs set cert import trust UNIT FILE, with --role ROLE too
  delete UNIT NAME             tvs set cert delete UNIT NAME
  set signer UNIT              tvs set signer UNIT
  set digest DIGEST            tvs set digest DIGEST
  rollover UNIT [next | abort] tvs rollover UNIT, with --next or --abort
  promote                      tvs set node promote, with --keys DIR too
  reset ctl | itl              tvs utils ctl reset localkey, tvs utils itl reset localkey

examples:
  tvs ctl plan regen CallManager
  tvs ctl plan set digest sha512 --phones with-tvs,tls1.0
  tvs ctl plan set signer ITLRecovery --announce
  tvs ctl plan update --add-token --token pkcs11:token=SAST-1 --token pkcs11:token=SAST-2
  tvs ctl plan delete Phone-SAST-trust SAST-ADN008580ef.pem
  tvs ctl plan import Phone-trust asterisk.pem --role CCM --role APP-SERVER
  tvs ctl plan --held CTLFile.tlv --held ITLFile.tlv       for phones that hold these files
  tvs ctl plan regen CallManager --offline                 TVS servers are not asked what phones meet there

exit statuses:
  0 safe    1 phones would be lost, or it failed    2 wrong usage
"""


def add_commands(commands: Commands) -> None:
    """Adds `ctl plan` and `ctl rollout`."""
    ctl = commands.add_parser("ctl", help="what phones will do, and did").add_subparsers(
        title="what to do", metavar="ACTION", required=True
    )
    plan = ctl.add_parser(
        "plan",
        help="what phones will do when something changes",
        description="Shows what each kind of phone will do after a change, and findings; nothing is changed.",
        epilog=_EPILOG,
    )
    plan.add_argument("change", nargs="*", type=values.file_name, metavar="CHANGE", help="see below")
    state_option(plan)
    plan_options(plan)
    no_digest_option(plan)
    announce_option(plan)
    role_option(plan)
    promote_options(plan)
    token_options(plan, pin=False)
    json_option(plan)
    handled_by(plan, _plan)
    add_rollout_command(ctl)


def _plan(arguments: argparse.Namespace) -> int:
    from tvs.manage.planned import propose_planned
    from tvs.manage.procedure import plan_only
    from tvs.plan.text import plan_json, plan_text

    change = spelled_change(arguments.change)
    with token_source(arguments) as make_source:
        try:
            propose = propose_planned(
                change, arguments.role, make_source, announce=arguments.announce, keys=arguments.keys
            )
        except ValueError as error:
            raise CommandError(f"{error}\nTry: tvs ctl plan --help", USAGE) from None
        plan = plan_only(state_of(arguments), propose, plan_options_of(arguments), say_pending)
    if arguments.json:
        say_json(plan_json(plan))
    else:
        say(plan_text(plan))
    return OK if plan.safe else FAILED
