"""What a brand adds to requests, and how a run keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.assets import Asset
from rivya_flows.errors import SpecError
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.estimate.preflight import certain_failures
from rivya_flows.queue.events import dump, parse
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.steps.request import ItemRequest
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

BRAND = 'name: Aurora\nlogo: logo.png\ncolours: ["#0b3d2e"]\nprompt: warm evening light\n'
SPEC = """\
version: 1
name: spot
brand: look/brand.yaml
inputs:
  word: {type: string, default: lamp}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "a ${{ inputs.word }}"}
  plain:
    uses: generate
    with: {model: z-image, prompt: "a ${{ inputs.word }}", brand: false}
  restyled:
    uses: generate
    matrix: {colour: "${{ brand.colours }}"}
    with: {model: nano-banana-2, prompt: "in ${{ matrix.colour }}", references: ["${{ brand.logo }}"]}
  voice:
    uses: generate
    with: {model: elevenlabs-sound-effect-v2, prompt: "${{ brand.name }} lights the evening"}
  film:
    uses: compose
    with: {clips: ["${{ steps.still.asset }}", "${{ brand.logo }}"]}
outputs:
  logo: ${{ brand.logo }}
  name: ${{ brand.name }}
"""
LOGO = Asset(kind="image", sha256="logo", mime_type="image/png", size_bytes=1)


def run_of(spec: str = SPEC, **texts: str) -> Rehearsal:
    start = frozen(spec, includes={"look/brand.yaml": BRAND, **texts})
    run = Rehearsal(start.model_copy(update={"files": {"look/logo.png": LOGO}}), NaiveService())
    run.take_up()
    run.run()
    return run


def request(state: State, step: str) -> ItemRequest:
    [item] = state.steps[step].items.values()
    assert item.request is not None, item.reason
    return item.request


def arguments(state: State, step: str) -> dict[str, Any]:
    return dict(request(state, step).arguments)


@pytest.fixture(scope="module")
def state() -> State:
    return run_of().state


def test_the_words_of_the_brand_are_in_the_prompts_of_pictures_and_in_their_hashes(
    state: State,
) -> None:
    prompts = {
        step: arguments(state, step)["prompt"] for step in ("still", "plain", "restyled", "voice")
    }
    assert prompts == {
        "still": "a lamp, warm evening light",
        "plain": "a lamp",
        "restyled": "in #0b3d2e, warm evening light",
        "voice": "Aurora lights the evening",
    }
    assert not any("brand" in arguments(state, step) for step in prompts)
    assert request(state, "still").request_hash != request(state, "plain").request_hash


def test_the_logo_of_a_brand_is_a_medium(state: State) -> None:
    assert [one.source for one in request(state, "restyled").uploads] == ["logo"]
    film = arguments(state, "film")
    assert film["clips"][1]["media"][0]["sha256"] == "logo"
    assert film["look"] == {"colours": ["#0b3d2e"], "font": "poppins"}


def test_a_step_without_a_brand_has_no_look() -> None:
    spec = SPEC.replace("brand: look/brand.yaml", "x-brand: none")
    for old, new in (("${{ brand.logo }}", "${{ steps.still.asset }}"), ("${{ brand.name }}", "x")):
        spec = spec.replace(old, new)
    state = run_of(spec.replace('"${{ brand.colours }}"', "[red]")).state
    assert "look" not in arguments(state, "film")
    assert arguments(state, "still")["prompt"] == "a lamp"


def test_the_plan_says_what_the_brand_adds() -> None:
    start = frozen(SPEC, includes={"look/brand.yaml": BRAND})
    found: Any = estimate(initial_state(start), None).as_json()
    added = {one["id"] for one in found["steps"] if one["brand_prompt"] == "warm evening light"}
    assert added == {"still", "restyled"}
    assert {one["brand_prompt"] for one in found["steps"] if one["id"] not in added} == {None}


def test_a_resumed_run_keeps_the_brand_that_it_started_with() -> None:
    run = run_of()
    again = replay(parse(dump(event)) for event in run.journal)
    assert arguments(again, "still") == arguments(run.state, "still")


def test_an_included_spec_has_the_look_of_the_one_around_it() -> None:
    part = SPEC.replace("brand: look/brand.yaml\n", "").replace("name: spot", "name: part")
    part = part.replace(
        '${{ brand.logo }}"]}\noutputs', '${{ brand.logo }}"], captions: {file: subs.srt}}\noutputs'
    )
    whole = """\
version: 1
name: campaign
brand: {name: Lumen, logo: look/logo.png, colours: ["#fff"], prompt: cold light}
steps:
  part:
    uses: include
    with: {spec: parts/part.yaml}
outputs: {name: "${{ steps.part.outputs.name }}", own: "${{ brand.name }}"}
"""
    subtitles = {"parts/subs.srt": SRT}
    state = run_of(whole, **{"parts/part.yaml": part, **subtitles}).state
    assert arguments(state, "part__still")["prompt"] == "a lamp, cold light"
    assert arguments(state, "part__film")["look"]["colours"] == ["#ffffff"]
    assert arguments(state, "part__film")["clips"][1]["media"][0]["sha256"] == "logo"
    assert arguments(state, "part__film")["captions"]["cues"][0]["text"] == "One lamp"
    own = part.replace("inputs:", "brand: look/brand.yaml\ninputs:", 1)
    texts = {"parts/part.yaml": own, "parts/look/brand.yaml": BRAND, **subtitles}
    state = run_of(whole, **texts).state
    assert arguments(state, "part__still")["prompt"] == "a lamp, warm evening light"


def test_words_that_make_a_prompt_too_long_are_told_before_the_run() -> None:
    limit = shipped().models["z-image"].max_prompt_length or 0
    start = frozen(SPEC, includes={"look/brand.yaml": BRAND}, word="x" * (limit - 2))
    reasons = {step: reason for step, _, reason in certain_failures(initial_state(start))}
    assert "the brand adds 20 of them" in reasons["still"]
    assert "plain" not in reasons


SRT = "1\n00:00:00,000 --> 00:00:01,000\nOne lamp\n"
CUT = """\
version: 1
name: cut
brand: look/brand.yaml
steps:
  film:
    uses: compose
    with:
      clips: https://example.com/film.mp4
      captions: {file: subs.srt}
      end_card: true
      overlays: [{media: "${{ brand.logo }}"}]
  other:
    uses: compose
    with:
      clips: https://example.com/film.mp4
      captions: {file: subs.srt, position: bottom, style: plain}
      end_card: {line: Order today, image: null}
  bare:
    uses: compose
    with: {clips: "https://example.com/film.mp4"}
"""
STYLED = (
    BRAND
    + "end_card: {title: Aurora, seconds: 3}\ncaptions: {position: top, style: plate, language: hi}\n"
)


def test_a_composition_is_asked_for_in_the_look_of_the_brand() -> None:
    start = frozen(CUT, includes={"look/brand.yaml": STYLED, "subs.srt": SRT})
    start = start.model_copy(update={"files": {"look/logo.png": LOGO}})
    state = rehearse(initial_state(start), NOON, lambda _: None)
    film, other, bare = (arguments(state, step) for step in ("film", "other", "bare"))
    cues = [{"start": 0.0, "end": 1.0, "text": "One lamp", "burned_in": False, "words": []}]
    captions = {"cues": cues, "estimated": False, "language": "hi", "size": 1.0}
    captions |= {"position": "top", "style": "plate"}
    assert film["captions"] == captions
    assert other["captions"] == {**captions, "position": "bottom", "style": "plain"}
    card = {"title": "Aurora", "image": LOGO.as_json(), "seconds": 3.0, "size": 1.0}
    assert film["end_card"] == card
    assert other["end_card"] == {**card, "line": "Order today"}
    assert film["overlays"][0]["media"]["sha256"] == "logo"
    assert film["look"] == bare["look"] == {"colours": ["#0b3d2e"], "font": "poppins"}
    assert not {"captions", "end_card"} & bare.keys()


def test_a_frozen_run_without_the_text_of_its_brand_is_refused() -> None:
    with pytest.raises(SpecError, match=r"look/brand\.yaml"):
        frozen(SPEC, includes={})
