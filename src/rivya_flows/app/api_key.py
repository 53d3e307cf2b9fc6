"""Where the key of the service comes from: the environment, a `.env` file, a block of Prefect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from rivya_flows.language.syntax.secret_names import KEY_BLOCK
from rivya_flows.settings import Settings

BlockReader = Callable[[str], Awaitable[SecretStr | None]]
"""Gives what a secret block holds, or None where there is no block of that name."""


async def with_key(settings: Settings, read_block: BlockReader) -> Settings:
    """The settings with a key, if there is one anywhere.

    Args:
        settings: Of the environment and ``.env``: a key in there is the one.
        read_block: Asked only where there is none. It is passed in, as this library knows no
            Prefect.
    """
    if settings.rivya_api_key is not None:
        return settings
    found = await read_block(KEY_BLOCK)
    return settings if found is None else settings.model_copy(update={"rivya_api_key": found})
