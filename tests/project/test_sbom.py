"""The SBOM beside each archive."""

from __future__ import annotations

import json
import re
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_expression
from cyclonedx.validation.json import JsonStrictValidator

from support.loaded_scripts import loaded

ROOT = Path(__file__).parents[2]
OURS = ("rivya-flows", "rivya-client", "rivya-cut", "rivya-flows-mcp", "rivya-sandbox")
LOCKS = {path.stem: path.read_text("utf-8") for path in (ROOT / "locks").glob("*.txt")}
OTHERS = {"install", "build", "dev", "bench"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sboms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By name of a distribution, of wheels that have metadata only."""
    out = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        script = loaded("scripts/sbom.py")
    for name in OURS:
        release = f"{name.replace('-', '_')}-{version(name)}"
        with zipfile.ZipFile(out / f"{release}-py3-none-any.whl", "w") as wheel:
            metadata = distribution(name).read_text("METADATA") or ""
            wheel.writestr(f"{release}.dist-info/METADATA", metadata)
        (out / f"{release}.tar.gz").write_text(name)
    script.write(out, 1_700_000_000)
    found = [json.loads(path.read_text("utf-8")) for path in out.glob("*.cdx.json")]
    return {one["metadata"]["component"]["name"]: one for one in found}


def parts(sbom: dict[str, Any]) -> dict[str, Any]:
    return {one["purl"]: one for one in sbom["components"]}


@pytest.mark.parametrize("name", OURS)
def test_an_sbom_has_the_form_of_its_schema_and_says_what_has_which_licence(
    sboms: dict[str, Any], name: str
) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sboms[name])) is None
    for one in sboms[name]["components"]:
        [licence] = one["licenses"]
        assert is_expression(licence["expression"]), one["name"]


def test_the_sbom_of_the_whole_has_every_locked_file_and_the_other_distributions(
    sboms: dict[str, Any],
) -> None:
    found = parts(sboms["rivya-flows"])
    # Under no name of a registry, where anybody may take it.
    wanted = {f"pkg:generic/{name}@{version(name)}" for name in OURS[1:]}
    for lock in LOCKS.keys() - OTHERS:
        for block in re.split(r"\n(?=\S)", LOCKS[lock]):
            name, release = re.split("==| ", block)[:2]
            wanted.add(purl := f"pkg:pypi/{name}@{release}")
            hashes = {one["content"] for one in found[purl]["hashes"]}
            assert hashes == set(re.findall(r"sha256:(\w+)", block))
            assert found[purl].get("scope") == (None if lock == "base" else "optional")
    assert set(found) == wanted


def test_an_sbom_has_what_its_distribution_needs_and_nothing_else(sboms: dict[str, Any]) -> None:
    found = {purl.partition("@")[0] for purl in parts(sboms["rivya-client"])}
    assert {"pkg:pypi/httpx", "pkg:pypi/h11"} <= found
    assert not {"pkg:pypi/prefect", "pkg:pypi/sqlalchemy", "pkg:generic/rivya-flows"} & found
    needs = {
        one["ref"].partition("@")[0]: "".join(one.get("dependsOn", []))
        for one in sboms["rivya-cut"]["dependencies"]
    }
    assert "pkg:generic/rivya-client@" in needs["pkg:generic/rivya-cut"]
    assert "pkg:pypi/h11@" in needs["pkg:pypi/httpcore"]
