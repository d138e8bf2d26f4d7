"""Compares an SBOM with the environment that runs this: python compare_sbom.py required|all FILE."""

import importlib.metadata
import json
import re
import sys
from pathlib import Path

bill = json.loads(Path(sys.argv[2]).read_text())
scopes = {"required"} if sys.argv[1] == "required" else {"required", "optional"}
python = [one for one in bill["components"] if one["purl"].startswith("pkg:pypi/") and one["scope"] in scopes]
named = {one["purl"] for one in [*python, bill["metadata"]["component"]]}
installed = {
    f"pkg:pypi/{re.sub(r'[-_.]+', '-', one.name).lower()}@{one.version}" for one in importlib.metadata.distributions()
}
if named != installed:
    sys.exit(f"only in the SBOM: {sorted(named - installed)}; only installed: {sorted(installed - named)}")
print(f"The SBOM names the {len(installed)} packages that are installed.")  # noqa: T201
