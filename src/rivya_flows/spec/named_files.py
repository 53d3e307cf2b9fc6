"""Media files that a spec names by a path in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from rivya_flows.language.syntax.media_references import is_url, written_path
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.steps.include import IncludeWith
from rivya_flows.steps.registry import known_kind


def named_files(workflow: Workflow) -> Iterator[str]:
    """The paths as written; those of included specs start with their folder.

    A file id may be among them: check that the file exists.
    """
    yield from _named(workflow, "", own=True)


def default_files(workflow: Workflow) -> Iterator[str]:
    """The written paths of the defaults of a workflow's own inputs."""
    for declared in workflow.inputs.values():
        yield from _of_input(declared, declared.default)


def _named(workflow: Workflow, folder: str, *, own: bool) -> Iterator[str]:
    if not own:
        # Defaults of the outermost spec are values of its inputs.
        yield from (folder + path for path in default_files(workflow))
    if workflow.branding is not None:
        yield from (one for one in workflow.branding.media.values() if not is_url(one))
    for step in workflow.all_steps.values():
        kind = known_kind(step.uses)
        for arguments in (step.with_, *step.fallback):
            for medium in kind.files(arguments.model_dump(by_alias=True)) if kind else ():
                yield from (folder + path for path in _paths(medium.value))
        if isinstance(step.with_, IncludeWith) and step.with_.spec in workflow.includes:
            inner = workflow.includes[step.with_.spec].workflow
            for name, value in step.with_.inputs.items():
                if name in inner.inputs:
                    yield from (folder + path for path in _of_input(inner.inputs[name], value))
    for included in workflow.includes.values():
        parent = str(PurePosixPath(included.path).parent)
        yield from _named(included.workflow, "" if parent == "." else f"{parent}/", own=False)


def _of_input(declared: Input, value: Any) -> Iterator[str]:
    if "file" in (declared.type, declared.of):
        yield from _paths(value)


def _paths(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        path = written_path(one)
        if path is not None:
            yield path
