"""`tvs rollover`: the certificate of a unit replaced in stages, none of which loses a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.serials import serial_text
from tvs.cli import values
from tvs.cli.changes import STATUSES, change_options, make_change, plan_options_of, say_change, say_done
from tvs.cli.common import OK, USAGE, CommandError, handled_by, say, say_json, state_of
from tvs.units import ROLLED_OVER, KeyType

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tvs.cli.changes import MadeChange
    from tvs.cli.common import Commands
    from tvs.cluster.rollover import Rollover
    from tvs.manage.rollover import RolledNode, RolloverStatus

_EPILOG = """\
stages:
  announced            the lists name the present certificate and the next one
  presented, signing   the next certificate is in use; the lists still name the one before
  (finished)           the one before has left the lists

Between two stages the phones are restarted, so that they fetch the lists. In a cluster, each node that shall have
a new TVS certificate takes part: tvs rollover TVS on each; the publisher goes on for all.

examples:
  tvs rollover TVS                          a new key and certificate, announced
  tvs rollover TVS --status                 how far it is, and what the next stage waits for
  tvs rollover TVS --next                   the next stage, when no phone would be lost
  tvs rollover TVS --next --held current    when all phones have fetched the lists
  tvs rollover TVS --abort                  one stage back
  tvs ctl plan rollover TVS next            what phones will do; nothing is changed

"""
_PHONES = "Restart the phones: they fetch the new lists."


def add_commands(commands: Commands) -> None:
    """Adds `rollover`."""
    rollover = commands.add_parser(
        "rollover",
        help="replace a certificate in stages, without losing a phone",
        description="Replaces a certificate that phones depend on: the next one is announced in the lists, then put "
        "in use, then the one before goes. The stage is in the database; each can be looked at, waited for and undone.",
        epilog=_EPILOG + STATUSES,
    )
    units = [unit.value for unit in ROLLED_OVER]
    rollover.add_argument("unit", choices=units, metavar="UNIT", help=", ".join(units))
    step = rollover.add_mutually_exclusive_group()
    step.add_argument("--status", action="store_true", help="show the stage, and what the next one waits for")
    step.add_argument("--next", action="store_true", help="go on to the next stage")
    step.add_argument("--abort", action="store_true", help="go back one stage")
    rollover.add_argument(
        "--key",
        type=values.one_of(KeyType),
        choices=list(KeyType),
        metavar="KIND",
        help=f"of the next certificate: {', '.join(KeyType)} (default: as before)",
    )
    change_options(rollover, question=False)
    handled_by(rollover, _rollover)


def _rollover(arguments: argparse.Namespace) -> int:
    unit = Purpose(arguments.unit)
    if arguments.key is not None and (arguments.status or arguments.next or arguments.abort):
        raise CommandError("--key is chosen when a rollover begins", USAGE)
    if arguments.status:
        return _show(arguments, unit)
    return _begin(arguments, unit) if not (arguments.next or arguments.abort) else _go(arguments, unit)


# -- stages ------------------------------------------------------------------------------------------------------------


def _begin(arguments: argparse.Namespace, unit: Purpose) -> int:
    from tvs.cluster.rolloverstages import UnderWay, propose_rollover

    try:
        made = make_change(arguments, partial(propose_rollover, unit=unit, kind=arguments.key))
    except UnderWay as under_way:
        if arguments.key is not None:
            raise CommandError(
                f"a rollover of {unit} is under way already, with the key that was chosen then; nothing was changed. "
                f"To begin again with another one, first: tvs rollover {unit} --abort"
            ) from under_way
        if arguments.json:
            say_done(f"announce the next {unit} certificate", rollover=under_way.facts)
            return OK
        say(f"A rollover of {unit} is under way already; nothing was changed.")
        return _show(arguments, unit)
    before = made.change.before
    if before.subscriber is not None:
        return _say(
            arguments,
            made,
            f"The next {unit} certificate of {before.subscriber} is in the database; no list names it yet.",
            f"On {before.publisher.name}, when all nodes have theirs: tvs rollover {unit} --next",
        )
    return _say(arguments, made, *_announced(unit))


def _announced(unit: Purpose) -> tuple[str, ...]:
    return (
        f"The lists name the present {unit} certificate and the next one. {_PHONES}",
        f"When they have: tvs rollover {unit} --next",
    )


def _go(arguments: argparse.Namespace, unit: Purpose) -> int:
    from tvs.cluster.rollover import Stage
    from tvs.cluster.rolloverstages import propose_abort, propose_next

    made = make_change(arguments, partial(propose_next if arguments.next else propose_abort, unit=unit))
    last = _last(made)
    if last is None:
        lines: tuple[str, ...] = ("The damaged rollover is forgotten; every certificate that is in use stays.",)
    elif last.stage is Stage.ANNOUNCED and arguments.next:
        lines = _announced(unit)
    elif last.stage is Stage.ANNOUNCED:
        lines = (
            f"The {unit} certificate of before is in use again; the lists name both.",
            f"Forward again: tvs rollover {unit} --next; back to the beginning: tvs rollover {unit} --abort",
        )
    elif last.stage is Stage.FINISHED:
        lines = (f"The rollover of {unit} is finished: the certificate before has left the lists. {_PHONES}",)
    elif last.stage is Stage.ABORTED:
        lines = (f"The rollover of {unit} is aborted: everything is as before it. {_PHONES}",)
    else:
        lines = _in_use(made, unit)
    return _say(arguments, made, *lines)


def _in_use(made: MadeChange, unit: Purpose) -> tuple[str, ...]:
    """The lines about the next certificate in use; lists that it does not sign stay as they are."""
    done, back = f"The next {unit} certificate is in use", f"back: tvs rollover {unit} --abort"
    before, after = made.change.before, made.change.after
    if (before.ctl, before.itl) == (after.ctl, after.itl):
        return (
            f"{done}; the lists stay as they are: they name it, and the one before.",
            f"The one before goes with: tvs rollover {unit} --next; {back}",
        )
    return (
        f"{done}; the lists still name the one before. {_PHONES}",
        f"When they have: tvs rollover {unit} --next; {back}",
    )


def _last(made: MadeChange) -> Rollover | None:
    from tvs.cluster.rollover import Rollover

    return Rollover.from_text(made.change.after.rolling)


def _say(arguments: argparse.Namespace, made: MadeChange, *lines: str) -> int:
    """Prints the result of a change; a CTL file that a token signed stays, which is a step of its own."""
    from tvs.cluster.lists import signed_by_token

    last, after = _last(made), made.change.after
    if last is not None and last.unit is Purpose.CallManager and after.mixed_mode and signed_by_token(after.ctl):
        lines = (*lines, "The CTL file stays as the token signed it until: tvs utils ctl update CTLFile --token URI")
    return say_change(arguments, made, *lines, rollover=None if last is None else last.facts)


# -- status ------------------------------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, unit: Purpose) -> int:
    from tvs.manage.rollover import rollover_status

    status = rollover_status(state_of(arguments), unit, plan_options_of(arguments))
    if arguments.json:
        say_json(_facts(unit, status))
        return OK
    for line in _lines(unit, status):
        say(line)
    return OK


def _lines(unit: Purpose, status: RolloverStatus | None) -> Iterator[str]:
    from tvs.manage.rollover import stage_words

    if status is None:
        yield f"No rollover of {unit} is under way. Begin with: tvs rollover {unit}"
        return
    rollover = status.rollover
    yield f"Rollover   {unit}"
    yield f"Stage      {rollover.stage}: {stage_words(rollover)}"
    yield f"Since      {_time(rollover.since)}, generation {rollover.generation}"
    if not rollover.under_way:
        return
    for node in status.nodes:
        yield f"Node       {_node(rollover, node)}"
    yield from _next(unit, status)
    yield f"Back       tvs rollover {unit} --abort"


def _node(rollover: Rollover, node: RolledNode) -> str:
    from tvs.cluster.rollover import Stage

    own = serial_text(node.own.serial_number)
    if node.other is None:
        there = f" (there: tvs rollover {rollover.unit})" if rollover.stage is Stage.ANNOUNCED else ""
        return f"{node.node}: in use {own}, no other one{there}"
    word = "next" if rollover.stage is Stage.ANNOUNCED else "before"
    behind = "" if node.behind is None else f"; its service reports generation {node.behind}"
    return f"{node.node}: in use {own}, {word} {serial_text(node.other.serial_number)}{behind}"


def _next(unit: Purpose, status: RolloverStatus) -> Iterator[str]:
    from tvs.manage.rollover import HELD_CURRENT

    if status.plan is None:
        yield f"Next       {status.problem}"
        return
    yield f"Next       {status.plan.title}: tvs rollover {unit} --next"
    for finding in status.errors:
        yield f"Waits for  {finding.code}: {finding.sentence}. Way out: {finding.way_out}."
    if status.held_current:
        yield f"           {HELD_CURRENT}"
    if not status.errors:
        yield "Waits for  nothing: no phone that is known of would be lost"


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _facts(unit: Purpose, status: RolloverStatus | None) -> dict[str, object]:
    from tvs.plan.text import findings_json

    if status is None:
        return {"unit": unit, "stage": None}
    rollover, plan = status.rollover, status.plan
    return {
        "unit": unit,
        "stage": rollover.stage,
        "since": _time(rollover.since),
        "generation": rollover.generation,
        "nodes": [
            {
                "node": node.node,
                "in_use": serial_text(node.own.serial_number),
                "other": None if node.other is None else serial_text(node.other.serial_number),
                "behind": node.behind,
            }
            for node in status.nodes
        ],
        "next": None if plan is None else plan.title,
        "safe": None if plan is None else plan.safe,
        "safe_if_held_current": None if plan is None else plan.safe or status.held_current,
        "findings": [] if plan is None else findings_json(plan),
        "problem": status.problem,
    }
