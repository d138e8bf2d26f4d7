"""The kinds of connections of the soak: what each does, and how the service has to count it."""

from __future__ import annotations

from dataclasses import dataclass

from tvs.tls.failures import TLSFailure

ANY_FAILURE = tuple(failure.value for failure in TLSFailure)
"""Results of a handshake whose first message is damaged: the damage decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of connection.

    Attributes:
        weight: how often, in proportion to the other kinds.
        steps: what the client does, in the words of mixed.c.
        outcome: how the service may count the connection's end; one, unless two sides race.
        handshake: how it may count the handshake's result, likewise.
        error: the protocol error that it counts, empty for none.
        slow: whether the client waits for a deadline of the service.
        burst: connections at once from one address; 0 for one.
    """

    weight: int
    steps: str
    outcome: tuple[str, ...] = ("answered",)
    handshake: tuple[str, ...] = ("ok",)
    error: str = ""
    slow: bool = False
    burst: int = 0


def _honest(weight: int, context: str, ask: str = "ask:all,1") -> Kind:
    return Kind(weight=weight, steps=f"tls:{context} {ask} notify fin")


def _refused(weight: int, steps: str, *results: str, outcome: tuple[str, ...] = ("handshake_failed",)) -> Kind:
    return Kind(weight=weight, steps=steps, outcome=outcome, handshake=results)


def _late(weight: int, steps: str, outcome: str, handshake: str = "ok") -> Kind:
    return Kind(weight=weight, steps=steps, outcome=(outcome,), handshake=(handshake,), slow=True)


def _malformed(kind: str, *, before: str = "", context: str = "1.2") -> Kind:
    steps = f"tls:{context} {before} write:bad-{kind} eof"
    return Kind(weight=4, steps=steps, outcome=("protocol_error",), error=kind)


_PHONES = {
    "phone-tls1.0": _honest(60, "1.0"),
    "phone-tls1.1": _honest(20, "1.1"),
    "phone-tls1.2": _honest(120, "1.2"),
    "phone-tls1.2-rsa": _honest(40, "1.2-plain"),
    "phone-tls1.3": _honest(60, "1.3"),
    "phone-certificate-rsa": _honest(40, "rsa-certificate"),
    "phone-certificate-p256": _honest(40, "p256-certificate"),
    "phone-certificate-tls1.0": _honest(10, "old-certificate"),
    "phone-certificate-tls1.3": _honest(20, "new-certificate"),
    "phone-several": _honest(40, "1.2", "ask:all,0"),
    "phone-together": _honest(20, "1.2", "together:all,0"),
    "phone-hangs-up": Kind(weight=20, steps="tls:1.2 ask:all,1 rst"),
    "phone-leaves-half": Kind(weight=10, steps="tls:1.2 ask:all,1 half eof"),
    "phone-slow": Kind(weight=20, steps="slowly tls:1.2 ask:all,1 notify fin"),
    "phone-stays": _late(5, "tls:1.2 ask:all,1 eof", "answered"),
    "odd-certificate-p521": _honest(5, "p521-certificate"),
    "odd-certificate-expired": _honest(5, "expired-certificate"),
    "odd-certificate-rsa1024": _honest(5, "rsa1024-certificate"),
    "odd-certificate-version5": _honest(5, "version5-certificate"),
    "odd-certificate-long": _honest(5, "long-certificate"),
    "burst": Kind(weight=1, steps="gate:3000 tls:1.2 ask:all,1 notify fin", burst=40),
}
_STRANGERS = {
    "probe-closed": _refused(40, "fin", "closed", outcome=("probe",)),
    "probe-reset": _refused(20, "rst", "closed", outcome=("probe",)),
    "probe-silent": _late(5, "eof", "probe", "timeout"),
    "http": _refused(30, "send:http eof", "not_tls"),
    "other-protocol": _refused(20, "send:other eof", "not_tls"),
    "version-refused": _refused(30, "send:sslv3 eof", "unsupported_version"),
    "cipher-refused": _refused(30, "hello:no-suite eof", "no_shared_cipher"),
    "hello-damaged": _refused(40, "send:damaged reply:500 fin", *ANY_FAILURE),
    "hello-then-end": _refused(10, "hello:1.2 half eof", "closed"),
    "hello-then-reset": _refused(10, "hello:1.2 rst", "closed", outcome=("handshake_failed", "probe")),
    "hello-answered-reset": _refused(20, "hello:1.2 reply rst", "closed"),
    "hello-answered-alert": _refused(20, "hello:1.2 reply send:alert eof", "alert"),
    "hello-answered-damage": _refused(10, "hello:1.2 reply send:record eof", "bad_record"),
    "certificate-endless": _refused(4, "hello:1.2 reply send:endless eof", "other"),
    "half-open-record": _late(5, "send:start eof", "handshake_timeout", "timeout"),
    "half-open-hello": _late(8, "hello:1.2 reply eof", "handshake_timeout", "timeout"),
    "half-open-20k": _late(4, "hello:1.2 reply send:unfinished eof", "handshake_timeout", "timeout"),
    "no-question": Kind(weight=10, steps="tls:1.2 notify fin", outcome=("no_request",)),
    "no-question-tls1.3": Kind(weight=5, steps="tls:1.3 notify fin", outcome=("no_request",)),
    "reset-in-silence": Kind(weight=10, steps="tls:1.2 rst", outcome=("reset",)),
    "reset-in-question": Kind(weight=10, steps="tls:1.2 part:all rst", outcome=("reset",)),
    "reset-before-answer": Kind(weight=10, steps="tls:1.2 write:all rst", outcome=("answered", "reset")),
    "silent": _late(5, "tls:1.2 eof", "request_timeout"),
    "half-a-question": _late(5, "tls:1.2 part:all eof", "request_timeout"),
    "record-damaged": Kind(weight=15, steps="tls:1.2 send:record eof", outcome=("tls_error",)),
    "record-damaged-tls1.3": Kind(weight=5, steps="tls:1.3 ask:all,1 send:record eof", outcome=("tls_error",)),
}
_CUT = {
    "question-cut": Kind(
        weight=8, steps="tls:1.2 part:all notify fin", outcome=("protocol_error",), error="unexpected_end"
    ),
    "question-cut-by-tcp": Kind(
        weight=8, steps="tls:1.2 part:all half eof", outcome=("protocol_error",), error="unexpected_end"
    ),
}
MALFORMED = (
    "discriminator",
    "version",
    "message_type",
    "too_large",
    "truncated",
    "missing_element",
    "duplicate_element",
    "bad_element",
)
"""Faults of a whole message, each with a pool ``bad-…`` of such."""
KINDS: dict[str, Kind] = {
    **_PHONES,
    **_STRANGERS,
    **_CUT,
    **{f"malformed-{kind}": _malformed(kind) for kind in MALFORMED},
    "malformed-second": _malformed("bad_element", before="ask:all,1"),
    "malformed-tls1.3": _malformed("version", context="1.3"),
}
"""All kinds by name."""
