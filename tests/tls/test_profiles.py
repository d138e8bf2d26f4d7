"""Suites and versions of the profiles."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tvs.tls.contexts import accepted_suites
from tvs.tls.profiles import PROFILES, TLSProfile

if TYPE_CHECKING:
    from tests.fixtures.programs import RequireProgram

CISCO = (
    "AES256-GCM-SHA384:AES256-SHA256:AES256-SHA:AES128-GCM-SHA256:AES128-SHA256:AES128-SHA:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"
)
"""The suites of Cisco's service, as published."""


def older_suites(profile: TLSProfile) -> list[str]:
    """The suites for TLS 1.2 and earlier."""
    return [suite for suite in accepted_suites(profile) if not suite.startswith("TLS_")]


@pytest.mark.parametrize("profile", TLSProfile)
def test_openssl_knows_the_suites(profile: TLSProfile, require_program: RequireProgram) -> None:
    """Both OpenSSL's program and the library in use read the list as exactly these suites, in this order."""
    settings = PROFILES[profile]
    command = [require_program("openssl"), "ciphers", "-tls1_2", "-s", settings.ciphers]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == settings.suites
    assert older_suites(profile) == settings.suites.split(":")


def test_modern_suites_have_forward_secrecy_and_aead(require_program: RequireProgram) -> None:
    """OpenSSL says of each suite of the modern profile that it exchanges keys with ECDH and authenticates by AEAD."""
    command = [require_program("openssl"), "ciphers", "-v", "-tls1_2", "-s", PROFILES[TLSProfile.MODERN].ciphers]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in lines] == older_suites(TLSProfile.MODERN)
    assert all("Kx=ECDH " in line and "Mac=AEAD" in line for line in lines)


@pytest.mark.parametrize("profile", [TLSProfile.COMPATIBLE, TLSProfile.LEGACY])
def test_cisco_s_suites_come_first_in_its_order(profile: TLSProfile) -> None:
    """The profiles for older phones prefer the suites of Cisco's service, then the same for P-256 keys."""
    suites = older_suites(profile)
    published = CISCO.split(":")
    assert suites[: len(published)] == published
    assert all("ECDSA" in suite for suite in suites[len(published) :])


def test_versions_and_levels() -> None:
    """Only legacy speaks TLS 1.0, for which OpenSSL must be at level 0."""
    found = {profile: (facts.minimum, facts.minimum_name, facts.security_level) for profile, facts in PROFILES.items()}
    assert found == {
        TLSProfile.MODERN: (SSL.TLS1_2_VERSION, "TLS 1.2", 1),
        TLSProfile.COMPATIBLE: (SSL.TLS1_2_VERSION, "TLS 1.2", 1),
        TLSProfile.LEGACY: (SSL.TLS1_VERSION, "TLS 1.0", 0),
    }
