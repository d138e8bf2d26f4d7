"""`python -m tests.bench.phone_memory [PHONES]`: memory of an emulated phone, and the cost of its boot.

Phones boot at once, twice, against a service of their own: first with no list, then with a list whose signer only TVS
knows. Python's objects are counted with tracemalloc in a run of their own, because that slows everything down; the
connections, which OpenSSL allocates, show in the process's resident memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli.main import main as tvs
from tvs.config.endpoint import Endpoint
from tvs.phone import BootOutcome, DirectorySource, Phone, Voucher, find_model
from tvs.phone.boot import boot as boot_phone

if TYPE_CHECKING:
    from collections.abc import Iterator

PHONES = 2000
PAGE = os.sysconf("SC_PAGE_SIZE")
PATIENCE = ("--handshake-timeout", "300", "--request-timeout", "300", "--connection-timeout", "600")


@dataclass
class Site:
    """A cluster before and after its CallManager certificate was made anew, and its running service."""

    before: Path
    after: Path
    service: Endpoint


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Makes a site in a temporary directory, which is removed afterwards."""
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(sys.stderr):
        state, before = Path(directory) / "state", Path(directory) / "before"
        # CallManager signs: phones must ask about its new certificate, which ITLRecovery would spare them
        signed = ["--signer", "CallManager", "--digest", "sha512"]
        tvs(["init", "--state", str(state), "--name", "pub", "--address", "127.0.0.1", *signed])
        shutil.copytree(state / "tftp", before)
        for change in (("set", "cert", "regen", "CallManager"), ("utils", "ctl", "update", "CTLFile")):
            tvs([*change, "--yes", "--force", "--state", str(state)])
        command = [sys.executable, "-m", "tvs", "serve", "--state", str(state), "--workers", "1", *PATIENCE]
        with subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "error"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            line = process.stdout.readline() if process.stdout is not None else ""
            found = re.search(r"listening on (\S+):(\d+) for phones", line)
            if found is None:
                raise RuntimeError(f"the service did not start: {line!r}")
            try:
                yield Site(before, state / "tftp", Endpoint(found[1], int(found[2])))
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()


def fleet(number: int, place: Site) -> list[Phone]:
    """Phones in factory state."""
    made = [Phone(f"{n:012X}", find_model("8861"), timeout=300) for n in range(number)]
    for phone in made:
        phone.flash.servers = (place.service,)
    return made


async def boot(phones: list[Phone], files: Path, *, asks: bool = False) -> int:
    """Boots all phones at once; returns the peak of resident bytes. `asks`: whether the boot asks TVS."""
    source = DirectorySource(files)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident())
            await asyncio.sleep(0.02)

    watcher = asyncio.create_task(watch())
    reports = await asyncio.gather(*(boot_phone(phone, source) for phone in phones))
    watcher.cancel()
    if {report.outcome for report in reports} != {BootOutcome.RUNNING}:
        raise RuntimeError("a phone refused its lists")
    vouchers = {report.ctl.vouched.voucher for report in reports if report.ctl.vouched is not None}
    if vouchers != {Voucher.TVS if asks else Voucher.FIRST}:
        raise RuntimeError(f"phones took the CTL for another reason: {', '.join(vouchers)}")
    return most


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def weigh(number: int, place: Site) -> dict[str, float]:
    """Bytes of Python's objects for each phone."""
    tracemalloc.start()
    warm = fleet(10, place)
    asyncio.run(boot(warm, place.before))
    asyncio.run(boot(warm, place.after, asks=True))
    found = {}
    gc.collect()
    start = tracemalloc.get_traced_memory()[0]
    phones = fleet(number, place)
    found["new"] = (tracemalloc.get_traced_memory()[0] - start) / number
    for name, files in (("with its first lists", place.before), ("after it asked TVS", place.after)):
        asyncio.run(boot(phones, files, asks=files is place.after))
        gc.collect()
        found[name] = (tracemalloc.get_traced_memory()[0] - start) / number
    tracemalloc.stop()
    return {name: round(size) for name, size in found.items()}


def run(number: int, place: Site) -> dict[str, float]:
    """Resident bytes for each phone at the height of the storm, and seconds of this process for each boot."""
    asyncio.run(boot(fleet(10, place), place.before))
    start = resident()
    phones = fleet(number, place)
    first = time.process_time()
    asyncio.run(boot(phones, place.before))
    second = time.process_time()
    most = asyncio.run(boot(phones, place.after, asks=True))
    ended = time.process_time()
    return {
        "resident bytes while all ask TVS": round((most - start) / number),
        "CPU ms of a boot without a question": round((second - first) / number * 1000, 2),
        "CPU ms of a boot that asks TVS": round((ended - second) / number * 1000, 2),
    }


def main() -> int:
    """Prints the figures as JSON."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else PHONES
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with site() as place:
        figures = run(number, place)
        weights = weigh(min(number, 500), place)
    sys.stdout.write(json.dumps({"phones": number, "bytes of objects for each phone": weights, **figures}, indent=1))
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
