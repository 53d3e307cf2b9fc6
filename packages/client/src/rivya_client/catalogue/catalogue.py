"""The frozen form of the catalogue: models, their parameters, and what they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["shipped", "cached", "live"]

MAX_ID_LENGTH = 512  # characters of an id; ids appear in addresses, database columns and log lines
MAX_CREDITS = 10**9  # a higher cost or price is not valid


@dataclass(frozen=True)
class Voice:
    """A voice that people call by name.

    Attributes:
        value: What a request calls it: an id, or the name itself.
        accent: Such as ``British``; empty if it is not known.
    """

    name: str
    value: str
    sex: str
    accent: str
    character: str

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(filter(None, (self.sex, self.accent)))})"


@dataclass(frozen=True)
class Param:
    """One parameter that a model takes inside `params`.

    Attributes:
        type: ``select``, ``number``, ``text`` or ``array``; others are passed through unchecked.
        default: The value that the service uses if it is left out; None if undocumented.
        min: Least number, or None.
        max: Greatest number, or None.
        step: Distance between allowed numbers, or None.
        options: What a ``select`` may be; always strings. Empty: any.
        voices: Names for those of `options` that are voices.
        bears_price: Another value than the default may change the price.
        item_required: Keys that each member of an ``array`` must have.
        item_optional: Further keys it may have. Both empty: members are not checked.

    Source: contract, section 3.4.
    """

    key: str
    type: str
    required: bool = False
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    options: tuple[str, ...] = ()
    voices: tuple[Voice, ...] = ()
    description: str = ""
    bears_price: bool = False
    item_required: tuple[str, ...] = ()
    item_optional: tuple[str, ...] = ()

    @property
    def item_keys(self) -> tuple[str, ...]:
        """The keys of each member of an ``array``; empty where they are not known."""
        return *self.item_optional, *self.item_required

    @property
    def written_default(self) -> Any:
        """The default as people write it: of a voice its name."""
        names = {voice.value: voice.name for voice in self.voices}
        return names.get(self.default, self.default) if names else self.default


@dataclass(frozen=True)
class FileLimit:
    """What one reference file may be: its size in bytes and its MIME types (empty: any)."""

    max_bytes: int | None
    mime_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceRule:
    """Which reference files a model takes.

    Attributes:
        max_files: How many in all; None if undocumented.
        combinations: If not empty, the files must fit one of these: kind to greatest count.
    """

    kinds: tuple[str, ...]
    max_files: int | None = None
    limits: Mapping[str, FileLimit] = field(default_factory=dict, hash=False)
    combinations: tuple[Mapping[str, int], ...] = field(default=(), hash=False)
    rule: str = ""


@dataclass(frozen=True)
class ChatCapabilities:
    """The optional features of a chat model."""

    streaming: bool = False
    web_search: bool = False
    image_attachments: bool = False
    reasoning_effort: bool = False
    thoughts: bool = False


@dataclass(frozen=True)
class Model:
    """One model of the public layer.

    Attributes:
        category: ``image``, ``video``, ``audio`` or ``chat``.
        base_credits: Price of the default request, in credits; None if the service has no
            valid one.
        billing_type: ``FIXED``, ``METERED``, ``TOKEN_BASED``, or what the service adds.
        max_prompt_length: In characters; None if undocumented.
        prompt_required: A request without a prompt (chat: a message) is refused.
        references: None: takes no reference files.
        chat: None for all but chat models.

    Source: contract, section 3.1.
    """

    id: str
    display_name: str
    category: str
    base_credits: int | None
    billing_type: str
    runtime: str = ""
    supported_modes: tuple[str, ...] = ()
    max_prompt_length: int | None = None
    api_status: str = "available"
    api_input_status: str = ""
    supported_api_inputs: tuple[str, ...] = ()
    requires_files_api: bool = False
    requires_upload_for_modes: tuple[str, ...] = ()
    url_input_supported: bool = False
    file_kinds: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    prompt_required: bool = True
    params: tuple[Param, ...] = ()
    params_may_go_on: bool = False
    references: ReferenceRule | None = None
    chat: ChatCapabilities | None = None

    @property
    def makes(self) -> str | None:
        """The kind of media that it makes; None of a chat model."""
        return None if self.category == "chat" else self.category

    @property
    def speaks(self) -> bool:
        """Whether it says its prompt aloud."""
        return any(self.param(key) for key in ("voice", "default_voice"))

    def param(self, key: str) -> Param | None:
        """The parameter of that name, or None."""
        return next((param for param in self.params if param.key == key), None)


@dataclass(frozen=True)
class Catalogue:
    """All models of one moment.

    Attributes:
        models: By id, in the order of the service.
        wire: The body of ``GET /api/v1/models`` it was made from, to freeze with a run.
    """

    models: Mapping[str, Model] = field(hash=False)
    date: str
    source: Source
    wire: Mapping[str, Any] = field(hash=False, repr=False)

    def get(self, model_id: str) -> Model | None:
        """The model of that id, or None."""
        return self.models.get(model_id)


def option_text(value: Any) -> str:
    """A scalar as options spell it: True is ``"true"``, 5.0 is ``"5"``, 0.5 is ``"0.5"``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
