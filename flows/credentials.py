"""Secrets in blocks of Prefect: wallets, which are a key of the service and where that is, and others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, ValidationError, field_validator

from rivya_client.addresses import checked_base_url, refuse_plain_http
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # Prefect imports this module with each block and worker
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import WalletCredentials


T = TypeVar("T")

_SLUG = "rivya-credentials"


class RivyaCredentials(Block):
    """One wallet of the Rivya API: its key, and the service that it is of.

    Saved under a name, it is the `credentials` of a campaign's flow and the "Wallet" of a deployment's
    form. Prefect keeps the key as a secret of the block, and nowhere else.

    Attributes:
        api_key: Sent to the service only, and never shown.
        base_url: Where the service is, https; plain http only on this machine.
    """

    _block_type_name: ClassVar[str | None] = "Rivya Credentials"
    _block_type_slug: ClassVar[str | None] = _SLUG
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://rivya.ai/docs/api-quickstart")
    # Without a logo: Prefect takes http addresses only, and each browser would ask that host.
    _description: ClassVar[str | None] = (
        "A wallet of the Rivya API. Campaign flows that get it buy with its key."
    )
    _code_example: ClassVar[str | None] = """\
```python
import rivya_flows as rf

credentials = await rf.RivyaCredentials.aload("acme")
async with credentials.get_client() as client:
    print(await client.credits.retrieve())
```"""

    # Errors do not quote what was given: it may be a key in the wrong field.
    model_config = ConfigDict(hide_input_in_errors=True)

    api_key: SecretStr = Field(title="API key", description="Made in Settings, API Keys.")
    base_url: str = Field(
        default="https://rivya.ai",
        title="Service",
        description="Its address; plain http only on the machine that runs the flow.",
    )

    @field_validator("base_url")
    @classmethod
    def _check_address(cls, value: str) -> str:
        try:
            address = checked_base_url(value)
            refuse_plain_http(address)
        except UsageError as error:
            reason = str(error).removeprefix("RIVYA_BASE_URL: ")
            raise ValueError(f"{reason} ({error.hint})") from None
        return address

    def get_client(self, **options: Any) -> RivyaClient:
        """A client of the service with this key, to be used with ``async with``.

        Args:
            options: Further options of `RivyaClient`.
        """
        from rivya_client.client import RivyaClient

        return RivyaClient(self.api_key.get_secret_value(), self.base_url, **options)


def name_of(credentials: object) -> str | None:
    """The name of a saved block; None for one that is not saved, and for anything else."""
    return credentials._block_document_name if isinstance(credentials, RivyaCredentials) else None


def wallet_of(credentials: RivyaCredentials) -> WalletCredentials:
    """The wallet of a saved block that has a key."""
    from rivya_flows.engine.run_context import WalletCredentials

    name = name_of(credentials)
    if name is None:
        raise UsageError(
            "credentials: the block is not saved, so no retry or resume could find its key again;"
            " nothing was bought",
            'save it once with `await credentials.save("acme")`, and load it by that name',
        )
    if not credentials.api_key.get_secret_value().strip():
        raise UsageError(f"the wallet {name} has no key", f"write it into the block {_SLUG}/{name}")
    return WalletCredentials(name, credentials.api_key, credentials.base_url)


def refuse_unsaved(given: object) -> None:
    """Refuses, before Prefect writes it down, what is neither a saved block nor a reference to one."""
    if isinstance(given, RivyaCredentials):
        wallet_of(given)
    elif given is not None and not (isinstance(given, Mapping) and set(given) == {"$ref"}):
        raise UsageError(
            "credentials: expected a saved block, not its name or values; nothing was bought",
            'write credentials=await rf.RivyaCredentials.aload("acme")',
        )


async def load_wallet(name: str) -> WalletCredentials:
    """The wallet whose block has that name on the current Prefect server."""
    found = await read_block(partial(RivyaCredentials.aload, name), f"the block {_SLUG}/{name}")
    if found is None:
        raise UsageError(
            f"Prefect has no block {_SLUG}/{name}: the run buys with that wallet",
            "create it again under this name, with a key of the same account",
        )
    return wallet_of(found)


async def secret_block(name: str) -> SecretStr | None:
    """The value of a `Secret` block on the current Prefect server; None if there is none."""
    from prefect.blocks.system import Secret  # slow, and most runs need no block

    block: Any = await read_block(partial(Secret.aload, name), f"the secret block {name!r}")
    return None if block is None else SecretStr(str(block.get()))


async def read_block(load: Callable[[], Awaitable[T]], what: str) -> T | None:
    """What `load` gives; None if the current Prefect server has no such block."""
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    from rivya_flows.settings import RUN_HERE
    from rivya_flows.store.shared_store_checks import mask_password

    try:
        return await load()
    except ValidationError as error:
        wrong = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())
        raise UsageError(f"{what} is wrong: {wrong}", "fix it in Prefect, under Blocks") from None
    except ValueError:  # Prefect's error for a 404
        return None
    except Exception as error:  # what Prefect's HTTP client raises if nothing answers, too
        url = mask_password(str(PREFECT_API_URL.value()))
        problem, hint = f"no Prefect server answers at {url}", "start that server"
        if isinstance(error, PrefectHTTPStatusError):
            problem = f"{url} answers with HTTP {error.response.status_code}"
            hint = "check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
        message = f"PREFECT_API_URL: {problem} when asked for {what}"
        raise UsageError(message, f"{RUN_HERE}; or {hint}") from error
