"""A fresh environment from the lock files, and what is installed in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

_FACTS = """
import importlib.metadata, json
found = []
for one in importlib.metadata.distributions():
    get = one.metadata.get
    found.append({
        "name": one.name, "version": one.version, "requires": one.requires or [],
        "expression": get("License-Expression") or "", "licence": get("License") or "",
        "classifiers": one.metadata.get_all("Classifier") or [],
    })
from cryptography.hazmat.backends.openssl.backend import backend
print(json.dumps({"distributions": found, "openssl": backend.openssl_version_text()}))
"""
"""Run in the environment: metadata of its distributions, and the OpenSSL that cryptography really calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed distribution with what its metadata says.

    requires: requirements with markers, as in the metadata
    expression: SPDX expression, from metadata 2.4 on
    licence: free text, in older metadata
    """

    name: str
    version: str
    requires: list[str]
    expression: str
    licence: str
    classifiers: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Everything in an environment; openssl is the running library's own text."""

    distributions: list[Distribution]
    openssl: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment without pip: in it is what was asked for, and nothing else."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def create(self) -> None:
        """Makes the empty environment."""
        _run(sys.executable, "-m", "venv", "--without-pip", self.folder)

    def install_locked(self, lock: Path) -> None:
        """Installs what a lock file names, if its hash fits."""
        self._pip("install", "--require-hashes", "--requirement", lock)

    def install_wheel(self, wheel: Path) -> None:
        """Installs one wheel, and checks that all it needs is there."""
        self._pip("install", "--no-deps", "--no-index", wheel)
        self._pip("check")

    def installed(self) -> Installed:
        """Reads what is installed now."""
        facts = json.loads(_run(self.python, "-I", "-c", _FACTS))
        return Installed(
            distributions=[Distribution(**one) for one in facts["distributions"]], openssl=facts["openssl"]
        )

    def _pip(self, *arguments: str | Path) -> None:
        _run(sys.executable, "-m", "pip", "--python", self.python, "--quiet", *arguments)


def _run(*command: str | Path) -> str:
    """The output of a command, or all that it said as an error."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command[:8])
        raise ReleaseError(f"{words} … failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout
