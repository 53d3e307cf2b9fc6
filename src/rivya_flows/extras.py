"""The extras of the package: their modules, and the error if one is missing."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rivya_flows.errors import UsageError

_ROOT = Path(__file__).resolve().parents[2]
"""The repository, if this is an editable installation."""


@dataclass(frozen=True)
class Extra:
    """One extra of the distribution, its modules, and what is missing without it."""

    modules: tuple[str, ...]
    without: str


EXTRAS: Mapping[str, Extra] = {
    "sandbox": Extra(
        ("rivya_sandbox", "h11", "python_multipart", "numpy", "hibari"),
        "no local sandbox: a key is needed for everything",
    ),
    "postgres": Extra(("psycopg",), "no store on PostgreSQL"),
    "redis": Extra(("prefect_redis",), "no `up --redis`, and no cluster"),
    "s3": Extra(("s3fs",), "no media on S3"),
    "c2pa": Extra(("c2pa",), "no signed media, and no `verify`"),
    "otio": Extra(("opentimelineio",), "no `otio` timelines for editing programs"),
    "cjk": Extra(("justmytype_intl_cjk",), "no Chinese, Japanese and Korean in pictures"),
    "voices": Extra(("espeakng_loader",), "the sandbox speaks English and Hindi only"),
    "mcp": Extra(("rivya_flows_mcp", "mcp"), "no `mcp` for agents"),
}
"""Each extra by its name in pyproject.toml, without ``dev``."""

_OURS = ("sandbox", "mcp")
"""Extras that a folder of packages/ gives, whose wheel is named as the first of their modules."""


def missing(extra: str) -> tuple[str, ...]:
    """The modules of an extra that are not installed; imports nothing."""
    return tuple(module for module in EXTRAS[extra].modules if find_spec(module) is None)


def install(extra: str) -> str:
    """The command that installs an extra; it names no distribution of ours, which no registry has."""
    script = _ROOT / "scripts" / "install"
    if Path(sys.prefix) == _ROOT / ".venv" and script.exists():
        return f"{shlex.quote(str(script))} {extra}"
    if extra in _OURS:
        folder = _ROOT / "packages" / extra
        packages = [str(folder) if (folder / "pyproject.toml").exists() else _wheel(extra)]
    else:
        required = importlib.metadata.requires("rivya-flows") or []
        wanted = re.compile(rf"(.*?) *; *extra == ['\"]{extra}['\"]")
        packages = [found[1] for line in required if (found := wanted.fullmatch(line))]
    return f"pip install {shlex.join(packages)}"


def _wheel(extra: str) -> str:
    """The wheel of an extra, beside that of rivya-flows if that was installed by its path."""
    this = importlib.metadata.distribution("rivya-flows")
    name = f"{EXTRAS[extra].modules[0]}-{this.version}-py3-none-any.whl"
    url = json.loads(this.read_text("direct_url.json") or "{}").get("url", "")
    beside = Path(url2pathname(urlsplit(url).path)).parent / name
    return str(beside) if url.startswith("file:") and beside.exists() else f"./{name}"


def need(extra: str, what: str, otherwise: str = "") -> None:
    """Check that an extra is installed; `otherwise` is an alternative to that, and may be empty."""
    if absent := missing(extra):
        raise lacking(extra, what, f"no module {', '.join(absent)}", otherwise)


def lacking(extra: str, what: str, reason: str, otherwise: str = "") -> UsageError:
    """The error of `need`, for a known reason."""
    hint = f"{install(extra)}, or {otherwise}" if otherwise else install(extra)
    return UsageError(f"{what} needs the extra {extra!r}, which is not installed: {reason}", hint)
