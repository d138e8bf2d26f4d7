"""`tvs ctl rollout`: which phones have moved to the present trust lists."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from proto.text import printable
from tvs.cli import values
from tvs.cli.common import FAILED, OK, CommandError, harmless, say, say_json, state_command, state_of
from tvs.plan.holding import Holding

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tvs.cli.common import Commands
    from tvs.manage.rollout import Rollout

_EPILOG = """\
Phones that do not know the signer of a list ask for it: these are seen to move. Phones that know it take the list
without a question when they restart; they count as moved a day after the lists came (docs/fleet.md). The next change is
safe, as far as phones must have moved before it, when no recorded phone is known to be without the present lists, and
they are in place for a day, or every phone of an inventory is known to have moved.

examples:
  tvs ctl rollout
  tvs ctl rollout --wait && tvs set cert regen TVS
  tvs ctl rollout --wait --for 4h --json

exit statuses:
  0 the next change is safe, as far as phones must have moved    1 not yet, or it failed    2 wrong usage
"""
_WORDS = {
    Holding.PRESENT: "asked for their signer, and were told to trust it",
    Holding.KNOWN: "take them without asking when they restart",
    Holding.EARLIER: "would have to ask for their signer, and have not",
    Holding.REFUSED: "asked for their signer, and were not told to trust it",
    Holding.UNKNOWN: "never asked for a signer that is still known here",
    Holding.NEVER_SEEN: "are in the inventory only",
}
_BAR = 40
"""Characters of the bar."""
_PAUSE = 2.0
"""Seconds between two looks, at least."""
_SHARE = 10
"""The same as a multiple of the time that a look takes."""
_NAMED = 2
"""Most phones of each kind that the table names: `tvs show phones --lists` names all."""
_JSON_NAMES = 10_000
"""Most phones of each kind that JSON names."""
_WIDTH = 100
"""Most columns of sentences."""
_NARROW = 20
"""Fewest columns of sentences, however narrow the terminal is."""
_UP, _CLEAR = "\x1b[{}A\r", "\x1b[J"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def add_rollout_command(ctl: Commands) -> None:
    """Adds `ctl rollout`."""
    parser = ctl.add_parser(
        "rollout",
        help="which phones have moved to the present lists",
        description="Shows which recorded phones have moved to the present trust lists, and whether the next change is "
        "safe as far as that goes.",
        epilog=_EPILOG,
    )
    parser.add_argument("--wait", action="store_true", help="go on until the next change is safe")
    parser.add_argument(
        "--for",
        dest="patience",
        type=values.duration(7 * 24),
        metavar="TIME",
        help="with --wait: no longer than this, such as 90s, 10m or 4h",
    )
    state_command(parser, _rollout)


def _rollout(arguments: argparse.Namespace) -> int:
    if arguments.patience is not None and not arguments.wait:
        raise CommandError("--for limits --wait; give both", 2)
    found = _wait(arguments) if arguments.wait else _look(arguments)
    if arguments.json:
        say_json(_facts(found))
    elif not (arguments.wait and sys.stdout.isatty()):
        for line in _lines(found):
            say(line)
    return OK if found.safe else FAILED


def _look(arguments: argparse.Namespace) -> Rollout:
    from tvs.manage.rollout import read_rollout

    state = state_of(arguments)
    with state.opened() as store:
        return read_rollout(state, store)


def _wait(arguments: argparse.Namespace) -> Rollout:
    """Looks until the next change is safe, or the time is over. On a terminal the table is drawn again each time."""
    import time

    from certstore.errors import StoreUnavailable

    end = None if arguments.patience is None else time.monotonic() + arguments.patience
    view, found, reachable = _View(arguments), None, True
    while True:
        began = time.monotonic()
        try:
            found = _look(arguments)
            reachable = True
        except StoreUnavailable as error:
            if found is None:
                raise
            if reachable:
                sys.stderr.write(f"tvs: {printable(str(error))}; waiting\n")
            reachable = False
        if reachable:
            view.show(found)
        now = time.monotonic()
        if (reachable and found.safe) or (end is not None and now >= end):
            return found
        pause = max(_PAUSE, _SHARE * (now - began))
        time.sleep(pause if end is None else max(0.0, min(pause, end - now)))


class _View:
    """What is shown while a command waits: the table on a terminal, else a line for each change of the numbers."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._terminal = sys.stdout.isatty() and not arguments.json
        self._drawn = 0
        self._last = ""

    def show(self, found: Rollout) -> None:
        """Shows how far the lists have come."""
        if self._terminal:
            self._draw([*_lines(found)])
        elif (line := _bar_line(found)) != self._last:
            self._last = line
            sys.stderr.write(harmless(line) + "\n")

    def _draw(self, lines: list[str]) -> None:
        import shutil

        size = shutil.get_terminal_size()
        shown = [_cut(harmless(line), size.columns - 1) for line in lines][-max(1, size.lines - 1) :]
        up = _UP.format(self._drawn) if self._drawn else ""
        text = "\n".join(shown)
        sys.stdout.write(f"{up}{_CLEAR if up else ''}{text}\n")
        sys.stdout.flush()
        self._drawn = len(shown)


def _cut(line: str, columns: int) -> str:
    """The beginning of a line that fits so many columns: names of phones can have letters that take two."""
    if line.isascii():
        return line[:columns]
    from itertools import accumulate
    from unicodedata import east_asian_width

    ends = accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in line)
    return line[: sum(1 for end in ends if end <= columns)]


def _lines(found: Rollout) -> Iterator[str]:
    age = "" if found.age is None else f", in place for {_time(found.age)}"
    yield f"Trust lists of generation {found.generation}{age}"
    yield ""
    yield _bar_line(found)
    if found.number:
        yield ""
        yield from _table(found)
    yield ""
    if found.safe:
        yield "The next change is safe, as far as phones must have moved before it."
    else:
        yield "Not yet safe to go on:"
        import shutil
        import textwrap

        width = max(_NARROW, min(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns - 1))
        for reason in found.reasons:
            yield from textwrap.wrap(reason, width, initial_indent="  - ", subsequent_indent="    ")
    if found.turned_away:
        from tvs.plan.model import addresses

        yield f"Turned away in the handshake: {addresses(found.turned_away)}; see tvs show phones --at-risk."
    if not found.number:
        yield "No phone is recorded yet: tvs import phones FILE says which there are."
    elif not found.inventory:
        yield "No inventory says which other phones there are: tvs import phones FILE."


def _bar_line(found: Rollout) -> str:
    full, empty = _blocks()
    part = found.moved / found.number if found.number else 0.0
    filled = int(_BAR * part)
    phones = f"phone{'' if found.number == 1 else 's'}"
    return f"[{full * filled}{empty * (_BAR - filled)}] {found.moved:,} of {found.number:,} {phones} seen to move"


def _blocks() -> tuple[str, str]:
    """The characters of the bar, as far as the output can write them."""
    try:
        "█░".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "#", "-"
    return "█", "░"


def _table(found: Rollout) -> Iterator[str]:
    from tvs.plan.model import some

    yield f"{'Phones':>9}  {'Lists':<12}  What is known of them"
    yield f"{'':=>9}  {'':=<12}  {'':=<53}"
    for held, names in found.phones.items():
        yield f"{len(names):>9,}  {held:<12}  {_WORDS[held]}"
        if held is not Holding.PRESENT:
            yield f"{'':>25}{some(names, _NAMED)}"


def _time(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} days"


def _facts(found: Rollout) -> dict[str, Any]:
    return {
        "generation": found.generation,
        "seconds": None if found.age is None else int(found.age),
        "safe": found.safe,
        "reasons": list(found.reasons),
        "inventory": found.inventory,
        "recorded": found.number,
        "turned_away": list(found.turned_away[:_JSON_NAMES]),
        "phones": {
            held.value: {"phones": len(names), "names": list(names[:_JSON_NAMES])}
            for held, names in ((held, found.phones.get(held, ())) for held in Holding)
        },
    }
