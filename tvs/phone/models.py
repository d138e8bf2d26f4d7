"""Phone models and their differences in trust: TVS, TLS version, digests, console, checksum on the screen."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from tvs.tls.versions import TLS_1_0, TLS_1_2

if TYPE_CHECKING:
    from cryptography import x509
    from OpenSSL import SSL

    from ctlcache.keyfile import PrivateKey


class Series(StrEnum):
    """Series of models with the same facts, as far as this project can tell."""

    S69XX = "69xx"
    """69xx. No source confirms that it asks TVS; TLS, digests, checksum and console are those of the 7900 (guess)."""
    S7900 = "7900"
    S7800 = "7800"
    S8800 = "8800"
    """88xx. The traces are those of an 8861; the 8821, 8831 and 8875 have other firmware (guess: the same lines)."""
    S89XX = "89xx"
    """894x and 8961. TLS, digests, checksum and console are those of the 7900 (guess)."""
    S99XX = "99xx"
    """9951 and 9971. TLS, digests, checksum and console are those of the 7900 (guess)."""
    S98XX = "98xx"
    """98xx. No source confirms that it asks TVS; TLS, digests, checksum and console are those of the 8800 (guess)."""


class Checksum(StrEnum):
    """Checksum that the screen shows of an installed list."""

    MD5 = "md5"
    SHA1 = "sha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """Facts common to the models of a series.

    Attributes:
        tls: highest TLS version, as administrators know it.
        maximum: the same version, see `tvs.tls.versions`.
        ciphers: OpenSSL cipher list; None for that of the real service.
        digests: digests of trust lists that the models can verify.
        checksum: checksum of installed lists on the screen.
        console: name in each line of the console.
    """

    tls: str
    maximum: int
    ciphers: str | None
    digests: frozenset[Digest]
    checksum: Checksum
    console: str


# TLS 1.0 with RSA key exchange and one suite; OpenSSL accepts this version only at security level 0.
_OLD = SeriesFacts(
    tls="TLS 1.0",
    maximum=TLS_1_0,
    ciphers="AES256-SHA:@SECLEVEL=0",
    digests=frozenset({Digest.SHA1}),
    checksum=Checksum.MD5,
    console="SECD",
)
_NEW = SeriesFacts(
    tls="TLS 1.2",
    maximum=TLS_1_2,
    ciphers=None,
    digests=frozenset(Digest),
    checksum=Checksum.SHA1,
    console="SECUREAPP",
)
SERIES = {
    Series.S69XX: _OLD,
    Series.S7900: _OLD,
    Series.S7800: _NEW,
    Series.S8800: _NEW,
    Series.S89XX: _OLD,
    Series.S99XX: _OLD,
    Series.S98XX: _NEW,
}
"""Facts of each series. Published sources show those of 7900, 7800 and 8800; see `Series` for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneModel:
    """One model.

    Attributes:
        name: prefix of the device name in requests, such as ``CP-8861``.
        series: series, which decides the firmware.
        tvs: whether it has 'security by default': it loads an ITL and asks TVS for unknown signers.
        confirmed: whether a published source shows `tvs`. The 69xx, the 8875 and the 98xx use trust lists; that they
            ask TVS is assumed.
    """

    name: str
    series: Series
    tvs: bool = True
    confirmed: bool = True

    @property
    def facts(self) -> SeriesFacts:
        """Facts of its series."""
        return SERIES[self.series]


def _models(series: Series, numbers: str, *, tvs: bool = True, confirmed: bool = True) -> dict[str, PhoneModel]:
    return {
        number: PhoneModel(name=f"CP-{number}", series=series, tvs=tvs, confirmed=confirmed)
        for number in numbers.split()
    }


MODELS: dict[str, PhoneModel] = {
    **_models(Series.S69XX, "6901 6911 6921 6941 6945 6961", confirmed=False),
    # The guide: the 7940 and 7960 do not support security by default; the 7945, the 7965 and newer ones do.
    **_models(Series.S7900, "7940 7960", tvs=False),
    **_models(Series.S7900, "7906 7911 7921 7925 7926 7931 7941 7942 7945 7961 7962 7965 7970 7971 7975"),
    **_models(Series.S7800, "7811 7821 7832 7841 7861"),
    **_models(Series.S8800, "8811 8821 8831 8832 8841 8845 8851 8861 8865"),
    **_models(Series.S8800, "8875", confirmed=False),
    **_models(Series.S89XX, "8941 8945 8961"),
    **_models(Series.S99XX, "9951 9971"),
    **_models(Series.S98XX, "9841 9851 9861 9871", confirmed=False),
}
"""Known models by number."""

_MODEL = r"(?:[CD]P-)?([0-9]{4})[A-Z0-9-]*"


def find_model(text: str) -> PhoneModel:
    """Finds a model by name: ``7975``, ``CP-7975``, ``CP-7975G``, ``DP-9841-K9``. Raises `ValueError`."""
    match = re.fullmatch(_MODEL, text.strip(), re.IGNORECASE)
    model = MODELS.get(match[1]) if match else None
    if model is None:
        raise ValueError(f"{text!r} is not a known model; known are {', '.join(sorted(MODELS))}")
    return model


OTHER = "other"
"""Series of a model that is not known."""


@functools.lru_cache(maxsize=256)
def series_of(model: str) -> str:
    """The series of a model such as ``CP-8861``, by name; `OTHER` for one that is not known."""
    try:
        return str(find_model(model).series)
    except ValueError:
        return OTHER


_DEVICE = r"(CP-[0-9]{4})-SEP([0-9A-F]{12})"


def parse_device(text: str) -> tuple[PhoneModel, str]:
    """The model and the MAC address of a device such as ``CP-8861-SEPB000B4BA0AEE``. Raises `ValueError`."""
    match = re.fullmatch(_DEVICE, text)
    if match is None:
        raise ValueError(f"{text!r} is not a device name such as CP-8861-SEPB000B4BA0AEE")
    return find_model(match[1]), match[2]


_MAC = r"(?:SEP)?([0-9A-F]{12})"


def parse_mac(text: str) -> str:
    """Normalizes a MAC address to 12 upper-case hex digits, as in device names. Raises `ValueError` with a sentence."""
    match = re.fullmatch(_MAC, re.sub(r"[:.\- ]", "", text).upper())
    if match is None:
        raise ValueError(f"{text!r} is not a MAC address: write 12 hex digits, as in 001122334455 or 00:11:22:33:44:55")
    return match[1]


@functools.lru_cache(maxsize=8)
def _shared_context(facts: SeriesFacts) -> SSL.Context:
    from tvs.tls.contexts import client_context  # noqa: PLC0415 - lists of models need no OpenSSL

    return client_context(maximum=facts.maximum, ciphers=facts.ciphers)


def tls_context(model: PhoneModel, lsc: tuple[x509.Certificate, PrivateKey] | None = None) -> SSL.Context:
    """The TLS context of a phone; phones without an LSC share one context for each kind of TLS.

    Args:
        model: the phone's model.
        lsc: locally significant certificate with its key, shown if the server asks for one.
    """
    if lsc is None:
        return _shared_context(model.facts)
    from tvs.tls.contexts import client_context  # noqa: PLC0415 - likewise

    return client_context(maximum=model.facts.maximum, ciphers=model.facts.ciphers, certificate=lsc[0], key=lsc[1])
