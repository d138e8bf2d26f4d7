"""`tvs show phones`: the phones that were seen, and what they hold."""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from certstore.devices import Standing
from tvs.cli import values
from tvs.cli.common import OK, say, say_json, state_command, state_of, store_of
from tvs.cli.show.service import time_text
from tvs.cli.tables import long_table
from tvs.plan.holding import Holding
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from certstore.devices import AnyDevice, BriefDevice, Device, Unserved
    from tvs.cli.common import Commands
    from tvs.plan.evidence import Evidence

    _Device = TypeVar("_Device", Device, BriefDevice)

_EPILOG = """\
A service records each phone that asks it, and the addresses that it turned away in the handshake (docs/fleet.md). What
a phone holds follows from what it asked: 'present' lists if it asked for their signer and was told to trust it,
'refused' if it was not. With the lists that it was told to trust last, a phone takes the present ones without asking
('signer known'), or would have to ask, and has not ('earlier'). 'unknown' is one that never asked for a signer.

At risk are phones that refused the present lists or do not have them, or were last not told to trust a signer; phones
of the inventory that no node has seen; and addresses that were turned away.

examples:
  tvs show phones --at-risk
  tvs show phones --lists unknown --unseen-for 30
  tvs show phones --series 7900 --csv > old.csv
  tvs show phones SEPB000B4BA0AEE --json

exit statuses: 0 shown, 1 the record cannot be read, 2 wrong usage.
"""
_COLUMNS = ("Phone", "Model", "Last seen", "Node", "Address", "TLS", "Certificate", "Asked about", "Answer", "Lists")
_FAILED_COLUMNS = ("Turned away", "Node", "Last", "First", "Times", "Offered", "Reason")
_CSV = (
    *("name", "model", "series", "description", "listed", "node", "addresses", "first", "last"),
    *("tls", "cipher", "suites", "certificate", "generation", "requests", "refused"),
    *("request", "subject", "issuer", "serial", "result", "source", "roles", "lists", "reason"),
)
_SORTS = ("name", "model", "last", "lists")
_LISTS = ("present", "signer-known", "earlier", "refused", "unknown", "never-seen")
_SECONDS = 86_400
_RISKS = (Holding.EARLIER, Holding.REFUSED, Holding.NEVER_SEEN)


def add_show_commands(show: Commands) -> None:
    """Adds `show phones`."""
    parser = show.add_parser(
        "phones",
        help="the phones that were seen, and what they hold",
        description="Shows the phones that services have recorded, and those of imported inventories.",
        epilog=_EPILOG,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of phones, such as SEPB000B4BA0AEE")
    parser.add_argument("--at-risk", action="store_true", help="only phones that may be lost, and who was turned away")
    parser.add_argument("--series", metavar="SERIES", help="only phones of this series, such as 8800 or 'other'")
    parser.add_argument(
        "--lists", choices=_LISTS, metavar="STATE", help=f"only phones with these lists: {', '.join(_LISTS)}"
    )
    parser.add_argument(
        "--unseen-for",
        type=values.whole_number(0, 36_500),
        metavar="DAYS",
        help="only phones that were not seen for so many days",
    )
    parser.add_argument(
        "--sort", choices=_SORTS, default="name", help="order (default: %(default)s); the last seen first"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--csv", action="store_true", help="print a table for spreadsheets, with all that is recorded")
    output.add_argument(
        "--kinds", action="store_true", help="show the kinds of phones that plans count, see tvs set phones"
    )
    state_command(parser, _show)


def _show(arguments: argparse.Namespace) -> int:
    if arguments.kinds:
        return _show_kinds(arguments)
    from tvs.manage.evidence import evidence_of

    whole = arguments.json or arguments.csv
    devices: list[Device] = []
    rows: list[tuple[str, ...]] = []
    with store_of(arguments) as store:
        lists = evidence_of(store)
        with store.devices().reading() as table, _uncollected():
            if whole:
                devices = list(_chosen(table.all(), arguments, lists))
            else:  # one after the other: many devices at once are slow
                rows = [_row(device, lists) for device in _chosen(table.brief(), arguments, lists)]
            unserved = _turned_away(table.unserved().values(), arguments)
    if arguments.json:
        phones = [_described(device, lists) for device in devices]
        failed = [row._asdict() | {"suites": _suites(row.suites)} for row in unserved]
        say_json({"phones": phones, "turned_away": failed})
    elif arguments.csv:
        _write_csv(devices, lists)
    else:
        _say_table(rows, unserved, arguments)
    return OK


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """For very many values of which none refers to itself: the collector would look at all of them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _chosen(devices: Iterable[_Device], arguments: argparse.Namespace, lists: Evidence) -> Iterable[_Device]:
    """The phones that are asked for, in the order that is; as they come, if that is by name."""
    from tvs.fleet.names import identity

    conditions: list[Callable[[_Device], bool]] = []
    if arguments.names:
        names = {identity(name)[0] for name in arguments.names}
        conditions.append(lambda device: device.name in names)
    if arguments.series is not None:
        wanted = arguments.series.lower()
        conditions.append(lambda device: _series(device.model) == wanted)
    if arguments.unseen_for is not None:
        before = time.time() - arguments.unseen_for * _SECONDS
        conditions.append(lambda device: device.last < before)
    if arguments.lists is not None:
        lists_wanted = arguments.lists.replace("-", " ")
        conditions.append(lambda device: lists.holding(device) == lists_wanted)
    if arguments.at_risk:
        conditions.append(lambda device: _at_risk(device, lists))
    for condition in conditions:
        devices = filter(condition, devices)
    match arguments.sort:
        case "model":
            return sorted(devices, key=lambda device: device.model)
        case "last":
            return sorted(devices, key=lambda device: -device.last)
        case "lists":
            return sorted(devices, key=lists.holding)
    return devices


def _at_risk(device: AnyDevice, lists: Evidence) -> bool:
    return lists.holding(device) in _RISKS or Standing.of(device) is Standing.DENIED


def _turned_away(unserved: Iterable[Unserved], arguments: argparse.Namespace) -> list[Unserved]:
    """The addresses to show: all of them, unless phones are chosen by what is not known of an address."""
    if arguments.names or arguments.series or arguments.lists or arguments.unseen_for is not None:
        return []
    return sorted(unserved, key=lambda row: -row.last)


def _series(model: str) -> str:
    from tvs.phone.models import series_of

    return series_of(model)


def _suites(numbers: str) -> tuple[str, ...]:
    from tvs.tls.suites import suite_names

    return suite_names(numbers)


def _described(device: Device, lists: Evidence) -> dict[str, Any]:
    fields = device._asdict()
    for key in ("listed", "first", "last", "signer_seen", "denied_seen"):
        fields[key] = fields[key] or None
    return {
        **fields,
        "addresses": device.addresses.split(),
        "roles": [int(role) for role in device.roles.split()],
        "suites": _suites(device.suites),
        "series": _series(device.model),
        "lists": str(lists.holding(device)),
        "reason": lists.holding(device).reason,
    }


def _write_csv(devices: Sequence[Device], lists: Evidence) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_CSV)
    for device in devices:
        row = _described(device, lists)
        row |= {"addresses": device.addresses, "roles": device.roles, "suites": " ".join(_suites(device.suites))}
        row |= {key: time_text(row[key]) if row[key] else "" for key in ("listed", "first", "last")}
        writer.writerow([_harmless(str(row[column])) for column in _CSV])


def _harmless(cell: str) -> str:
    """A text that no spreadsheet takes for a formula (names and descriptions come from strangers), on one line."""
    from proto.text import printable

    text = printable(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _say_table(rows: Sequence[tuple[str, ...]], unserved: Sequence[Unserved], arguments: argparse.Namespace) -> None:
    if rows or not arguments.at_risk:
        for part in long_table(_COLUMNS, rows):
            say(part)
    if unserved and (arguments.at_risk or not rows):
        say()
        for part in long_table(_FAILED_COLUMNS, [_failed_row(row) for row in unserved]):
            say(part)
    say()
    say(_summary(rows, len(unserved)))


def _row(device: BriefDevice, lists: Evidence) -> tuple[str, ...]:
    return (
        device.name,
        device.model,
        _time(device.last) if device.last else "never",
        device.node,
        device.addresses.partition(" ")[0],
        device.tls,
        device.certificate.replace("_", " "),
        device.subject or device.issuer,
        device.result.replace("_", " "),
        lists.holding(device),
    )


def _failed_row(row: Unserved) -> tuple[str, ...]:
    return (
        row.address,
        row.node,
        _time(row.last),
        _time(row.first),
        f"{row.failures:,}",
        row.version,
        row.reason.replace("_", " "),
    )


def _time(seconds: int) -> str:
    """Local time, as `time_text`, in a tenth of its time."""
    minutes, second = divmod(seconds, 60)
    return f"{_minute(minutes)}:{second:02}"


@functools.lru_cache(maxsize=10_000)
def _minute(minutes: int) -> str:
    """Local time of a minute since 1970."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(minutes * 60))


def _summary(rows: Sequence[tuple[str, ...]], unserved: int) -> str:
    """What the phones of a table hold, in numbers."""
    numbers = Counter(row[-1] for row in rows)
    said = {
        Holding.PRESENT: "with the present lists",
        Holding.KNOWN: "knows their signer",
        Holding.EARLIER: "without them",
        Holding.REFUSED: "refused them",
        Holding.UNKNOWN: "unknown",
        Holding.NEVER_SEEN: "never seen",
    }
    parts = [f"{numbers[state]:,} {words}" for state, words in said.items() if numbers[state]]
    if unserved:
        parts.append(f"{unserved:,} address{'' if unserved == 1 else 'es'} turned away")
    phones = f"{len(rows):,} phone{'' if len(rows) == 1 else 's'}"
    return f"{phones}: {', '.join(parts)}" if parts else phones


def _show_kinds(arguments: argparse.Namespace) -> int:
    from tvs.cli.tables import table
    from tvs.manage.evidence import phone_kinds

    with store_of(arguments) as store:
        kinds = phone_kinds(state_of(arguments), store)
    if arguments.json:
        say_json({kind.value: kind in kinds for kind in PhoneKind})
        return OK
    rows = [(kind, "yes" if kind in kinds else "no", kind.phones) for kind in PhoneKind]
    say(table(("Kind", "Here", "Phones"), rows))
    return OK
