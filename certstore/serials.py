"""Serial numbers and Unique MAP IDs: bytes, text and the keys of both caches."""

from __future__ import annotations


def normal_serial(serial_number: bytes) -> bytes:
    """The serial number without leading zero bytes: a serial is equal whatever zeros stand before it."""
    return serial_number.lstrip(b"\0") or b"\0"


def serial_text(serial_number: bytes) -> str:
    """The serial number in upper-case hex, two digits a byte, as traces and the Unique MAP ID have it."""
    return normal_serial(serial_number).hex().upper()


def unique_map_id(serial_number: bytes, issuer_name: str) -> str:
    """The 'Unique MAP ID' of the original's traces: serial number, then issuer, with nothing between."""
    return serial_text(serial_number) + issuer_name
