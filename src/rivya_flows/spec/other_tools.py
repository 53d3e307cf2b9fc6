"""Keys of other tools, with what to write instead: GitHub Actions, Ansible, Argo, Kestra, and calls of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class OtherWord(NamedTuple):
    """What stands for a key of another tool.

    Attributes:
        hint: What to write instead.
        key: The key that means just the same; "": a person must decide.
    """

    hint: str
    key: str = ""


_LOOP = (
    "write `foreach: [a, b]`, and read ${{ item }}; `matrix` is every combination of several lists"
)
_NEEDS = "write `needs: [STEP]`; a step that reads ${{ steps.STEP.… }} waits for it without that"
_IF = "write `if: ${{ … }}`"
_RETRY = (
    "write `retry: {attempts: 3}`: the same request again, for free; `regenerate: 1` buys again"
)
_FAILURE = (
    "write `allow_failures: 1` for items that may fail, `fallback: [{model: …}]` for what to buy instead,"
    " or steps below `on_failure:` of the spec"
)
_USES = "write `uses:` with generate, chat, pick, compose or another kind of step"
_RESULTS = "remove it: results are ${{ steps.NAME.asset }}, by the name of the step"
_STEPS = "write `steps:`, with `NAME:` and its keys below it"
_INPUTS = "write `inputs: {NAME: {type: string}}`, and read ${{ inputs.NAME }}"
_DEPLOY = 'write `deploy: [{name: daily, schedules: [{cron: "0 9 * * *"}]}]`'
_REFERENCES = 'write `references: ["${{ … }}"]`'
_TEMPERATURE = "remove it: no model takes it"

_TERMS: Mapping[str, tuple[tuple[str, OtherWord], ...]] = {
    "Step": (
        (
            "loop with_items with_list with_dict with_param items for for_each each map",
            OtherWord(_LOOP),
        ),
        ("strategy", OtherWord("write `matrix: {style: [a, b]}`, without `strategy:`")),
        ("depends depends_on dependencies requires after wait_for run_after", OtherWord(_NEEDS)),
        ("when condition only_if unless", OtherWord(_IF)),
        ("retries max_retries tries attempts max_attempts", OtherWord(_RETRY)),
        (
            "continue_on_error ignore_errors allow_failure fail_fast on_error on_fail catch rescue",
            OtherWord(_FAILURE),
        ),
        ("until", OtherWord("write `repeat: {until: ${{ … }}, at_most: 3}`")),
        (
            "timeout_minutes timeout_seconds deadline active_deadline_seconds",
            OtherWord("write `timeout: 15m`, of one job"),
        ),
        ("parallel max_concurrency concurrency", OtherWord("write `max_parallel: 4`")),
        ("args arguments parameters inputs vars", OtherWord("write `with:`")),
        ("kind type action module use task template plugin", OtherWord(_USES)),
        (
            "run script command shell",
            OtherWord("a step runs no command: write `uses: NAME` with a function of your own"),
        ),
        ("id", OtherWord("remove it: the id of a step is the key above it")),
        ("name label", OtherWord("write `title:`; the id of a step is the key above it")),
        ("register outputs output result", OtherWord(_RESULTS)),
        ("runs_on container image env environment", OtherWord("remove it: a step has no machine")),
        ("loop_var", OtherWord("write `as:`", "as")),
    ),
    "Workflow": (
        ("tasks jobs stages pipeline nodes plays templates flow", OtherWord(_STEPS)),
        ("vars variables env params parameters args arguments", OtherWord(_INPUTS)),
        ("on schedule schedules cron triggers trigger", OtherWord(_DEPLOY)),
        ("results exports output", OtherWord("write `outputs: {NAME: ${{ steps.NAME.asset }}}`")),
        ("strategy matrix", OtherWord("write `matrix:` in the step that fans out")),
        ("max_credits credits cost limit", OtherWord("write `budget: {credits: 60}`")),
    ),
    "ChatWith": (
        ("prompt text content", OtherWord("write `message:`", "message")),
        (
            "system system_prompt instructions messages",
            OtherWord("write it at the beginning of `message:`"),
        ),
        (
            "response_format schema json_schema output_schema output format",
            OtherWord("write `expect: {name: string}`"),
        ),
        ("images image references", OtherWord('write `attachments: ["${{ … }}"]`')),
        ("temperature max_tokens top_p", OtherWord(_TEMPERATURE)),
    ),
    "GenerateWith": (
        ("message text description", OtherWord("write `prompt:`", "prompt")),
        ("image images input_image image_url reference media", OtherWord(_REFERENCES)),
        ("n count num_images variations", OtherWord("write `matrix: {take: [1, 2]}` in the step")),
        ("temperature", OtherWord(_TEMPERATURE)),
    ),
    "Input": (
        ("options choices enum allowed", OtherWord("write `values: [first, second]`", "values")),
        ("label", OtherWord("write `title:`", "title")),
        ("help", OtherWord("write `description:`", "description")),
        ("optional nullable", OtherWord("write `required: false`")),
        ("properties columns", OtherWord("write `fields: {name: {type: string}}`")),
        ("items item", OtherWord("write `of: string`")),
        ("minimum min_length min_items", OtherWord("write `min:`", "min")),
        ("maximum max_length max_items", OtherWord("write `max:`", "max")),
        ("value", OtherWord("write `default:`", "default")),
    ),
}
"""By the class of the map in which people write them: words without regard to case, `-` and `_`."""

_SEPARATORS = re.compile("[-_ ]")


def _plain(word: str) -> str:
    return _SEPARATORS.sub("", word).lower()


_FOUND: Mapping[str, Mapping[str, OtherWord]] = {
    holder: {_plain(word): one for terms, one in groups for word in terms.split()}
    for holder, groups in _TERMS.items()
}


def other_word(holder: str, key: str) -> OtherWord | None:
    """What stands for a key of another tool in a map of this class; None for an unknown word."""
    return _FOUND.get(holder, {}).get(_plain(key))
