"""Output of `tvs phone`: boots, secure services, the screen, the models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proto.roles import role_name
from proto.text import printable
from tvs.cli.common import FAILED, NO_ANSWER, OK, say, say_json
from tvs.cli.tables import table
from tvs.phone.reports import BootOutcome

if TYPE_CHECKING:
    from tvs.phone.models import PhoneModel
    from tvs.phone.reports import BootReport, HTTPSReport, ListUpdate
    from tvs.phone.status import PhoneStatus

_STATUSES = {BootOutcome.RUNNING: OK, BootOutcome.REFUSED: FAILED, BootOutcome.NOTHING: NO_ANSWER}


def say_boot(report: BootReport, status: PhoneStatus, lines: list[str], *, as_json: bool) -> int:
    """Prints the report of a boot, with `as_json` including the console lines. Returns the exit status."""
    from tvs.phone.reports import ListOutcome
    from tvs.phone.ways import way_out

    lists = [item for item in (report.ctl, report.itl) if item.outcome is not ListOutcome.NOT_USED]
    if as_json:
        say_json(
            {
                "device": status.device,
                "outcome": report.outcome,
                "lists": {item.kind: _list_json(item) for item in lists},
                "messages": report.messages,
                "configuration": report.configuration or None,
                "status": status.as_json(),
                "console": lines,
            }
        )
        return _STATUSES[report.outcome]
    for item, following in zip(lists, (*lists[1:], None), strict=True):
        say(f"{item.kind}  {_list_text(item)}")
        if item.refusal is not None and (following is None or following.refusal is not item.refusal):
            say(f"     Way out: {way_out(item.refusal)}.")
    if report.configuration:
        say(f"     {printable(report.configuration)}")
    for text in report.messages:
        say(text)
    return _STATUSES[report.outcome]


def _list_json(item: ListUpdate) -> dict[str, object]:
    from tvs.phone.ways import way_out

    vouched = item.vouched
    return {
        "outcome": item.outcome,
        "file": item.name or None,
        "voucher": vouched.voucher if vouched else None,
        "server": str(vouched.server) if vouched and vouched.server else None,
        "roles": list(vouched.roles) if vouched else [],
        "refusal": item.refusal,
        "sentence": printable(item.sentence) or None,
        "way_out": way_out(item.refusal) or None,
    }


_VOUCHED = {
    "first": "taken on trust, the first list of this phone",
    "ctl": "its signer is in the installed CTL",
    "itl": "its signer is in the installed ITL",
    "tvs": "TVS vouches for its signer",
}


def _list_text(item: ListUpdate) -> str:
    text = f"{item.outcome.replace('_', ' ')}{f' ({item.name})' if item.name else ''}"
    if item.vouched is not None:
        server = f" ({item.vouched.server})" if item.vouched.server else ""
        return f"{text}: {_VOUCHED[item.vouched.voucher]}{server}"
    return f"{text}: {printable(item.sentence)}" if item.sentence else text


def say_https(report: HTTPSReport, lines: list[str], *, as_json: bool) -> int:
    """Prints the report of a secure service. Returns the exit status."""
    from tvs.phone.https import HOST_NOT_FOUND
    from tvs.phone.ways import way_out

    if as_json:
        say_json(
            {
                "server": str(report.server),
                "connected": report.connected,
                "certificate_sha1": _sha1(report.certificate),
                "tls": report.tls or None,
                "voucher": report.voucher,
                "cached": report.cached,
                "refusal": report.refusal,
                "sentence": printable(report.sentence) or None,
                "way_out": way_out(report.refusal, service=True) or None,
                "console": lines,
            }
        )
    elif report.connected:
        say(f"Connected to {report.server}, {report.tls}: {_certified(report)}")
    else:
        say(HOST_NOT_FOUND)
        say(f"  {report.server}: {printable(report.sentence)}" if report.reached else f"  {printable(report.sentence)}")
        if report.refusal is not None:
            say(f"  Way out: {way_out(report.refusal, service=True)}.")
    if not report.reached:
        return NO_ANSWER
    return OK if report.connected else FAILED


def _certified(report: HTTPSReport) -> str:
    if report.cached:
        return "TVS vouched for its certificate, the answer is in the cache"
    voucher = report.voucher or ""
    return "TVS vouches for its certificate" if voucher == "tvs" else f"its certificate is in the {voucher.upper()}"


def _sha1(certificate: bytes | None) -> str | None:
    import hashlib

    return None if certificate is None else hashlib.sha1(certificate, usedforsecurity=False).hexdigest()


def say_status(status: PhoneStatus) -> None:
    """Prints the phone's screen."""
    from tvs.phone.trust import ListKind

    say(f"Device           {status.device}")
    say(f"Trust lists      {status.installed}")
    for item in status.lists:
        say(f"{f'{item.kind} file':<17}{item.checksum} ({item.checksum_name}), {item.size} bytes")
        say(f"{'':<17}signed by {printable(item.signer)}, {item.records} records")
    for kind in (kind for kind in ListKind if kind not in {item.kind for item in status.lists}):
        used = status.tvs or kind is ListKind.CTL
        say(f"{f'{kind} file':<17}{'not installed' if used else 'this model has none'}")
    for number, server in enumerate(status.servers if status.tvs else (), 1):
        say(f"{f'TVS server {number}':<17}{server}")
    if not (status.tvs and status.servers):
        say(f"{'TVS servers':<17}{'none' if status.tvs else 'this model does not ask TVS'}")
    for answer in status.answers:
        roles = ", ".join(f"{role} {role_name(role)}" for role in answer.roles)
        say(f"{'TVS cache':<17}{printable(answer.unique_map_id)}, roles {roles}, until {_time(answer.expires)}")
    say(f"{'LSC':<17}{status.lsc or 'not installed'}")
    say("Status messages")
    for when, text in status.messages:
        say(f"  {_time(when)}  {text}")


def _time(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def say_models(*, as_json: bool) -> None:
    """Prints the known models."""
    from tvs.phone.models import MODELS

    models = sorted(MODELS.values(), key=lambda model: model.name)
    if as_json:
        say_json([_model_json(model) for model in models])
        return
    say(table(("Model", "Series", "TVS", "TLS", "Digests of lists", "On screen", "Console"), map(_row, models)))
    say("TVS 'assumed': it uses trust lists, but no published source confirms that it asks TVS.")


def _row(model: PhoneModel) -> tuple[str, ...]:
    facts = model.facts
    digests = ", ".join(digest.name for digest in sorted(facts.digests))
    screen = facts.checksum.upper()
    return model.name, model.series, _tvs_text(model), facts.tls, digests, screen, str(facts.console)


def _tvs_text(model: PhoneModel) -> str:
    if not model.confirmed:
        return "assumed"
    return "yes" if model.tvs else "no"


def _model_json(model: PhoneModel) -> dict[str, object]:
    facts = model.facts
    return {
        "model": model.name,
        "series": model.series,
        "tvs": model.tvs,
        "tvs_confirmed": model.confirmed,
        "tls": facts.tls,
        "digests": [digest.name for digest in sorted(facts.digests)],
        "checksum": facts.checksum,
        "console": facts.console,
    }
