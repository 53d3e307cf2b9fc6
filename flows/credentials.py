"""The Prefect block of a wallet: a key of the service, and where that is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator

from rivya_client.addresses import checked_base_url, refuse_plain_http
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # Prefect imports this module with each block and worker
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import WalletCredentials


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
    def _checked(cls, value: str) -> str:
        try:
            address = checked_base_url(value)
            refuse_plain_http(address)
        except UsageError as error:
            words = str(error).removeprefix("RIVYA_BASE_URL: ")
            raise ValueError(f"{words} ({error.hint})") from None
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
    from rivya_flows.tasks.secret_values import read_block

    found = await read_block(partial(RivyaCredentials.aload, name), f"the block {_SLUG}/{name}")
    if found is None:
        raise UsageError(
            f"Prefect has no block {_SLUG}/{name}: the run buys with that wallet",
            "create it again under this name, with a key of the same account",
        )
    return wallet_of(found)
