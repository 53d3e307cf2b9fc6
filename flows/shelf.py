"""The specs that can be found, and the flow of each: what `flows.campaigns` serves."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.runtime import flow_run

from flows.compiler import attribute_of, compile_flow, failing_flow
from flows.drive import drive
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.settings import read_settings
from rivya_flows.spec.load import load


def spec_folders() -> tuple[Path, ...]:
    """Where specs are looked for; the first folder that has one wins.

    The folder of ``RIVYA_FLOWS_SPECS``, ``specs`` here, and ``specs`` beside this package: a
    worker runs in a throw-away folder and finds only the first and the last.
    """
    named = read_settings().rivya_flows_specs
    beside = Path(__file__).parent.parent / "specs"
    folders = [Path.cwd() / "specs", beside]
    if named is not None:
        folders.insert(0, named.expanduser().absolute())
    return tuple(dict.fromkeys(folders))


def spec_files() -> dict[str, Path]:
    """The file of each attribute, sorted by attribute."""
    found: dict[str, Path] = {}
    for folder in spec_folders():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(attribute_of(path.stem), path)
    return dict(sorted(found.items()))


def flow_of(attribute: str) -> Flow[..., Coroutine[Any, Any, Any]]:
    """The flow of the spec with that attribute; an edited spec is compiled anew.

    To a process that executes a flow run nothing is raised: the flow that it gets fails.

    Raises:
        AttributeError: There is no such spec; says where it was looked for.
        SpecError: The spec is wrong.
    """
    try:
        return _found(attribute)
    except (AttributeError, SpecError) as error:
        if not flow_run.id:
            raise
        return failing_flow(attribute, error)


def _found(attribute: str) -> Flow[..., Coroutine[Any, Any, Any]]:
    files = spec_files()
    if attribute not in files:
        raise AttributeError(_not_found(attribute, files))
    path = files[attribute]
    # An included spec may be edited while the one that includes it is not.
    stamps = tuple(one.stat().st_mtime_ns for one in sorted(path.parent.rglob("*.yaml")))
    return _compiled(path, path.read_text(encoding="utf-8"), stamps)


@functools.lru_cache(maxsize=64)
def _compiled(
    path: Path, text: str, _stamps: tuple[int, ...]
) -> Flow[..., Coroutine[Any, Any, Any]]:
    workflow = load(text, file=str(path), catalogue=shipped(), folder=path.parent)
    if attribute_of(workflow.name) != attribute_of(path.stem):
        # Deployments are named after the spec, and are looked up here by file.
        raise AttributeError(
            f"{path}: its name is {workflow.name!r}; call the file {workflow.name}.yaml"
        )
    return compile_flow(
        workflow,
        spec_text=text,
        attribute=attribute_of(workflow.name),
        drive=functools.partial(drive, folder=path.parent),
    )


def _not_found(attribute: str, files: dict[str, Path]) -> str:
    looked = ", ".join(str(folder) for folder in spec_folders())
    close = difflib.get_close_matches(attribute, files, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "set RIVYA_FLOWS_SPECS to its folder"
    return f"no spec for {attribute!r} in {looked}; {advice}"
