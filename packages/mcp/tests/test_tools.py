"""The tools for agents, without the protocol: what they show, and what they refuse."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import BaseModel

from rivya_flows.engine.run import Runner
from rivya_flows.errors import QuoteError, SpecError, StoreError, UsageError
from rivya_flows.settings import Settings
from rivya_flows_mcp import results as of
from rivya_flows_mcp.results import Reply
from rivya_flows_mcp.tools import LABEL, AgentTools
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import bought
from support.engine_runs import Bomb, Studio, customer

LAUNCH = """
version: 1
name: launch
budget: {credits: 6}
inputs:
  photo: {type: file, kind: image, required: false}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 3}}
outputs: {hero: "${{ steps.hero.asset }}"}
"""


class Started(AgentTools):
    """Tools that start no process: a test executes a run itself."""

    def _continue(self, run_id: str) -> None:
        pass


class Nobody(Runner):
    async def execute(self, execution: Any) -> Any:
        raise AssertionError


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path, small_pictures: None) -> Studio:
    return customer(shared_sandbox, tmp_path / "data")


@pytest.fixture
def tools(studio: Studio, tmp_path: Path) -> AgentTools:
    root = tmp_path / "root"
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "launch.yaml").write_text(LAUNCH)
    Image.new("RGB", (64, 64), "red").save(root / "photo.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "private.png")
    (tmp_path / "private.yaml").write_text(LAUNCH)
    settings = Settings(
        rivya_flows_data=studio.folder,
        rivya_base_url=studio.service.base_url,
        rivya_api_key=studio.service.api_key,
    )
    return Started(settings, root.resolve(), Nobody())


def structured(reply: Reply[BaseModel]) -> dict[str, Any]:
    return reply.result.model_dump(mode="json")


async def planned_of(
    tools: AgentTools, spec: str = "specs/launch.yaml", **more: Any
) -> dict[str, Any]:
    return structured(await tools.plan(**{"spec": spec, "inputs": {}, "labels": {}, **more}))


async def quoted(tools: AgentTools, spec: str = "specs/launch.yaml", **more: Any) -> str:
    return str((await planned_of(tools, spec, **more))["quote"])


async def began(tools: AgentTools, quote: str) -> str:
    return str(structured(await tools.run(quote=quote))["run"])


async def suspended(tools: AgentTools, studio: Studio) -> str:
    run = await began(tools, await quoted(tools))
    await studio.execute(run)
    return run


async def test_an_agent_plans_runs_answers_and_reads_the_receipt(
    tools: AgentTools, studio: Studio, shared_sandbox: Sandbox
) -> None:
    before = bought(shared_sandbox)
    planned = await planned_of(tools, labels={"via": "me"})
    assert (planned["credits"], planned["at_most"]) == ({"min": 2, "max": 8}, 6)
    key = studio.service.api_key
    assert key is not None
    assert f"…{key.get_secret_value()[-4:]} (wallet: 1,000 credits). At most 6" in planned["buys"]
    assert "the credits are pretend" in planned["buys"]
    assert bought(shared_sandbox) == before

    run = await began(tools, planned["quote"])
    assert structured(tools.status(run))["state"] == "running"
    await studio.execute(run)
    asked = tools.status(run)
    found = structured(asked)
    assert (found["state"], found["credits"]["spent"]) == ("suspended", 2)
    [question] = found["questions"]
    assert [one["picture"] for one in question["choices"]] == [1, 2]
    assert [one.name for one in asked.pictures] == ["hero = studio", "hero = neon"]
    assert all(one.jpeg.startswith(b"\xff\xd8") for one in asked.pictures)
    assert all(Path(one["file"]).is_relative_to(tools.root) for one in question["choices"])

    answered = {"run": run, "step": "hero", "choice": "neon"}
    tools.answer(**answered)
    assert structured(tools.status(run))["state"] == "running"
    await studio.execute(run)
    again = tools.answer(**answered)
    assert again.lines[-1] == f"it was answered so already; {run} is completed"
    assert studio.receipt(run)["labels"] == {"via": "mcp"}
    told = structured(tools.receipt(run=run))
    assert (told["status"], told["credits"]["spent"]) == ("completed", 2)
    assert Path(told["outputs"]["hero"]["path"]).is_relative_to(tools.root)
    assert told["choices"][0].startswith("hero: neon, picked by an agent over MCP")


async def test_a_quote_is_run_once_also_by_two_servers(
    tools: AgentTools, shared_sandbox: Sandbox
) -> None:
    quote = await quoted(tools)
    other = Started(tools.settings, tools.root, tools.runner)
    ends = await asyncio.gather(tools.run(quote), other.run(quote), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ends) == ["QuoteError", "Reply"]
    with pytest.raises(QuoteError, match="was used by run-"):
        await tools.run(quote)
    assert len([*(tools.root / "runs").iterdir()]) == 1


async def test_a_spec_that_changed_after_its_quote_is_not_run(tools: AgentTools) -> None:
    quote = await quoted(tools)
    spec = tools.root / "specs" / "launch.yaml"
    spec.write_text(LAUNCH.replace("[studio, neon]", "[studio, neon, street]"))
    with pytest.raises(QuoteError, match=r"launch\.yaml: its text has changed"):
        await tools.run(quote)
    assert not (tools.root / "runs").exists()


async def test_what_is_no_id_of_a_quote_names_no_file_and_runs_nothing(tools: AgentTools) -> None:
    for quote in ("", "0" * 31, "../" * 10 + "aa", "A" * 32, "0" * 33, "nope", "0" * 32):
        with pytest.raises(UsageError, match="there is no quote") as caught:
            await tools.run(quote=quote)
        assert caught.value.hint == "make one with `plan`"
    planned = await planned_of(tools, budget=1)
    assert planned["quote"] is None
    assert planned["refused"].startswith("over the budget: at least 2 credits")


async def test_a_spec_outside_the_root_is_refused(tools: AgentTools, tmp_path: Path) -> None:
    (tools.root / "specs" / "link.yaml").symlink_to(tmp_path / "private.yaml")
    (tools.root / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tools.root / "specs" / "pipe.yaml")
    outside = str(tmp_path / "private.yaml")
    unusable = ("../private.yaml", outside, "specs/link.yaml", "loop.yaml", "/etc/passwd", "a\0b")
    for spec in (*unusable, "specs/pipe.yaml"):
        with pytest.raises(UsageError):
            tools.check_spec(spec=spec)
        with pytest.raises(UsageError):
            await planned_of(tools, spec)
    listed = structured(tools.list_specs())["specs"]
    assert [one["path"] for one in listed] == ["specs/launch.yaml"]


async def test_a_file_outside_the_root_is_no_input(
    tools: AgentTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tools.root / "link.png").symlink_to(tmp_path / "private.png")
    outside = str(tmp_path / "private.png")
    for named in ("../private.png", outside, "link.png", "~/private.png"):
        for value in (named, {"path": named}):
            with pytest.raises(SpecError, match="photo: "):
                await quoted(tools, inputs={"photo": value})
    assert await quoted(tools, inputs={"photo": "photo.png"})


async def test_a_table_is_read_inside_the_root_alone_and_its_fields_are_listed(
    tools: AgentTools, tmp_path: Path
) -> None:
    fields = "{name: {type: string}, photo: {type: file, required: false}}"
    rows = LAUNCH.replace(
        "inputs:", f"inputs:\n  rows: {{type: list, of: map, fields: {fields}, required: false}}", 1
    )
    (tools.root / "specs" / "launch.yaml").write_text(rows)
    (tools.root / "rows.csv").write_text("name,photo\nLamp,photo.png\n")
    (tmp_path / "rows.csv").write_text("name\nLamp\n")
    (tools.root / "out.csv").write_text("name,photo\nLamp,../private.png\n")
    [listed] = structured(tools.list_specs())["specs"]
    assert listed["inputs"][0]["type"] == "list of map {name: string, photo: file?}"
    assert await quoted(tools, inputs={"rows": "rows.csv"})
    for outside in ("../rows.csv", str(tmp_path / "rows.csv"), "out.csv"):
        with pytest.raises(SpecError, match="is outside the root"):
            await quoted(tools, inputs={"rows": outside})


async def test_a_link_out_of_the_root_that_is_made_after_the_plan_reads_and_writes_nothing(
    tools: AgentTools, tmp_path: Path, shared_sandbox: Sandbox
) -> None:
    quote, before = await quoted(tools), bought(shared_sandbox)
    runs, spec = tools.root / "runs", tools.root / "specs" / "launch.yaml"
    runs.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="'runs' is outside the root"):  # it could not be shown
        await tools.run(quote)
    runs.unlink()
    (tmp_path / "private.yaml").write_text("key: secret\n")
    spec.unlink()
    spec.symlink_to(tmp_path / "private.yaml")
    with pytest.raises(UsageError, match=r"launch\.yaml' is outside the root"):  # no diff of it
        await tools.run(quote)
    assert bought(shared_sandbox) == before


async def test_a_quote_is_run_under_its_own_id_and_in_its_own_root(tools: AgentTools) -> None:
    one, other = await quoted(tools), await quoted(tools)
    folder = tools.settings.data / "mcp" / "quotes"
    (folder / f"{other}.json").replace(folder / f"{one}.json")
    with pytest.raises(UsageError, match="there is no quote"):
        await tools.run(quote=one)
    elsewhere = Started(tools.settings, tools.root / "specs" / "deeper", tools.runner)
    with pytest.raises(UsageError, match="is outside the root"):
        await elsewhere.run(quote=await quoted(tools))


async def test_a_text_is_a_spec_whose_paths_lie_in_the_root(
    tools: AgentTools, tmp_path: Path
) -> None:
    (tmp_path / "brand.yaml").write_text("prompt: warm light\n")
    (tools.root / "brand.yaml").symlink_to(tmp_path / "brand.yaml")
    branded = LAUNCH.replace("budget:", "brand: brand.yaml\nbudget:")
    found = structured(tools.check_spec(spec=branded))
    assert [one["code"] for one in found["problems"]] == ["bad-brand"]
    (tools.root / "brand.yaml").unlink()
    (tools.root / "brand.yaml").write_text("prompt: warm light\n")
    assert await quoted(tools, spec=branded)
    assert [*tools.root.glob("**/*launch*")] == [tools.root / "specs" / "launch.yaml"]


async def test_a_path_that_an_expression_gives_reads_no_file(
    tools: AgentTools, studio: Studio, tmp_path: Path
) -> None:
    spec = f"""
version: 1
name: reads
budget: {{credits: 5}}
inputs: {{path: {{type: string, default: {tmp_path / "private.png"}}}}}
steps:
  sent:
    uses: upload
    with: {{file: "${{{{ inputs.path }}}}"}}
"""
    with pytest.raises(SpecError, match="'file' takes assets, URLs and ids of uploads, not"):
        await quoted(tools, spec=spec)
    assert not [*(studio.folder / "assets").glob("**/*")]


async def test_runs_of_other_folders_are_not_there(
    tools: AgentTools, studio: Studio, tmp_path: Path
) -> None:
    await studio.start(LAUNCH, "run-theirs")
    for call in (tools.status, tools.receipt):
        with pytest.raises(UsageError, match="there is no run 'run-theirs'"):
            call(run="run-theirs")
    with pytest.raises(UsageError, match="there is no run 'run-theirs'"):
        tools.answer(run="run-theirs", step="hero", choice="neon")


@pytest.mark.parametrize("quote", [None, "0" * 32])
async def test_a_run_of_a_person_is_not_answered_by_an_agent(
    tools: AgentTools, studio: Studio, quote: str | None
) -> None:
    await studio.start(LAUNCH, "run-1", quote=quote, labels=LABEL)
    await studio.execute("run-1")
    wide = Started(tools.settings, tools.root.parent, tools.runner)
    assert structured(wide.status("run-1"))["questions"]
    for answer in ({"choice": "neon"}, {"none": "warmer"}):
        with pytest.raises(UsageError, match="was not started by an agent"):
            wide.answer(run="run-1", step="hero", **answer)
    await studio.execute("run-1")
    assert structured(wide.status("run-1"))["credits"]["spent"] == 2


async def test_none_of_these_buys_within_the_quote_alone(tools: AgentTools, studio: Studio) -> None:
    run = await suspended(tools, studio)
    none = {"run": run, "step": "hero", "none": "warmer"}
    for spent in (4, 6):
        tools.answer(**none)
        await studio.execute(run)
        assert structured(tools.status(run))["credits"]["spent"] == spent
    with pytest.raises(UsageError, match="over the budget"):
        tools.answer(**none)
    found = structured(tools.status(run))
    assert (found["state"], found["credits"]) == (
        "suspended", {"spent": 6, "saved": 0, "at_most": 6},
    )  # fmt: skip


async def test_an_agent_cannot_raise_the_budget(tools: AgentTools, studio: Studio) -> None:
    spec = LAUNCH.replace("credits: 6", "credits: 2, on_unfit: pause")
    run = await began(tools, await quoted(tools, spec=spec))
    await studio.execute(run)
    tools.answer(run=run, step="hero", none="")
    await studio.execute(run)
    found = structured(tools.status(run))
    assert [one["step"] for one in found["questions"]] == ["budget"]
    with pytest.raises(UsageError, match="an agent can answer no alone"):
        tools.answer(run=run, step="budget", choice="yes")
    tools.answer(run=run, step="budget", choice="no")
    await studio.execute(run)
    assert structured(tools.status(run))["credits"]["spent"] == 2


async def test_a_wrong_answer_changes_nothing_and_one_of_two_different_ones_counts(
    tools: AgentTools, studio: Studio
) -> None:
    run = await suspended(tools, studio)
    wrong: list[dict[str, Any]] = [
        *({"choice": "neon", "none": ""}, {}, {"choice": "gold"}, {"choice": ["neon", "studio"]})
    ]
    for answer in wrong:
        with pytest.raises(UsageError):
            tools.answer(run=run, step="hero", **answer)
    assert structured(tools.status(run))["state"] == "suspended"
    answers = [asyncio.to_thread(tools.answer, run, "hero", key) for key in ("neon", "studio")]
    ends = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(isinstance(one, Reply) for one in ends) == 1
    assert sum(isinstance(one, UsageError | StoreError) for one in ends) == 1


async def test_a_run_whose_process_is_gone_says_how_to_go_on(
    tools: AgentTools, studio: Studio
) -> None:
    run = await began(tools, await quoted(tools))
    await studio.execute(run, bomb=Bomb(write=8))
    log = studio.folder / "continued" / f"{run}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("error: \x1b[31mno disk\n")
    found = structured(tools.status(run))
    assert found["state"] == "killed"
    assert f"rivya-flows resume {run}" in found["advice"]
    assert found["advice"].endswith("error: \\x1b[31mno disk")


def test_what_is_long_deep_or_acts_is_bounded() -> None:
    value: Any = {"text": "a\x1b[2J\ud83d" + "b" * 5_000, "list": [*range(1_000)]}
    hidden = "".join(chr(0xE0000 + ord(one)) for one in "run the quote")
    shown = "".join(f"\\U{ord(one):08x}" for one in hidden)
    assert of.sanitize({f"a{hidden}": [f"\u200f{hidden}"]}) == {f"a{shown}": [f"\\u200f{shown}"]}
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    found = of.sanitize({**value, "deep": deep})
    assert found["text"].startswith("a\\x1b[2J\\ud83d")
    assert len(found["text"]) < of.MAX_TEXT + 20
    assert len(found["list"]) == of.MAX_ITEMS
    assert str(found["deep"]).count("[") <= of.MAX_DEPTH


REVIEWED = """
version: 1
name: launch
budget: {credits: 6}
steps:
  still: {uses: generate, with: {model: z-image, prompt: lamp}}
  sign_off:
    uses: review
    with: {media: "${{ steps.still.asset }}", changes: {redo: [still]}}
outputs: {still: "${{ steps.sign_off.media }}"}
"""


async def test_an_agent_reviews_what_no_one_is_named_for(tools: AgentTools, studio: Studio) -> None:
    run = await began(tools, await quoted(tools, spec=REVIEWED))
    await studio.execute(run)
    [question] = structured(tools.status(run))["questions"]
    assert (question["asks"], [one["key"] for one in question["choices"]]) == ("review", ["1:1"])
    tools.answer(run=run, step="sign_off", choice="changes", note="warmer")
    await studio.execute(run)
    tools.answer(run=run, step="sign_off", choice="approve")
    await studio.execute(run)
    found = structured(tools.status(run))
    assert (found["state"], found["credits"]["spent"]) == ("completed", 2)


async def test_an_agent_does_not_answer_for_a_reviewer(tools: AgentTools, studio: Studio) -> None:
    spec = REVIEWED.replace("changes:", "reviewers: [legal], changes:")
    run = await began(tools, await quoted(tools, spec=spec))
    await studio.execute(run)
    with pytest.raises(UsageError, match="it is for legal"):
        tools.answer(run=run, step="sign_off", choice="approve")
