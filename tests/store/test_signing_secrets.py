from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.store.journal import Journal
from rivya_flows.store.signing_secrets import (
    forget_signing_secrets,
    has_signing_secret,
    keep_signing_secret,
    rotate_signing_secret,
    signing_secrets,
)
from support.databases import BACKENDS, fresh_store


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as opened:
        yield opened


def test_the_secret_before_a_rotation_stays_valid_for_a_while(journal: Journal) -> None:
    engine = journal.engine

    def known() -> set[str]:
        return {secret.get_secret_value() for secret in signing_secrets(engine)}

    keep_signing_secret(engine, "whend_1", SecretStr("one"))
    keep_signing_secret(engine, "whend_10", SecretStr("ten"))
    rotate_signing_secret(engine, "whend_1", SecretStr("two"))
    assert known() == {"one", "two", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("three"), overlap_seconds=0)
    assert known() == {"three", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("four"), overlap_seconds=-5)
    forget_signing_secrets(engine, "whend_1")
    assert known() == {"ten"}
    assert has_signing_secret(engine, "whend_10")
    assert not has_signing_secret(engine, "whend_1")
