"""Common parts of the references in plain Python: the service's look-ups, the standard library's TLS."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import NamedTuple

from certstore.cache import CertificateDBCache
from certstore.opening import open_store
from ctlcache.cache import CertificateCTLCache
from proto.codec import MAX_REQUEST_PAYLOAD, NEED_DATA, Decoder, frame
from proto.messages import REQUESTS
from tvs.answers.verifier import TrustVerifier

READ_SIZE = 16 * 1024
"""Bytes that are asked for at once."""


class Settings(NamedTuple):
    """The command line: STATE CERTIFICATE KEY PORT."""

    verifier: TrustVerifier
    context: ssl.SSLContext
    port: int


def settings() -> Settings:
    """Loads both caches and makes the TLS context."""
    state, certificate, key, port = sys.argv[1:]
    return Settings(_verifier(Path(state)), _context(certificate, key), int(port))


def _verifier(state: Path) -> TrustVerifier:
    database = CertificateDBCache(open_store(str(state / "tvs.db")))
    database.load()
    ctl = CertificateCTLCache(state / "tftp" / "CTLFile.tlv")
    ctl.load()
    return TrustVerifier(database, ctl)


def _context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=1")
    context.set_ecdh_curve("prime256v1")
    context.options |= ssl.OP_NO_TICKET
    return context


def new_decoder() -> Decoder:
    """A decoder for one connection."""
    return Decoder(accept=REQUESTS, max_payload=MAX_REQUEST_PAYLOAD)


def answers(decoder: Decoder, verifier: TrustVerifier) -> bytes:
    """The answers to all requests that are whole."""
    found = b""
    while (message := decoder.next_message()) is not NEED_DATA:
        verdict = verifier.answer(message)  # type: ignore[arg-type] # the decoder takes requests only
        found += frame(verdict.answer_type, message.session_id, verdict.payload)
    return found
