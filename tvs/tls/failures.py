"""Failures of TLS connections: a closed set of reasons, made from the texts of OpenSSL."""

from __future__ import annotations

from enum import StrEnum

from OpenSSL import SSL, crypto


class TLSFailure(StrEnum):
    """Reason of a failed handshake or connection: a closed set, fit for a metric's label."""

    CLOSED = "closed"
    """The peer closed the connection without a close notification, or before its handshake was done."""
    NOT_TLS = "not_tls"
    """The first bytes are not a TLS record."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """The peer offers only versions that the profile refuses."""
    NO_SHARED_CIPHER = "no_shared_cipher"
    """The two sides have no suite, or no signature algorithm, in common."""
    CERTIFICATE_MISSING = "certificate_missing"
    """The peer did not show the certificate that is required."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """The peer's certificate does not verify, cannot be read, or has a key that cannot be used."""
    ALERT = "alert"
    """The peer sent a fatal alert: it refused us."""
    BAD_RECORD = "bad_record"
    """A record is damaged or out of place."""
    BAD_MESSAGE = "bad_message"
    """A message of the handshake is malformed or against the rules."""
    OTHER = "other"
    """OpenSSL gives a reason that is not in this list, or none."""


class TLSError(Exception):
    """The TLS connection failed.

    Attributes:
        failure: the closed-set reason.
        detail: OpenSSL's reason texts, for the log.
    """

    def __init__(self, failure: TLSFailure, detail: str) -> None:
        super().__init__(failure, detail)
        self.failure = failure
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.failure.value.replace('_', ' ')}: {self.detail}" if self.detail else self.failure.value


class TLSClosed(Exception):  # noqa: N818 - a normal end, not an error
    """The peer closed the TLS connection properly."""


_FAILURES = (
    ("unexpected eof", TLSFailure.CLOSED),
    ("invalid alert", TLSFailure.BAD_RECORD),  # of another length
    ("unknown alert type", TLSFailure.BAD_RECORD),  # of a level that does not exist
    ("no renegotiation", TLSFailure.ALERT),
    ("alert", TLSFailure.ALERT),
    ("tlsv1", TLSFailure.ALERT),  # those of RFC 6066, such as "tlsv1 unrecognized name"
    ("did not return a certificate", TLSFailure.CERTIFICATE_MISSING),
    ("certificate verify failed", TLSFailure.CERTIFICATE_REFUSED),
    ("ee key too small", TLSFailure.CERTIFICATE_REFUSED),
    ("bad extension", TLSFailure.BAD_MESSAGE),  # before "asn1": one of TLS, such as OCSP's
    ("asn1", TLSFailure.CERTIFICATE_REFUSED),  # DER that cannot be read; a client's, or its list of authorities
    ("cert length mismatch", TLSFailure.CERTIFICATE_REFUSED),
    ("certificate type", TLSFailure.CERTIFICATE_REFUSED),
    ("non signing certificate", TLSFailure.CERTIFICATE_REFUSED),  # its key can only agree on keys, or is DSA's
    ("wrong curve", TLSFailure.CERTIFICATE_REFUSED),  # of a certificate's key, such as Brainpool's
    ("public key", TLSFailure.CERTIFICATE_REFUSED),  # cannot be read, or lacks parameters
    ("wrong signature type", TLSFailure.BAD_MESSAGE),  # a proof that another kind of key makes
    ("no shared cipher", TLSFailure.NO_SHARED_CIPHER),
    ("no shared signature", TLSFailure.NO_SHARED_CIPHER),
    ("no suitable signature", TLSFailure.NO_SHARED_CIPHER),
    ("unsupported protocol", TLSFailure.UNSUPPORTED_VERSION),
    ("version too low", TLSFailure.UNSUPPORTED_VERSION),
    ("no protocols available", TLSFailure.UNSUPPORTED_VERSION),
    ("bad record", TLSFailure.BAD_RECORD),  # before "record layer failure", which follows it in the same text
    ("decryption failed", TLSFailure.BAD_RECORD),
    ("encrypted length too long", TLSFailure.BAD_RECORD),
    ("record too small", TLSFailure.BAD_RECORD),
    ("ccs", TLSFailure.BAD_RECORD),  # ChangeCipherSpec, a record type of its own
    ("change cipher spec", TLSFailure.BAD_RECORD),
    ("wrong version number", TLSFailure.NOT_TLS),
    ("http request", TLSFailure.NOT_TLS),
    ("https proxy request", TLSFailure.NOT_TLS),
    ("record layer failure", TLSFailure.NOT_TLS),
    ("unknown protocol", TLSFailure.NOT_TLS),
    ("packet length too long", TLSFailure.NOT_TLS),
    ("unexpected message", TLSFailure.BAD_RECORD),
    ("unexpected record", TLSFailure.BAD_RECORD),
    ("bad length", TLSFailure.BAD_RECORD),
    ("length mismatch", TLSFailure.BAD_RECORD),
    ("mixed handshake", TLSFailure.BAD_RECORD),
    ("record boundary", TLSFailure.BAD_RECORD),
    ("bad ", TLSFailure.BAD_MESSAGE),  # extension, digest length, key share, key update, legacy version, signature
    ("invalid", TLSFailure.BAD_MESSAGE),
    ("digest check failed", TLSFailure.BAD_MESSAGE),
    ("compression", TLSFailure.BAD_MESSAGE),
    ("no ciphers specified", TLSFailure.BAD_MESSAGE),
    ("error in received cipher list", TLSFailure.BAD_MESSAGE),
    ("inappropriate fallback", TLSFailure.BAD_MESSAGE),
    ("renegotiation mismatch", TLSFailure.BAD_MESSAGE),
    ("excessive message size", TLSFailure.BAD_MESSAGE),
)
"""Parts of OpenSSL's reason texts (include/openssl/sslerr.h); the first that occurs decides."""


def error_from(error: SSL.Error) -> TLSError:
    """A pyOpenSSL error as a `TLSError`. The list inside an `SSL.Error` can be empty."""
    if isinstance(error, SSL.SysCallError):
        return TLSError(TLSFailure.CLOSED, "the connection ended without a close notification")
    if isinstance(error, SSL.ZeroReturnError):
        return TLSError(TLSFailure.CLOSED, "a close notification within the handshake")
    detail = reasons(error)
    if any(error.args) and not detail:  # OpenSSL has a text for each of its reasons, but not for all numbers of alerts
        return TLSError(TLSFailure.ALERT, "an alert without a name")
    for text, failure in _FAILURES:
        if text in detail.lower():
            return TLSError(failure, detail)
    return TLSError(TLSFailure.OTHER, detail)


def reasons(error: SSL.Error | crypto.Error) -> str:
    """OpenSSL's reason texts in a pyOpenSSL error, joined; empty if it has none."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[-1]) for entry in entries)
