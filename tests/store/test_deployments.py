"""Deployed specs, by hash."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from rivya_flows.assets import Asset
from rivya_flows.store.deployments import DeployedSpec, deployed_spec, keep_spec
from rivya_flows.store.tables import SPECS

PHOTO = Asset(kind="image", sha256="a" * 64, path=Path("/here/photo.png"))


def test_a_spec_is_kept_once_and_comes_back_by_its_hash_with_all_that_it_names(
    engine: Engine,
) -> None:
    spec = DeployedSpec("tea-time", "version: 1\n", {"intro.yaml": "version: 1"}, {"a.png": PHOTO})
    found = deployed_spec(engine, keep_spec(engine, spec))
    assert found is not None
    assert (found.name, found.text, found.includes) == (spec.name, spec.text, spec.includes)
    assert found.files == {"a.png": PHOTO.model_copy(update={"path": None})}
    assert found.hash == spec.hash
    assert deployed_spec(engine, "sha256:unknown") is None
    assert keep_spec(engine, spec) == spec.hash
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(SPECS)) == 1


@pytest.mark.parametrize(
    "other",
    [
        DeployedSpec("tea-time", "another text"),
        DeployedSpec("tea-time", "text", {"intro.yaml": "x"}),
        DeployedSpec("tea-time", "text", {}, {"a.png": PHOTO}),
        DeployedSpec("tea-time", "text", {}, {"a.png": PHOTO.model_copy(update={"sha256": "b" * 64})}),
    ],
)  # fmt: skip
def test_whatever_a_run_would_read_changes_the_hash(other: DeployedSpec) -> None:
    assert other.hash != DeployedSpec("tea-time", "text").hash


def test_where_a_medium_lies_does_not_change_the_hash() -> None:
    here = DeployedSpec("tea-time", "text", {}, {"a.png": PHOTO})
    moved = PHOTO.model_copy(update={"path": Path("/x")})
    assert here.hash == DeployedSpec("tea-time", "text", {}, {"a.png": moved}).hash
