"""The base of the two caches: an index that is swapped, and traced look-ups."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from certstore.index import CacheEntry, CertificateIndex
from certstore.serials import unique_map_id

if TYPE_CHECKING:
    from certstore.trace import Trace


class CertificateCache:
    """Look-ups in an index of certificates, which a subclass swaps when its source changes.

    Attributes:
        index: the index in use, replaced by `swap`: readers see the old or the new one, never a mixture.
        generation: number of swaps; 0 before the first.
        swapped: time of the last swap, seconds since 1970; None before the first.
    """

    trace_class: ClassVar[str]
    """The class name in trace lines."""
    trace_length: ClassVar[bool] = False
    """Whether the look-up line ends in the length of the Unique MAP ID, as that of the CTL cache does."""

    def __init__(self) -> None:
        self.index = CertificateIndex()
        self.generation = 0
        self.swapped: float | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def loaded(self) -> bool:
        """Whether an index was ever put in use."""
        return self.generation > 0

    def swap(self, index: CertificateIndex) -> None:
        """Puts a new index in use."""
        self.index = index
        self.generation += 1
        self.swapped = time.time()

    def lookup(self, serial_number: bytes, issuer_name: str, trace: Trace | None = None) -> CacheEntry | None:
        """The entry with this identity, or None. Both outcomes are traced."""
        entry = self.index.find(serial_number, issuer_name)
        if trace is not None:
            self._trace_looking_up(serial_number, issuer_name, trace)
            if entry is None:
                self._trace_not_found(trace)
            else:
                self._trace_found(entry, trace)
        return entry

    def compare(
        self, serial_number: bytes, issuer_name: str, certificate: bytes, trace: Trace | None = None
    ) -> tuple[CacheEntry | None, bool]:
        """The entry with this identity, and whether its certificate has exactly these bytes."""
        entry = self.index.find(serial_number, issuer_name)
        equal = entry is not None and entry.certificate == certificate
        if trace is not None:
            self._trace_looking_up(serial_number, issuer_name, trace)
            if entry is None:
                self._trace_not_found(trace)
            else:
                self._trace_compared(equal, trace)
        return entry, equal

    # The texts are the original's, exact to the character: operators' scripts search for them.

    def _trace_looking_up(self, serial_number: bytes, issuer_name: str, trace: Trace) -> None:
        map_id = unique_map_id(serial_number, issuer_name)
        length = f", len : {len(map_id)}" if self.trace_length else ""
        trace(
            "cache_lookup",
            f"{self.trace_class}::getCertificateInformation - "
            f"Looking up the certificate cache using Unique MAP ID : {map_id}{length}",
            cache=self.trace_class,
            unique_map_id=map_id,
        )

    def _trace_not_found(self, trace: Trace) -> None:
        trace(
            "cache_miss",
            f"ERROR:{self.trace_class}::getCertificateInformation - Cannot find the certificate in the cache",
            cache=self.trace_class,
        )

    def _trace_found(self, entry: CacheEntry, trace: Trace) -> None:
        prefix = f"{self.trace_class}::getCertificateInformation - "
        trace(
            "cache_hit",
            f"{prefix}Found entry {{rolecount : {len(entry.roles)}}}",
            cache=self.trace_class,
            rolecount=len(entry.roles),
        )
        for role in entry.roles:
            trace("cache_role", f"{prefix}{{role : {role}}}", cache=self.trace_class, role=role)

    def _trace_compared(self, equal: bool, trace: Trace) -> None:
        prefix = f"{self.trace_class}::getCertificateInformation - "
        difference = 0 if equal else 1
        trace(
            "certificate_compared",
            f"{prefix}Certificate compare return ={difference}",
            cache=self.trace_class,
            difference=difference,
        )
        outcome = "found and equal" if equal else "found but not equal"
        error = "" if equal else "ERROR:"
        trace(
            "certificate_equal" if equal else "certificate_differs",
            f"{error}{prefix}Certificate {outcome}",
            cache=self.trace_class,
        )
