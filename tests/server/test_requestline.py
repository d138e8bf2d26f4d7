"""Canonical line of a request, in all forms of the log."""

from __future__ import annotations

import json
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from proto.messages import CertVerificationRequest, MessageType, QueryCertRequest
from tvs.answers.verifier import Source, TrustResult, Verdict
from tvs.log.forms import MAX_LINE, form_of
from tvs.log.levels import LogFormat
from tvs.server.requestline import MAX_DEVICE_NAME, MAX_TAGS, RequestLine

names = st.text(max_size=40)


@given(
    device=names,
    subject=names,
    issuer=names,
    roles=st.lists(st.integers(0, 255)),
    result=st.sampled_from(TrustResult),
    tags=st.lists(st.integers(0, 255), max_size=MAX_TAGS + 2),
)
def test_text_and_fields_say_the_same(
    device: str, subject: str, issuer: str, roles: list[int], result: TrustResult, tags: list[int]
) -> None:
    """The line that is put together at once is the one that its fields make, whatever a stranger put into them."""
    request = QueryCertRequest(
        session_id=1, device_name=device, subject_name=subject, issuer_name="=" + issuer, serial_number=b"\x0a"
    )
    verdict = Verdict(result, Source.CTL, b"", MessageType.QUERY_CERT_RES, "0A", "=" + issuer, tuple(roles))
    line = RequestLine.of("10.0.0.1", request, verdict, 0.000_123, tuple(tags))
    trace = form_of(LogFormat.TRACE)
    assert trace(("info", 0.0, "request", None, line)) == trace(("info", 0.0, "request", None, line.fields()))
    entry = json.loads(form_of(LogFormat.JSON)(("info", 0.0, "request", None, line)))
    assert (entry["result"], entry["source"], entry["microseconds"]) == (result.value, "ctl", 123)
    assert entry["roles"] == roles
    assert entry["tags"].split(",")[:MAX_TAGS] == (list(map(str, tags[:MAX_TAGS])) or [""])


def test_many_tags_are_cut() -> None:
    """A stranger's request of thousands of elements takes no more room in the line and in memory than 32."""
    request = CertVerificationRequest(session_id=1, device_name="SEP1", certificate=b"x")
    verdict = Verdict(TrustResult.UNREADABLE, Source.NONE, b"", MessageType.CERT_VERIFICATION_RES, "", "", ())
    line = RequestLine.of("10.0.0.1", request, verdict, 0.0, (1, 2) + (255,) * 5000)
    assert len(line.tags) == MAX_TAGS + 1
    assert line.fields()["tags"] == "1,2," + "255," * (MAX_TAGS - 2) + "…"


def test_long_names_are_cut() -> None:
    """Lines that wait have a bounded size: a stranger's long names do not fill the memory through the log."""
    request = QueryCertRequest(
        session_id=1, device_name="d" * 500, subject_name="s" * 9000, issuer_name="CN=" + "i" * 9000, serial_number=b"1"
    )
    verdict = Verdict(
        TrustResult.NOT_FOUND, Source.NONE, b"", MessageType.QUERY_CERT_RES, "31", request.issuer_name, ()
    )
    line = RequestLine.of("10.0.0.1", request, verdict, 0.0, (1, 3, 4, 5))
    assert sum(len(value) for value in line if isinstance(value, str)) < MAX_DEVICE_NAME + 2 * MAX_LINE + 100
    fields = cast("dict[str, str]", line.fields())
    assert fields["subject"] == "s" * MAX_LINE + "…"
    assert fields["issuer"] == "CN=" + "i" * (MAX_LINE - 3) + "…"


def test_unreadable_certificate() -> None:
    """A request without names and a verdict without a certificate leave empty values, in quotes."""
    request = CertVerificationRequest(session_id=1, device_name="SEP1", certificate=b"x")
    verdict = Verdict(TrustResult.UNREADABLE, Source.NONE, b"", MessageType.CERT_VERIFICATION_RES, "", "", ())
    assert RequestLine.of("10.0.0.1", request, verdict, 0.0, (1, 2)).text() == (
        'request device=SEP1 address=10.0.0.1 request=CERT_VERIFICATION_REQ subject="" serial="" issuer="" '
        'result=unreadable source=none roles="" tags=1,2 microseconds=0'
    )
