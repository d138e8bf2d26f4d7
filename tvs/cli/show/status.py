"""`tvs show status`: the verdict on a running service, and what supports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tvs.cli.common import OK, say, say_json
from tvs.cli.show.service import EXIT_STATUSES, report_of, service_command, time_text
from tvs.cli.tables import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from tvs.cli.common import Commands

_EPILOG = f"""\
The first line says how phones fare: 'All phones are answered', 'Answered, but …' or 'Phones are turned away: …', the
next ones since when and what to do. With --json it is what /status.json on the admin port has, see docs/status.md.

examples:
  tvs show status
  tvs show status --admin 192.0.2.10:9445
  tvs show status --json | jq -r .verdict.sentence

{EXIT_STATUSES}
"""
_LABEL = 14
"""Characters of a label with the blanks behind it."""


def add_show_commands(show: Commands) -> None:
    """Adds `show status`."""
    parser = show.add_parser(
        "status",
        help="how phones fare at a running service",
        description="Shows the status of a running service.",
        epilog=_EPILOG,
    )
    service_command(parser, _show)


def _show(arguments: argparse.Namespace) -> int:
    report = report_of(arguments)
    if arguments.json:
        say_json(report)
        return OK
    for line in status_lines(report):
        say(line)
    return OK


def status_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report as text."""
    yield from _verdict_lines(report["verdict"])
    yield ""
    yield from _labelled(
        {
            "Service": f"release {report['release']}, {report['service']['state']}",
            "Certificates": _caches(report["caches"]),
            "Presented": _presented(report["presented"]),
            "Connections": _connections(report),
            "Last minute": _last_minute(report["rates"]),
            "Handshakes": _handshakes(report),
            "Failed": _numbers(report["failures"]),
            "Refused": _refused(report["refused_versions"]),
            "Answers": _latency(report["latency"].get("answer", {})),
            "Phones": _phones(report["fleet"]),
            "Trace": _trace(report),
        }
    )
    yield ""
    yield from table(
        ("List", "Verified", "Trusted", "Digest", "Written", "Signer"), map(_list_row, report["lists"])
    ).split("\n")
    yield ""
    yield from table(("Certificate", "Days left", "Presented"), map(_certificate_row, report["certificates"])).split(
        "\n"
    )
    yield ""
    workers = ((worker["slot"], worker["state"], worker["pid"], worker["connections"]) for worker in report["workers"])
    yield from table(("Worker", "State", "Process", "Connections"), workers).split("\n")


def _verdict_lines(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield verdict["sentence"]
    yield f"  since {time_text(verdict['since'])}"
    for number, finding in enumerate(verdict["findings"]):
        if number:
            yield f"{finding['sentence']}"
            yield f"  since {time_text(finding['since'])}"
        yield f"  to do: {finding['advice']}"


def _labelled(fields: Mapping[str, str]) -> Iterator[str]:
    return (f"{label:{_LABEL}}{text}" for label, text in fields.items() if text)


def _caches(caches: Mapping[str, Any]) -> str:
    names = {"db": "in the database", "ctl": "in the CTL file"}
    found = [
        f"{caches[name]['certificates']} {where} (generation {caches[name]['generation']}, "
        f"{_age(caches[name]['age'])} old)"
        for name, where in names.items()
        if name in caches
    ]
    return ", ".join(found)


def _age(seconds: float | None) -> str:
    from tvs.status.words import duration

    return "not yet" if seconds is None else duration(seconds)


def _presented(presented: Mapping[str, Any]) -> str:
    if not presented["sha256"]:
        return ""
    words = {True: "", False: "not "}
    places = {"in_database": "in the database", "in_itl": "in ITLFile.tlv"}
    found = [f"{words[presented[key]]}{place}" for key, place in places.items() if presented[key] is not None]
    if presented.get("in_cluster") is False:
        found.append("of a node that was deleted from the cluster")
    return f"certificate {presented['sha256'][:16]}…, {', '.join(found)}"


def _connections(report: Mapping[str, Any]) -> str:
    service, rejected = report["service"], _numbers(report["rejected"])
    limit = service["limits"].get("connections", "")
    return f"{service['connections']} open, {limit} at most" + (f"; turned away: {rejected}" if rejected else "")


def _phones(fleet: Mapping[str, Any]) -> str:
    from tvs.status.words import STANDINGS

    if not fleet["kept"]:
        return ""
    numbers = dict.fromkeys(STANDINGS, 0)
    for group in fleet["groups"]:
        numbers[group["standing"]] += group["devices"]
    parts = [f"{number:,} {STANDINGS[standing]}" for standing, number in numbers.items() if number]
    if fleet["unserved"]:
        plural = "es" if fleet["unserved"] != 1 else ""
        parts.append(f"{fleet['unserved']:,} address{plural} turned away")
    if fleet["problem"]:
        parts.append(f"cannot be written: {fleet['problem']}")
    return f"{fleet['devices']:,} recorded" + (f": {', '.join(parts)}" if parts else "")


def _last_minute(rates: Mapping[str, Any]) -> str:
    from tvs.status.words import last_minute

    names = {
        "connections": "connections",
        "trusted": "trusted",
        "refused": "refused",
        "failed": "failed handshakes",
        "malformed": "malformed",
        "turned_away": "turned away",
    }
    sums = {text: last_minute(rates[name]) for name, text in names.items()}
    said = ((number, text.removesuffix("s") if number == 1 else text) for text, number in sums.items())
    return ", ".join(f"{number} {text}" for number, text in said if number) or "nothing"


def _handshakes(report: Mapping[str, Any]) -> str:
    sums: dict[str, int] = {}
    for row in report["handshakes"]:
        sums[row["version"]] = sums.get(row["version"], 0) + row["count"]
    return _numbers(sums)


def _refused(versions: Mapping[str, int]) -> str:
    return f"clients that offer at most {_numbers(versions)}" if versions else ""


def _numbers(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))


def _latency(quantiles: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1000:.2g} ms" for name, seconds in quantiles.items())


def _trace(report: Mapping[str, Any]) -> str:
    """What is logged at another level than the settings', of whom, and until when; empty if nothing is."""
    from tvs.status.words import traced_phones

    trace = report.get("trace", {})
    if not trace.get("number"):
        return ""
    names = traced_phones(trace)
    workers = report["workers"]
    number = sum(worker["trace"] == trace["number"] for worker in workers)
    whom = f" of {names} only" if names else ""
    return f"{trace['level']}{whom} until {time_text(trace['until'])}, on {number} of {len(workers)} workers"


def _list_row(found: Mapping[str, Any]) -> tuple[object, ...]:
    words = {True: "yes", False: "no", None: "unknown"}
    verified = "yes" if found["verified"] else found["reason"].replace("_", " ")
    trusted = words[found["signer_trusted"]] if found["found"] else ""
    return (found["name"], verified, trusted, found["digest"], time_text(found["modified"]), found["signer"])


def _certificate_row(own: Mapping[str, Any]) -> tuple[object, ...]:
    words = {True: "yes", False: "no, another one", None: ""}
    name = f"{own['unit']}/{own['name']}" + (f" of {own['node']}" if own["node"] else "")
    return (name, own["days_left"], words[own["presented"]])
