"""The paths of media that a spec names, with those of the specs that it includes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from rivya_flows.language.syntax import media_references
from rivya_flows.language.workflow import Input, Workflow, change_files
from rivya_flows.steps.connections import IncludeWith
from rivya_flows.steps.registry import known_kind


def default_files(workflow: Workflow) -> Iterator[str]:
    """The written paths of the defaults of a workflow's own inputs."""
    for declared in workflow.inputs.values():
        yield from _input_paths(declared, declared.default)


def named_files(
    workflow: Workflow, folder: str = "", *, is_included: bool = False
) -> Iterator[str]:
    """The paths as written, after the folder of an included spec; the id of an upload may be among them."""
    if is_included:
        # Defaults of the outermost spec are values of its inputs.
        yield from (folder + path for path in default_files(workflow))
    if workflow.branding is not None:
        brand = workflow.branding
        yield from (one for one in brand.media.values() if not media_references.is_url(one))
        yield from (one for one in [brand.font] if media_references.is_font(one))
    for step in workflow.all_steps.values():
        kind = known_kind(step.uses)
        for arguments in (step.with_, *step.fallback):
            for medium in kind.files(arguments.model_dump(by_alias=True)) if kind else ():
                yield from (folder + path for path in _paths(medium.value))
        if isinstance(step.with_, IncludeWith) and step.with_.spec in workflow.includes:
            inputs = workflow.includes[step.with_.spec].workflow.inputs
            for name, value in step.with_.inputs.items():
                if name in inputs:
                    yield from (folder + path for path in _input_paths(inputs[name], value))
    for included in workflow.includes.values():
        parent = str(PurePosixPath(included.path).parent)
        inner = "" if parent == "." else f"{parent}/"
        yield from named_files(included.workflow, inner, is_included=True)


def _input_paths(declared: Input, value: Any) -> Iterator[str]:
    found = list[Any]()
    change_files(declared, value, lambda _, one: found.append(one))
    yield from _paths(found)


def _paths(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        path = media_references.written_path(one)
        if path is not None:
            yield path
