"""Names of suites: those of the program openssl."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tvs.tls.suites import suite_names

if TYPE_CHECKING:
    from tests.fixtures.programs import RequireProgram


def test_names_of_openssl(require_program: RequireProgram) -> None:
    """Each suite of the program, by its number, has its name here; one that it does not have has its number."""
    command = [require_program("openssl"), "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    suites = [(words[0].replace("0x", "").replace(",", ""), words[2]) for words in map(str.split, lines)]
    assert ("0035", "AES256-SHA") in suites
    known = [(number, name) for number, name in suites if suite_names(number) != (f"0x{number}",)]
    assert len(known) > len(suites) * 0.8, "two builds of OpenSSL differ in old suites"
    assert [suite_names(number) for number, _ in known] == [(name,) for _, name in known]
    assert suite_names("0035 FEDC 002F") == ("AES256-SHA", "0xFEDC", "AES128-SHA")
    assert suite_names("") == ()
