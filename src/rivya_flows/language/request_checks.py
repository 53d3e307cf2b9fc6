"""Checks of a request against a model's own descriptors, before anything is spent."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue, Model, Param, ReferenceRule, option_text
from rivya_client.catalogue.common import COMMON
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.values import is_number
from rivya_flows.similar_names import certain, nearest

_CODE = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9]{2,8}){0,4}")
_TWO_LETTERS = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy
    hz ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky
    la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc
    oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su
    sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh
    zu
"""  # source: ISO 639-1, with those that it had before
_LANGUAGES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "dutch": "nl", "english": "en", "french": "fr",
    "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "indonesian": "id", "italian": "it",
    "japanese": "ja", "korean": "ko", "polish": "pl", "portuguese": "pt", "russian": "ru",
    "spanish": "es", "swedish": "sv", "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr",
    "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip


class Refused(Exception):
    """A value does not fit the description of its parameter."""

    def __init__(
        self, code: str, message: str, hint: str | None = None, instead: str | None = None
    ) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, hint, instead=instead)


def step_of(model: Model) -> str:
    """The kind of step that a model is for."""
    return "chat" if model.makes is None else "generate"


def check_model(catalogue: Catalogue, model_id: str, uses: str) -> tuple[Diagnostic, ...]:
    """Whether the model exists, is open to the API, and is one for that kind of step."""
    path = ("model",)
    model = catalogue.get(model_id)
    if model is None:
        choice = nearest(model_id, catalogue.models)
        hint = f"did you mean {choice!r}?" if choice else "`rivya-flows models` lists them all"
        sure, message = certain(model_id, catalogue.models), f"no model {model_id!r}"
        return (Diagnostic("unknown-model", message, hint, path=path, instead=sure),)
    if model.api_status != "available":
        message = f"{model_id!r} is not available to the API: its status is {model.api_status!r}"
        return (Diagnostic("model-unavailable", message, "pick an available model", path=path),)
    if (own := step_of(model)) != uses:
        message = f"{model_id!r} is a model for {own}, not for {uses}"
        return (Diagnostic("wrong-route", message, f"write `uses: {own}`", path=path),)
    return ()


def coerce_params(
    model: Model, params: Mapping[str, Any], *, unknown: Collection[str] = ()
) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """The parameters in wire form, and their mistakes; values of the keys in `unknown` are not known yet.

    Values of a select become the option's string (True -> ``"true"``, 10 -> ``"10"``, the name of
    a voice its id), numeric text becomes a number. Defaults are not added: the service applies them.
    An unknown key is refused, so that no paid job runs with a misspelled one.

    Source: contract, section 3.4.
    """
    coerced: dict[str, Any] = {}
    found: list[Diagnostic] = []
    for key, value in params.items():
        param = model.param(key)
        try:
            if param is None:
                raise _unknown_key(model, key)
            coerced[key] = value if key in unknown else fit_param(param, value)
        except Refused as refused:
            found.append(replace(refused.diagnostic, path=("params", key)))
    for param in model.params:
        if param.required and param.key not in params:
            value = "…" if param.default is None else option_text(param.written_default)
            if param.type == "array":
                value = f"[{{{', '.join(param.item_keys)}}}, …]"
            message = f"{model.id!r} needs the parameter {param.key!r}"
            hint = f"write `params: {{{param.key}: {value}}}`"
            found.append(Diagnostic("missing-param", message, hint, path=("params",)))
    return coerced, tuple(found)


def check_prompt(
    model: Model, prompt: str | None, added: int = 0, least: int | None = None
) -> tuple[Diagnostic, ...]:
    """Whether the prompt (of a chat model: the message) exists and is short enough.

    `added` counts its characters that the brand of the spec added; of one that is not known yet, `least`
    is the least length.
    """
    name = "message" if model.makes is None else "prompt"
    if least is None and (prompt is None or not prompt.strip()):
        if not model.prompt_required:
            return ()
        message = f"{model.id!r} needs a {name}"
        return (Diagnostic("missing-prompt", message, f"add `{name}:`", path=(name,)),)
    limit, length = model.max_prompt_length, len(prompt or "") if least is None else least
    if limit is None or length <= limit:
        return ()
    has = f"{length:,}" if least is None else f"at least {length:,}"
    message = f"the {name} has {has} characters; {model.id!r} takes at most {limit:,}"
    if added:
        message += f"; the brand adds {added:,} of them, `brand: false` leaves them out"
    hint = "shorten it, or pick another model"
    return (Diagnostic("prompt-too-long", message, hint, path=(name,)),)


def check_reference_files(
    model: Model,
    kinds: Sequence[str | None],
    sizes: Sequence[int | None] = (),
    mime_types: Sequence[str | None] = (),
    *,
    is_whole: bool = True,
) -> tuple[Diagnostic, ...]:
    """Whether the model takes reference files of these kinds, sizes in bytes and MIME types.

    None, or a shorter list, where one is not known yet. `is_whole` means that there are no others.
    """
    if not kinds:
        return ()
    rule, path = model.references, ("references",)
    if rule is None:
        hint = "remove `references`, or pick a model that takes files"
        message = f"{model.id!r} takes no reference files"
        return (Diagnostic("references-refused", message, hint, path=path),)
    found: list[Diagnostic] = []
    for index, (kind, size, mime) in enumerate(zip_longest(kinds, sizes, mime_types)):
        if kind is not None:
            found += _check_reference(model, rule, index, kind, size, mime)
    if rule.max_files is not None and len(kinds) > rule.max_files:
        message = f"{len(kinds)} reference files; {model.id!r} takes at most {rule.max_files}"
        found.append(Diagnostic("too-many-references", message, rule.rule or None, path=path))
    # A medium that is not known yet is probably what the model mainly takes.
    likely = [kind or (*rule.kinds, "image")[0] for kind in kinds]
    counts = Counter(likely)
    fits = any(
        all(n <= one.get(kind, 0) for kind, n in counts.items()) for one in rule.combinations
    )
    if not found and is_whole and rule.combinations and not fits:
        counted = ", ".join(f"{n} × {kind}" for kind, n in counts.items())
        message = f"{model.id!r} does not take {counted} together"
        found.append(Diagnostic("references-refused", message, rule.rule or None, path=path))
    return tuple(found)


def check_chat(model: Model, arguments: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """Whether a chat model supports the arguments of a `chat` step."""
    can = model.chat
    if can is None:
        return ()
    wanted = (
        ("attachments", can.image_attachments, "takes no attachments"),
        ("web_search", can.web_search, "cannot search the web"),
        ("reasoning_effort", can.reasoning_effort, "has no reasoning effort"),
    )
    hint = "pick another model, or remove it"
    return tuple(
        Diagnostic("chat-cannot", f"{model.id!r} {message}", hint, path=(key,))
        for key, able, message in wanted
        if arguments.get(key) not in (None, False, "default", []) and not able
    )


def fit_param(param: Param, value: Any) -> Any:
    """A value in wire form; raises `Refused`."""
    if value is None:
        message = f"{param.key!r} has no value"
        raise Refused("bad-param", message, "give it a value, or remove the key")
    match param.type:
        case "select":
            return _option(param, value)
        case "number":
            return _check_number(param, value)
        case "text":
            text = option_text(_scalar(param, value))
            if param.key == "language_code" and not is_language(text):
                message = f"{param.key!r} is no language: {text!r:.40}"
                raise Refused("bad-param", message, language_hint(text))
            return text
        case "array":
            return _members(param, value)
        case _:
            return value


def _scalar(param: Param, value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    raise Refused("bad-param", f"{param.key!r} must be a single value, not {value!r}")


def _option(param: Param, value: Any) -> str:
    text = option_text(_scalar(param, value))
    if not param.options or text in param.options:
        return text
    names = {voice.name: voice.value for voice in param.voices}
    if text in names:
        return names[text]
    choice = nearest(text, [*names, *param.options])
    of_voice = {voice.value: str(voice) for voice in param.voices}
    hint = "one of " + ", ".join(of_voice.get(option, option) for option in param.options)
    if choice:
        hint = f"did you mean {choice!r}? {hint}"
    sure = _respell(value, param) or certain(text, param.options)
    raise Refused("bad-option", f"{param.key!r} cannot be {value!r}", hint, sure)


def _respell(value: Any, param: Param) -> str | None:
    """The option that a ratio, yes or no, or a number of seconds surely means; else None."""
    text = str(value).casefold()
    ratio = re.fullmatch(r"(\d{1,2}) *[x/×] *(\d{1,2})", text)
    seconds = re.fullmatch(r"(\d{1,4}) *(?:s|sec|secs|seconds?)", text)
    if ratio:
        text = f"{ratio[1]}:{ratio[2]}"
    elif seconds and param.key in ("duration", "seconds"):
        text = seconds[1]
    elif set(param.options) == {"true", "false"}:
        text = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text, text)
    return text if text in param.options else None


def _check_number(param: Param, value: Any) -> float:
    number: Any = value
    if isinstance(value, str):  # as an expression inside text gives it
        with suppress(ValueError):
            number = float(value)
            number = int(number) if number.is_integer() else number
    if not is_number(number) or (isinstance(number, float) and not math.isfinite(number)):
        raise Refused("bad-param", f"{param.key!r} must be a number, not {value!r}")
    low, high = param.min, param.max
    if (low is not None and number < low) or (high is not None and number > high):
        message = f"{param.key!r} is out of range: {value!r}"
        raise Refused("out-of-range", message, _range(param))
    # A fractional step is the precision of a slider, not a rule; a whole one is a rule.
    if param.step is not None and float(param.step).is_integer():
        steps = (number - (low or 0)) / param.step
        if not steps.is_integer():
            message = f"{param.key!r} must go in steps of {option_text(param.step)}, not {value!r}"
            raise Refused("out-of-range", message, _range(param))
    return number


def _range(param: Param) -> str | None:
    if param.min is not None and param.max is not None:
        return f"from {option_text(param.min)} to {option_text(param.max)}"
    if param.min is not None:
        return f"{option_text(param.min)} or more"
    return None if param.max is None else f"{option_text(param.max)} or less"


def _members(param: Param, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise Refused("bad-param", f"{param.key!r} must be a non-empty list, not {value!r}")
    allowed = param.item_keys
    for index, member in enumerate(value if allowed else ()):
        wrong = None
        if not isinstance(member, Mapping):
            wrong = f"must be a map, not {member!r}"
        elif missing := [key for key in param.item_required if not member.get(key)]:
            wrong = f"has no {missing[0]!r}"
        elif extra := [key for key in member if key not in allowed]:
            wrong = f"has an unknown key {extra[0]!r}"
        if wrong:
            hint = f"each item is {{{', '.join(allowed)}}}"
            raise Refused("bad-param", f"{param.key}[{index}] {wrong}", hint)
    return list(value)


def _unknown_key(model: Model, key: str) -> Refused:
    if key == "referenceMediaItems":
        message = "reference files do not belong in `params`"
        return Refused("unknown-param", message, "use `references:` beside `params:`")
    if key in COMMON:
        message = f"{key!r} does not belong in `params`"
        return Refused("unknown-param", message, f"write `{key}:` beside `params:`")
    keys = [param.key for param in model.params]
    choice = nearest(key, keys)
    hint = f"{model.id!r} takes " + (", ".join(keys) if keys else "no parameters")
    if choice:
        hint = f"did you mean {choice!r}? {hint}"
    if model.params_may_go_on:
        hint += "; the shipped list may be incomplete, `check --live` reads the service's own"
    sure = certain(key, keys)
    return Refused("unknown-param", f"{model.id!r} has no parameter {key!r}", hint, sure)


def _check_reference(
    model: Model, rule: ReferenceRule, index: int, kind: str, size: int | None, mime: str | None
) -> Iterator[Diagnostic]:
    place = ("references", index)
    if kind not in rule.kinds:
        message, hint = f"{model.id!r} does not take {kind} references", ", ".join(rule.kinds)
        yield Diagnostic("references-refused", message, f"it takes {hint}", path=place)
        return
    limit = rule.limits.get(kind)
    if limit is None:
        return
    if size is not None and limit.max_bytes is not None and size > limit.max_bytes:
        message = f"the {kind} has {size / 2**20:.1f} MB; {model.id!r} takes at most {limit.max_bytes / 2**20:.0f} MB"
        yield Diagnostic("reference-too-large", message, "use a smaller file", path=place)
    if mime is not None and limit.mime_types and mime not in limit.mime_types:
        message = f"{model.id!r} does not take {mime} as a reference"
        yield Diagnostic(
            "references-refused", message, f"one of {', '.join(limit.mime_types)}", path=place
        )


def is_language(code: str) -> bool:
    """Whether a code such as ``hi`` or ``en-GB`` names a language; of three letters any may."""
    found = _CODE.fullmatch(code)
    return found is not None and (len(found[1]) == 3 or found[1].lower() in _TWO_LETTERS.split())


def language_hint(written: str) -> str:
    """What to write instead of a text that names no language."""
    code = _LANGUAGES.get(written.strip().lower())
    return f"write {code}" if code else "write its code, such as hi or en-GB"
