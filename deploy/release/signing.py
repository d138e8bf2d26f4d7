"""Checksums of a release, and their signature with the maintainer's own key."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUMS = "SHA256SUMS"
NAMESPACE = "trust-verification-service-release"
"""What a signature is for: ssh-keygen refuses it for anything else."""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(folder: Path, files: Iterable[Path]) -> Path:
    """Writes the checksums of files in the folder, as `sha256sum -c` reads them."""
    lines = [f"{digest(path)}  {path.name}\n" for path in sorted(files)]
    (folder / SUMS).write_text("".join(lines))
    return folder / SUMS


def sign(sums: Path, key: Path) -> Path:
    """Signs the checksums with an SSH key; the private one, or a public one whose private half an agent holds."""
    command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key.expanduser()), str(sums)]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        raise ReleaseError("There is no ssh-keygen here to sign with: install OpenSSH's client.") from None
    signature = sums.with_name(f"{SUMS}.sig")
    if done.returncode != 0 or not signature.exists():
        raise ReleaseError(f"{key} did not sign {sums.name}: {done.stderr.strip()}")
    return signature
