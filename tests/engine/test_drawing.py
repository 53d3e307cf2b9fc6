"""The free tasks that compose and lay out, on small media of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rivya_client.client import RivyaClient
from rivya_flows.assets import as_asset
from rivya_flows.engine.files import keep
from rivya_flows.engine.run import Run
from rivya_flows.engine.signing import Signing, signer_of, verify
from rivya_flows.engine.work import compose, lay_out
from rivya_flows.errors import MediaError
from rivya_flows.language.cut_places import whole_forms
from rivya_flows.queue.actions import Work
from rivya_flows.queue.state import State
from rivya_flows.settings import Settings
from rivya_flows.steps.cut import Compose, cut_request
from rivya_flows.store.assets import AssetStore
from support.composed_media import still, tone
from support.task_runs import run_of

pytestmark = pytest.mark.slow

CUES = [{"start": 0.0, "end": 0.4, "text": "Wake up"}]


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore((tmp_path / "assets").as_uri(), tmp_path)


@pytest.fixture
def run(store: AssetStore, tmp_path: Path) -> Run:
    return limited(run_of(RivyaClient("key"), store, tmp_path), None)


@pytest.fixture
def hero(store: AssetStore, tmp_path: Path) -> dict[str, Any]:
    """A kept picture."""
    return kept(store, still(tmp_path / "a.png", (96, 64)))


def kept(store: AssetStore, path: Path) -> dict[str, Any]:
    return keep(store, path).as_json()


def composed(run: Run, **arguments: Any) -> dict[str, Any]:
    return asyncio.run(compose(run, Work("spot", "", "compose", whole_forms(arguments))))


def laid_out(run: Run, **arguments: Any) -> dict[str, Any]:
    return asyncio.run(lay_out(run, Work("cards", "", "layout", whole_forms(arguments))))


def limited(run: Run, seconds: float | None) -> Run:
    """The run with this timeout of its steps."""
    step: Any = SimpleNamespace(timeout=seconds)
    run.state = cast("State", SimpleNamespace(spec=lambda _: step))
    return run


def incoming(store: AssetStore) -> list[Path]:
    """What is on its way to the store."""
    return [*store.incoming().parent.glob("*")]


def test_a_composition_gives_each_format_and_what_was_asked_for_beside_it(
    run: Run, store: AssetStore, hero: dict[str, Any]
) -> None:
    shares: list[float] = []
    run.rendering = lambda _step, _key, share: shares.append(share)
    made = composed(
        run,
        clips=[{"media": hero, "seconds": 0.5}],
        captions={"cues": CUES, "language": "hi"},
        formats=["1:1", "16:9"],
        extras=["poster", "gif", "srt", "clean"],
    )
    assert [*made["by"]] == ["1:1", "16:9"]
    assert made["asset"] == made["assets"][0] == made["by"]["1:1"]["asset"]
    assert made["assets"][1] == made["by"]["16:9"]["asset"]
    assert {one["clean"]["kind"] for one in made["by"].values()} == {"video"}
    assert [made[name]["mime_type"] for name in ("poster", "gif")] == ["image/jpeg", "image/gif"]
    assert made["captions"] == {"cues": CUES, "estimated": False, "language": "hi"}
    assert made["posters"] == [made["poster"]]
    for asset in [*made["assets"], made["poster"], made["gif"]]:
        assert store.local_path(asset["sha256"]).stat().st_size == asset["size_bytes"]
    assert shares == sorted(shares) != []
    assert incoming(store) == []


def test_an_image_with_a_sound_is_a_film(
    run: Run, store: AssetStore, tmp_path: Path, hero: dict[str, Any]
) -> None:
    audio = kept(store, tone(tmp_path / "a.wav"))
    made = composed(run, clips=[hero], audio=[audio], look={"colours": ["#112233"]}, reframe="crop")
    assert [*made["by"]] == ["96x64"]
    assert made["by"]["96x64"] == {"asset": made["asset"], "clean": None}
    assert [made[name] for name in ("captions", "poster", "gif", "lost")] == [None, None, None, []]
    assert made["loudness"]["lufs"] == pytest.approx(-16, abs=1)
    assert incoming(store) == []


def test_a_joined_film_knows_what_its_scenes_say_and_when(
    run: Run, store: AssetStore, tmp_path: Path, hero: dict[str, Any]
) -> None:
    clip = {"media": hero, "seconds": 0.5}
    voice = kept(store, tone(tmp_path / "a.wav", seconds=0.5))
    quiet = {"cues": CUES, "style": "none"}
    scene = composed(run, clips=[clip], narration=voice, captions=quiet, extras=["clean"])
    shown = composed(run, clips=[clip], narration=voice, captions={"cues": CUES}, extras=["clean"])
    clear, burned_in = ([{**CUES[0], "burned_in": one}] for one in (False, True))
    assert scene["asset"]["speech"] == {"cues": clear}
    assert shown["asset"]["speech"] == {"cues": burned_in}
    assert shown["by"]["96x64"]["clean"]["speech"] == {"cues": clear}
    made, _ = cut_request(Compose(), {"clips": [scene["asset"], shown["asset"]]}, {})
    joined = composed(run, **made)
    later = {"start": 0.5, "end": 0.9, "text": "Wake up"}
    assert joined["captions"] == {"cues": [*CUES, later], "estimated": True, "language": None}
    assert joined["asset"]["speech"] == {"cues": [*clear, {**later, "burned_in": True}]}
    made, _ = cut_request(Compose(), {"clips": joined["asset"], "captions": {"style": "plate"}}, {})
    whole = composed(run, **made)["asset"]["speech"]["cues"]
    assert [one["burned_in"] for one in whole] == [True, True]
    assert "speech" not in composed(run, clips=[clip])["asset"]


def test_a_layout_gives_a_picture_of_each_format(run: Run, hero: dict[str, Any]) -> None:
    made = laid_out(run, image=hero, formats=["1:1", "4:5"], overlays=[])
    sizes = {
        name: (one["asset"]["width"], one["asset"]["height"]) for name, one in made["by"].items()
    }
    assert sizes == {"1:1": (1080, 1080), "4:5": (1080, 1350)}
    assert made["assets"] == [one["asset"] for one in made["by"].values()]
    assert made["lost"] == []
    assert as_asset(made["asset"]) is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "there is no picture"),
        ({"clips": [{"media": "HERO"}], "length": "speech"}, "there is no speech"),
        ({"clips": [{"media": "HERO"}], "formats": ["7:3"]}, r"formats\.0: .*'16:9'"),
        ({"clips": [{"media": "HERO", "motion": "fly"}]}, r"clips\.0\.motion: .*'push-in'"),
        ({"clips": [{"media": {"kind": "image"}}]}, "not a kept medium"),
    ],
)
def test_a_composition_that_is_wrong_says_where(
    arguments: dict[str, Any], words: str, run: Run, hero: dict[str, Any]
) -> None:
    for clip in arguments.get("clips", ()):
        clip["media"] = hero if clip["media"] == "HERO" else clip["media"]
    with pytest.raises(MediaError, match=words):
        composed(run, **{key: hero if one == "HERO" else one for key, one in arguments.items()})


@pytest.mark.parametrize("draw", [composed, laid_out])
def test_what_takes_longer_than_the_timeout_of_its_step_leaves_nothing(
    draw: Callable[..., dict[str, Any]], run: Run, store: AssetStore, hero: dict[str, Any]
) -> None:
    given = {"image": hero} if draw is laid_out else {"clips": [{"media": hero}]}
    with pytest.raises(MediaError, match=r"took longer than 0\.001 s"):
        draw(limited(run, 0.001), **given, formats=["16:9"])
    assert incoming(store) == []


def test_what_a_signing_run_makes_is_signed_before_it_is_kept(
    run: Run, store: AssetStore, tmp_path: Path, hero: dict[str, Any]
) -> None:
    pytest.importorskip("c2pa", reason="needs the extra c2pa")
    from support.certificates import write_chain

    chain, key = write_chain(tmp_path)
    signer = signer_of(Settings(rivya_flows_c2pa_certificate=chain, rivya_flows_c2pa_key=key))
    assert signer is not None
    run.signing = Signing(signer, "run_0123")
    made = [
        composed(run, clips=[hero], audio=[kept(store, tone(tmp_path / "v.wav"))]),
        composed(run, clips=[{"media": hero, "seconds": 0.5}], formats=["1:1"]),
        laid_out(run, image=hero, formats=["1:1"]),
    ]
    for outputs in made:
        asset = as_asset(outputs["asset"])
        assert asset is not None
        path = store.local_path(asset.sha256)
        found = verify(path)
        assert found is not None
        assert found.valid
        assert hero["sha256"] in [one.sha256 for one in found.ingredients]
        assert asset.size_bytes == path.stat().st_size
    assert incoming(store) == []
