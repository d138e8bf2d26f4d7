"""The SBOM: valid, reproducible, with licence, hashes and the OpenSSL that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.lock import FOLDER
from deploy.release import sbom
from deploy.release.__main__ import locked_hashes
from deploy.release.checkout import Checkout
from deploy.release.environment import Distribution, Environment, Installed
from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from tests.fixtures.programs import RequireProgram

CHECKOUT = Checkout(root=Path(), version="0.1.0", commit="ab" * 20, time=1_700_000_000)
ARCHIVES = {"a.whl": "11" * 32}
HASHES = locked_hashes(FOLDER / "dev.txt")


@pytest.fixture(scope="module")
def installed() -> Installed:
    """What is installed beside these tests, from `dev.txt`; not what `make fuzz` adds."""
    found = Environment(folder=Path(sys.prefix)).installed()
    bundled = {"pip", "setuptools", *locked_hashes(FOLDER / "fuzz.txt")} - HASHES.keys()
    return Installed(
        distributions=[one for one in found.distributions if sbom.normalised(one.name) not in bundled],
        openssl=found.openssl,
    )


def bill(installed: Installed) -> str:
    """The bill with one required package."""
    return sbom.bill(CHECKOUT, ARCHIVES, installed, {"cryptography"}, HASHES)


def test_the_bill_is_valid_and_complete(installed: Installed) -> None:
    """It keeps to the published schema; each package has version, licence, purl and hashes of its files."""
    text = bill(installed)
    sbom.check(text)
    components = {one["name"]: one for one in json.loads(text)["components"]}
    openssl = components.pop("openssl")
    own = sbom.PACKAGE
    assert components.keys() == {one.name for one in installed.distributions if sbom.normalised(one.name) != own}
    assert all(one["version"] and one["licenses"] and one["externalReferences"] for one in components.values())
    assert installed.openssl.startswith(f"OpenSSL {openssl['version']} ")
    assert [name for name, one in components.items() if one["scope"] == "required"] == ["cryptography"]


def test_the_bill_is_the_same_twice(installed: Installed) -> None:
    """The order in which packages are found changes nothing; another archive changes the serial number."""
    turned = Installed(distributions=installed.distributions[::-1], openssl=installed.openssl)
    assert bill(installed) == bill(turned)
    other = sbom.bill(CHECKOUT, {"a.whl": "22" * 32}, installed, set(), HASHES)
    assert json.loads(other)["serialNumber"] != json.loads(bill(installed))["serialNumber"]


def test_a_package_outside_the_lock_is_refused(installed: Installed) -> None:
    """What no lock file admits has no hash, and no bill."""
    with pytest.raises(ReleaseError, match="in no lock file"):
        sbom.bill(CHECKOUT, ARCHIVES, installed, set(), {})


def test_an_invalid_bill_is_refused(installed: Installed) -> None:
    """A licence that is not in SPDX's list fails the schema."""
    with pytest.raises(ReleaseError, match="schema"):
        sbom.check(bill(installed).replace('"id": "MPL-2.0"', '"id": "MPL-2.0-nonsense"'))


def test_a_package_without_licence_is_refused() -> None:
    """Metadata that name no licence are an error, not an empty field."""
    with pytest.raises(ReleaseError, match="no licence"):
        sbom.licences(Distribution(name="x", version="1", requires=[], expression="", licence="", classifiers=[]))


def test_a_signature_is_for_these_sums_and_this_key(tmp_path: Path, require_program: RequireProgram) -> None:
    """ssh-keygen and sha256sum accept what was signed, and nothing that was changed afterwards."""
    from deploy.release.signing import NAMESPACE, sign, write_sums  # noqa: PLC0415 # beside its only use

    keygen, sha256sum = require_program("ssh-keygen"), require_program("sha256sum")
    key, released = tmp_path / "key", tmp_path / "released"
    released.mkdir()
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (released / "file").write_text("content")
    sums = write_sums(released, list(released.iterdir()))
    signature = sign(sums, key)
    (tmp_path / "allowed").write_text("release " + key.with_suffix(".pub").read_text())
    allowed = str(tmp_path / "allowed")
    verify = [keygen, "-Y", "verify", "-f", allowed, "-I", "release", "-n", NAMESPACE, "-s", str(signature)]

    def verified(text: str) -> bool:
        return subprocess.run(verify, input=text, text=True, capture_output=True, check=False).returncode == 0

    def intact() -> bool:
        return subprocess.run([sha256sum, "-c", sums.name], cwd=released, check=False).returncode == 0

    assert (verified(sums.read_text()), intact()) == (True, True)
    (released / "file").write_text("Content")
    assert (verified(sums.read_text() + "\n"), intact()) == (False, False)
    with pytest.raises(ReleaseError, match="did not sign"):
        sign(sums, tmp_path / "no such key")
