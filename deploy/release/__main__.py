"""A release: archives that come out the same twice, SBOM, lock files, checksums (`make release`, docs/release.md)."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lock import TOOLS
from deploy.release import archives, checkout, sbom, signing
from deploy.release.environment import Environment
from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.release.checkout import Checkout

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path("deploy/requirements")
INTERNAL = TOOLS | {"build", "scan-build"}
"""Lock files that a user of the wheel does not need."""


def locked_hashes(lock: Path) -> dict[str, list[str]]:
    """Name → SHA-256 of all admitted files, from a lock file."""
    found: dict[str, list[str]] = {}
    for line in lock.read_text().splitlines():
        if pin := re.match(r"([\w.-]+)==", line):
            current = found.setdefault(sbom.normalised(pin[1]), [])
        elif algorithm := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            current.append(algorithm[1])
    return found


def write_bill(source: Checkout, built: list[Path], folder: Path, scratch: Path) -> None:
    """Installs lock and wheel into a fresh environment, and writes the bill of what is then there."""
    wheel = next(path for path in built if path.suffix == ".whl")
    environment = Environment(folder=scratch / "environment")
    environment.create()
    environment.install_locked(source.root / LOCKS / "runtime.txt")
    environment.install_wheel(wheel)
    required = {sbom.normalised(one.name) for one in environment.installed().distributions}
    environment.install_locked(source.root / LOCKS / "full.txt")
    names = {path.name: signing.digest(path) for path in built}
    hashes = locked_hashes(source.root / LOCKS / "full.txt")
    text = sbom.bill(source, names, environment.installed(), required, hashes)
    sbom.check(text)
    (folder / f"{sbom.PACKAGE}-{source.version}.cdx.json").write_text(text)


def make(source: Checkout, key: Path | None, folder: Path, scratch: Path) -> None:
    """Fills an empty folder with the whole release."""
    built = archives.build(source, scratch)
    for path in built:
        shutil.copy(path, folder)
    for lock in sorted((source.root / LOCKS).glob("*.txt")):
        if lock.stem not in INTERNAL:
            shutil.copy(lock, folder / f"requirements-{lock.name}")
    write_bill(source, built, folder, scratch)
    sums = signing.write_sums(folder, folder.iterdir())
    for path in folder.iterdir():
        path.chmod(0o644)
    if key is not None:
        signing.sign(sums, key)


def clear(folder: Path) -> None:
    """Removes an earlier release; a `ReleaseError` if the folder holds something else."""
    sums = folder / signing.SUMS
    listed = [line.split(maxsplit=1)[1] for line in sums.read_text().splitlines()] if sums.exists() else []
    ours = {*listed, signing.SUMS, f"{signing.SUMS}.sig"}
    others = sorted(path.name for path in folder.iterdir() if path.name not in ours) if folder.exists() else []
    if others:
        raise ReleaseError(f"{folder} holds files that are not of a release: move them away. {', '.join(others[:5])}")
    if folder.exists():
        shutil.rmtree(folder)


def table(folder: Path) -> str:
    """Names, sizes in bytes and SHA-256 of what is in a folder."""
    rows = [(path.name, f"{path.stat().st_size:,}", signing.digest(path)) for path in sorted(folder.iterdir())]
    width, size = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{width}}  {bytes_:>{size}}  {digest}" for name, bytes_, digest in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the release; status 1, and no change of the folder, when it cannot be made."""
    parser = argparse.ArgumentParser(prog="make release ARGS=…", description=__doc__)
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=ROOT / "dist", help="where to (dist)")
    parser.add_argument("--sign", metavar="KEY", type=Path, help="sign the checksums with this SSH key")
    parser.add_argument("--trial", action="store_true", help="make it without a changelog entry, whatever the tags say")
    options = parser.parse_args(arguments)
    try:
        source = checkout.inspect(ROOT, trial=options.trial)
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            make(source, options.sign, made, Path(scratch))
            clear(options.out)
            shutil.copytree(made, options.out)
    except ReleaseError as error:
        print(f"No release was made.\n{error}", file=sys.stderr)
        return 1
    print(f"Version {source.version}, commit {source.commit}, in {options.out}:\n\n{table(options.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
