"""`tvs show tls-profile`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tvs.cli.main import main

if TYPE_CHECKING:
    import pytest


def test_one_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """A profile shows its phones, lowest version, security level and suites, the most preferred one first."""
    assert main(["show", "tls-profile", "legacy"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [
        "legacy: all, the TLS 1.0 phones of the 7900 series among them",
        "  from TLS 1.0 on, security level 0",
    ]
    older = [line.strip() for line in shown[2:] if not line.startswith("  TLS_")]
    assert (older[0], older[2], older[-1]) == ("AES256-GCM-SHA384", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA")


def test_all_profiles_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name all profiles are shown, the strictest first."""
    assert main(["show", "tls-profile", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(item["profile"], item["minimum"], item["security_level"]) for item in shown] == [
        ("modern", "TLS 1.2", 1),
        ("compatible", "TLS 1.2", 1),
        ("legacy", "TLS 1.0", 0),
    ]
    assert all(set(item) == {"profile", "phones", "minimum", "security_level", "suites"} for item in shown)


def test_a_profile_in_capitals(capsys: pytest.CaptureFixture[str]) -> None:
    """Choices are taken in any case and by unique beginnings, as the words of commands."""
    assert main(["show", "tls", "LEG"]) == 0
    assert capsys.readouterr().out.startswith("legacy: ")
