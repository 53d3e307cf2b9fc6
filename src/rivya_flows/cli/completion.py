"""What the Tab key offers: names of runs, specs, inputs, steps, labels, pools and models.

A completer must answer before the person types on: it asks no service, imports neither Prefect nor
SQLAlchemy, and only reads the store. What cannot be read gives no names and no error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]
Names = Iterable[str | tuple[str, str]]
"""Names, or names each with what it is. One that ends with ``=`` or ``/`` is incomplete."""

_MOST = 200
_MOST_FILES = 5_000
_TESTS = ".test.yaml"
_REFERENCE = re.compile(r"steps\.([A-Za-z0-9_-]+)")


def completer(find: Callable[[click.Context, str], Names]) -> Completer:
    """A completer of the names that `find` gives which begin with what is typed."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        named = _nothing_on_error(find, ctx, incomplete)
        return [
            CompletionItem(name, help=words or None)
            for name, words in islice(named, _MOST)
            if name.startswith(incomplete)
        ]

    return complete


def _nothing_on_error(
    find: Callable[[click.Context, str], Names], ctx: click.Context, incomplete: str
) -> Iterator[tuple[str, str]]:
    with suppress(Exception):  # such as a store that another version has changed
        for one in find(ctx, incomplete):
            name, words = (one, "") if isinstance(one, str) else one
            # What is not printable could act on the shell or the terminal.
            if name.isprintable():
                yield name, words if words.isprintable() else ""


@completer
def runs(ctx: click.Context, incomplete: str) -> Names:
    """Ids of runs, newest first; folders of runs once there is a ``/``."""
    if "/" in incomplete:
        return _files(incomplete, lambda name: False)
    from rivya_flows.store import names

    with names.opened(_store()) as store:
        found = names.runs(store, incomplete)
    given = set(_given(ctx))
    return [(run.run_id, f"{run.spec}, {run.status}") for run in found if run.run_id not in given]


@completer
def specs(ctx: click.Context, incomplete: str) -> Names:
    """Specs, and folders."""
    return _files(incomplete, lambda name: name.endswith(".yaml") and not name.endswith(_TESTS))


@completer
def specs_and_tests(ctx: click.Context, incomplete: str) -> Names:
    """Specs, files of tests, and folders."""
    return _files(incomplete, lambda name: name.endswith(".yaml"))


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Any file, as the shell completes it."""
    return [CompletionItem(incomplete, type="file")]


@completer
def models(ctx: click.Context, incomplete: str) -> Names:
    """Ids of the shipped models."""
    from rivya_flows.catalogue.snapshot import shipped

    return [(one.id, f"{one.display_name}, {one.category}") for one in shipped().models.values()]


@completer
def inputs(ctx: click.Context, incomplete: str) -> Names:
    """``NAME=`` of the spec or the run on the line; its values after the ``=``."""
    declared = _document(ctx).get("inputs") or {}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{one}=", _title(about)) for one, about in declared.items()]
    return [f"{name}={value}" for value in _values(declared.get(name))]


@completer
def steps(ctx: click.Context, incomplete: str) -> Names:
    """Steps of the run on the line."""
    found = _document(ctx).get("steps") or {}
    return [(name, _title(about)) for name, about in found.items()]


@completer
def answers(ctx: click.Context, incomplete: str) -> Names:
    """``STEP=`` of an open question of the run on the line; its keys after the ``=``."""
    from rivya_flows.store import names

    asked: dict[str, int] = {}
    keys: dict[str, list[str]] = {}
    with names.opened(_store()) as store:
        kinds = ("question.asked", "answer.given", "item.completed")
        for event in names.events(store, _given(ctx)[0], *kinds):
            step, key = event["step"], event.get("key") or ""
            name = "budget" if step == "$budget" else f"{step}[{key}]" if key else step
            if event["kind"] == "question.asked":
                asked[name] = event.get("round", 0)
            elif event["kind"] == "answer.given":
                asked.pop(name, None)
            else:
                keys.setdefault(step, []).append(key)
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{one}=" for one in asked]
    if name == "budget":
        return ["budget=yes", "budget=no"]
    pick = name.partition("[")[0]
    step = (_document(ctx).get("steps") or {}).get(pick) or {}
    of = _REFERENCE.search(str((step.get("with") or {}).get("from")))
    again = f".{asked[name] + 1}" if asked[name] else ""
    source = (f"{pick}.{of[1]}{again}" if again else of[1]) if of else ""
    return [f"{name}={key}" for key in keys.get(source, ()) if key]


@completer
def labels(ctx: click.Context, incomplete: str) -> Names:
    """``NAME=`` of labels that newer runs have; their values after the ``=``."""
    from rivya_flows.store import names

    with names.opened(_store()) as store:
        known = [one for run in names.runs(store) for one in run.labels.items()]
    if "=" not in incomplete:
        return [f"{name}=" for name in dict(known)]
    return dict.fromkeys(f"{name}={value}" for name, value in known)


@completer
def run_names(ctx: click.Context, incomplete: str) -> Names:
    """Names of the specs of newer runs."""
    from rivya_flows.store import names

    with names.opened(_store()) as store:
        return dict.fromkeys(run.spec for run in names.runs(store))


@completer
def pools(ctx: click.Context, incomplete: str) -> Names:
    """Names of pools."""
    from rivya_flows.store import names

    with names.opened(_store()) as store:
        return names.pools(store)


@completer
def templates(ctx: click.Context, incomplete: str) -> Names:
    """Templates of `init`."""
    from importlib import resources

    found = [one.name for one in (resources.files("rivya_flows") / "templates").iterdir()]
    return sorted(
        one.removesuffix(".yaml")
        for one in found
        if one.endswith(".yaml") and not one.endswith(_TESTS)
    )


def _store() -> str:
    """URL of the store; `Settings.store_url` says the same and takes longer."""
    from rivya_flows.environment import data_folder, variables

    own = variables()
    data = Path(own.get("RIVYA_FLOWS_DATA") or data_folder()).expanduser().absolute()
    return own.get("RIVYA_FLOWS_STORE") or f"sqlite:///{data / 'journal.sqlite'}"


def _files(incomplete: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
    folder, slash, start = incomplete.rpartition("/")
    with os.scandir(Path(folder + slash or ".").expanduser()) as entries:
        found = sorted((one.name, one.is_dir()) for one in islice(entries, _MOST_FILES))
    for name, is_folder in found:
        if name.startswith(".") and not start.startswith("."):
            continue
        if is_folder or is_wanted(name):
            yield f"{folder}{slash}{name}{'/' if is_folder else ''}"


def _given(ctx: click.Context) -> list[str]:
    """The arguments on the line so far: click has not read them if an option lacks its value."""
    params = [ctx.params.get(one.name or "") for one in ctx.command.params
              if isinstance(one, click.Argument)]  # fmt: skip
    flat = [one for value in params for one in (value if isinstance(value, tuple) else (value,))]
    return [*(str(one) for one in flat if one is not None), *ctx.args]


def _document(ctx: click.Context) -> Mapping[str, Any]:
    """The spec on the line, or the one that the run on the line froze, as YAML has it."""
    from rivya_flows.language.syntax.source import MAX_BYTES, read
    from rivya_flows.language.syntax.tree import plain
    from rivya_flows.store import names

    named = _given(ctx)[0]
    path = Path(named).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode()
    else:
        with names.opened(_store()) as store:
            text = next(names.events(store, named, "run.frozen"))["spec_text"]
    root, _ = read(text)
    found = plain(root) if root else None
    return found if isinstance(found, dict) else {}


def _title(about: Any) -> str:
    found = about.get("title") or about.get("type") or about.get("uses") if isinstance(about, dict) else ""  # fmt: skip
    return found if isinstance(found, str) else ""


def _values(declared: Any) -> Iterator[str]:
    if not isinstance(declared, dict):
        return
    values = declared.get("values") or []
    if declared.get("type") == "boolean":
        values = [True, False]
    for value in values if isinstance(values, list) else []:
        yield str(value).lower() if isinstance(value, bool) else str(value)
