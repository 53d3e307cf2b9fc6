"""The work of steps on this machine: ask and pick, notify, call a function, compose or lay out media."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import shutil
import tempfile
import threading
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from rivya_cut.composition import Captions, Composition, Layout
from rivya_cut.results import GIF, POSTER, Rendered, clean_name, film_names, poster_names
from rivya_cut.subtitles import Cue
from rivya_flows.assets import Asset, Outputs, as_asset, looks_like_asset
from rivya_flows.callbacks import Revealed, post_callback
from rivya_flows.engine.files import fetch_files, frames_of, keep_in_thread, take
from rivya_flows.engine.run import Run
from rivya_flows.engine.signing import title_of
from rivya_flows.errors import LostMediumError, MediaError, RivyaError, UsageError
from rivya_flows.language.canonical import canonical
from rivya_flows.language.cut_places import media_in, with_media
from rivya_flows.language.final_cut import SPEECH
from rivya_flows.language.secret_names import RESERVED_HINT, names_secret, refusal
from rivya_flows.media import decoding
from rivya_flows.questions.open_questions import decide_at_deadline, first_deadline, question_asked
from rivya_flows.questions.question import Question
from rivya_flows.queue import actions, events
from rivya_flows.queue.actions import Buy, Work
from rivya_flows.queue.events import Event
from rivya_flows.queue.queue import is_failing
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from rivya_flows.settings import read_secret
from rivya_flows.steps.candidates import PickArguments, available, chosen_keys, pick_outputs
from rivya_flows.steps.connections import NotifyWith
from rivya_flows.steps.function import Function
from rivya_flows.steps.inspection import InspectWith, inspection_outputs
from rivya_flows.steps.review import review_outputs
from rivya_flows.store import mailbox
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import in_thread


async def pick(_: Run, action: actions.Work) -> Outputs:
    asked = PickArguments.model_validate(action.arguments)
    keys = chosen_keys(asked)
    picked = pick_outputs(asked.candidates, keys)
    if picked is None:
        known = ", ".join(str(one.get("key")) for one in available(asked.candidates))
        raise UsageError(f"there are no candidates {', '.join(keys)!r}", f"one of: {known}")
    return picked


async def review(_: Run, action: actions.Work) -> Outputs:
    return review_outputs(action.arguments)


async def miss_pick(_: Run, action: events.ItemFailed) -> None:
    """Fail a pick without an answer, so that a graph shows it."""
    raise UsageError(action.message, "Retry the run, then answer")


async def ask(run: Run, action: actions.Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, here or outside, and what deadlines decide; left questions stay open."""
    state = run.state
    while state.asking and state.asks == action.number:
        for question in state.asking:
            if question.name not in state.deadlines:
                yield question_asked(question, run.clock(), state.missed.get(question.name))
        answered = await answer_outside(run) or await _ask(run, state.asking)
        if answered is not None:
            yield answered


async def answer_outside(run: Run) -> events.AnswerGiven | None:
    """The first answer that waits in the mailbox and fits; those before it are dropped."""
    engine = run.context.journal.engine
    for number, one in await in_thread(mailbox.waiting, engine, run.run_id):
        if answer := one.event(run.state, number):
            return answer
        await in_thread(mailbox.remove, engine, number)
    return None


async def _ask(run: Run, questions: Sequence[Question]) -> Event | None:
    """What a person answers to the first question, or the earliest deadline of all decides; None for news."""
    if run.ask is None or run.state.left:
        return events.QuestionsLeft(at=run.clock())
    seconds, deadline = None, first_deadline(questions)
    if deadline is not None:
        seconds = max((deadline - run.clock()).total_seconds(), 0.0)
    asking = asyncio.ensure_future(run.ask(questions[0]))
    looking = asyncio.ensure_future(_has_news(run))
    try:
        await asyncio.wait({asking, looking}, timeout=seconds, return_when=FIRST_COMPLETED)
        if asking.done():
            choice = asking.result()
            now = run.clock()
            if choice is None:
                return events.QuestionsLeft(at=now)
            return choice.event(questions[0], now)
        if looking.done():
            return looking.result()
        if await in_thread(mailbox.waiting, run.context.journal.engine, run.run_id):
            return None  # it came in time
        due = next(one for one in questions if one.deadline == deadline)
        return await decide(run, decide_at_deadline(due))
    finally:
        asking.cancel()
        looking.cancel()
        await asyncio.wait({asking, looking})


async def _has_news(run: Run) -> None:
    """Waits until an answer comes from outside, or another question opens."""
    engine, state = run.context.journal.engine, run.state
    while all(one.name in state.deadlines for one in state.asking):
        if await in_thread(mailbox.waiting, engine, run.run_id):
            return
        await asyncio.sleep(run.look_seconds)


async def decide(
    run: Run, event: events.AnswerGiven | events.ItemFailed
) -> events.AnswerGiven | events.ItemFailed:
    """The event, once a pick that fails by it has failed in a graph too."""
    if isinstance(event, events.ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, run.state.spec(event.step).uses, event)
    return event


SecretBlocks = Callable[[str], Awaitable[SecretStr | None]]
"""Gives the value of a `Secret` block of Prefect by its name; None if there is none."""


async def notify(run: Run, work: actions.Work) -> Outputs:
    """Post the state of the run as JSON, signed if the step names a secret."""
    asked = NotifyWith.model_validate(work.arguments)
    url, secret = str(asked.url), asked.secret
    await post_callback(
        await reveal(url, run.secret_block) if names_secret(url) else url,
        canonical(_notice(run.state, work)).encode(),
        None if secret is None else await reveal(secret, run.secret_block),
        retry=run.retry(work.step),
        allow_private=run.context.settings.rivya_flows_allow_private_notify,
    )
    return {}


async def reveal(name: str, blocks: SecretBlocks) -> Revealed:
    """The secret named ``env:NAME`` or ``block:NAME``; no message of an error holds it."""
    if reason := refusal(name):
        raise UsageError(reason, RESERVED_HINT)
    source, _, rest = name.partition(":")
    if source == "env":
        found = read_secret(rest)
        missing = f"the secret {name!r} is not set"
        hint = "set the variable where the run is executed, or write it in .env there"
    elif source == "block":
        block = rest.removeprefix("secret/")
        found = await blocks(block)
        missing = f"there is no secret block {name!r}"
        hint = f"create a Secret block named {block} in Prefect"
    else:
        raise UsageError(
            "expected the name of a secret, not the secret itself", "write env:NAME or block:NAME"
        )
    if found is None:
        raise UsageError(missing, hint)
    return Revealed(name, found)


def _notice(state: State, work: actions.Work) -> dict[str, JsonValue]:
    part = state.planned_step(work.step).part
    status = "failed" if is_failing(state) else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": work.step,
        "key": work.key,
        "status": "running" if part == "steps" else status,
        "outputs": _with_paths(outputs_of(state).values, None),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": work.arguments.get("body"),
    }


def _with_paths(value: Any, path_of: Callable[[str], Path] | None) -> Any:
    """The value with another path of each asset, by its SHA-256; without `path_of` it has none."""
    if isinstance(value, list):
        return [_with_paths(one, path_of) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_paths(one, path_of) for key, one in value.items()}
    if looks_like_asset(value):
        changed.pop("path", None)  # it means nothing on another machine
        if path_of is not None:
            changed["path"] = str(path_of(str(value["sha256"])))
    return changed


class FunctionError(RivyaError):
    """A function failed, or its result does not match its model."""

    code = "function"


async def call_function(run: Run, action: Buy | Work) -> Outputs:
    """Do the work of a kind, or call its function, with local copies of assets."""
    planned = run.state.planned_step(action.step)
    kind, name, seconds = planned.kind, planned.kind.uses, planned.step.timeout
    if isinstance(action, Buy):
        key, arguments = (
            action.purchase.idempotency_key,
            json.loads(action.purchase.body)["arguments"],
        )
    else:
        key, arguments = "", action.arguments
    local = {}
    for argument, value in arguments.items():
        fetches = isinstance(kind, Function) and kind.wants_files(argument, value)
        found = await fetch_files(run, value) if fetches else value
        local[argument] = await asyncio.to_thread(_with_paths, found, run.context.assets.local_path)
    # A thread that runs on after its timeout may still write there.
    with tempfile.TemporaryDirectory(
        dir=run.context.scratch, prefix="function-", ignore_cleanup_errors=True
    ) as folder:
        extra: dict[str, Any] = {"folder": Path(folder), "idempotency_key": key}
        try:
            if isinstance(kind, Function):
                # Omitted arguments take the default of the function.
                typed = {
                    one: kind.types[one].validate_python(value) for one, value in local.items()
                }
                typed |= {one: extra[one] for one in kind.extra}
                given = await _call_in_time(partial(kind.call, **typed), name, seconds)
                dumped = kind.result.model_validate(given).model_dump()
            else:
                dumped = await _call_in_time(
                    partial(kind.work, arguments=local, **extra), name, seconds
                )
        except RivyaError:
            raise
        except Exception as error:  # a foreign function raises anything
            raise FunctionError(f"{name}: {type(error).__name__}: {error}") from error
        with_assets = await _with_assets(run.context.assets, dumped)
    try:
        plain: Outputs = to_jsonable_python(with_assets)
    except PydanticSerializationError as error:
        raise FunctionError(f"{name}: its result is not JSON: {error}") from error
    return plain


async def _call_in_time(work: Callable[[], Any], name: str, seconds: float | None) -> Any:
    running = _call_coroutine(work) if inspect.iscoroutinefunction(work) else _in_thread(work, name)
    task = asyncio.create_task(running)  # of its own: a function may cancel its task
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await task
    except asyncio.CancelledError as error:
        here = asyncio.current_task()
        if here is not None and here.cancelling():
            raise  # the run is stopped
        raise FunctionError(f"{name}: it was cancelled from within") from error
    except TimeoutError as error:
        if not limit.expired():
            raise  # raised by the function
        raise FunctionError(f"{name}: it took longer than {seconds:g} s") from error


async def _with_assets(assets: AssetStore, value: Any) -> Any:
    """Replace every file in a result with an asset."""
    if isinstance(value, Path):
        return (await keep_in_thread(assets, value)).as_json()
    if isinstance(value, Asset):
        value = value.model_dump()
    if (asset := as_asset(value)) and (
        stored := await asyncio.to_thread(_stored_path, assets, asset)
    ):
        rest = {key: await _with_assets(assets, one) for key, one in value.items() if key != "path"}
        return {**asset.as_json(), **rest, "path": str(stored)}
    if isinstance(value, list | tuple):
        return [await _with_assets(assets, one) for one in value]
    if isinstance(value, dict):
        return {key: await _with_assets(assets, one) for key, one in value.items()}
    return value


def _stored_path(assets: AssetStore, asset: Asset) -> Path | None:
    """The file of an asset that is in the store; None for one that a function invented."""
    try:
        return assets.local_path(asset.sha256)
    except LostMediumError:
        return None


async def _call_coroutine(work: Callable[[], Awaitable[Any]]) -> Any:
    """Call a coroutine function; what would end the event loop, as `SystemExit`, is an error."""
    try:
        return await work()
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as raised:
        raise RuntimeError(repr(raised)) from raised


async def _in_thread(work: Callable[[], Any], name: str) -> Any:
    """Call a function in a daemon thread, which keeps nothing alive when it runs on after a timeout."""
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()  # from now on it cannot be cancelled
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as raised:
            # No future takes a `StopIteration`, and a `SystemExit` must not end this process.
            plain = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
            done.set_exception(raised if plain else RuntimeError(repr(raised)))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(done)


async def inspect_medium(run: Run, work: Work) -> Outputs:
    """Measure a medium and take frames of it; gives the outputs of the step."""
    asked = InspectWith.model_validate(work.arguments)
    [(asset, path)] = await _sources(run, [asked.media])
    found = await decoding.measure(path)
    frames = [asset] if found.media == "image" else []
    if found.media == "video":
        frames = [*await frames_of(run, asset, asked.frames)]
    return inspection_outputs(asked, found, frames)


async def compose(run: Run, work: Work) -> dict[str, Any]:
    """Compose a film from clips, or from a film or stills, and sounds; gives the outputs of the step."""
    return await _render(run, work, work.arguments, Composition)


async def lay_out(run: Run, work: Work) -> dict[str, Any]:
    """Lay pictures and text over a still, once for each format; as `compose`."""
    return await _render(run, work, work.arguments, Layout)


async def _render(
    run: Run, work: Work, arguments: Mapping[str, Any], kind: type[Composition | Layout]
) -> dict[str, Any]:
    seconds = run.state.spec(work.step).timeout
    target = run.context.assets.incoming()  # a folder that is not made yet
    try:
        sources = await _sources(run, [one.value for one in media_in(arguments)])
        paths = (path for _, path in sources)
        try:
            made = with_media(arguments, lambda _: next(paths))
            if isinstance(font := made.get("look", {}).get("font"), Mapping):
                path = await asyncio.to_thread(run.context.assets.local_path, font["sha256"])
                made["look"]["font"] = path
            film = kind.model_validate({**made, "shrink": run.shrink})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise MediaError(
                f"{where}: {first['msg']}", "correct the `with` of the step"
            ) from error
        try:
            async with asyncio.timeout(seconds):
                progress = partial(run.rendering, work.step, work.key)
                found = await decoding.render(film, target, progress)
        except TimeoutError as error:
            message = f"the {type(film).__name__.lower()} took longer than {seconds:g} s"
            raise MediaError(message, "raise the step's `timeout`") from error
        assets = await _store_rendered(
            run, target, found, arguments, [asset for asset, _ in sources]
        )
        lost = [*found.lost]
        for asset, path in sources:  # people know other names than the store, which has hashes
            lost = [one.replace(path.name, title_of(asset)) for one in lost]
        outputs = _outputs(film, found, assets, lost)
        if found.timeline is not None:
            text = await asyncio.to_thread((target / found.timeline).read_text, "utf-8")
            outputs["timeline"] = text
        return outputs
    finally:
        shutil.rmtree(target, ignore_errors=True)


async def _sources(run: Run, media: Sequence[Any]) -> Sequence[tuple[Asset, Path]]:
    """Each of these media with its file; what is elsewhere is fetched."""

    def locate(value: Any) -> tuple[Asset, Path]:
        asset = as_asset(value)
        if asset is None:
            raise MediaError(f"not a kept medium: {str(value)[:60]!r}")
        return asset, run.context.assets.local_path(asset.sha256)

    values = await fetch_files(run, [*media])
    return await asyncio.to_thread(lambda: [*map(locate, values)])


async def _store_rendered(
    run: Run, folder: Path, made: Rendered, arguments: Mapping[str, Any], sources: Sequence[Asset]
) -> dict[str, Asset]:
    """The files of a rendering, signed if the run signs, and moved into the store."""
    assets = {}
    for name, found in made.media.items():
        path = folder / name
        if run.signing is not None:
            found = await asyncio.to_thread(run.signing.sign, path, found, arguments, sources)
        assets[name] = await take(run.context.assets, path, found=found)
    return assets


def _outputs(
    film: Composition | Layout, made: Rendered, assets: Mapping[str, Asset], lost: list[str]
) -> dict[str, Any]:
    found = {name: asset.as_json() for name, asset in assets.items()}
    is_film = isinstance(film, Composition)
    if isinstance(film, Composition):
        is_drawn = film.captions is not None and film.captions.style != "none"
        for name in film_names(film.formats, platforms=film.platforms):
            for file, shows in ((name, is_drawn), (clean_name(name), False)):
                if file in found and _speaks(film, made):
                    found[file][SPEECH] = {"cues": [_clip_cue(one, shows) for one in made.cues]}
    platforms = film.platforms if isinstance(film, Composition) else ()
    names = film_names(film.formats, ".mp4" if is_film else ".png", platforms)
    first = assets[names[0]]
    formats = (*film.formats, *platforms) or [f"{first.width}x{first.height}"]
    clean = [{"clean": found.get(clean_name(name))} if is_film else {} for name in names]
    by = {
        one: {"asset": found[name], **more}
        for one, name, more in zip(formats, names, clean, strict=True)
    }
    outputs: dict[str, Any] = {
        "asset": found[names[0]],
        "assets": [found[name] for name in names],
        "by": by,
    }
    if isinstance(film, Composition):
        captions = film.captions or (Captions() if made.cues else None)
        captioned = {"cues": [*map(_cue, made.cues)], "estimated": made.estimated}
        outputs |= {
            "captions": captions and {**captioned, "language": captions.language},
            "poster": found.get(POSTER),
            "posters": [found[one] for one in poster_names(film.posters) if one in found] or None,
            "timeline": None,
            "gif": found.get(GIF),
            "loudness": made.loudness and asdict(made.loudness),
        }
    return {**outputs, "lost": lost}


def _speaks(film: Composition, made: Rendered) -> bool:
    """Whether somebody speaks in a film, for one that has it as a clip."""
    return bool(film.narration or film.audio or made.cues or any(one.speaks for one in film.clips))


def _cue(cue: Cue) -> dict[str, JsonValue]:
    return {"start": cue.start, "end": cue.end, "text": cue.text}


def _clip_cue(cue: Cue, is_drawn: bool) -> dict[str, JsonValue]:
    """A cue of a film that is a clip of another."""
    return {**_cue(cue), "burned_in": is_drawn or cue.burned_in}


WORK = {
    "pick": pick,
    "review": review,
    "inspect": inspect_medium,
    "compose": compose,
    "layout": lay_out,
    "notify": notify,
}
"""Free work of the kinds that this package brings; that of others is `call_function`."""
