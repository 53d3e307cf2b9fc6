"""The block of a wallet."""

from __future__ import annotations

import pytest
from prefect.blocks.core import Block
from prefect.plugins import load_prefect_collections
from prefect.workers.base import BaseWorker
from pydantic import SecretStr, ValidationError

import rivya_flows as rf

KEY = "rvya_sk_c4n4ry0123456789abcdef"


def credentials(**values: str) -> rf.RivyaCredentials:
    return rf.RivyaCredentials(api_key=SecretStr(KEY), **values)


def test_prefect_finds_the_block_and_the_worker_by_their_entry_point() -> None:
    assert not isinstance(load_prefect_collections()["rivya-flows"], Exception)
    assert Block.get_block_class_from_key("rivya-credentials") is rf.RivyaCredentials
    assert BaseWorker.get_worker_class_from_type("campaign") is not None


async def test_its_client_has_the_key_and_the_service_of_the_block() -> None:
    async with credentials(base_url="http://127.0.0.1:8700/").get_client() as client:
        assert client.base_url == "http://127.0.0.1:8700"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://rivya.ai", "would get the API key unencrypted"),
        ("https://me:word@rivya.ai", "has a user name or a password"),
        ("ftp://rivya.ai", "is not the address of a service"),
    ],
)
def test_an_address_is_checked_as_that_of_the_settings(address: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        credentials(base_url=address)
    assert "RIVYA_BASE_URL" not in str(caught.value)


def test_a_key_in_the_wrong_field_is_not_quoted() -> None:
    with pytest.raises(ValidationError) as caught:
        rf.RivyaCredentials.model_validate({"base_url": "https://rivya.ai", "key": KEY})
    assert KEY not in str(caught.value)


def test_the_key_is_in_no_text_of_the_block() -> None:
    block = credentials()
    assert KEY not in f"{block!r}{block}{block.model_dump()}{block.model_dump_json()}"
