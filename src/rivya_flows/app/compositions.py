"""From the evaluated arguments of a `compose` or `layout` to what is rendered, and to its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rivya_flows.assets import Asset
from rivya_flows.errors import MediaError
from rivya_flows.language.field_types import EVALUATED
from rivya_flows.language.final_cut import with_media
from rivya_flows.media.edit import COMPOSITION, LAYOUT, Composition, Layout, Rendered
from rivya_flows.media.rendered import GIF, POSTER, clean_name, film_names

_Work = TypeVar("_Work", Composition, Layout)


def given(value: Any) -> Any:
    """Arguments without nulls in them."""
    if isinstance(value, Mapping):
        return {key: given(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [given(one) for one in value if one is not None]
    return value


def composition_of(arguments: Mapping[str, Any], paths: Iterable[Path]) -> Composition:
    """The composition of a step, of arguments without nulls and the files of their media, ordered as `media_in`."""
    keys = [key for key in ("clips", "video", "images") if arguments.get(key)]
    if len(keys) != 1:
        raise MediaError("expected one of clips, a film and stills", "give one of the three")
    [key] = keys
    made = _with_paths(arguments, paths)
    if key != "clips":
        media = made[key] if isinstance(made[key], list | tuple) else [made[key]]
        made = {**made, "clips": [{"media": one} for one in media], "given_as": key}
    return _built(COMPOSITION, made)


def layout_of(arguments: Mapping[str, Any], paths: Iterable[Path]) -> Layout:
    return _built(LAYOUT, _with_paths(arguments, paths))


def _with_paths(arguments: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    left = iter(paths)
    return with_media(arguments, lambda _: next(left))


def _built(adapter: TypeAdapter[_Work], arguments: Mapping[str, Any]) -> _Work:
    try:
        return adapter.validate_python(arguments, context=EVALUATED)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MediaError(f"{where}: {first['msg']}", "correct the `with` of the step") from error


def film_outputs(work: Composition, made: Rendered, kept: Mapping[str, Asset]) -> dict[str, Any]:
    captions = work.captions and {
        "cues": [cue._asdict() for cue in made.cues],
        "estimated": made.estimated,
        "language": work.captions.language,
    }
    found = {name: asset.as_json() for name, asset in kept.items()}
    names = film_names(work.formats)
    films = [kept[name] for name in names]
    by = {
        name: {"asset": film.as_json(), "clean": found.get(clean_name(file))}
        for (name, film), file in zip(_by_format(work.formats, films), names, strict=True)
    }
    return {
        **_assets(films),
        "by": by,
        "captions": captions,
        "poster": found.get(POSTER),
        "gif": found.get(GIF),
        "loudness": made.loudness and asdict(made.loudness),
        "lost": list(made.lost),
    }


def layout_outputs(work: Layout, made: Rendered, kept: Mapping[str, Asset]) -> dict[str, Any]:
    cards = [kept[name] for name in film_names(work.formats, ".png")]
    by = {name: {"asset": one.as_json()} for name, one in _by_format(work.formats, cards)}
    return {**_assets(cards), "by": by, "lost": list(made.lost)}


def _assets(made: Sequence[Asset]) -> dict[str, Any]:
    found = [asset.as_json() for asset in made]
    return {"asset": found[0], "assets": found}


def _by_format(formats: Sequence[str], made: Sequence[Asset]) -> list[tuple[str, Asset]]:
    names = formats or [f"{made[0].width}x{made[0].height}"]
    return list(zip(names, made, strict=True))
