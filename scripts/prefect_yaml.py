"""Regenerates prefect.yaml from the specs: ``python scripts/prefect_yaml.py``."""

from __future__ import annotations

from pathlib import Path

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Workflow
from rivya_flows.preparation.deploy_blocks import prefect_yaml
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.load import load

ROOT = Path(__file__).parent.parent


def workflows_in(folder: Path) -> list[Workflow]:
    """The specs of a folder, by file name.

    Raises:
        SpecError: One of them is wrong.
    """
    return [
        load(path.read_text(encoding="utf-8"), file=str(path), catalogue=shipped(), folder=folder)
        for path in specs_at(folder)
    ]


if __name__ == "__main__":
    (ROOT / "prefect.yaml").write_text(prefect_yaml(workflows_in(ROOT / "specs")), encoding="utf-8")
