"""Names of secrets, as specs write them: ``env:NAME`` and ``block:NAME``."""

from __future__ import annotations

import re
from typing import Any

from rivya_flows.language.wording import preview

KEY_BLOCK = "rivya-api-key"
"""Name of the Prefect `Secret` block that holds the key where no setting does."""

_NAME = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|block:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?)")
_OURS = ("rivya_", "prefect_")

RESERVED_HINT = "use another name, such as env:HOOK_URL"


def names_secret(value: Any) -> bool:
    """Whether a value looks like the name of a secret, valid or not."""
    return isinstance(value, str) and value.startswith(("env:", "block:"))


def is_secret_name(value: Any) -> bool:
    """Whether it names a secret: ``env:NAME`` or ``block:NAME``."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def refusal(value: Any) -> str | None:
    """Why this secret is reserved, or None: as a URL or a signing secret it would leave the machine."""
    if not names_secret(value):
        return None
    kind, _, name = value.partition(":")
    # Settings are read without regard to case.
    name = name.strip().lower()
    if kind == "env" and name.startswith(_OURS):
        return f"{preview(value)}: variables of rivya-flows and Prefect cannot be used as secrets"
    if kind == "block" and name.removeprefix("secret/") == KEY_BLOCK:
        return f"{preview(value)}: the block with the API key cannot be used as a secret"
    return None
