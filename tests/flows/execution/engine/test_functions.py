"""Python functions as steps: the example of the guide, and what can be wrong with one."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language import step_functions
from rivya_flows.language.load import check
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, studio_at

GUIDE = (Path(__file__).parents[4] / "docs" / "spec.md").read_text("utf-8")
SECTION = GUIDE[GUIDE.index("## Your own steps in Python") :]
CODE, REGISTERED, EXAMPLE = (
    re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[1]  # type: ignore[index]  # it is there
    for language in ("python", "toml", "yaml")
)
HEAD = "version: 1\nname: test\n"
STRANGE = """
from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Words(BaseModel):
    words: list[str]
    of: dict[str, Any] = {}


async def split_words(text: str, by: Literal["space", "line"] = "space", most: int | None = None) -> Words:
    found = text.split(" " if by == "space" else "\\n")[:most]
    if found == ["fail"]:
        raise ValueError("it was asked to fail")
    return Words(words=found, of={"length": len(text)})


def no_hint(text) -> Words: ...
def no_model(text: str) -> str: ...
def any_number(*texts: str) -> Words: ...


class Taken(BaseModel):
    status: str


def taken(text: str) -> Taken: ...
"""
SLOW = """
import asyncio
import threading

from pydantic import BaseModel

from rivya_flows.language.step_functions import LocalAsset

ENDED = threading.Event()


class Done(BaseModel):
    words: str


async def slow_coroutine(text: str) -> Done:
    await asyncio.Event().wait()
    return Done(words=text)


def slow_thread(text: str) -> Done:
    ENDED.wait(60)
    return Done(words=text)


def exits(text: str) -> Done:
    raise SystemExit(text)


def sizes(images: list[LocalAsset]) -> Done:
    return Done(words=" ".join(f"{one.kind} {one.width}" for one in images))
"""
PAID = """
from pathlib import Path

from pydantic import BaseModel


class Receipt(BaseModel):
    number: str


async def order_print(motif: str, book: str, idempotency_key: str) -> Receipt:
    with Path(book).open("a") as file:
        file.write(idempotency_key + " " + motif + "\\n")
    if motif == "unknown":
        raise ConnectionError("no answer")
    return Receipt(number="A" + idempotency_key[-4:])


order_print.credits = 3


def without_key(motif: str) -> Receipt: ...


without_key.credits = 3
"""
Installer = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Installs a distribution of one module: its name, code and entry points."""
    made: list[str] = []

    def put(module: str, code: str, entry_points: str) -> None:
        folder = tmp_path / f"site-{module}"
        about = folder / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[rivya_flows.steps]\n{entry_points}\n")
        monkeypatch.syspath_prepend(str(folder))
        made.append(module)

    yield put
    for module in made:
        sys.modules.pop(module, None)


@pytest.fixture
def strange(install: Installer) -> None:
    kinds = ("split_words", "no_hint", "no_model", "any_number", "taken", "missing")
    lines = [f"{kind} = strange_steps:{kind}" for kind in kinds]
    install("strange_steps", STRANGE, "\n".join([*lines, "absent = strange_absent:step"]))


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def problems(text: str) -> tuple[Diagnostic, ...]:
    return check(text, file="spec.yaml", catalogue=shipped())[1]


def test_the_example_of_the_guide_runs(studio: Studio, install: Installer) -> None:
    found = re.search(r'^(thumbnail = )"(.*)"$', REGISTERED, re.MULTILINE)
    assert found is not None
    install("shop_steps", CODE, found[1] + found[2])
    state = studio.run(HEAD + EXAMPLE)
    assert state.ended == "completed"
    receipt = studio.receipt("run-1")
    picture = receipt["outputs"]["picture"]
    assert (picture["kind"], picture["mime_type"]) == ("image", "image/png")
    assert [picture["width"], picture["height"]] == receipt["outputs"]["size"]
    assert receipt["credits"]["spent"] == 1
    assert not list(studio.folder.glob("function-*"))


SPLIT = HEAD + (
    "inputs:\n  text: {type: string, default: a b c}\nsteps:\n"
    "  split:\n    uses: split_words\n    with: {text: '${{ inputs.text }}', most: 2}\n"
    "  each:\n    uses: split_words\n    foreach: ${{ steps.split.words }}\n"
    "    with: {text: '${{ item }}-${{ steps.split.of.length }}'}\n"
    "outputs:\n  words: ${{ steps.each.items[1].words }}\n"
)


@pytest.mark.usefixtures("strange")
def test_a_coroutine_is_a_step_and_its_fields_are_known(studio: Studio) -> None:
    state = studio.run(SPLIT)
    assert state.ended == "completed"
    assert studio.receipt("run-1")["outputs"] == {"words": ["b-5"]}


@pytest.mark.usefixtures("strange")
def test_what_a_function_raises_fails_its_step(studio: Studio) -> None:
    state = studio.run(SPLIT, inputs={"text": "fail"})
    assert state.ended == "failed"
    [item] = state.steps["split"].items or ()
    assert (item.code, item.reason) == (
        "function",
        "split_words: ValueError: it was asked to fail",
    )


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(
    ("code", "marked"),
    [
        ("unknown-uses", SPLIT.replace("uses: split_words", "uses: ☞split_word", 1)),
        ("unknown-key", SPLIT.replace("most: 2", "☞mots: 2")),
        ("missing-key", SPLIT.replace("with: {text: '${{ inputs.text }}', ", "☞with: {")),
        ("wrong-value", SPLIT.replace("most: 2", "most: ☞two")),
        ("wrong-value", SPLIT.replace("most: 2", "by: ☞comma")),
        ("unknown-field", SPLIT.replace("${{ steps.split.words", "${{ ☞steps.split.word")),
        ("wrong-type", SPLIT.replace("foreach: ${{ steps.split.words", "foreach: ☞${{ steps.split.status")),
        ("wrong-type", SPLIT.replace("'${{ inputs.text }}'", "☞'${{ [inputs.text] }}'", 1)),
        ("unknown-step", SPLIT.replace("${{ inputs.text }}", "${{ ☞steps.x.y }}")),
        ("unknown-key", SPLIT.replace("steps:\n", "defaults: {split_words: {☞tries: 5}}\nsteps:\n", 1)),
        *[
            ("broken-step", HEAD + f"steps:\n  a:\n    uses: ☞{kind}\n    with: {{text: a}}\n")
            for kind in ("no_hint", "no_model", "any_number", "taken", "missing", "absent")
        ],
    ],
)  # fmt: skip
def test_wrong_use_of_a_function_is_told_at_its_place(code: str, marked: str) -> None:
    before, _, after = marked.partition("☞")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems(before + after)
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], "\n".join(
        map(str, found)
    )


def test_values_that_a_type_of_the_function_reads_in_its_own_way_are_left_to_it(
    install: Installer,
) -> None:
    install(
        "tagging",
        """
from typing import Any
from pydantic import BaseModel, RootModel, model_validator

class Tags(RootModel[list[str]]): pass

class Size(BaseModel):
    width: int

    @model_validator(mode="before")
    @classmethod
    def read(cls, value: Any) -> Any:
        return {"width": value} if isinstance(value, str) else value

class Tagged(BaseModel):
    tags: Tags

def tag(tags: Tags, sizes: list[Size]) -> Tagged:
    return Tagged(tags=tags)
""",
        "tag = tagging:tag",
    )
    text = HEAD + (
        "inputs: {words: {type: list, of: string, default: [a]}}\nsteps:\n"
        "  a: {uses: tag, with: {tags: '${{ inputs.words }}', sizes: '${{ inputs.words }}'}}\n"
        "  b: {uses: tag, with: {tags: '${{ steps.a.tags }}', sizes: ['${{ inputs.words[0] }}']}}\n"
    )
    assert problems(text) == ()


@pytest.mark.usefixtures("strange")
def test_a_computed_value_that_does_not_fit_fails_before_the_call(studio: Studio) -> None:
    text = SPLIT.replace("most: 2", "most: '${{ inputs.text }}'")
    with pytest.raises(Exception, match="most: input should be a valid integer"):
        studio.run(text)


@pytest.mark.usefixtures("strange")
def test_the_hint_names_functions_too() -> None:
    [problem] = problems(SPLIT.replace("uses: split_words", "uses: split_word", 1))
    assert problem.hint is not None
    assert "'split_words'" in problem.hint


def test_a_spec_of_our_own_kinds_looks_at_nothing_that_is_installed(install: Installer) -> None:
    install("other_steps", "", "other = other_steps:other")
    looked = step_functions._registered_on.cache_info()
    still = "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x}\n"
    assert problems(HEAD + still) == ()
    assert step_functions._registered_on.cache_info() == looked


@pytest.fixture
def paid(install: Installer) -> None:
    kinds = "order_print = paid_steps:order_print\nwithout_key = paid_steps:without_key"
    install("paid_steps", PAID, kinds)


def prints(book: Path, *, motif: str = "a lamp", budget: int = 10, items: str = "1, 2") -> str:
    return (
        HEAD
        + f"budget: {{credits: {budget}}}\nsteps:\n"
        + f"  prints:\n    uses: order_print\n    foreach: [{items}]\n    with: {{motif: {motif}, book: '{book}'}}\n"
        + "outputs:\n  first: ${{ steps.prints.items[0].number }}\n"
    )


@pytest.mark.usefixtures("paid")
def test_a_function_that_costs_credits_stands_in_plan_budget_and_ledger(
    studio: Studio, tmp_path: Path
) -> None:
    text = prints(tmp_path / "book")
    prepared = asyncio.run(studio.start(text, "run-0"))
    assert (prepared.estimate.min, prepared.estimate.max) == (6, 6)
    state = studio.run(text)
    assert (state.ended, state.spent) == ("completed", 6)
    receipt = studio.receipt("run-1")
    rows = [(row["route"], row["model"], row["status"], row["final"]) for row in receipt["ledger"]]
    assert rows == [("function", "order_print", "succeeded", 3)] * 2
    assert receipt["outputs"]["first"].startswith("A")
    assert asyncio.run(
        studio.start(prints(tmp_path / "b", budget=5), "run-2")
    ).estimate.verdict == ("over_budget")


@pytest.mark.usefixtures("paid")
def test_stopping_at_any_write_calls_it_again_under_the_same_key(
    studio: Studio, tmp_path: Path
) -> None:
    async def all_places() -> int:
        for number in itertools.count(1):
            for side in (1, -1):
                run_id, book = f"run-{number}-{side}", tmp_path / f"book-{number}-{side}"
                await studio.start(prints(book, items="1"), run_id)
                if await studio.execute(run_id, bomb=Bomb(write=side * number)) is not None:
                    break
                state = await studio.execute(run_id)
                assert state is not None
                assert (state.ended, state.spent) == ("completed", 3)
                keys = {line.split()[0] for line in book.read_text().splitlines()}
                assert len(keys) == 1, f"stopped at write {side * number}"
            else:
                continue
            return number
        raise AssertionError

    assert asyncio.run(all_places()) > 5


@pytest.mark.usefixtures("paid")
def test_without_an_answer_the_purchase_stays_open_under_its_key(
    studio: Studio, tmp_path: Path
) -> None:
    text = prints(tmp_path / "book", motif="unknown")
    state = studio.run(text)
    assert (state.ended, state.spent) == ("failed", 6)
    asyncio.run(studio.execute("run-1"))
    lines = (tmp_path / "book").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (4, 2)


@pytest.mark.usefixtures("paid")
def test_a_price_without_an_idempotency_key_is_refused() -> None:
    [problem] = problems(HEAD + "steps:\n  a:\n    uses: without_key\n    with: {motif: a}\n")
    assert (problem.code, "idempotency_key" in problem.message) == ("broken-step", True)


@pytest.fixture
def slow(install: Installer) -> Iterator[None]:
    kinds = ("slow_coroutine", "slow_thread", "exits", "sizes")
    install("slow_steps", SLOW, "\n".join(f"{kind} = slow_steps:{kind}" for kind in kinds))
    yield
    if "slow_steps" in sys.modules:
        sys.modules["slow_steps"].ENDED.set()


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ["slow_coroutine", "slow_thread"])
def test_a_function_that_takes_too_long_fails_its_step_and_the_run_goes_on(
    studio: Studio, kind: str
) -> None:
    state = studio.run(
        HEAD + f"steps:\n  late: {{uses: {kind}, timeout: 50ms, with: {{text: a}}}}\n"
        "  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
    )
    assert state.ended == "failed"
    [late], [still] = state.steps["late"].items or (), state.steps["still"].items or ()
    assert (late.code, late.reason) == ("function", f"{kind}: it took longer than 0.05 s")
    assert still.phase.value == "completed"


@pytest.mark.usefixtures("slow")
def test_a_function_that_ends_the_process_ends_only_its_step(studio: Studio) -> None:
    state = studio.run(HEAD + "steps:\n  out: {uses: exits, with: {text: bye}}\n")
    [item] = state.steps["out"].items or ()
    assert (item.code, item.reason) == ("function", "exits: RuntimeError: SystemExit('bye')")


@pytest.mark.usefixtures("slow")
def test_files_named_by_address_or_id_are_fetched_for_a_function(studio: Studio) -> None:
    first = studio.run(
        HEAD + "steps:\n  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
        "  up: {uses: upload, with: {file: '${{ steps.still.asset }}'}}\n"
        "outputs: {id: '${{ steps.up.id }}', url: '${{ steps.up.url }}'}\n"
    )
    assert first.ended == "completed"
    given = studio.receipt("run-1")["outputs"]
    spec = (
        HEAD + "inputs:\n  photo: {type: file, kind: image}\n  more: {type: file, kind: image}\n"
        "steps:\n  sizes:\n    uses: sizes\n"
        "    with: {images: ['${{ inputs.photo }}', '${{ inputs.more }}']}\n"
        "outputs: {words: '${{ steps.sizes.words }}'}\n"
    )
    state = studio.run(spec, "run-2", inputs={"photo": given["url"], "more": given["id"]})
    [item] = state.steps["sizes"].items or ()
    assert (item.reason, state.ended) == (None, "completed")
    assert studio.receipt("run-2")["outputs"] == {"words": "image 64 image 64"}
