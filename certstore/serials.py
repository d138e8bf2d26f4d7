"""Serial numbers and Unique MAP IDs, as bytes and as text."""

from __future__ import annotations


def normal_serial(serial_number: bytes) -> bytes:
    """The serial number without leading zero bytes, which do not count in a comparison; at least one byte."""
    return serial_number.lstrip(b"\0") or b"\0"


def serial_text(serial_number: bytes) -> str:
    """The serial number in upper-case hex, two digits a byte, as in traces and the Unique MAP ID."""
    return normal_serial(serial_number).hex().upper()


def unique_map_id(serial_number: bytes, issuer_name: str) -> str:
    """The 'Unique MAP ID' of the original's traces: serial number and issuer, without a separator."""
    return serial_text(serial_number) + issuer_name
