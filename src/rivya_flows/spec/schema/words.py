"""What an editor says of the keys of a spec: the models' own docstrings, and what they lack."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from pydantic import BaseModel

_ATTRIBUTE = re.compile(r"    (\w+(?:, \w+)*): (.*)")

_KEYS: Mapping[tuple[str, str], str] = {
    ("Workflow", "version"): "Version of the spec language; there is 1.",
    ("Workflow", "name"): "Name of the spec: small letters, digits, `_` and `-`.",
    ("Workflow", "title"): "What people see instead of the name.",
    ("Workflow", "description"): "What the campaign makes, in a sentence or two.",
    ("Workflow", "inputs"): "What changes from run to run: the fields of the run form, in order.",
    ("Workflow", "budget"): "The most that a run may spend.",
    ("Workflow", "cache"): "Where finished work may come from: `run` is what `resume` keeps, "
    "`spec` also earlier runs of this spec, `off` nothing.",
    ("Workflow", "steps"): "The things to do, by name. Order follows from references.",
    ("Workflow", "outputs"): "What to have at the end, by name.",
    ("Workflow", "deploy"): "Prefect deployments of this spec.",
    ("Input", "title"): "Label of the field.",
    ("Input", "description"): "Help text of the field.",
    ("Step", "title"): "What people see instead of the id.",
    ("UploadWith", "file"): "A path beside the spec, an http address, or a file input.",
    ("UploadWith", "kind"): "Which kind of media the file must be.",
    ("UploadWith", "model"): "The model that the file is meant for; its limits are checked.",
    ("ChatWith", "model"): "Id of a chat model.",
    ("ChatWith", "message"): "What is asked.",
    ("ChatWith", "session"): "`session_id` of an earlier chat step, to go on with it.",
    ("ChatWith", "attachments"): "Images that the model sees.",
    ("ChatWith", "reasoning_effort"): "How long the model thinks, where it can.",
    ("ChatWith", "web_search"): "Whether the model may search the web, where it can.",
    ("ChatWith", "expect"): "The fields that the answer must have: a name with `string`, "
    "`integer`, `number` or `boolean`, `[string]`, or a nested map.",
    ("GenerateWith", "model"): "Id of a model for images, films or sound.",
    ("GenerateWith", "prompt"): "What to make; for a voice, what to say.",
    ("GenerateWith", "params"): "The model's own parameters.",
    ("GenerateWith", "references"): "Media to work from: assets of steps, file inputs, or files "
    "beside the spec. They are uploaded.",
    ("PickWith", "from"): "What is chosen from: `${{ steps.NAME.items }}`.",
    ("PickWith", "mode"): "`first` takes the first finished item, `human` asks.",
    ("PickWith", "question"): "What the person is asked.",
    ("PickWith", "timeout"): "How long the question stays open.",
    ("PickWith", "on_timeout"): "What happens when nobody answers.",
    ("ComposeWith", "video"): "The film; or give `images`.",
    ("ComposeWith", "images"): "Pictures shown one after the other; or give `video`.",
    ("ComposeWith", "audio"): "One sound or a list: the first leads, the others lie under it.",
    ("ComposeWith", "loudness"): "Loudness of the result, in LUFS.",
    ("ComposeWith", "fit"): "What the picture does when the sound is longer.",
    ("NotifyWith", "url"): "Where the callback goes: an http address, or the name of a secret.",
    ("NotifyWith", "body"): "What the callback says: any value.",
    ("NotifyWith", "secret"): "Name of the secret that signs it: `env:NAME` or `block:NAME`.",
    ("IncludeWith", "spec"): "Path of the other spec, from the folder of this one.",
    ("IncludeWith", "inputs"): "Values of the other spec's inputs.",
    ("Defaults", "allow_failures"): "How many items may fail without failing the step.",
    ("Defaults", "retry"): "Patience of the requests.",
    ("Defaults", "regenerate"): "How many further jobs may be bought after failed ones.",
    ("Defaults", "timeout"): "How long to wait for one job.",
    ("Defaults", "max_parallel"): "Jobs of one step in flight at once.",
    ("Defaults", "max_items"): "Bound of a `foreach` that is known only during the run.",
    ("Defaults", "cache"): "Where finished work may come from.",
    ("Schedule", "cron"): "Minute, hour, day, month, weekday: `0 9 * * 1` is Mondays at nine.",
    ("Schedule", "interval"): "Time between two runs: `90s`, `15m`, `24h`.",
    ("Schedule", "rrule"): "Recurrence rule of a calendar, RFC 5545.",
    ("Schedule", "timezone"): "Such as `Asia/Kolkata`.",
    ("Schedule", "active"): "Whether it runs by itself.",
    ("Schedule", "catchup"): "What is made up for after a pause: nothing, the latest run, or all.",
    ("Deploy", "name"): "Name of the deployment.",
    ("Deploy", "description"): "What the deployment is for.",
    ("Deploy", "schedules"): "When it runs by itself.",
    ("Deploy", "inputs"): "Values of inputs, in place of their defaults.",
    ("Deploy", "tags"): "Prefect tags.",
    ("Deploy", "work_pool"): "Prefect work pool whose workers run it.",
    ("Deploy", "concurrency_limit"): "Runs of the deployment at once.",
}  # fmt: skip
"""Keys by model and spelling that the docstring of their model says nothing of."""


def words_of(model: type[BaseModel]) -> str | None:
    """The first paragraph of a model's docstring, in one line; None where there is none."""
    if not model.__doc__:
        return None
    return " ".join(inspect.cleandoc(model.__doc__).partition("\n\n")[0].split())


def words_for(model: type[BaseModel]) -> dict[str, str]:
    """What is said of each key of a model, by its spelling in a file."""
    told = _attributes(model.__doc__ or "")
    said = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        words = told.get(name) or _KEYS.get((model.__name__, key))
        if words:
            said[key] = words
    return said


def _attributes(docstring: str) -> dict[str, str]:
    """The entries of a docstring's section `Attributes:`."""
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if begins := _ATTRIBUTE.fullmatch(line):
            names = begins.group(1).split(", ")
            found |= dict.fromkeys(names, begins.group(2))
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found
