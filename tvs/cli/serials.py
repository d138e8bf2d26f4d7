"""The option `--serial`: a serial number of a previous certificate."""

from __future__ import annotations

import argparse
import string

MAX_DIGITS = 64
"""Most hex digits of a serial number that is asked for; authorities write at most 20 bytes (RFC 5280, 4.1.2.2)."""


def serial_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--serial`, the serial number of a previous certificate."""
    parser.add_argument("--serial", type=_serial, metavar="HEX", help="serial number of a previous certificate")


def _serial(text: str) -> int:
    digits = text.replace(":", "")
    if not digits or len(digits) > MAX_DIGITS or set(digits) - set(string.hexdigits):
        raise argparse.ArgumentTypeError(f"{text!r} is not a serial number in hex digits")
    return int(digits, 16)
