"""Each TLS profile as sslyze, testssl.sh and openssl's client see it, with an RSA and a P-256 key.

`make scan` says the same; `make scan ARGS=--renew` writes the expectation anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.whole.outside.scan import NAMES, difference, profile_services
from tests.whole.outside.scanning import SSLYZE, as_text, find_testssl, scan
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.whole.outside.scanning import Seen

BY_RSA = "rsa_"
"""Start of the names of RSA's signature algorithms."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """What the scanners see of each profile with each kind of key."""
    if not SSLYZE.exists():
        pytest.skip("sslyze is not installed: make scan installs it")
    try:
        find_testssl()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("scan")
    with profile_services(folder) as running:
        yield scan(running, folder)


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_as_expected(seen: dict[str, Seen], name: str) -> None:
    """Suites and their order, groups, signature algorithms, certificate, weaknesses: all as the file says."""
    changed = "\n".join(difference(name, as_text(seen[name])))
    assert not changed, f"{changed}\nIf this is meant: make scan ARGS=--renew"


def test_every_suite_counts(seen: dict[str, Seen]) -> None:
    """A profile that lost one suite, or has one more, differs from the expectation."""
    for name in NAMES:
        for version, suites in seen[name]["suites"].items():
            for changed in (*(suites[:place] + suites[place + 1 :] for place in range(len(suites))), [*suites, "new"]):
                other = {**seen[name], "suites": {**seen[name]["suites"], version: changed}}
                assert difference(name, as_text(other)), (name, version, changed)


@pytest.mark.parametrize("profile", TLSProfile)
def test_show_tls_profile_agrees(
    seen: dict[str, Seen], tvs: Callable[..., subprocess.CompletedProcess[str]], profile: str
) -> None:
    """`tvs show tls-profile` names the suites that the scanners find with both keys, in the server's order."""
    (shown,) = json.loads(tvs("show", "tls-profile", profile, "--json").stdout)
    both = [seen[f"{profile}-{key}"]["suites"] for key in ("rsa", "ec")]
    found = {suite for suites in both for accepted in suites.values() for suite in accepted}
    assert found == set(shown["suites"])
    lowest = next(version for version, suites in both[0].items() if suites)
    assert shown["minimum"] == lowest
    order = seen[f"{profile}-rsa"]["testssl.sh"]["cipherorder_TLSv1_2"].removeprefix("INFO: ").split()
    assert order == [suite for suite in shown["suites"] if suite in order]
    assert sorted(order) == both[0]["TLS 1.2"]


def test_no_profile_is_weak(seen: dict[str, Seen]) -> None:
    """No profile has a known attack's weakness, but for what the phones of `compatible` and `legacy` cost."""
    for name in NAMES:
        result = seen[name]
        assert not result["suites"]["SSL 2.0"]
        assert not result["suites"]["SSL 3.0"]
        weak = {
            check
            for check, text in result.get("testssl.sh", {}).items()
            if text.split(":")[0] in {"LOW", "MEDIUM", "HIGH"}
        }
        allowed = {"modern": set(), "compatible": {"LUCKY13"}, "legacy": {"LUCKY13", "BEAST", "BEAST_CBC_TLS1"}}
        assert weak <= allowed[name.partition("-")[0]], name
        assert "NO_ORACLE" in result["sslyze"]["ROBOT"] or "NOT_SUPPORTED" in result["sslyze"]["ROBOT"]


def test_signatures_belong_to_the_key(seen: dict[str, Seen]) -> None:
    """A service signs with its own kind of key, and under TLS 1.3 never with SHA-1."""
    for name in NAMES:
        for version, algorithms in seen[name]["signature algorithms"].items():
            assert {algorithm.startswith(BY_RSA) for algorithm in algorithms} == {name.endswith("-rsa")}, version
        assert not any("sha1" in algorithm.lower() for algorithm in seen[name]["signature algorithms"]["TLS 1.3"])
