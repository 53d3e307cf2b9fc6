"""Templates: each is whole, can be deployed, and explains itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.preparation.spec_file import TEST_SUFFIX, specs_at
from rivya_flows.preparation.templates import (
    FOLDER,
    SpecTemplate,
    readme,
    template,
    template_names,
    write_template,
)

ROOT = Path(__file__).parents[2]
ALL = template_names()


@pytest.fixture(scope="module", params=ALL)
def chosen(request: pytest.FixtureRequest) -> SpecTemplate:
    return template(request.param)


def test_the_templates_are_the_specs_of_the_repository() -> None:
    assert FOLDER.resolve() == ROOT / "specs"
    assert [path.stem for path in specs_at(ROOT / "specs")] == ALL


def test_a_template_has_tests_a_budget_that_is_enough_and_a_deployment(
    chosen: SpecTemplate,
) -> None:
    assert f"{chosen.name}{TEST_SUFFIX}" in chosen.files
    assert chosen.workflow.budget is not None
    assert (chosen.max or chosen.min) <= chosen.workflow.budget.credits
    assert "by-hand" in {one.name for one in chosen.workflow.deploy}


def test_what_is_written_is_told(chosen: SpecTemplate, tmp_path: Path) -> None:
    written, left = write_template(chosen, tmp_path, lambda _: ())
    assert left == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)


def test_the_readme_names_each_input_and_output(chosen: SpecTemplate) -> None:
    text = readme(chosen)
    for name in (*chosen.workflow.inputs, *chosen.workflow.outputs):
        assert f"`{name}`" in text
    assert f"rivya-flows prefect deployment run {chosen.name}/" in text
    assert "`chmod 600 .env`" in text
    assert ("rivya-flows batch" in text) == (chosen.name == "catalogue-batch")
    assert ("rivya-flows review last" in text) == (chosen.name == "approved-spot")
    assert "{" not in text.replace("[{cron:", "")
