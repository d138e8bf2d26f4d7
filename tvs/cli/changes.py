"""Options and steps of the commands that change trust lists, certificates or nodes."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from certstore.purposes import Purpose
from ctlcache.digests import Digest
from proto.text import printable
from tvs.cli import values
from tvs.cli.common import USAGE, CommandError, confirm, json_option, say, say_json, state_of, state_option, store_of
from tvs.cli.confirming import confirmation_json, end, no_wait_option, say_confirmation, wait
from tvs.plan.phones import PhoneKind, parse_kinds
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tvs.cluster.change import Change
    from tvs.cluster.publishing import Published
    from tvs.cluster.replication import Pending, Taken
    from tvs.errors import StateError
    from tvs.manage.confirmation import Reading
    from tvs.manage.planning import PlanOptions
    from tvs.manage.procedure import Propose
    from tvs.plan.model import Plan

SIGNERS = (Purpose.ITLRecovery.value, Purpose.CallManager.value)
DIGESTS = {digest.name.lower(): digest for digest in Digest}
STATUSES = """\
Before anything is written, the change is planned (see: tvs ctl plan). If phones would be lost, nothing is changed,
unless --force is given. Afterwards the command waits until every node with a running service uses the change, at most
15 s, unless --no-wait is given.

exit statuses:
  0 done    1 not done: answered no, phones would be lost, or it failed    2 wrong usage
  4 done, but a node with a service did not confirm that it uses the change
"""


def yes_option(parser: argparse.ArgumentParser, *, question: bool = True) -> None:
    """Adds `--yes`; a command without a question takes it too, so that scripts need not know which commands ask."""
    text = "answer the question with yes" if question else argparse.SUPPRESS
    parser.add_argument("-y", "--yes", action="store_true", help=text)


def change_options(parser: argparse.ArgumentParser, *, question: bool = True) -> None:
    """Adds the options of a command that changes something, `--json` included.

    Args:
        parser: of the command.
        question: whether the command asks one.
    """
    state_option(parser)
    yes_option(parser, question=question)
    parser.add_argument("--force", action="store_true", help="do it even if phones would be lost")
    no_wait_option(parser)
    plan_options(parser)
    json_option(parser)


def no_digest_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--digest`, which commands for one list had: it names the command for both in a usage error."""
    parser.add_argument("--digest", nargs="?", action=_NoDigest, help=argparse.SUPPRESS)


class _NoDigest(argparse.Action):
    """Ends with a usage error."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, values: object, __: str | None = None) -> NoReturn:
        word = values if values in DIGESTS else "sha1"
        command = f"tvs ctl plan set digest {word}" if parser.prog.endswith("plan") else f"tvs set digest {word}"
        parser.error(f"--digest would sign one list alone; use `{command}`, which signs both lists")


def plan_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a plan: held lists, kinds of phones, TLS profile, whether servers are asked."""
    parser.add_argument(
        "--held",
        type=values.file_name,
        action="append",
        default=[],
        metavar="FILE",
        help="a CTL or ITL file that phones hold; may be given several times. 'current': they hold the current files; "
        "'none': no phone has fetched a list yet (default: the current ones, and those that were replaced within a "
        "day)",
    )
    parser.add_argument(
        "--phones",
        metavar="KINDS",
        help=f"kinds of phones in this cluster: {', '.join(PhoneKind)} (default: see tvs set phones)",
    )
    parser.add_argument(
        "--tls-profile",
        type=values.one_of(TLSProfile),
        choices=list(TLSProfile),
        metavar="PROFILE",
        help=f"TLS profile of the service, if its command line names one: {', '.join(TLSProfile)}",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="ask no TVS server; otherwise the plan asks those of the cluster what they present and answer now",
    )


def plan_options_of(arguments: argparse.Namespace) -> PlanOptions:
    """The plan's options. Raises `CommandError`."""
    from tvs.manage.held import held_from_files
    from tvs.manage.planning import CURRENT, NONE, PlanOptions

    only_current, no_list = arguments.held == [CURRENT], arguments.held == [NONE]
    try:
        phones = parse_kinds(arguments.phones) if arguments.phones else None
    except ValueError as error:
        raise CommandError(f"--phones {error}", USAGE) from None
    return PlanOptions(
        held=() if only_current or no_list else held_from_files(Path(name) for name in arguments.held),
        only_current=only_current,
        no_list=no_list,
        phones=phones,
        profile=arguments.tls_profile,
        offline=arguments.offline,
    )


def ask(question: str, arguments: argparse.Namespace, *, yes: tuple[str, ...] = ("y", "yes")) -> None:
    """Asks, before `make_change` changes anything; raises `CommandError` for anything but yes."""
    if not confirm(question, arguments, yes=yes):
        raise CommandError("the answer was not yes; nothing was changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeChange:
    """A committed change with its plan.

    Attributes:
        change: the change.
        plan: of the change, which warned or allowed it.
        before: the nodes' reports from before its commit.
        published: files of the directories that the setting ``publish`` names.
    """

    change: Change
    plan: Plan
    before: Reading
    published: tuple[Published, ...] = ()


def make_change(
    arguments: argparse.Namespace, propose: Propose, ask_first: Callable[[], None] | None = None
) -> MadeChange:
    """Plans and makes a change. Raises `PhonesLost` and others.

    Args:
        arguments: of the command.
        propose: makes the change from the situation.
        ask_first: asks the command's question, see `ask`; None for a command without one. What the change is refused
            for, and its warnings, come before the question.
    """
    from tvs.manage.planning import surveyed
    from tvs.manage.procedure import carry_out, check_beforehand

    state = state_of(arguments)
    options = surveyed(state, plan_options_of(arguments))  # once, also if it is planned twice
    plans: list[Plan] = []
    published: list[Published] = []
    readings: list[Reading] = []
    warned: set[str] = set()

    def on_plan(plan: Plan) -> None:
        plans.append(plan)
        if not arguments.json:
            _warn(plan, warned)

    def on_reports(reading: Reading) -> None:
        if ask_first is not None and arguments.yes:  # nobody waits for the answer
            ask_first()
        readings.append(reading)

    if ask_first is not None and not arguments.yes:
        check_beforehand(state, propose, options, force=arguments.force, on_plan=on_plan)
        ask_first()
        options = options.after_question()
    change = carry_out(
        state,
        propose,
        options,
        force=arguments.force,
        on_plan=on_plan,
        on_published=published.extend,
        on_taken=say_taken,
        on_reports=on_reports,
        on_unpublished=warn_unpublished,
    )
    return MadeChange(change=change, plan=plans[-1], before=readings[-1], published=tuple(published))


def following(steps: Iterable[str]) -> list[str]:
    """The lines that say what must follow a change; none without steps."""
    lines = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    return ["What must follow, in this order:", *lines] if lines else []


def say_change(arguments: argparse.Namespace, made: MadeChange, *lines: str, **facts: object) -> int:
    """Prints the result of a change, waits for the nodes and prints which of them serve it; with `--json` all as one.

    Returns the exit status. Raises `KeyboardInterrupt` after the output, if Ctrl-C ended the wait.

    Args:
        arguments: with `json`.
        made: the change.
        lines: for people.
        facts: further keys of the JSON, in place of those of `changed_facts` with the same name.
    """
    if arguments.json:
        return _say_change_json(arguments, made, facts)
    for line in lines:
        say(line)
    for directory in dict.fromkeys(file.path.parent for file in made.published):
        say(f"Published in {directory}")
    confirmation = wait(arguments, made.change, made.before)
    say_confirmation(confirmation)
    return end(confirmation)


def _say_change_json(arguments: argparse.Namespace, made: MadeChange, facts: dict[str, object]) -> int:
    from certstore.errors import StoreError
    from tvs.cluster.situation import read_situation
    from tvs.manage.changed import changed_facts
    from tvs.plan.text import findings_json

    try:
        with store_of(arguments) as store:
            after = read_situation(state_of(arguments), store)
    except StoreError:  # the change is made
        after = made.change.after
    changed = changed_facts(state_of(arguments), made.change.before, after)
    published = {"published": files_json(made.published)} if made.published else {}
    confirmation = wait(arguments, made.change, made.before)
    confirmed = {"confirmation": confirmation_json(confirmation)}
    more = {**changed, **published, **confirmed, **facts}
    say_done(made.plan.title, safe=made.plan.safe, findings=findings_json(made.plan), **more)
    return end(confirmation)


def files_json(published: Iterable[Published]) -> list[dict[str, object]]:
    """Published files for machines."""
    return [{"file": str(file.path), "step": file.step} for file in published]


_NOTHING: dict[str, object] = {"safe": True, "findings": [], "certificates": [], "files": [], "nodes": []}


def say_done(title: str, **facts: object) -> None:
    """Prints the JSON of something done, in the shape of all changes; facts are keys of it and further ones."""
    say_json({"done": True, "change": title, **_NOTHING, **facts})


def say_taken(taken: Taken) -> None:
    """Writes to standard error what came from the database before the change."""
    for name in taken.written:
        sys.stderr.write(f"tvs: {name} was not in place yet: took that of generation {taken.generation}\n")
    for name in taken.deleted:
        sys.stderr.write(f"tvs: {name} was not deleted yet: did so for generation {taken.generation}\n")
    _say_refused(taken.refused)


def warn_unpublished(error: StateError) -> None:
    """Writes to standard error which directories do not have the lists of an earlier change."""
    for line in str(error).splitlines():
        sys.stderr.write(f"tvs: warning: {printable(line)}; when this is mended, run: tvs publish\n")


def say_pending(pending: Pending) -> None:
    """Writes to standard error which lists of the database a plan begins with, because they are not in place yet."""
    for name, data in pending.lists.items():
        done, planned = ("deleted", "without it") if data is None else ("in place", "with the database's")
        sys.stderr.write(f"tvs: {name} is not {done} yet as of generation {pending.generation}: planned {planned}\n")
    _say_refused(pending.refused)


def _say_refused(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        sys.stderr.write(f"tvs: warning: {printable(sentence)}\n")


def _warn(plan: Plan, warned: set[str]) -> None:
    """Writes warnings that were not written yet to standard error; standard output stays as scripts know it."""
    from tvs.plan.model import Severity

    for finding in plan.findings:
        warning = f"{finding.code}: {finding.sentence}. Way out: {finding.way_out}."
        if finding.severity is Severity.WARNING and warning not in warned:
            warned.add(warning)
            sys.stderr.write(f"tvs: warning: {printable(warning)}\n")
