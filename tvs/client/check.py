"""A check of a running service, as a phone meets it: the certificate that it presents, and an answer it must give."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tvs.client.connection import TVSClient
from tvs.client.defaults import CHECK_DEVICE, CHECK_SERVER_NAME
from tvs.client.lists import TrustListError, read_signed_list
from tvs.client.monitoring import CRITICAL, OK, WARNING, Finding, Measure, Report
from tvs.client.question import QuestionError, ask, signer_question
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.client.question import JudgedAnswer, TVSQuestion
    from tvs.config.endpoint import Endpoint

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is still good.

    Attributes:
        warning_days, critical_days: a presented certificate with fewer days left gives that verdict.
        warning_seconds, critical_seconds: an answer that takes longer gives that verdict.
        timeout: seconds of each step after which there is no answer.
    """

    warning_days: float
    critical_days: float
    warning_seconds: float
    critical_seconds: float
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the service showed.

    Attributes:
        seconds: from the beginning of the connection to the answer.
        days: days until the presented certificate expires; negative if it has.
        answer: the answer, judged.
    """

    seconds: float
    days: float
    answer: JudgedAnswer


async def check_service(server: Endpoint, itl: Path, ctl: Path | None, limits: Limits) -> Report:
    """Checks the lists that phones have, the service's certificate and its answer.

    The service is asked for the signer of the CTL file, or of the ITL file without one.

    Args:
        server: the service.
        itl: the ITL file that phones have.
        ctl: the CTL file that phones have; None without one.
        limits: what is still good.
    """
    findings = [_list_verified(path) for path in (itl, ctl) if path is not None]
    try:
        trust = ServerTrust.from_file(itl)
        client = TVSClient(server, trust, timeout=limits.timeout, server_name=CHECK_SERVER_NAME)
        look = await _look(client, signer_question(ctl or itl))
    except UntrustedServer as error:
        findings.append(Finding(CRITICAL, f"phones refuse the service: {error}"))
    except (NoAnswer, QuestionError) as error:
        findings.append(Finding(CRITICAL, str(error)))
    except ValueError as error:
        if all(found.severity is OK for found in findings):  # otherwise it is said already
            findings.append(Finding(CRITICAL, str(error)))
    else:
        findings.extend(judge_look(look, (ctl or itl).name, limits))
        return Report(findings, _measures(look, limits))
    return Report(findings)


def _list_verified(path: Path) -> Finding:
    try:
        if read_signed_list(path) is None:
            return Finding(CRITICAL, f"{path}: is not a trust list")
    except TrustListError as error:
        return Finding(CRITICAL, str(error))
    return Finding(OK, f"{path.name} is verified")


async def _look(client: TVSClient, question: TVSQuestion) -> Look:
    started = time.perf_counter()
    async with client:
        presented = client.tls.peer_certificate
        answer = await ask(client, question, device=CHECK_DEVICE)
        seconds = time.perf_counter() - started
    if presented is None:
        raise UntrustedServer("the server showed no certificate")
    days = (presented.not_valid_after_utc.timestamp() - time.time()) / _DAY
    return Look(seconds=seconds, days=days, answer=answer)


def judge_look(look: Look, name: str, limits: Limits) -> Iterator[Finding]:
    """Judges what the service showed when it was asked for the signer of the list of that name."""
    yield _answer_judged(look.answer, name)
    if look.seconds > limits.warning_seconds:
        severity = CRITICAL if look.seconds > limits.critical_seconds else WARNING
        yield Finding(severity, f"the answer took {look.seconds:.1f} s")
    else:
        yield Finding(OK, f"answered in {look.seconds * 1000:.0f} ms")
    if look.days < 0:
        yield Finding(CRITICAL, f"the presented certificate expired {-look.days:.0f} days ago")
    elif look.days < limits.warning_days:
        severity = CRITICAL if look.days < limits.critical_days else WARNING
        yield Finding(severity, f"the presented certificate expires in {look.days:.0f} days")
    else:
        yield Finding(OK, f"its certificate is valid for {look.days:.0f} days")


def _answer_judged(answer: JudgedAnswer, name: str) -> Finding:
    if not answer.trusted:
        return Finding(CRITICAL, f"the signer of {name} is not trusted: phones refuse the list")
    if answer.signs_the_list is False:
        return Finding(CRITICAL, f"the answer's certificate does not verify {name}: phones refuse the list")
    if answer.lacks_signer_role:
        return Finding(CRITICAL, f"the signer of {name} lacks role 0 (SAST): phones refuse the list")
    return Finding(OK, f"the signer of {name} is trusted")


def _measures(look: Look, limits: Limits) -> tuple[Measure, ...]:
    return (
        Measure(
            name="time",
            value=look.seconds,
            unit="s",
            warning=f"{limits.warning_seconds:g}",
            critical=f"{limits.critical_seconds:g}",
        ),
        Measure(
            name="days",
            value=round(look.days, 1),
            warning=f"{limits.warning_days:g}:",
            critical=f"{limits.critical_days:g}:",
        ),
    )
