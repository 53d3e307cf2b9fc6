"""Secrets by name: environment variables, `.env`, and Prefect `Secret` blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError

from rivya_flows.callbacks import Revealed
from rivya_flows.errors import UsageError
from rivya_flows.language.syntax.secret_names import RESERVED_HINT, refusal
from rivya_flows.settings import RUN_HERE, read_secret
from rivya_flows.store.shared_store_checks import shown_url

T = TypeVar("T")


async def revealed(name: str) -> Revealed:
    """The secret of a name, ``env:NAME``, ``block:NAME`` or ``block:secret/NAME``, with that name.

    The message of its `UsageError` never holds a secret.
    """
    if reason := refusal(name):
        raise UsageError(reason, RESERVED_HINT)
    if name.startswith("env:"):
        found = read_secret(name.removeprefix("env:"))
        if found is None:
            raise UsageError(
                f"the secret {name!r} is not set",
                "set the variable where the run is executed, or write it in .env there",
            )
        return Revealed(name, found)
    if not name.startswith("block:"):
        raise UsageError(
            "expected the name of a secret, not the secret itself", "write env:NAME or block:NAME"
        )
    block = name.removeprefix("block:").removeprefix("secret/")
    found = await secret_block(block)
    if found is None:
        raise UsageError(
            f"there is no secret block {name!r}", f"create a Secret block named {block} in Prefect"
        )
    return Revealed(name, found)


async def secret_block(name: str) -> SecretStr | None:
    """The value of a `Secret` block on the current Prefect server; None if there is none."""
    # Imported here: most runs need no block, and the import is slow.
    from prefect.blocks.system import Secret

    block: Any = await read_block(partial(Secret.aload, name), f"the secret block {name!r}")
    return None if block is None else SecretStr(str(block.get()))


async def read_block(load: Callable[[], Awaitable[T]], what: str) -> T | None:
    """What `load` gives; None if the current Prefect server has no such block."""
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    try:
        return await load()
    except ValidationError as error:
        wrong = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())
        raise UsageError(f"{what} is wrong: {wrong}", "fix it in Prefect, under Blocks") from None
    except ValueError:  # Prefect's error for a 404
        return None
    except Exception as error:  # what Prefect's HTTP client raises if nothing answers, too
        url = shown_url(str(PREFECT_API_URL.value()))
        said, hint = f"no Prefect server answers at {url}", "start that server"
        if isinstance(error, PrefectHTTPStatusError):
            said = f"{url} answers with HTTP {error.response.status_code}"
            hint = "check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
        raise UsageError(
            f"PREFECT_API_URL: {said} when asked for {what}", f"{RUN_HERE}; or {hint}"
        ) from error
