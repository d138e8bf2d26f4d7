"""What database and settings have and the service has not loaded: phones meet another certificate, or another profile.

The service presents its certificate and keeps its profile until it is reloaded. Every follower begins anew after that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tvs.config.loading import ConfigError

if TYPE_CHECKING:
    from tvs.process.followersetup import FollowerSetup
    from tvs.status.model import ServiceStatus
    from tvs.tls.profiles import TLSProfile

LOOK: Final = 5.0
"""Seconds between two looks at the settings on the disk."""
SETTLED: Final = 2.0
"""Seconds that a difference must last: a reload puts certificate and profile in use one after the other."""
ADVICE: Final = "reload the service: systemctl reload tvs, or SIGHUP"


class Unloaded:
    """Compares what is in use with what is there, and logs a difference once.

    Args:
        setup: of the follower: its settings are those in use.

    Attributes:
        own: SHA-256 of this node's TVS certificate in the database, hex; empty while it is not known.
        certificate: the same, if the service, or one of its workers, presents another one; else empty.
        profile: the TLS profile of the settings on the disk, if another one is in use; else empty.
    """

    def __init__(self, setup: FollowerSetup) -> None:
        self._setup = setup
        self._on_disk: TLSProfile | None = None
        self._seen = ("", "")
        self._since = 0.0
        self.own = ""
        self.certificate = ""
        self.profile = ""

    def watch(self) -> None:
        """Reads the settings again and again, for ever; for a thread of its own, which a disk may hold."""
        while True:
            self.look()
            time.sleep(LOOK)

    def look(self) -> None:
        """Reads the settings. Such as cannot be used say nothing: a reload would refuse them, and says why."""
        try:
            self._on_disk = self._setup.load_config().tls_profile
        except (ConfigError, OSError):
            self._on_disk = None

    def compare(self, service: ServiceStatus | None, now: float) -> None:
        """Compares with what the supervisor has published. `now`: monotonic seconds."""
        presented, in_use = self.own if service is None else service.fingerprint, self._setup.config.tls_profile
        certificate = self.own if self.own != presented else ""
        profile = "" if self._on_disk in (None, in_use) else str(self._on_disk)
        if (certificate, profile) != self._seen:
            self._seen, self._since = (certificate, profile), now
        elif now - self._since >= SETTLED:
            if certificate and certificate != self.certificate:
                self._event(presented=presented, database=certificate)
            if profile and profile != self.profile:
                self._event(tls_profile=str(in_use), settings=profile)
            self.certificate, self.profile = certificate, profile

    def _event(self, **fields: str) -> None:
        self._setup.event("warning", "service_behind", **fields, advice=ADVICE)
