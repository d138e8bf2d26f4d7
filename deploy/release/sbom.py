"""The software bill of materials, CycloneDX 1.6, computed from commit, archives, lock files, environment.

It names the package with its archives, what a plain installation needs (scope `required`), what the extras add
(`optional`), and the OpenSSL inside cryptography's wheel. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from deploy.release.checkout import Checkout
    from deploy.release.environment import Distribution, Installed

PACKAGE = "trust-verification-service"
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "LGPLv2": "LGPL-2.1-only",
    "PSFL": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""SPDX identifiers of names in older metadata."""

Element = dict[str, object]


def bill(
    checkout: Checkout,
    archives: Mapping[str, str],
    installed: Installed,
    required: Set[str],
    hashes: Mapping[str, list[str]],
) -> str:
    """The bill as text.

    archives: name → SHA-256 of source archive and wheel
    required: normalised names in a plain installation, the others in `installed` belong to extras
    hashes: normalised name → SHA-256 of all files that the lock files admit
    """
    others = sorted((normalised(one.name), one) for one in installed.distributions if normalised(one.name) != PACKAGE)
    openssl = _openssl(installed.openssl)
    itself = next(one for one in installed.distributions if normalised(one.name) == PACKAGE)
    identity = " ".join([purl(PACKAGE, checkout.version), checkout.commit, *sorted(archives.values())])
    document: Element = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(checkout.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": _itself(checkout, itself, archives),
        },
        "components": [
            *(_component(name, one, required, hashes.get(name, [])) for name, one in others),
            openssl,
        ],
        "dependencies": _dependencies(installed, str(openssl["bom-ref"])),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def check(text: str) -> None:
    """Raises a `ReleaseError` if a bill does not keep to the published schema, strictly."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 # of the extra `release`; the rest of the module needs none
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ReleaseError(f"The SBOM does not keep to its schema: {problem}")


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def purl(name: str, version: str) -> str:
    """The package URL of a Python package."""
    return f"pkg:pypi/{normalised(name)}@{version}"


def licences(one: Distribution) -> list[Element]:
    """What a distribution's metadata says about its licence; a `ReleaseError` if it says nothing."""
    classifiers = [
        line.rpartition(" :: ")[2] for line in one.classifiers if line.startswith("License :: OSI Approved ::")
    ]
    for name in (one.expression, one.licence, " OR ".join(classifiers)):
        if name in {"", "UNKNOWN"}:
            continue
        known = SPDX.get(name, name)
        if re.fullmatch(r"[\w.+-]+", known):
            return [{"license": {"id": known}}]
        return [{"expression": known}] if name == one.expression else [{"license": {"name": known.partition("\n")[0]}}]
    raise ReleaseError(f"The metadata of {one.name} {one.version} name no licence.")


def _itself(checkout: Checkout, one: Distribution, archives: Mapping[str, str]) -> Element:
    """The released package with its archives."""
    return {
        "type": "application",
        "bom-ref": purl(PACKAGE, checkout.version),
        "name": PACKAGE,
        "version": checkout.version,
        "licenses": licences(one),
        "purl": purl(PACKAGE, checkout.version),
        "externalReferences": [
            {"type": "distribution", "url": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for name, digest in sorted(archives.items())
        ],
        "properties": [{"name": "commit", "value": checkout.commit}],
    }


def _component(name: str, one: Distribution, required: Set[str], hashes: list[str]) -> Element:
    """A dependency, with the hashes of all files of that version: the machine decides which is installed."""
    if not hashes:
        raise ReleaseError(f"{name} {one.version} is installed, but in no lock file: make lock.")
    return {
        "type": "library",
        "bom-ref": purl(name, one.version),
        "name": one.name,
        "version": one.version,
        "scope": "required" if name in required else "optional",
        "licenses": licences(one),
        "purl": purl(name, one.version),
        "externalReferences": [
            {
                "type": "distribution",
                "url": purl(name, one.version),
                "comment": "one of these files, whichever fits Python and machine",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(hashes)],
            }
        ],
    }


def _openssl(text: str) -> Element:
    """The OpenSSL that the running library says it is, for example `OpenSSL 4.0.3 29 Sep 2026`."""
    found = re.match(r"OpenSSL (\d+\.\d+\.\d+)\b", text)
    if found is None:
        raise ReleaseError(f"cryptography runs on '{text}', which is not a release of OpenSSL.")
    version = found[1]
    return {
        "type": "library",
        "bom-ref": f"pkg:generic/openssl@{version}",
        "name": "openssl",
        "version": version,
        "description": f"{text}, inside cryptography's wheel, as the running library says",
        "scope": "required",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "cpe": f"cpe:2.3:a:openssl:openssl:{version}:*:*:*:*:*:*:*",
        "purl": f"pkg:generic/openssl@{version}",
    }


def _dependencies(installed: Installed, openssl: str) -> list[Element]:
    """Who needs whom, of those that are installed; the package itself with all its extras."""
    from packaging.requirements import Requirement  # noqa: PLC0415 # of the extra `release`

    references = {normalised(one.name): purl(one.name, one.version) for one in installed.distributions}
    edges = {openssl: set[str]()}
    for one in installed.distributions:
        needed = {openssl} if normalised(one.name) == "cryptography" else set[str]()
        for requirement in (Requirement(line) for line in one.requires):
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted or normalised(one.name) == PACKAGE:
                needed |= {references[name] for name in [normalised(requirement.name)] if name in references}
        edges[references[normalised(one.name)]] = needed - {references[normalised(one.name)]}
    return [{"ref": ref, "dependsOn": sorted(needed)} for ref, needed in sorted(edges.items())]
