"""Shared and signing secrets on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr
from sqlalchemy import Engine

from rivya_flows.store.database import open_engine
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import (
    forget_signing_secrets,
    has_signing_secret,
    keep_signing_secret,
    rotate_signing_secret,
    shared_secret,
    signing_secrets,
)


def test_a_shared_secret_is_made_once_and_is_another_one_for_each_name(engine: Engine) -> None:
    first = shared_secret(engine, "addresses")
    assert shared_secret(engine, "addresses") == first
    assert shared_secret(engine, "other") != first
    assert len(first) > 40


def test_processes_that_begin_at_once_share_one_secret(store_url: str) -> None:
    Journal(store_url).close()

    def ask(_: int) -> str:
        engine = open_engine(store_url)
        try:
            return shared_secret(engine, "addresses")
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_the_secret_before_a_rotation_stays_good_for_a_while(engine: Engine) -> None:
    def known() -> set[str]:
        return {secret.get_secret_value() for secret in signing_secrets(engine)}

    keep_signing_secret(engine, "whend_1", SecretStr("one"))
    keep_signing_secret(engine, "whend_10", SecretStr("ten"))
    keep_signing_secret(engine, "whend_11", SecretStr("other"))
    forget_signing_secrets(engine, "whend_11")
    rotate_signing_secret(engine, "whend_1", SecretStr("two"))
    assert known() == {"one", "two", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("three"), overlap_seconds=0)
    assert known() == {"three", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("four"), overlap_seconds=-5)
    forget_signing_secrets(engine, "whend_1")
    assert known() == {"ten"}
    assert has_signing_secret(engine, "whend_10")
    assert not has_signing_secret(engine, "whend_1")
