"""A spec as it was read, with all that it names beside it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset, as_asset
from rivya_flows.engine.files import each_found, keep, keep_font
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.inputs import parse_assignments, read_values
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.media_references import is_font
from rivya_flows.language.syntax.source import MAX_BYTES
from rivya_flows.language.workflow import Input, Inputs, Workflow, change_files
from rivya_flows.similar_names import nearest
from rivya_flows.spec.checks.input_values import check_values
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import load
from rivya_flows.spec.named_files import default_files, named_files
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec


@dataclass(frozen=True)
class SpecFile:
    """A spec as it was read.

    Attributes:
        folder: The folder that its files are relative to; None if this machine does not have it.
        includes: Texts of the specs that it includes, by path; None: they are in the folder.
        files: Assets of the media that it names, by path; None: they are in the folder.
    """

    text: str
    name: str
    folder: Path | None
    includes: Mapping[str, str] | None = None
    files: Mapping[str, Asset] | None = None


TEST_SUFFIX = ".test.yaml"
"""Ends the name of a file with tests of the spec beside it: ``spot.test.yaml`` tests ``spot.yaml``."""


def specs_at(path: Path) -> list[Path]:
    """The specs of a folder, which are its ``*.yaml`` files without tests, sorted; a file is itself."""
    if not path.is_dir():
        return [path]
    # A hidden file belongs to another tool; who reads a pipe waits for ever.
    return sorted(one for one in path.glob("[!.]*.yaml") if not (is_tests(one) or one.is_fifo()))


def project_specs(path: Path) -> Path:
    """The folder `specs` of a project, unless it has no specs and the project has; other paths as they are."""
    inside = path / "specs"
    named = path.resolve().name == inside.name
    found = inside.is_dir() and not named and (specs_at(inside) or not specs_at(path))
    return inside if found else path


def is_tests(path: Path) -> bool:
    return path.name.endswith(TEST_SUFFIX)


def tests_at(path: Path) -> list[Path]:
    """The files of tests in a folder, or the one beside a spec, sorted; a file of tests is itself."""
    if path.is_dir():
        return sorted(one for one in path.glob(f"*{TEST_SUFFIX}") if not one.is_fifo())
    own = path if is_tests(path) else path.with_suffix(TEST_SUFFIX)
    return [own] if own.is_file() else []


NO_SPEC = "the folder has no spec (a file that ends in .yaml)"


def read_spec(path: Path, newline: str | None = None) -> SpecFile:
    """The spec in a file; an empty `newline` keeps line breaks, None makes line feeds of them."""
    if is_tests(path):
        raise UsageError(f"{path}: has tests, and is not a spec", f"run `rivya-flows test {path}`")
    return read_file(path, newline)


def read_file(path: Path, newline: str | None = None) -> SpecFile:
    """A spec, or another YAML file with its bounds; `newline` as for `read_spec`."""
    try:
        with path.open("rb") as file:
            # A device or a pipe has no size, and perhaps no end.
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            message = f"{path}: is larger than 1 MiB, the limit of a spec"
            raise UsageError(message, "split it into several specs")
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=newline).read()
        return SpecFile(text, str(path), path.absolute().parent)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text", "save it as UTF-8") from error
    except IsADirectoryError as error:
        found = [str(one) for one in specs_at(project_specs(path))]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        hint = f"name one of its specs: {', '.join(found[:3])}{more}" if found else NO_SPEC
        raise UsageError(f"{path}: is a folder", hint) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", _path_hint(path)) from error


def spec_path(name: str, folder: Path) -> Path:
    """Where the spec of a run lies: above its folder, unless it was put elsewhere; else as `name`."""
    found = next((one / name for one in folder.parents if (one / name).is_file()), None)
    return Path(name) if found is None else Path(os.path.relpath(found))


def _path_hint(path: Path) -> str:
    """A file that exists and has a name like that of one that cannot be read."""
    with suppress(OSError):
        beside = [one.name for one in islice(path.parent.iterdir(), 1_000)]
        if near := nearest(path.name, (one for one in beside if one != path.name)):
            return f"did you mean {str(path.parent / near)!r}?"
    for named in (path.with_name(f"{path.name}.yaml"), Path("specs", f"{path.name}.yaml")):
        with suppress(OSError):
            if named.is_file():
                return f"did you mean {str(named)!r}?"
    return "check the path"


def with_files(spec: SpecFile, catalogue: Catalogue, assets: AssetStore) -> SpecFile:
    """The spec with all that it names in its folder, so that it runs where that folder is not."""
    workflow = load_spec(spec, catalogue)
    named = (*named_files(workflow), *default_files(workflow))
    files = spec.files if spec.files is not None else assets_at(named, spec.folder, assets)
    return replace(spec, folder=None, includes=included_texts(workflow), files=files)


def load_spec(spec: SpecFile, catalogue: Catalogue) -> Workflow:
    """The workflow of a spec, wherever its included specs come from."""
    return load(
        spec.text, file=spec.name, catalogue=catalogue, folder=spec.folder, includes=spec.includes
    )


def deployed_file(spec: DeployedSpec) -> SpecFile:
    """A deployed spec as if it was read."""
    return SpecFile(spec.text, f"{spec.name}.yaml", None, spec.includes, spec.files)


def assets_at(named: Iterable[str], folder: Path | None, assets: AssetStore) -> dict[str, Asset]:
    """Media that lie at written paths in the folder of the spec, by the written path."""
    if folder is None:
        return {}
    found: dict[str, Asset] = {}
    for written in dict.fromkeys(named):
        path = (folder / written).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            found[written] = (keep_font if is_font(written) else keep)(assets, path)
    return found


InputReader = Callable[[Workflow], Inputs]
"""Gives the values of the inputs by name, once the workflow that declares them is known."""


def read_inputs(assignments: Sequence[str], file: Path | None) -> InputReader:
    """Reads the file now; its values, and ``NAME=VALUE``, which wins over them, with the workflow."""
    text = "" if file is None else read_file(file).text

    def read(workflow: Workflow) -> Inputs:
        values = {} if file is None else _from_file(text, str(file), workflow)
        return {**values, **parse_assignments(assignments, workflow)}

    return read


def frozen_inputs(values: Inputs, assets: AssetStore) -> InputReader:
    """The values as an earlier plan or run froze them, with files as assets of this machine.

    The reader raises a `LostMediumError` that names the inputs whose files are not in the store.
    """

    def here(_: Input, value: Any) -> Any:
        asset = as_asset(value)
        if asset is None:
            return value  # a URL, or the id of an upload
        return asset.model_copy(update={"path": assets.local_path(asset.sha256)})

    def read(workflow: Workflow) -> Inputs:
        inputs = workflow.inputs
        files = {
            name: (inputs[name], value)
            for name, value in values.items()
            if name in inputs and inputs[name].has_files
        }
        hint = "give these inputs again, with their files"
        return {**values, **each_found(files, lambda one: change_files(*one, here), hint)}

    return read


def _from_file(text: str, file: str, workflow: Workflow) -> Inputs:
    values = read_values(text, file=file)
    report = DiagnosticCollector(file, text)
    report.root, _ = source.read(text.removeprefix("\ufeff"))
    in_tables = check_values(workflow.inputs, values, (), report, Path())
    if problems := (*report.diagnostics, *in_tables):
        raise SpecError(problems)
    return values
