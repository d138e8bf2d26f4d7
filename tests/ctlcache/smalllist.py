"""Small trust lists put together by hand, element by element."""

from __future__ import annotations


def tlv(tag: int, value: bytes) -> bytes:
    """One element, put together by hand."""
    return bytes([tag]) + len(value).to_bytes(2) + value


def small_header(*extra: bytes, signer_id: bytes | None = None, info: bytes | None = None) -> bytes:
    """A header put together by hand, from elements that are as small as they can be."""
    if signer_id is None:
        signer_id = tlv(4, b"CN=a\0") + tlv(5, b"\x05") + tlv(6, b"CN=b\0")
    if info is None:
        info = tlv(8, b"\1") + tlv(9, tlv(10, b"\0") + tlv(11, b"\1"))
    body = tlv(3, signer_id) + tlv(7, info) + tlv(12, b"S") + b"".join(extra)
    return tlv(1, b"\1\2") + tlv(2, (10 + len(body)).to_bytes(2)) + body


def small_record(*elements: bytes) -> bytes:
    """A record put together by hand."""
    body = b"".join(elements)
    return tlv(1, (5 + len(body)).to_bytes(2)) + body
