"""Campaigns to start from: the specs that ship with this package, and the folder that `init` makes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rivya_client.catalogue.prices import price_of, price_range
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import UsageError, explain_os_error
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.plans.budgets import deployed_cap
from rivya_flows.preparation.prepare import RunRequest, prepare_offline
from rivya_flows.preparation.spec_file import TEST_SUFFIX, read_spec, specs_at
from rivya_flows.private import as_the_user_wants
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.named_files import default_files, named_files

FOLDER = Path(__file__).parent.parent / "templates"
DEFAULT = "first-picture"
_README = Path(__file__).with_name("project_readme.md")
_IGNORED = "runs/\n.env\n"


@dataclass(frozen=True)
class SpecTemplate:
    """A spec to start from, with the credits of a run with its default inputs, by the shipped catalogue."""

    name: str
    workflow: Workflow
    min: int
    max: int | None

    @property
    def files(self) -> list[str]:
        """What it consists of, by path from its folder: ``NAME.*``, and what the spec names."""
        beside = (path.name for path in FOLDER.glob(f"{self.name}.*"))
        workflow = self.workflow
        named = (*included_texts(workflow), *named_files(workflow), *default_files(workflow))
        return sorted({*beside, *(one for one in named if (FOLDER / one).is_file())})

    @property
    def command(self) -> str:
        """That makes what it is for, from the folder of its project, without the program."""
        spec, rows = f"specs/{self.name}.yaml", f"{self.name}.csv"
        return f"batch {spec} --rows specs/{rows}" if (FOLDER / rows).is_file() else f"run {spec}"

    @property
    def price(self) -> str:
        """Such as ``20–22``."""
        return price_range(self.min, self.max)


def template_names() -> list[str]:
    return [path.stem for path in specs_at(FOLDER)]


def templates() -> list[SpecTemplate]:
    return sorted(map(template, template_names()), key=lambda one: (one.min, one.name))


def template(name: str) -> SpecTemplate:
    if name not in (names := template_names()):
        hint = suggest(name, names) or "see `rivya-flows init --list`"
        raise UsageError(f"no template {name!r}", hint)
    spec = read_spec(FOLDER / f"{name}.yaml")
    ready = prepare_offline(RunRequest(spec, lambda _: {}), shipped())
    return SpecTemplate(name, ready.plan.workflow, ready.estimate.min, ready.estimate.max)


def write_template(
    chosen: SpecTemplate, folder: Path, write_schemas: Callable[[Path], Iterable[Path]]
) -> tuple[list[Path], list[Path]]:
    """Writes a template into a project; changes no file that exists. Gives the written, and the existing."""
    specs = folder / "specs"
    contents: dict[Path, bytes] = {
        specs / PurePosixPath(name): (FOLDER / name).read_bytes() for name in chosen.files
    }
    contents[folder / "README.md"] = readme(chosen).encode()
    contents[folder / ".gitignore"] = _IGNORED.encode()
    written: list[Path] = []
    left: list[Path] = []
    with as_the_user_wants():
        with explain_os_error(specs, "check the folder"):
            specs.mkdir(parents=True, exist_ok=True)
        written += write_schemas(specs)
        for path, content in contents.items():
            with explain_os_error(path, "check the folder"):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with path.open("xb") as file:
                        file.write(content)
                    written.append(path)
                except FileExistsError:
                    left.append(path)
    return written, left


def readme(chosen: SpecTemplate) -> str:
    """The README of a project that starts from a template."""
    workflow, spec = chosen.workflow, f"specs/{chosen.name}.yaml"
    run = f"rivya-flows run {spec}{_example(workflow.inputs)}"
    commands = [
        ("rivya-flows check specs", "find mistakes, each with its line"),
        ("rivya-flows test specs", "run the cases of *.test.yaml on plain media, in seconds"),
        (f"rivya-flows plan {spec}", "show each purchase with its price; buys nothing"),
        (run, "make it, with a receipt and a contact sheet"),
    ]
    if chosen.command.startswith("batch"):
        commands.append((f"rivya-flows {chosen.command}", "make it for each row of the file"))
    up = "start Prefect here, deploy specs/, say what starts by itself, print a link"
    commands.append(("rivya-flows up", up))
    if any(one.uses == "review" for one in workflow.steps.values()):
        links = "print a link for each reviewer of that run, while `up` or `webhooks listen` runs"
        commands.append(("rivya-flows review last", links))
    width = max(len(one) for one, _ in commands)
    budget = deployed_cap(workflow, None)
    # One that starts by itself has inputs of its own.
    deploy = min(workflow.deploy, key=lambda one: bool(one.schedules or one.triggers))
    inputs = ""
    for name, one in workflow.inputs.items():
        title = ". ".join(filter(None, (one.title, one.description)))
        inputs += f"| `{name}` | {title or one.type} | {_cell(one)} |\n"
    return _README.read_text("utf-8").format(
        title=workflow.title or workflow.name,
        description=workflow.description or "",
        price=price_of(chosen.min, chosen.max).replace("from", "at least"),
        budget=f"; `budget:` in the spec stops a run at {budget}" if budget is not None else "",
        outputs=", ".join(f"`{one}`" for one in workflow.outputs),
        spec=spec,
        test=f"specs/{chosen.name}{TEST_SUFFIX}",
        commands="\n".join(f"{one:<{width}}  # {comment}" for one, comment in commands),
        name=f"{workflow.name}/{deploy.name}",
        parameter=_example(workflow.inputs, "-p"),
        inputs=inputs,
    )


def _example(inputs: Mapping[str, Input], option: str = "-i") -> str:
    """The first text input with its default, as an option; empty if there is none."""
    for name, one in inputs.items():
        if one.type in ("string", "text") and isinstance(one.default, str):
            return f" {option} {name}={shlex.quote(one.default)}"
    return ""


def _cell(one: Input) -> str:
    if one.default is None:
        return "" if one.required else "may be left out"
    value: Any = one.default
    if one.is_table and isinstance(value, list | tuple):
        return f"{len(value)} {'row' if len(value) == 1 else 'rows'}"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
