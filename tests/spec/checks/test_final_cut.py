"""Wrong arguments of `compose` and `layout`: each has a caret and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.field_types import SpecModel, keys_of
from rivya_flows.language.final_cut import CUT_PARTS
from rivya_flows.spec.load import check, lint
from rivya_flows.steps.cut import ComposeWith, LayoutWith
from support.spec_schema import errors_of
from support.wrong_specs import TOPICS, diagnostics_of, framed

FILM, PHOTO, VOICE = (f"${{{{ steps.{name}.asset }}}}" for name in ("film", "still", "voice"))


def test_every_key_of_compose_and_layout_has_a_wrong_value() -> None:
    texts = [text for _, text, _ in TOPICS["final_cut"].values()]
    models: list[type[SpecModel]] = [ComposeWith, LayoutWith, *CUT_PARTS.values()]
    keys = {key for model in models for key in keys_of(model)}
    marked = " ".join(text.partition("with: {")[2] for text in texts)
    assert [key for key in sorted(keys) if f"{key}: " not in marked] == []


GOOD = {
    "everything": f"""
      clips:
        - "{FILM}"
        - {{media: "{PHOTO}", seconds: 3, motion: push-in}}
        - {{media: outro.mp4, start: 0.5, seconds: 2}}
      transition: {{kind: fade, seconds: 0.4}}
      narration: "{VOICE}"
      music: {{media: music.mp3, level: -20, duck: true}}
      captions: {{text: "${{{{ steps.script.text }}}}", language: hi, position: bottom, style: plain}}
      overlays:
        - {{media: "${{{{ inputs.photo }}}}", position: top-right, width: 0.18, start: 0}}
        - {{text: "${{{{ inputs.product }}}}", position: lower-third, start: 0.5, seconds: 3}}
      end_card: {{title: Aurora, line: Order today, image: "${{{{ inputs.photo }}}}", seconds: 2}}
      formats: ["9:16", "1:1", "16:9"]
      reframe: crop
      extras: [poster, gif, srt]
""",
    "computed parts": """
      clips: "${{ [steps.film.asset] }}"
      transition: "${{ {'kind': 'fade'} }}"
      music: "${{ {'media': 'https://a.example/b.mp3'} }}"
      overlays: "${{ [] }}"
      formats: ["${{ inputs.ratio }}", "16:9"]
      reframe: "${{ 'pad' }}"
      extras: "${{ ['gif'] }}"
""",
    "lists among clips": """
      clips: [intro.mp4, "${{ [steps.film.asset] }}", outro.png]
""",
    "notes and nulls": """
      clips: [{media: a.mp4, x-why: it is short}]
      captions: null
      overlays: null
      end_card: {title: नमस्ते, image: null}
""",
    "a clean film of captioned clips": 'clips: [{media: a.png, narration: n.mp3, captions: Hi}]\n      extras: [clean]',
    "audio under a narration": 'clips: a.png\n      narration: a.mp3\n      audio: [b.mp3]',
    "short forms": f"""
      clips: "{FILM}"
      narration: "{VOICE}"
      music: music.mp3
      transition: fade
      captions: "${{{{ steps.script.text }}}}"
      overlays: [{{text: Now, start: 1s, seconds: 1.5s}}]
      end_card: {{title: Aurora, seconds: 2s}}
      length: 15s
""",
    "one clip in a map": 'clips: {media: a.png, seconds: 2s}\n      length: picture',
    "an overlay after the clips of a longer film":
        'clips: a.png\n      length: 15s\n      overlays: [{text: Late, start: 9s}]',
}  # fmt: skip


@pytest.mark.parametrize("arguments", GOOD.values(), ids=GOOD)
def test_good_arguments_are_accepted(arguments: str) -> None:
    text = framed("compose without clips", "☞").replace("{☞}", "\n      " + arguments.strip())
    assert diagnostics_of(text) == ()
    assert errors_of(text) == []


SCENES = """
version: 1
name: scenes
steps:
  voice:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: Hello, params: {voice: Liam}}
  scene:
    uses: compose
    foreach: [a.png, b.png]
    with: {clips: "${{ item }}", SCENE}
  film:
    uses: compose
    with: {clips: "${{ steps.scene.assets }}", FILM}
outputs:
  film: ${{ steps.film.OUTPUT }}
"""
SPOKEN = 'narration: "${{ steps.voice.asset }}"'


@pytest.mark.parametrize(
    ("scene", "film", "messages"),
    [
        (SPOKEN, "captions: Hello", []),
        ("length: 2s", "captions: Hello", ["there is no speech to time the captions by"]),
        (SPOKEN, "extras: [srt]", ["'srt' has no effect without `captions`"]),
        (f"{SPOKEN}, captions: Hello", "extras: [srt]", []),
        (f"{SPOKEN}, captions: {{text: Hello, style: none}}", "captions: {style: plate}", []),
        (SPOKEN, "captions: {style: plate}", ["captions need 'text' or 'file'"]),
    ],
)
def test_a_film_knows_the_speech_of_the_films_that_it_joins(
    scene: str, film: str, messages: list[str]
) -> None:
    text = SCENES.replace("SCENE", scene).replace("FILM", film).replace("OUTPUT", "asset")
    assert [problem.message for problem in diagnostics_of(text)] == messages


def test_captions_are_those_of_another_film() -> None:
    film = 'narration: a.mp3, captions: "${{ steps.scene.items[0].captions }}"'
    text = SCENES.replace("SCENE", f"{SPOKEN}, captions: Hello").replace("FILM", film)
    assert diagnostics_of(text.replace("OUTPUT", "captions.cues")) == ()


def test_the_words_of_clips_are_an_output_of_the_film_that_joins_them() -> None:
    text = SCENES.replace("FILM", "extras: [poster]").replace("OUTPUT", "captions.cues")
    assert diagnostics_of(text.replace("SCENE", f"{SPOKEN}, captions: Hello")) == ()
    [problem] = diagnostics_of(text.replace("SCENE", SPOKEN))
    assert problem.hint == "add `captions:` to that step"


@pytest.mark.parametrize("film", ["captions: Hello", "length: speech"])
def test_a_clip_may_say_whether_it_speaks(film: str) -> None:
    text = SCENES.replace("SCENE", SPOKEN).replace("FILM", film).replace("OUTPUT", "asset")
    whole = 'clips: "${{ steps.scene.assets }}"'
    assert diagnostics_of(text.replace(whole, "clips: {media: a.mp4, speaks: true}")) == ()
    silent = 'clips: {media: "${{ steps.scene.assets[0] }}", speaks: false}'
    [problem] = diagnostics_of(text.replace(whole, silent))
    assert problem.message.startswith("there is no speech to ")


NO_URL = "it is made on your machine: a step with `uses: upload` gives it a .url"
OUTPUTS = {
    "steps.spot.by['9:16'].asset.path": [],
    "steps.spot.by['9:16'].asset.url": [NO_URL],
    "steps.spot.by['9:16'].clean.url": ["add `extras: [clean]` to that step"],
    "steps.spot.assets[0].url": [NO_URL],
    "steps.spot.captions.cues[0].text": [],
    "steps.spot.loudness.lufs": [],
    "steps.spot.by['1:1'].asset.url": ["there are: 9:16"],
    "steps.spot.gif.url": ["add `extras: [gif]` to that step"],
    "steps.spot.poster.height": [],
}


@pytest.mark.parametrize(("output", "hints"), OUTPUTS.items())
def test_outputs_have_the_fields_that_the_arguments_ask_for(output: str, hints: list[str]) -> None:
    captions = "narration: a.mp3, captions: {text: Hi}, extras: [poster]"
    text = framed("compose without clips", f"clips: [a.mp4], formats: ['9:16'], {captions}")
    found = diagnostics_of(text + f"outputs:\n  a: ${{{{ {output} }}}}\n")
    assert [problem.hint for problem in found] == hints


@pytest.mark.parametrize(
    ("output", "hints"),
    [
        ("by.tiktok.asset.path", []),
        ("by['1:1'].asset.path", []),
        ("by.reels.asset.path", ["there are: 1:1, tiktok, youtube"]),
        ("posters[1].height", []),
        ("timeline", ["add `extras: [otio]` to that step"]),
    ],
)
def test_outputs_have_a_film_of_each_platform(output: str, hints: list[str]) -> None:
    given = "clips: [a.mp4], formats: ['1:1'], for: [tiktok, youtube], extras: [poster], posters: 2"
    text = framed("compose without clips", given)
    found = diagnostics_of(text + f"outputs:\n  a: ${{{{ steps.spot.{output} }}}}\n")
    assert [problem.hint for problem in found] == hints


ZIPPED = """
      clips:
        - intro.mp4
        - zip: {media: "${{ [steps.still] }}", narration: "${{ [steps.voice] }}", captions: [LINE]}
          motion: push-in
      captions: {style: plate}
"""


def test_a_zip_takes_items_of_steps_and_its_clips_speak() -> None:
    def messages(text: str) -> list[str]:
        spec = framed("compose without clips", "☞").replace("{☞}", text)
        return [one.message for one in diagnostics_of(spec)]

    assert messages(ZIPPED.replace("LINE", "Hello")) == []
    assert messages(ZIPPED.replace("LINE", "Hello").replace("narration", "story")) == [
        "unknown key 'story' in 'clips'"
    ]
    silent = ZIPPED.replace(", captions: [LINE]", "").replace("steps.voice", "steps.still")
    assert messages(silent) == [
        "'narration' takes audio or a video, but this is an image",
        "captions need 'text' or 'file'",
    ]


def test_a_file_beside_the_spec_must_exist(tmp_path: Any) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    missing = "overlays: [{media: logo.png}], end_card: {image: card.png}, music: {media: m.mp3}"
    text = framed(
        "compose without clips",
        f"clips: [a.mp4, b.mp4, {{media: c.mp4}}], narration: n.mp3, {missing}",
    )
    found = [one.message for one in diagnostics_of(text, tmp_path)]
    missing_files = ("b.mp4", "c.mp4", "n.mp3", "logo.png", "card.png", "m.mp3")
    assert found[1:] == [f"there is no file {name!r}" for name in missing_files]  # 0 is of `reel`


def test_characters_that_no_font_has_are_no_mistake_and_are_told(tmp_path: Path) -> None:
    subtitles = "1\n00:00:01,000 --> 00:00:02,000\nTea བ\n"
    (tmp_path / "a.srt").write_text(subtitles)
    (tmp_path / "hidden.srt").write_text(subtitles)
    spec = """\
version: 1
name: a
brand: {end_card: {title: Aurora ཟ}}
inputs: {x: {type: text, default: y}}
steps:
  film: {uses: generate, with: {model: veo3-1-lite, prompt: a lamp}}
  told: {uses: compose, with: {clips: ["${{ steps.film.asset }}"], captions: {file: a.srt}, end_card: true}}
  text:
    uses: compose
    with:
      clips: ["${{ steps.film.asset }}"]
      overlays: [{text: "Sale ཀ ${{ inputs.x | default('ང') }}"}]
  plain: {uses: compose, with: {clips: ["${{ steps.film.asset }}"], overlays: [{text: Sale}]}}
  hidden: {uses: compose, with: {clips: ["${{ steps.film.asset }}"], captions: {file: hidden.srt, style: none}}}
"""
    workflow, found = check(spec, file="a.yaml", catalogue=shipped(), folder=tmp_path)
    assert found == ()
    assert workflow is not None
    warned = [one for one in lint(spec, file="a.yaml", workflow=workflow) if one.line in (7, 8, 14)]
    assert [(one.code, one.message) for one in warned if one.code == "missing-characters"] == [
        ("missing-characters", "no font has 'བ', 'ཟ': left out of the picture"),
        ("missing-characters", "no font has 'ཀ': left out of the picture"),
    ]


@pytest.mark.parametrize("key", ["transition", "music", "captions", "end_card"])
def test_a_computed_list_where_a_map_belongs_is_a_mistake(key: str) -> None:
    found = diagnostics_of(
        framed("compose without clips", f'clips: [clip.mp4], {key}: ["${{{{ steps.a }}}}"]')
    )
    assert "wrong-type" in {one.code for one in found}
