"""Parts of the status page that are tables, and the sentences beside them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tvs.status.page.markup import Markup, tag
from tvs.status.page.tables import DASH, Cell, number, stranger, table, time_cell, word
from tvs.status.verdict import EXPIRES_SOON
from tvs.status.words import STANDINGS, duration, traced_phones

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Report = Mapping[str, Any]

SHOWN_QUERIES: Final = 40
"""Last queries that the page shows; `/status.json` has 200."""
SHOWN_SIGNERS: Final = 40
"""Refused signers that the page shows; `/status.json` has all 256."""

SHOWN_MODELS: Final = 40
"""Models of phones that the page shows, those with the most phones."""


def trace(trace: Report) -> Markup | None:
    """What is logged at another level than the settings', of whom, and until when; None if nothing is."""
    if not trace["number"]:
        return None
    names = traced_phones(trace)
    end = f"{datetime.fromtimestamp(trace['until'], UTC):%Y-%m-%d %H:%M:%S}"
    whom = f" of {names} only" if names else ""
    return tag("p", f"The log is at {trace['level']}{whom} until {end} (tvs set trace).", class_="soon")


def lists(lists: Sequence[Report]) -> Markup:
    """The trust lists of the state directory."""
    rows = [
        (
            found["name"],
            word(found["verified"], "yes", found["reason"].replace("_", " ")),
            word(found["signer_trusted"], "yes", "no") if found["found"] else "",
            found["digest"],
            number(found["records"]) if found["found"] else "",
            time_cell(found["modified"]),
            stranger(found["signer"]),
        )
        for found in lists
    ]
    return table(
        "Trust lists", ("List", "Verified", "Signer trusted", "Digest", "Records", "Written", "Signed by"), rows
    )


def presented(presented: Report) -> Markup | None:
    """What is wrong with the certificate that phones are presented; None if nothing is."""
    words = {"in_database": "the database has another one", "in_itl": "ITLFile.tlv does not have it"}
    if presented.get("in_cluster") is False:
        words["in_database"] = "its node was deleted from the cluster"
    said = " and ".join(text for key, text in words.items() if presented[key] is False)
    if not said:
        return None
    return tag("p", f"Phones are presented the certificate {presented['sha256'][:16]}…: {said}.", class_="no")


def certificates(certificates: Sequence[Report]) -> Markup:
    """Own certificates, those that end next first."""
    rows = [
        (
            f"{own['unit']}/{own['name']}",
            own["node"],
            _days(own["days_left"]),
            word(own["presented"], "yes", "no, another one") if own["presented"] is not None else "",
            stranger(own["subject"]),
        )
        for own in sorted(certificates, key=lambda own: own["days_left"])
    ]
    return table("Own certificates", ("Certificate", "Node", "Days left", "Presented to phones", "Subject"), rows)


def _days(days: int) -> Cell:
    return Cell(f"{days:,}", "number " + ("no" if days < 0 else "soon" if days < EXPIRES_SOON else ""))


def handshakes(report: Report) -> Markup:
    """Completed handshakes by version and suite."""
    rows = [(row["version"], row["cipher"], number(row["count"])) for row in report["handshakes"]]
    return table("Completed handshakes", ("Version", "Suite", "Number"), rows)


def profile(refused: Mapping[str, int]) -> Markup | None:
    """What to say of clients whose versions or suites the profile refuses."""
    if not refused:
        return None
    said = ", ".join(f"{count:,} offered {version} at most" for version, count in sorted(refused.items()))
    advice = "if they are phones, docs/which-phones.md says which tls_profile serves them"
    return tag("p", f"Clients that the TLS profile refuses: {said}; {advice}.", class_="soon")


def failures(report: Report) -> Markup:
    """Failed handshakes, malformed requests and connections closed before TLS."""
    kinds = {"handshake": "failures", "request": "malformed", "before TLS": "rejected"}
    rows = [
        (where, reason.replace("_", " "), number(count))
        for where, key in kinds.items()
        for reason, count in sorted(report[key].items())
    ]
    return table("Failures since the start", ("Where", "Reason", "Number"), rows)


def signers(signers: Sequence[Report]) -> Markup:
    """Certificates that phones asked about and were refused."""
    rows = [
        (
            stranger(one["subject"] or DASH),
            stranger(one["issuer"]),
            stranger(one["serial"]),
            number(one["refused"]),
            time_cell(one["first"]),
            time_cell(one["last"]),
            stranger(one["device"] or one["address"]),
        )
        for one in signers[:SHOWN_SIGNERS]
    ]
    return table(
        "Refused signers", ("Subject", "Issuer", "Serial number", "Refused", "First", "Last", "Last phone"), rows
    )


def fleet(fleet: Report) -> Markup:
    """Recorded phones by model and by what they were told of the last signer of a trust list."""
    models: dict[str, dict[str, int]] = {}
    for group in fleet["groups"]:
        numbers = models.setdefault(group["model"], dict.fromkeys(STANDINGS, 0))
        numbers[group["standing"]] = numbers.get(group["standing"], 0) + group["devices"]
    rows = [
        (
            stranger(model or DASH),
            number(sum(numbers.values())),
            number(numbers["trusting"]),
            _alarming(numbers["denied"], "no"),
            number(numbers["elsewhere"]),
            _alarming(numbers["missing"], "soon"),
        )
        for model, numbers in sorted(models.items(), key=lambda item: -sum(item[1].values()))[:SHOWN_MODELS]
    ]
    return table("Phones", ("Model", "Recorded", *(text.capitalize() for text in STANDINGS.values())), rows)


def at_risk(phones: Sequence[Report]) -> Markup:
    """Phones that may be lost."""
    rows = [
        (
            stranger(phone["name"]),
            stranger(phone["model"] or DASH),
            Cell("not told to trust a signer", "no") if phone["last"] else Cell("never seen", "soon"),
            time_cell(phone["last"] or None),
            stranger(phone["subject"]),
        )
        for phone in phones
    ]
    return table("Phones at risk", ("Phone", "Model", "Reason", "Last seen", "Asked about"), rows)


def _alarming(count: int, tone: str) -> Cell:
    cell = number(count)
    return cell._replace(kind=f"{cell.kind} {tone}") if count else cell


def turned_away(fleet: Report) -> Markup | None:
    """What is to be said of the record beside its numbers; None if nothing is."""
    if fleet["problem"]:
        return tag("p", f"Phones cannot be recorded: {fleet['problem']}.", class_="soon")
    if not fleet["unserved"]:
        return None
    said = f"{fleet['unserved']:,} addresses" if fleet["unserved"] > 1 else "1 address"
    return tag("p", f"{said} turned away in the handshake: tvs show phones --at-risk.", class_="soon")


def queries(queries: Sequence[Report]) -> Markup:
    """The last queries."""
    rows = [
        (
            time_cell(query["time"]),
            stranger(query["device"]),
            query["address"],
            query["tls"],
            word(query["result"] == "trusted", "trusted", query["result"].replace("_", " ")),
            query["source"],
            ",".join(map(str, query["roles"])),
            stranger(query["subject"]),
            stranger(query["serial"]),
        )
        for query in queries[:SHOWN_QUERIES]
    ]
    heads = ("Time", "Phone", "Address", "TLS", "Answer", "From", "Roles", "Asked about", "Serial number")
    return table("Last queries", heads, rows)


def hidden(rows: Sequence[Report]) -> Markup | None:
    """How many queries are not shown; None if all are."""
    more = len(rows) - SHOWN_QUERIES
    return tag("p", f"{more} more in status.json.", class_="quiet") if more > 0 else None


def caches(caches: Report) -> Markup:
    """The two caches."""
    names = {"db": "Database", "ctl": "CTLFile.tlv"}
    rows = [
        (name, number(caches[key]["certificates"]), number(caches[key]["generation"]), _age(caches[key]["age"]))
        for key, name in names.items()
        if key in caches
    ]
    return table("Caches", ("Cache", "Certificates", "Generation", "In use for"), rows)


def _age(seconds: float | None) -> Cell:
    return Cell(DASH if seconds is None else duration(seconds), "number")


def workers(workers: Sequence[Report]) -> Markup:
    """The worker slots."""
    rows = [
        (
            number(worker["slot"]),
            word(worker["state"] == "running", "running", worker["state"]),
            Cell(str(worker["pid"]), "number"),
            number(worker["connections"]),
            ", ".join(worker["reasons"]),
        )
        for worker in workers
    ]
    return table("Workers", ("Worker", "State", "Process", "Connections", "Not complete"), rows)


def nodes(cluster: Report) -> Markup:
    """The nodes of the cluster."""
    rows = [
        (
            node["name"] + (" (this one)" if node["name"].lower() == cluster["node"].lower() else ""),
            "publisher" if node["publisher"] else "subscriber",
            Cell(DASH, "number") if node["generation"] is None else number(node["generation"]),
            _state(node["state"]),
            _staleness(node["staleness"], cluster["staleness_bound"]),
            Cell(node["problem"], "text"),
        )
        for node in cluster["nodes"]
    ]
    return table("Cluster", ("Node", "Type", "Generation", "State", "Staleness", "Problem"), rows)


def _state(state: str) -> Cell:
    kinds = {"current": "yes", "silent": "no", "absent": "no", "behind": "soon"}
    return Cell("no service seen" if state == "absent" else state, kinds.get(state, "quiet"))


def _staleness(seconds: float | None, bound: float) -> Cell:
    if seconds is None:
        return Cell(DASH, "number")
    return Cell(f"{seconds:.1f} s", "number " + ("no" if seconds > bound else ""))
