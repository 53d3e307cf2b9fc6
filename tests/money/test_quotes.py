"""Quotes: written, read again, and run only while nothing differs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from PIL import Image

from rivya_flows.errors import BudgetError, LostMediumError, QuoteError, UsageError
from rivya_flows.money.quotes import (
    MAX_BYTES,
    Quote,
    QuoteFile,
    prepare_quote,
    read_quote,
    signature_of,
    write_quote,
)
from rivya_flows.preparation.prepare import Prepared, RunRequest, prepare_here
from rivya_flows.preparation.spec_file import read_spec
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer
from support.journal_entries import frozen

SHOP = """
version: 1
name: shop
brand: brand.yaml
labels: {client: "${{ inputs.client }}"}
inputs:
  client: {type: string, default: acme}
  photo: {type: file, kind: image}
  token: {type: secret, default: env:TOKEN}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
  large:
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: [logo.png, "${{ inputs.photo }}"]}
"""


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(shared_sandbox, tmp_path / "data")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A spec with a brand and a file beside it, and a photo elsewhere."""
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "brand.yaml").write_text("prompt: warm light\n")
    Image.new("RGB", (64, 64), "red").save(folder / "logo.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "photo.png")
    return folder / "shop.yaml"


def write(studio: Studio, spec: Path, *, name: str = "quote.json", **options: Any) -> Path:
    out = spec.parents[1] / name
    photo = spec.parents[1] / "photo.png"
    inputs = options.pop("inputs", {"photo": str(photo)} if spec.name == "shop.yaml" else {})

    async def written() -> None:
        request = RunRequest(read_spec(spec), lambda _: inputs, **options)
        with studio.context(Bomb()) as context:
            ready = await prepare_here(context, request, "run-plan", starts=False)
            write_quote(context, request, ready, out)

    asyncio.run(written())
    return out


def again(
    studio: Studio, path: Path, said: Callable[[str], object] = lambda _: None, **changes: Any
) -> Prepared:
    """Prepares the run of a quote; with changes, of one that the store had signed with them."""

    async def prepared() -> Prepared:
        with studio.context(Bomb()) as context:
            file = read_quote(path)
            if changes:
                quote = Quote.model_validate(file.quote.model_dump() | changes)
                secret = shared_secret(context.journal.engine, "quotes")
                right = quote.model_copy(update={"signature": signature_of(quote.signed, secret)})
                file = QuoteFile(right, path, right.signed)
            return await prepare_quote(context, file, "run-1", notify=said)

    return asyncio.run(prepared())


def differences(studio: Studio, path: Path, **changes: Any) -> list[str]:
    with pytest.raises(QuoteError) as caught:
        again(studio, path, **changes)
    assert caught.value.hint == "nothing was bought; make a new quote with `plan --out`"
    first, *rest = caught.value.message.split("\n")
    count = sum(not line.startswith("  ") for line in rest)
    assert first == f"{path}: the quote does not hold: {count} difference{'s' * (count != 1)}"
    return rest


def test_a_quote_is_run_as_it_was_priced(studio: Studio, shop: Path) -> None:
    path = write(studio, shop, labels={"job": "17"}, cache="spec")
    written = json.loads(path.read_text())
    assert (written["spec_file"], written["cap"]) == ("specs/shop.yaml", 6)
    assert studio.service.api_key is not None
    assert studio.service.api_key.get_secret_value() not in path.read_text()
    # The photo is an asset now: its file may change.
    (shop.parents[1] / "photo.png").unlink()
    ready = again(studio, path)
    run = ready.frozen
    assert (run.budget, run.quote, run.cache) == (6, written["id"], "spec")
    assert run.labels == {"client": "acme", "job": "17"}
    assert (run.spec_file, run.spec_text) == (str(shop), SHOP)
    assert run.includes == {"brand.yaml": "prompt: warm light\n"}
    assert run.inputs["token"] == "env:TOKEN"
    photo: Any = run.inputs["photo"]
    assert photo["sha256"] == written["inputs"]["photo"]["sha256"]
    assert run.files["logo.png"].path is not None
    assert ready.estimate.verdict == "ok"


def test_all_that_changed_beside_the_spec_is_told(studio: Studio, shop: Path) -> None:
    path = write(studio, shop)
    shop.write_text(SHOP.replace("A lamp", "A desk"))
    (shop.parent / "brand.yaml").unlink()
    Image.new("RGB", (64, 64), "green").save(shop.parent / "logo.png")
    told = differences(studio, path)
    assert told[0] == "shop.yaml: its text has changed"
    assert "  -    with: {model: z-image, prompt: A lamp}" in told
    assert told[-2].endswith("brand.yaml: No such file or directory")
    assert told[-1] == "logo.png: the file has changed"


def test_all_that_changed_at_the_service_is_told(studio: Studio, shop: Path) -> None:
    path = write(studio, shop)
    then = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert differences(studio, path, service="sandbox:other", expires_at=then) == [
        "it held until 2026-11-25 12:00 UTC",
        f"service: sandbox:other → {studio.service.identity}",
    ]
    assert differences(studio, path, wallet="0" * 16) == ["wallet: another key of the same service"]
    quote = read_quote(path).quote
    prices = quote.prices["z-image"].model_copy(update={"credits": 2})
    plan = json.loads(json.dumps(quote.plan))
    plan["steps"][1]["items"][0] |= {"credits": {"min": 0, "max": 0}, "cached": True}
    told = differences(studio, path, prices={**quote.prices, "z-image": prices}, plan=plan)
    assert told == ["z-image: 2 credits → 1 credit", "large: 0 credits (cached) → 5 credits"]
    gone = SHOP.replace("z-image", "z-gone")
    shop.write_text(gone)
    told = differences(studio, path, spec_text=gone, wallet="0" * 16)
    assert told[-1].startswith("its spec is wrong now: no model 'z-gone'")


def test_a_changed_quote_and_one_of_another_store_are_refused(
    studio: Studio, shop: Path, shared_sandbox: Sandbox, tmp_path: Path
) -> None:
    path = write(studio, shop)
    with pytest.raises(QuoteError, match="changed after it was made, or another store made it"):
        again(customer(shared_sandbox, tmp_path / "other"), path)
    path.write_text(path.read_text().replace('"cap": 6', '"cap": 600'))
    with pytest.raises(QuoteError, match="changed after it was made"):
        again(studio, path)


def test_a_quote_without_its_folder_runs_what_it_carries(studio: Studio, shop: Path) -> None:
    path = write(studio, shop)
    with studio.context(Bomb()) as context:
        context.assets.remove(read_quote(path).quote.files["logo.png"].sha256)
    # It is beside the spec, and is taken into the store again.
    assert again(studio, path).frozen.files["logo.png"].path is not None
    moved = path.rename(shop.parent / "moved.json")
    said: list[str] = []
    ready = again(studio, moved, said.append)
    place = shop.parent / "specs/shop.yaml"
    assert said == [f"{place} is not there: the spec that the quote carries is run"]
    assert ready.frozen.spec_text == SHOP
    lost: dict[str, Any] = {
        "photo": ready.frozen.inputs["photo"],
        "logo.png": read_quote(moved).quote.files["logo.png"].as_json(),
    }
    for name, asset in lost.items():
        with studio.context(Bomb()) as context:
            context.assets.remove(asset["sha256"])
        with pytest.raises(LostMediumError, match=f"not in the asset store: {name}"):
            again(studio, moved)


def one(tmp_path: Path, text: str, top: str = "") -> Path:
    spec = tmp_path / "specs" / "one.yaml"
    spec.parent.mkdir(exist_ok=True)
    steps = f"steps:\n  one:\n    uses: generate\n    {text}\n"
    spec.write_text(f"version: 1\nname: one\n{top}\n{steps}")
    return spec


VOICE = "with: {model: elevenlabs-turbo-2-5, prompt: hello, params: {voice: TX3LPaxmHKxFdv7VOQHJ}}"


def test_the_cap_is_the_most_of_the_plan_or_the_budget_below_it(
    studio: Studio, tmp_path: Path
) -> None:
    spec = one(tmp_path, "regenerate: 2\n    with: {model: z-image, prompt: A lamp}")
    caps = [read_quote(write(studio, spec, budget=n)).quote.cap for n in (None, 9, 3, 2)]
    assert caps == [3, 3, 3, 2]
    with pytest.raises(BudgetError, match="over the budget: at least 1 credit"):
        write(studio, spec, budget=0)


def test_a_plan_without_a_most_needs_a_budget(studio: Studio, tmp_path: Path) -> None:
    spec = one(tmp_path, VOICE)
    words = r"the most that the plan costs is not known \(one\)"
    with pytest.raises(BudgetError, match=words) as told:
        write(studio, spec)
    assert "--budget N" in str(told.value.hint)
    assert not (tmp_path / "quote.json").exists()
    assert read_quote(write(studio, spec, budget=12)).quote.cap == 12


def test_another_file_is_not_replaced_by_a_quote(studio: Studio, tmp_path: Path) -> None:
    spec = one(tmp_path, VOICE, "budget: {credits: 9}")
    first = read_quote(write(studio, spec)).quote.id
    assert read_quote(write(studio, spec)).quote.id != first
    for name in ("specs/one.yaml", "specs"):
        with pytest.raises(UsageError, match="is not a quote; it is not replaced"):
            write(studio, spec, name=name)
    assert spec.read_text().startswith("version: 1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b"\xff{}", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "is not a quote: "),
        (b'{"version": 1}', "is not a quote: id: Field required"),
        (b" " * (MAX_BYTES + 1), "larger than 10 MB"),
    ],
    ids=["empty", "bytes", "deep", "list", "short", "large"],
)
def test_a_file_that_is_no_quote_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "quote.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_quote(path)
    with pytest.raises(UsageError, match="No such file"):
        read_quote(tmp_path / "nowhere.json")


def test_a_used_quote_names_its_run(studio: Studio, tmp_path: Path) -> None:
    path = write(studio, one(tmp_path, "with: {model: z-image, prompt: A lamp}"))
    again(studio, path)  # refused or not begun, it is not used
    ready = again(studio, path)
    with studio.context(Bomb()) as context:
        context.journal.create(ready.frozen, tmp_path / "run-1")
    with pytest.raises(QuoteError, match="was used by run-1; nothing was bought") as caught:
        again(studio, path)
    assert "rivya-flows resume run-1" in str(caught.value.hint)


def test_of_processes_that_run_a_quote_at_once_exactly_one_does(tmp_path: Path) -> None:
    url, start = f"sqlite:///{tmp_path / 'journal.sqlite'}", Barrier(4)
    Journal(url).close()

    def begin(number: int) -> str | None:
        with closing(Journal(url)) as journal:
            start.wait()
            try:
                journal.create(frozen(f"run-{number}", quote="0" * 32), tmp_path)
            except QuoteError as error:
                return error.message
        return None

    with ThreadPoolExecutor(4) as pool:
        said = [*pool.map(begin, range(4))]
    winner = f"run-{said.index(None)}"
    words = f"the quote was used by {winner}; nothing was bought"
    assert sorted(map(str, said)) == ["None", words, words, words]
