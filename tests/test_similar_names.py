"""What is suggested for a name, names that are certainly misspelled, and those that a person must decide."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.similar_names import certain, nearest

MODELS = tuple(shipped().models)


def test_the_nearest_name_forgives_case_separators_and_typos() -> None:
    assert nearest("Z_Image", MODELS) == "z-image"
    assert nearest("gpt-5-4-codex-chat", MODELS) == "gpt-5.4-codex-chat"
    assert nearest("veo31-lit", MODELS) == "veo3-1-lite"
    assert nearest("entirely else", MODELS) is None


@pytest.mark.parametrize(
    ("word", "choices", "meant"),
    [
        ("z-imge", MODELS, "z-image"),
        ("Z_Image", MODELS, "z-image"),
        ("sora2", MODELS, "sora-2"),
        ("gemini-2-5-flsh-cht", MODELS, "gemini-2-5-flash-chat"),
        ("matrx", ("matrix", "zip"), "matrix"),
        ("wiht", ("with", "width"), "with"),
        ("aspectRatio", ("aspect_ratio",), "aspect_ratio"),
        ("step", ("steps",), "steps"),
    ],
)
def test_one_near_choice_is_meant(word: str, choices: tuple[str, ...], meant: str) -> None:
    assert certain(word, choices) == meant


@pytest.mark.parametrize(
    ("word", "choices"),
    [
        pytest.param("sora-3", MODELS, id="another version"),
        pytest.param("veo3-1", MODELS, id="the beginning of two"),
        pytest.param("elevenlabs-turbo-2-6", MODELS, id="another number in a long name"),
        pytest.param("720p", ("1080p", "480p"), id="another number"),
        pytest.param("night", ("light",), id="another word"),
        pytest.param("drop", ("crop",), id="another short word"),
        pytest.param("hero_b", ("hero_a",), id="another letter"),
        pytest.param("heroe", ("hero", "heros"), id="two near ones"),
        pytest.param("plane", ("plain", "plate"), id="one near and one almost"),
        pytest.param("mni", ("min", "max"), id="too short"),
        pytest.param("a.b", ("ab", "a-b"), id="two that differ in a separator alone"),
        pytest.param("x" * 65, ("x" * 64,), id="too long"),
        pytest.param("style", (), id="none"),
    ],
)
def test_everything_else_is_a_guess(word: str, choices: tuple[str, ...]) -> None:
    assert certain(word, choices) is None


def test_no_model_is_a_misspelling_of_another() -> None:
    for model in MODELS:
        assert certain(model, [one for one in MODELS if one != model]) is None


@given(st.text(max_size=12), st.lists(st.text(max_size=12)))
def test_what_is_meant_is_a_choice(word: str, choices: list[str]) -> None:
    assert certain(word, choices) in (None, *choices)
