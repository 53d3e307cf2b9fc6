from __future__ import annotations

import re

import pytest

from rivya_flows.settings import Settings
from rivya_flows.store.shared_store_checks import (
    UNKNOWN_MACHINE,
    find_unshared_stores,
    machine_of,
    mask_password,
)

MOUNTS = (("/", "ext4"), ("/mnt/studio", "nfs4"), ("/mnt/studio/local", "tmpfs"))


@pytest.mark.parametrize(
    ("store", "assets", "machines", "refused"),
    [
        ("sqlite:////data/j.sqlite", "file:///data/assets", {"here"}, []),
        ("sqlite:////data/j.sqlite", "file:///data/assets", {"here", "b"}, ["STORE", "ASSETS"]),
        ("sqlite:////data/j.sqlite", "/data/assets", {UNKNOWN_MACHINE}, ["STORE", "ASSETS"]),
        ("postgresql://u:p@db/n", "s3://bucket/assets", {"a", "b"}, []),
        ("postgresql://u:p@db/n", "file:///mnt/studio/assets", {"a", "b"}, []),
        ("postgresql://u:p@db/n", "file:///mnt/studio/local/assets", {"a", "b"}, ["ASSETS"]),
        ("sqlite:////mnt/studio/j.sqlite", "s3://bucket/assets", {"a"}, ["STORE"]),
        ("sqlite:///j.sqlite", "file://assets", {"here"}, ["STORE", "ASSETS"]),
        ("sqlite://", "memory://assets", {"here"}, ["STORE", "ASSETS"]),
        ("sqlite:///:memory:", "assets", {"here"}, ["STORE", "ASSETS"]),
    ],
)
def test_stores_that_a_worker_cannot_reach_are_found(
    store: str, assets: str, machines: set[str], refused: list[str]
) -> None:
    chosen = Settings(rivya_flows_store=store, rivya_flows_assets=assets)
    found = find_unshared_stores(chosen, machines, here="here", mounts=MOUNTS)
    settings = re.findall(r"RIVYA_FLOWS_([A-Z]+): ", found[0]) if found else []
    assert settings == refused


def test_the_name_of_a_worker_may_contain_its_machine() -> None:
    assert machine_of("one@render-7") == "render-7"
    assert machine_of("ProcessWorker 5f0c") == UNKNOWN_MACHINE


def test_a_url_is_shown_without_its_password() -> None:
    assert mask_password("postgresql://me:secret@db/name") == "postgresql://me:***@db/name"
    assert mask_password("sqlite:////data/j.sqlite") == "sqlite:////data/j.sqlite"
