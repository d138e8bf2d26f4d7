"""The protocol between a phone and the Trust Verification Service: bytes to messages and back.

No I/O, no clock, no logging. `codec` frames and decodes messages, `payload` their elements; `tlv` has the elements
that the trust lists share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proto.codec import HEADER_SIZE, MAX_PAYLOAD, MAX_REQUEST_PAYLOAD, NEED_DATA, Decoder, NeedData, encode, frame
    from proto.defaults import DEFAULT_TIME_TO_LIVE
    from proto.errors import ErrorKind, LocalProtocolError, ProtocolError, RemoteProtocolError
    from proto.messages import (
        REQUESTS,
        RESPONSES,
        CertVerificationRequest,
        CertVerificationResponse,
        Message,
        MessageType,
        QueryCertRequest,
        QueryCertResponse,
        Request,
        Response,
        TrustStatus,
    )
    from proto.payload import encode_payload
    from proto.roles import TrustRole, find_role, function_text, role_name
    from proto.tlv import Element, Reader, Writer

__distribution__ = "trust-verification-service"

__all__ = [
    "DEFAULT_TIME_TO_LIVE",
    "HEADER_SIZE",
    "MAX_PAYLOAD",
    "MAX_REQUEST_PAYLOAD",
    "NEED_DATA",
    "REQUESTS",
    "RESPONSES",
    "CertVerificationRequest",
    "CertVerificationResponse",
    "Decoder",
    "Element",
    "ErrorKind",
    "LocalProtocolError",
    "Message",
    "MessageType",
    "NeedData",
    "ProtocolError",
    "QueryCertRequest",
    "QueryCertResponse",
    "Reader",
    "RemoteProtocolError",
    "Request",
    "Response",
    "TrustRole",
    "TrustStatus",
    "Writer",
    "encode",
    "encode_payload",
    "find_role",
    "frame",
    "function_text",
    "role_name",
]
_MODULES = ("codec", "defaults", "errors", "messages", "payload", "roles", "tlv")


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for: programs that need one module load only that."""
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"proto.{module}"))
            if name in found:
                return globals().setdefault(name, found[name])
    raise AttributeError(f"module 'proto' has no attribute {name!r}")
