"""Findings about TVS servers as they were met: another certificate or profile, other answers, or none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from certstore.purposes import Purpose
from proto.roles import role_name
from tvs.phone.trust import Refusal
from tvs.plan.model import Code, Finding, Severity
from tvs.plan.phones import PhoneKind
from tvs.plan.servers import serves_tls10

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tvs.cluster.situation import Situation
    from tvs.plan.model import PhoneOutcome
    from tvs.plan.servers import SeenServer

_NOT_ASKED: Final = frozenset({Refusal.TVS_UNTRUSTED, Refusal.TVS_UNREACHABLE})
"""Reasons of phones that find no TVS server to ask."""
_SHORT: Final = 16
"""Hex digits of a fingerprint that a sentence has."""


class Loss(NamedTuple):
    """Phones that refuse a list of servers as they were met, and would take it of servers as they should be."""

    kind: PhoneKind
    name: str
    reason: Refusal


def losses(
    said: Sequence[PhoneOutcome], met: Sequence[PhoneOutcome], counted: frozenset[PhoneKind]
) -> tuple[Loss, ...]:
    """The losses that only the servers as they were met make, of kinds of phones that count.

    Args:
        said: outcomes with the servers as database and settings say.
        met: the same with the servers as they were met, in the same order.
        counted: the kinds that count.
    """
    found = [
        Loss(outcome.kind, name, fetched.refusal)
        for expected, outcome in zip(said, met, strict=True)
        if outcome.kind in counted
        for name, fetched in outcome.refused
        if fetched.refusal is not None and name not in dict(expected.refused)
    ]
    return tuple(dict.fromkeys(found))


def servers_met(
    seen: Sequence[SeenServer], before: Situation, lost: Sequence[Loss], counted: frozenset[PhoneKind]
) -> Iterator[Finding]:
    """A finding for each way in which a server is not as it should be.

    Args:
        seen: the servers.
        before: the situation in which they were met.
        lost: phones that are lost by it.
        counted: the kinds of phones that count.
    """
    unasked = [loss for loss in lost if loss.reason in _NOT_ASKED]
    behind = [finding for server in seen for finding in _behind(server, before, unasked, counted)]
    yield from behind
    if any(finding.severity is Severity.ERROR for finding in behind):  # a reload is the way out
        unasked = []
    for server in seen:
        yield from _generation(server)
        yield from _unreachable(server, unasked)
        yield from _otherwise(server, before, [loss for loss in lost if loss.reason not in _NOT_ASKED])
    yield from _without_service([server.node for server in seen if not server.runs])


def _behind(
    server: SeenServer, before: Situation, lost: Sequence[Loss], counted: frozenset[PhoneKind]
) -> Iterator[Finding]:
    """Another certificate than the database has for the node, or another profile than the settings have."""
    own = before.own(Purpose.TVS, server.node)
    if server.certificate is None:
        return
    if own is not None and server.certificate != own:
        yield Finding(
            code=Code.SERVICE_BEHIND,
            severity=_severity(lost),
            sentence=f"the service of {server.node} presents another TVS certificate ({_short(server.certificate)}) "
            f"than the database has for it ({_short(own)}){_effect(lost)}",
            way_out=f"{_reload(server.node)}, when phones have the ITL file with the database's certificate",
        )
    takes = serves_tls10(before, server.certificate)
    if server.tls10 is None or server.tls10 is takes:
        return
    if takes:
        sentence = f"the service of {server.node} refuses TLS 1.0, which the profile {before.profile} of its settings "
        sentence += f"serves{_effect(lost)}"
    else:
        sentence = f"the service of {server.node} takes TLS 1.0 phones, which the profile {before.profile} of its "
        sentence += "settings refuses: after a reload they cannot ask it"
    yield Finding(
        code=Code.SERVICE_BEHIND,
        severity=_severity(lost) if takes else Severity.WARNING if PhoneKind.TLS10 in counted else Severity.NOTE,
        sentence=sentence,
        way_out=f"{_reload(server.node)}; if its command line names a profile, plan with --tls-profile",
    )


def _generation(server: SeenServer) -> Iterator[Finding]:
    if server.late:
        yield Finding(
            code=Code.SERVICE_BEHIND,
            severity=Severity.WARNING,
            sentence=f"the service of {server.node} serves generation {server.generation} of the cluster, and the "
            f"database has {server.current}",
            way_out="see docs/alerts.md#tvsnodebehind; tvs show nodes says what each node serves",
        )


def _unreachable(server: SeenServer, lost: Sequence[Loss]) -> Iterator[Finding]:
    if server.runs and not server.reached:
        yield Finding(
            code=Code.SERVER_UNREACHABLE,
            severity=_severity(lost),
            sentence=f"the service of {server.node} is not reached: {server.problem}{_effect(lost)}",
            way_out=f"look at the service of {server.node} and the way to it: tvs check --server "
            f"{server.where or server.node}; --offline plans without asking",
        )


def _otherwise(server: SeenServer, before: Situation, lost: Sequence[Loss]) -> Iterator[Finding]:
    for told in server.answers:
        if told.differs(before):
            roles = ", ".join(map(role_name, told.roles)) or "without a role"
            what = f"is trusted ({roles})" if told.trusted else "is not trusted"
            yield Finding(
                code=Code.SERVER_ANSWERS_OTHERWISE,
                severity=_severity(lost),
                sentence=f"the service of {server.node} answers that {told.signer_name} {what}, other than database "
                f"and CTL file have it{_effect(lost)}",
                way_out="see what it answers from: tvs show status, and tvs show nodes; if it reads another database "
                "or CTL file, correct its settings",
            )
    if server.reached and server.problem:
        yield Finding(
            code=Code.SERVER_ANSWERS_OTHERWISE,
            severity=Severity.WARNING,
            sentence=f"the service of {server.node} presents a certificate, and does not answer: {server.problem}",
            way_out=f"tvs check --server {server.where} says more; with client_certificates = require only phones "
            "are answered",
        )


def _without_service(nodes: Sequence[str]) -> Iterator[Finding]:
    if nodes:
        yield Finding(
            code=Code.SERVER_UNREACHABLE,
            severity=Severity.NOTE,
            sentence=f"no service is seen on {', '.join(nodes)}: what phones meet there is not known",
            way_out="start it before phones need an answer: systemctl start tvs",
        )


def _severity(lost: Sequence[Loss]) -> Severity:
    return Severity.ERROR if lost else Severity.WARNING


def _effect(lost: Sequence[Loss]) -> str:
    """What phones do for it, behind a sentence."""
    names = " and ".join(dict.fromkeys(loss.name for loss in lost))
    phones = " and ".join(dict.fromkeys(loss.kind.phones for loss in lost))
    return f": {phones} refuse {names}" if lost else ""


def _reload(node: str) -> str:
    return f"reload the service on {node}: systemctl reload tvs, or SIGHUP"


def _short(certificate: bytes) -> str:
    return f"SHA-256 {hashlib.sha256(certificate).hexdigest()[:_SHORT]}…"
