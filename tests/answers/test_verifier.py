"""Verifier: the cache that decides, and the answer that phones get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstore.cache import CertificateDBCache
from certstore.certificate import Certificate
from certstore.purposes import Purpose
from ctlcache.cache import CertificateCTLCache
from proto.codec import Decoder, frame
from proto.messages import (
    RESPONSES,
    CertVerificationRequest,
    CertVerificationResponse,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    TrustStatus,
)
from tests.fixtures.certificates import PUBLISHER, SUBSCRIBER, certificate, twin
from tvs.answers.verifier import Source, TrustResult, TrustVerifier

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore
    from ctlcache.signing import KeyFileSigner
    from proto.messages import Response
    from tvs.answers.verifier import Verdict

DEVICE = "SEP001DA23B4C5D"
TOKEN_ISSUER = "cn=Cisco Manufacturing CA;o=Cisco Systems"  # noqa: S105 - a name
NOT_TRUSTED = bytes.fromhex("07 0001 01")
"""Payload of every negative answer: the status element alone."""


class Caches:
    """A verifier on a real store and a real CTL file, which a test fills."""

    def __init__(self, store: CertificateStore, path: Path) -> None:
        self.store = store
        self.path = path
        self.db = CertificateDBCache(store, default_time_to_live=86_400)
        self.ctl = CertificateCTLCache(path)
        self.verifier = TrustVerifier(self.db, self.ctl)

    def load(self, *, ctl: bytes | None = None, **units: bytes) -> None:
        """Imports certificates by the name of their unit, and reads this CTL file."""
        for unit, der in units.items():
            self.store.import_certificate(der, Purpose[unit])
        if ctl is not None:
            self.path.write_bytes(ctl)
        self.db.load()
        self.ctl.load()

    def query(self, der: bytes) -> Verdict:
        """The verdict on a query for this certificate's serial number and issuer."""
        known = Certificate.from_der(der)
        return self.ask(known.serial_number, known.issuer_name)

    def ask(self, serial: bytes, issuer: str) -> Verdict:
        """The verdict on a query."""
        return self.verifier.answer(
            QueryCertRequest(
                session_id=1, device_name=DEVICE, subject_name="CN=x", issuer_name=issuer, serial_number=serial
            )
        )

    def verify(self, der: bytes) -> Verdict:
        """The verdict on a verification."""
        return self.verifier.answer(CertVerificationRequest(session_id=1, device_name=DEVICE, certificate=der))


@pytest.fixture
def caches(store: CertificateStore, tmp_path: Path) -> Caches:
    """Empty caches."""
    return Caches(store, tmp_path / "CTLFile.tlv")


def answer_of(verdict: Verdict) -> Response:
    """The answer that a phone decodes."""
    decoder = Decoder(accept=RESPONSES)
    decoder.receive_data(frame(verdict.answer_type, 1, verdict.payload))
    answer = decoder.next_message()
    assert isinstance(answer, (QueryCertResponse, CertVerificationResponse))
    return answer


# -- queries ---------------------------------------------------------------------------------------------------------


def test_query_that_the_database_answers(caches: Caches) -> None:
    """A certificate in the store is sent with the roles of its units."""
    der = certificate(PUBLISHER, 0x1234)
    caches.load(CallManager=der)
    verdict = caches.query(der)
    assert (verdict.result, verdict.source, verdict.roles) == (TrustResult.TRUSTED, Source.DB, (0, 2))
    assert (verdict.serial, verdict.issuer) == ("1234", PUBLISHER)
    assert answer_of(verdict) == QueryCertResponse(
        session_id=1, status=TrustStatus.TRUSTED, certificates=(der,), roles=(0, 2), time_to_live=86_400
    )


def test_query_that_the_ctl_file_answers(
    caches: Caches, with_tokens: bytes, tokens: tuple[KeyFileSigner, KeyFileSigner]
) -> None:
    """A hardware token that only the CTL file has is trusted as a signer."""
    caches.load(ctl=with_tokens)
    verdict = caches.ask(bytes.fromhex("83E9080000005545AF31"), TOKEN_ISSUER)
    assert (verdict.result, verdict.source, verdict.roles) == (TrustResult.TRUSTED, Source.CTL, (0,))
    answer = answer_of(verdict)
    assert isinstance(answer, QueryCertResponse)
    assert answer.certificates == (tokens[1].certificate,)


def test_database_is_asked_first(caches: Caches, tokenless: bytes, publisher: KeyFileSigner) -> None:
    """A certificate that both caches have is answered with what the store says of it."""
    caches.load(ctl=tokenless, TVS=publisher.certificate)
    verdict = caches.query(publisher.certificate)
    assert (verdict.source, verdict.roles) == (Source.DB, Purpose.TVS.roles)


def test_query_for_an_unknown_certificate(caches: Caches, tokenless: bytes) -> None:
    """What neither cache has is not trusted; an issuer with another serial number, and the reverse, do not count."""
    der = certificate(PUBLISHER, 0x1234)
    caches.load(ctl=tokenless, CallManager=der)
    for verdict in (caches.ask(b"\x12\x35", PUBLISHER), caches.ask(b"\x12\x34", SUBSCRIBER)):
        assert (verdict.result, verdict.source, verdict.roles) == (TrustResult.NOT_FOUND, Source.NONE, ())
        assert (verdict.payload, verdict.answer_type) == (NOT_TRUSTED, MessageType.QUERY_CERT_RES)


def test_leading_zeros_of_a_serial_number_do_not_matter(caches: Caches) -> None:
    """Phones send serial numbers with and without the zero byte that DER puts before a high bit."""
    der = certificate(PUBLISHER, 0xFF34)
    caches.load(CallManager=der)
    assert caches.ask(b"\0\xff\x34", PUBLISHER).result is TrustResult.TRUSTED
    assert caches.ask(b"\xff\x34", PUBLISHER).serial == "FF34"


def test_certificate_without_a_role(caches: Caches) -> None:
    """A certificate whose only unit gives no role is not trusted."""
    der = certificate(PUBLISHER, 0x1234)
    assert Purpose.CallManager_trust.roles == ()
    caches.load(CallManager_trust=der)
    verdict = caches.query(der)
    assert (verdict.result, verdict.source) == (TrustResult.NO_ROLE, Source.DB)
    assert verdict.payload == NOT_TRUSTED


def test_ctl_file_vouches_for_a_certificate_without_a_role(
    caches: Caches, tokenless: bytes, publisher: KeyFileSigner
) -> None:
    """A certificate to which the store gives no role can still have one from the signed list, for both questions."""
    caches.load(ctl=tokenless, CallManager_trust=publisher.certificate)
    for verdict in (caches.query(publisher.certificate), caches.verify(publisher.certificate)):
        assert (verdict.result, verdict.source, verdict.roles) == (TrustResult.TRUSTED, Source.CTL, (0, 2))


# -- verifications ---------------------------------------------------------------------------------------------------


def test_verification_of_a_known_certificate(caches: Caches) -> None:
    """Exactly the known bytes are trusted; the answer has roles and time to live and no certificate."""
    der = certificate(PUBLISHER, 0x1234)
    caches.load(CallManager=der)
    verdict = caches.verify(der)
    assert (verdict.result, verdict.source) == (TrustResult.TRUSTED, Source.DB)
    assert (verdict.serial, verdict.issuer) == ("1234", PUBLISHER)
    assert answer_of(verdict) == CertVerificationResponse(
        session_id=1, status=TrustStatus.TRUSTED, roles=(0, 2), time_to_live=86_400
    )


def test_forged_certificate(caches: Caches) -> None:
    """A certificate with a known identity and other bytes is refused, whatever the CTL file says of it."""
    der = certificate(PUBLISHER, 0x1234)
    caches.load(CallManager=der)
    verdict = caches.verify(twin(der))
    assert (verdict.result, verdict.source) == (TrustResult.DIFFERENT, Source.DB)
    assert (verdict.payload, verdict.answer_type) == (NOT_TRUSTED, MessageType.CERT_VERIFICATION_RES)


def test_forged_certificate_of_the_ctl_file(caches: Caches, tokenless: bytes, publisher: KeyFileSigner) -> None:
    """The CTL file's certificate is compared too."""
    caches.load(ctl=tokenless)
    assert caches.verify(publisher.certificate).source is Source.CTL
    verdict = caches.verify(twin(publisher.certificate))
    assert (verdict.result, verdict.source) == (TrustResult.DIFFERENT, Source.CTL)


def test_store_and_ctl_file_differ(caches: Caches, tokenless: bytes, publisher: KeyFileSigner) -> None:
    """If the store has another certificate of this identity, the CTL file cannot vouch for the phone's."""
    caches.load(ctl=tokenless, CallManager=twin(publisher.certificate))
    verdict = caches.verify(publisher.certificate)
    assert (verdict.result, verdict.source) == (TrustResult.DIFFERENT, Source.DB)


def test_verification_of_an_unknown_certificate(caches: Caches) -> None:
    """A certificate that neither cache has is not trusted."""
    caches.load()
    verdict = caches.verify(certificate(PUBLISHER, 0x1234))
    assert (verdict.result, verdict.source, verdict.payload) == (TrustResult.NOT_FOUND, Source.NONE, NOT_TRUSTED)


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_bytes_that_are_not_a_certificate(caches: Caches, cut: int) -> None:
    """Damaged bytes are not trusted, and the verdict has no names."""
    caches.load()
    verdict = caches.verify(certificate(PUBLISHER, 0x1234)[:cut])
    assert (verdict.result, verdict.source, verdict.payload) == (TrustResult.UNREADABLE, Source.NONE, NOT_TRUSTED)
    assert (verdict.serial, verdict.issuer) == ("", "")


# -- changes ---------------------------------------------------------------------------------------------------------


def test_swapped_index_answers_the_next_request(caches: Caches, tokenless: bytes, publisher: KeyFileSigner) -> None:
    """What the caches learn is in the next answer; what they lose is not trusted any more."""
    caches.load()
    assert caches.query(publisher.certificate).result is TrustResult.NOT_FOUND
    caches.path.write_bytes(tokenless)
    caches.ctl.check()
    assert caches.query(publisher.certificate).source is Source.CTL
    caches.store.import_certificate(publisher.certificate, Purpose.CallManager)
    caches.db.refresh()
    assert caches.query(publisher.certificate).source is Source.DB
    caches.store.delete(Purpose.CallManager, "CallManager")
    caches.db.refresh()
    assert caches.query(publisher.certificate).source is Source.CTL


_QUERIES = st.builds(
    QueryCertRequest,
    session_id=st.just(1),
    device_name=st.just(DEVICE),
    subject_name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    issuer_name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20).map(
        "CN=".__add__
    ),
    serial_number=st.binary(min_size=1, max_size=20),
)
_VERIFICATIONS = st.builds(
    CertVerificationRequest,
    session_id=st.just(1),
    device_name=st.just(DEVICE),
    certificate=st.binary(min_size=1, max_size=60),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=st.one_of(_QUERIES, _VERIFICATIONS))
def test_strangers_get_an_answer_and_no_trust(
    caches: Caches, request: QueryCertRequest | CertVerificationRequest
) -> None:
    """Whatever a stranger asks, the verdict is negative and its payload is the one that phones know."""
    verdict = caches.verifier.answer(request)
    assert verdict.result in (TrustResult.NOT_FOUND, TrustResult.UNREADABLE)
    assert verdict.payload == NOT_TRUSTED
