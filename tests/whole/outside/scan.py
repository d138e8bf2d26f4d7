"""`make scan`: looks at each TLS profile from outside, and says what differs from the expectation.

`make scan ARGS=--renew` writes the expectation anew: read its difference in version control. `make scan ARGS=--whole`
prints the whole report of testssl.sh for each profile.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fixtures.running import services
from tests.whole.outside.scanning import EXPECTED, as_text, expected, run_testssl, scan
from tvs.manage.provision import NewCluster, initialise
from tvs.tls.profiles import TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.running import Running

KEYS = {"rsa": KeyType.RSA2048, "ec": KeyType.P256}
NAMES = [f"{profile}-{key}" for profile in TLSProfile for key in KEYS]
"""Profiles with kinds of key, such as ``legacy-rsa``."""


@contextlib.contextmanager
def profile_services(folder: Path) -> Iterator[dict[str, Running]]:
    """A running service for each name."""
    states = {
        key: initialise(folder / key, NewCluster(name="pub", address="127.0.0.1", tvs_key=kind))
        for key, kind in KEYS.items()
    }
    with services(folder) as start:
        yield {
            f"{profile}-{key}": start(state, "--tls-profile", profile, "--log-level", "info")
            for profile in TLSProfile
            for key, state in states.items()
        }


def main() -> int:
    """Scans; the exit status is 1 if something differs."""
    parser = argparse.ArgumentParser(prog="make scan", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--renew", action="store_true", help="write what is seen to the folder of expectations")
    parser.add_argument("--whole", action="store_true", help="print testssl.sh's whole report for each profile instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as path, profile_services(Path(path)) as running:
        if options.whole:
            for name, service in running.items():
                print(f"=== {name}\n{run_testssl(service, ())}")
            return 0
        seen = {name: as_text(value) for name, value in scan(running, Path(path)).items()}
    if options.renew:
        for name, text in seen.items():
            (EXPECTED / f"{name}.json").write_text(text)
        return 0
    differences = [line for name, text in seen.items() for line in difference(name, text)]
    print("\n".join(differences) or "All profiles are as expected.")
    return int(bool(differences))


def difference(name: str, text: str) -> list[str]:
    """Lines that differ from the expectation, none if nothing does."""
    wanted = expected(name).splitlines()
    return [*difflib.unified_diff(wanted, text.splitlines(), f"{name} expected", f"{name} seen", n=2, lineterm="")]


if __name__ == "__main__":
    raise SystemExit(main())
