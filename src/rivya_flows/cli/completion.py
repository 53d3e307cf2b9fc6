"""What the Tab key offers beside what click knows: runs, models, templates, pools and codes.

A completer must answer before the person types on: it asks no service, imports neither Prefect nor
SQLAlchemy, and only reads the store. What cannot be read gives no names and no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rivya_flows.environment import data_folder, variables
from rivya_flows.store import names

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

_MOST = 200
_PLAIN = re.compile(r"[\w.@+-]+")
"""What a shell takes as it is; anybody may have written the other names into a shared store."""


def completer(find: Callable[[str], Iterable[tuple[str, str]]]) -> Completer:
    """A completer that offers the names of `find` that begin with the typed text, each with what it is."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        if "/" in incomplete:
            return [CompletionItem(incomplete, type="file")]  # a run may be named by its folder
        with suppress(Exception):  # such as a store that another version has changed
            found = (one for one in find(incomplete) if one[0].startswith(incomplete))
            plain = (one for one in found if _PLAIN.fullmatch(one[0]) and one[1].isprintable())
            return [CompletionItem(name, help=text) for name, text in islice(plain, _MOST)]
        return []

    return complete


@completer
def runs(incomplete: str) -> Iterable[tuple[str, str]]:
    """Ids of runs, newest first."""
    return names.runs(_store(), incomplete)


@completer
def pools(incomplete: str) -> Iterable[tuple[str, str]]:
    """Names of pools."""
    return [(name, "") for name in names.pools(_store())]


@completer
def models(incomplete: str) -> Iterable[tuple[str, str]]:
    """Ids of the shipped models."""
    from rivya_client.catalogue.snapshot import shipped

    return [(one.id, f"{one.display_name}, {one.category}") for one in shipped().models.values()]


@completer
def templates(incomplete: str) -> Iterable[tuple[str, str]]:
    """Templates of `init`."""
    from importlib import resources

    found = [one.name for one in (resources.files("rivya_flows") / "templates").iterdir()]
    specs = (one for one in found if one.endswith(".yaml") and not one.endswith(".test.yaml"))
    return sorted((one.removesuffix(".yaml"), "") for one in specs)


@completer
def codes(incomplete: str) -> Iterable[tuple[str, str]]:
    """Codes of mistakes and errors."""
    from rivya_flows.diagnostics import CODES, ERRORS

    return [(code, page.means) for code, page in {**CODES, **ERRORS}.items()]


def _store() -> str:
    """URL of the store; `Settings.store_url` says the same and takes longer."""
    own = variables()
    data = Path(own.get("RIVYA_FLOWS_DATA") or data_folder()).expanduser().absolute()
    return own.get("RIVYA_FLOWS_STORE") or f"sqlite:///{data / 'journal.sqlite'}"
