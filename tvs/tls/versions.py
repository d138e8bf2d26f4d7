"""Protocol versions of TLS as on the wire (RFC 2246, RFC 5246), which are also OpenSSL's constants."""

from __future__ import annotations

from typing import Final

TLS_1_0: Final = 0x0301
TLS_1_2: Final = 0x0303
