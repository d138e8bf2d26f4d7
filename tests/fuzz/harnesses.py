"""All harnesses, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.targets.admin import ADMIN
from tests.fuzz.targets.batch import BATCH
from tests.fuzz.targets.certificates import CERTFILE, CERTIFICATE, NAMES
from tests.fuzz.targets.config import CONFIG
from tests.fuzz.targets.hello import HELLO
from tests.fuzz.targets.phone import PHONE
from tests.fuzz.targets.replay import RECORDING, RESULT, SOURCE
from tests.fuzz.targets.trace import TRACE
from tests.fuzz.targets.trustlist import TRUSTLIST
from tests.fuzz.targets.wire import ANSWER, WIRE

if TYPE_CHECKING:
    from tests.fuzz.harness import Harness

_ALL = (
    WIRE,
    ANSWER,
    TRUSTLIST,
    NAMES,
    CERTIFICATE,
    CERTFILE,
    HELLO,
    CONFIG,
    PHONE,
    SOURCE,
    RECORDING,
    RESULT,
    ADMIN,
    BATCH,
    TRACE,
)
HARNESSES: dict[str, Harness] = {harness.name: harness for harness in _ALL}
