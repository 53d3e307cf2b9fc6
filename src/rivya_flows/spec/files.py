"""The files that a spec reads: included specs, its brand, subtitles, tables and texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path as FilePath, PurePath, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from rivya_cut.composition import Captions, Transcript
from rivya_cut.subtitles import parse_subtitles
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.answers import UNREAD
from rivya_flows.language.brand import Brand
from rivya_flows.language.cut_places import values_in, whole_forms, written_path
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.output_types import Shape
from rivya_flows.language.field_types import EVALUATED
from rivya_flows.language.final_cut import CaptionsWith
from rivya_flows.language.input_tables import TableError, rows_from
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import FileText, Mapping as Tree, Node, Path, Scalar, Sequence
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import PARTS, Included, Input, Workflow
from rivya_flows.spec.answer_schema import answer_schema, node_of, texts_beside
from rivya_flows.spec.brand_files import NOT_A_BRAND, build_brand, check_brand_media
from rivya_flows.spec.inlining import MAX_STEPS
from rivya_flows.spec.names import WrittenSpec

MAX_LEVELS = 8
MOST = {"characters in other files": 2 << 20, "declared fields": 10_000, "expressions": 20_000}
"""Of a spec with all that it includes; a file counts each time it is used."""

_RELATIVE = "paths are relative to the folder of this spec"


class CheckedSpec(NamedTuple):
    """A spec after its check: no workflow if it has mistakes, the shapes of its outputs, and the mistakes in
    the order of its text, then those of what it includes.
    """

    workflow: Workflow | None
    outputs: Mapping[str, Shape] = MappingProxyType({})
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Place:
    """The place of a spec among those that include each other: its path from the folder of the outermost
    one, the paths of those that include it, the outermost first, and the brand of the last of them.
    """

    path: PurePosixPath
    above: tuple[PurePosixPath, ...] = ()
    brand: Brand | None = None


@dataclass(frozen=True)
class Sources:
    """Where the specs that include each other, and the files that they name, come from.

    Attributes:
        file: Name of the outermost spec in diagnostics.
        folder: Of the outermost spec; None if unknown.
        texts: All texts by path, as stored with a run; None: read from the folder.
        check: Checks the text of the spec at a place.
        known: CheckedSpec specs by path, and by the brand that they get.
        used: How much was taken of `MOST`.
    """

    file: str
    folder: FilePath | None
    texts: Mapping[str, str] | None
    check: Callable[[str, Place, Sources], CheckedSpec]
    known: dict[tuple[PurePosixPath, Brand | None], tuple[str, CheckedSpec]] = field(
        default_factory=dict
    )
    used: Counter[str] = field(default_factory=Counter)

    def take(self, what: str, count: int) -> None:
        """Counts what a check works on; a `ValueError` if it is more than a spec may have.

        A run or a deployment that was accepted has its texts and is not counted.
        """
        self.used[what] += count
        if self.texts is None and self.used[what] > MOST[what]:
            counted = "a file counts each time it is used"
            raise ValueError(f"more than {MOST[what]:,} {what}; {counted}")

    def name_of(self, path: PurePosixPath) -> str:
        """The name in diagnostics of a file that is not the outermost spec."""
        return str(PurePath(self.file).parent / path)

    def folder_of(self, path: PurePosixPath) -> FilePath | None:
        """The folder of a file; None if unknown."""
        return self.folder and self.folder / path.parent

    def check_at(self, place: Place) -> tuple[str, CheckedSpec]:
        """The text of a spec, and its check; a `ValueError` says why it cannot be read."""
        key = (place.path, place.brand)
        if key not in self.known:
            if len(self.known) >= MAX_STEPS:  # each has a step, so the whole is too large
                raise ValueError(f"more than {MAX_STEPS:,} specs are included, with their brands")
            text = self.text_of(place.path)
            self.known[key] = (text, self.check(text, place, self))
        return self.known[key]

    def text_of(self, path: PurePosixPath) -> str:
        """The text of a file by its path from the outermost folder; a `ValueError` says why there is none."""
        label = f"{str(path)!r:.200}"
        if self.texts is not None:
            if str(path) not in self.texts:
                raise ValueError(f"the text of {label} is missing")
            return self.texts[str(path)]
        if self.folder is None:
            raise ValueError("other files cannot be read here: the folder of this one is not known")
        try:
            base = self.folder.expanduser().resolve()
            file = base.joinpath(path).resolve()
            # A link may lead out of the folder.
            folder = base.joinpath(path).parent
            if not file.is_relative_to(folder):
                raise ValueError(f"{label} is outside the folder of the spec")
            if any(part.startswith(".") for part in file.relative_to(folder).parts):
                raise ValueError(f"{label} is a link to a hidden file")
            if not file.is_file():
                raise ValueError(f"there is no file {label}")
            if file.stat().st_size > source.MAX_BYTES:
                raise ValueError(f"{label} is larger than {source.MAX_BYTES:,} bytes")
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{label} is not text in UTF-8") from error
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{label} cannot be read: {error}") from error
        self.take("characters in other files", len(text))
        return text


class _TextFile(NamedTuple):
    """A text file that a spec names: what it is, the code of its diagnostics, a path as an example.

    Of a file that is sent to the service the suffixes are few: a spec of a stranger may name any other file.
    """

    what: str
    code: str
    example: str
    suffixes: tuple[str, ...] = ()


_SPEC = _TextFile("an included spec", "bad-include", "parts/intro.yaml")
_BRAND = _TextFile("a brand file", "bad-brand", "brand.yaml")
_TABLE = _TextFile("a table", "wrong-default", "products.csv")
_TEXT = _TextFile("a prompt or a message", "bad-file", "prompts/hero.md", (".md", ".txt"))
_SCHEMA = _TextFile(
    "a JSON Schema", "bad-expect", "schemas/script.json", (".json", ".yaml", ".yml")
)
_SUBTITLES = _TextFile("a subtitle file", "bad-captions", "subs.srt")


class SpecFiles:
    """Reads the files that the spec at `place` names; reports those that cannot be read.

    Attributes:
        in_files: Mistakes in JSON Schemas.
    """

    def __init__(self, place: Place, sources: Sources, report: DiagnosticCollector) -> None:
        self._place, self._sources, self._report = place, sources, report
        self.in_files: list[Diagnostic] = []

    def read_includes(
        self, spec: WrittenSpec, brand: Brand | None
    ) -> dict[str, tuple[Included | None, CheckedSpec]]:
        """What each `include` step includes, by step id; reports includes that are not valid."""
        found: dict[str, tuple[Included | None, CheckedSpec]] = {}
        for step in spec.steps:
            written = (step.arguments or {}).get("spec") if step.get("uses") == "include" else None
            if isinstance(written, str) and written:
                at = (*step.path, "with", "spec")
                if one := self._include(written, at, brand):
                    found[step.id] = one
        return found

    def _include(
        self, written: str, at: Path, brand: Brand | None
    ) -> tuple[Included | None, CheckedSpec] | None:
        path = self._path_of(written, at, _SPEC)
        if path is None:
            return None
        above = (*self._place.above, self._place.path)
        if path in above:
            chain = " → ".join(map(str, (*above[above.index(path) :], path)))
            message, hint = f"specs include each other: {chain}", "remove one of these includes"
            self._report.add(at, "cycle", message, hint)
            return None
        if len(above) > MAX_LEVELS:
            message = f"specs include each other more than {MAX_LEVELS} levels deep"
            self._report.add(at, "too-deep", message, "include that spec at a higher level")
            return None
        try:
            text, checked = self._sources.check_at(Place(path, above, brand))
        except ValueError as error:
            self._report.add(at, "bad-include", str(error), _RELATIVE)
            return None
        if checked.workflow is None:
            return None, checked
        for part in PARTS[1:]:
            if checked.workflow.part(part):
                message = f"{written!r:.200} has `{part}`, which only the outermost spec can have"
                self._report.add(at, "bad-include", message, "move it to this spec")
        return Included(path=str(path), text=text, workflow=checked.workflow), checked

    def read_brand(
        self, written: Brand | str | None
    ) -> tuple[Brand | None, dict[str, str], tuple[Diagnostic, ...]]:
        """The brand of the spec, the text of its file by path, and the mistakes in that file."""
        outermost = self._sources.folder
        if isinstance(written, Brand):
            root = self._sources.folder_of(self._place.path)
            check_brand_media(written, root, outermost, ("brand",), self._report)
            return written.moved_to(self._place.path.parent), {}, ()
        found = self._read(written, ("brand",), _BRAND) if written is not None else None
        if found is None:
            return None, {}, ()
        path, text = found
        report = DiagnosticCollector(self._sources.name_of(path), text)
        tree = report.read_map("bad-brand", *NOT_A_BRAND)
        brand = build_brand(tree, report) if tree else None
        if brand is not None:
            check_brand_media(brand, self._sources.folder_of(path), outermost, (), report)
        wrong = report.diagnostics
        valid = None if brand is None or wrong else brand.moved_to(path.parent)
        return valid, {str(path): text}, wrong

    def read_subtitles(self, spec: WrittenSpec) -> dict[str, str]:
        """The texts of the subtitle files that steps name, by path from the outermost folder."""
        texts: dict[str, str] = {}
        named = [
            (
                (*step.path, "with", *written_path((*place, "file"), step.arguments or {})),
                captions["file"],
            )
            for step in spec.steps
            if step.kind is not None and step.kind.takes_brand
            for place, captions, slot in values_in(whole_forms(step.arguments or {}))
            if slot.model in (Transcript, Captions)
            and isinstance(captions, dict)
            and "file" in captions
        ]
        at: Path
        for at, written in named:
            if not isinstance(written, str) or "${{" in written:
                continue  # reported with the arguments
            if PurePosixPath(written).suffix.lower() not in (".srt", ".vtt"):
                message = "captions are read from a subtitle file: .srt or .vtt"
                self._report.add(at, "bad-captions", message, "write a path such as subs.srt")
            elif self._sources.folder is None and self._sources.texts is None:
                self._path_of(written, at, _SUBTITLES)  # its text is not at hand
            elif found := self._read(written, at, _SUBTITLES):
                path, text = found
                texts[str(path)] = text
                if wrong := _subtitle_problem(text):
                    message = f"{written}: {wrong}"
                    self._report.add(at, "bad-captions", message, "mend the file")
        return texts

    def read_tables(
        self, inputs: Mapping[str, Input]
    ) -> tuple[dict[str, Input], dict[str, str], tuple[Diagnostic, ...]]:
        """The inputs, with the rows of the files that defaults name; their texts; the mistakes in them."""
        texts, wrong, found = dict[str, str](), list[Diagnostic](), dict(inputs)
        for name, declared in inputs.items():
            written = declared.default if "type" in declared.model_fields_set else None
            if not isinstance(written, str) or not (declared.is_table and declared.fields):
                continue
            at: Path = ("inputs", name, "default")
            if "${{" in written or (self._sources.folder is None and self._sources.texts is None):
                continue  # reported with the declaration; or its text is not at hand
            rows = None
            if read := self._read(written, at, _TABLE):
                path, text = read
                texts[str(path)] = text
                try:
                    rows = rows_from(
                        declared,
                        text,
                        file=self._sources.name_of(path),
                        beside=PurePosixPath(written).parent,
                        root=self._sources.folder_of(self._place.path),
                        inside=True,
                    )
                except TableError as error:
                    wrong += error.problems
                except ValueError as error:
                    hint = "write a path such as products.csv"
                    self._report.add(at, "wrong-default", str(error), hint)
            found[name] = declared.model_copy(update={"default": rows})
        return found, texts, tuple(wrong)

    def read_texts(self, tree: Tree) -> dict[str, str]:
        """The texts of prompts, messages and JSON Schemas that steps name, by path; each is put in its place."""
        texts: dict[str, str] = {}
        for place, holder, key in texts_beside(tree):
            mark, node = holder.pairs[key]
            at, kind = (*place, key), _SCHEMA if key == "expect" else _TEXT
            named = node.get("file") if isinstance(node, Tree) else node
            if isinstance(node, Tree):
                at = (*at, "file")
            if not (isinstance(named, Scalar) and isinstance(named.value, str)):
                message, hint = (
                    "'file' must be the path of a text",
                    f"write {{file: {kind.example}}}",
                )
                self._report.add(at, "wrong-type", message, hint)
            elif found := self._read(named.value, at, kind):
                path, text = found
                texts[str(path)] = text
                name, plain_text = self._sources.name_of(path), text.removeprefix("\ufeff").rstrip()
                put: Node = FileText(node.mark, plain_text, named.end, name, plain_text)
                if kind is _SCHEMA:
                    put, wrong = answer_schema(text, name, named)
                    self.in_files += wrong
                holder.pairs[key] = (mark, put)
                continue
            unread = UNREAD if kind is _SCHEMA else "…"
            holder.pairs[key] = (mark, node_of(unread, node.mark))
        return texts

    def is_small(self, tree: Tree) -> bool:
        """Whether the spec declares few fields and has few expressions; reported if not."""
        waiting: list[tuple[Path, Node]] = [((), tree)]
        while waiting:
            path, node = waiting.pop()
            if isinstance(node, Tree):
                waiting += [((*path, key), one) for key, (_, one) in node.pairs.items()]
            elif isinstance(node, Sequence):
                waiting += [((*path, place), one) for place, one in enumerate(node.members)]
            try:
                if isinstance(node, Scalar):
                    self._sources.take("expressions", str(node.value).count("${{"))
                elif isinstance(node, Tree) and {"expect", "fields"}.intersection(path):
                    self._sources.take("declared fields", len(node.pairs) * _declares(path, node))
            except ValueError as error:
                self._report.add(path, "too-large", str(error), "split the spec")
                return False
        return True

    def _path_of(self, written: str, at: Path, kind: _TextFile) -> PurePosixPath | None:
        """A written path from the folder of the outermost spec; None, and reported, if it leaves."""
        if "${{" in written:
            message = f"the path of {kind.what} cannot be an expression"
            self._report.add(at, "expression-not-allowed", message, "write its path")
            return None
        path = PurePosixPath(written)
        if path.is_absolute() or ".." in path.parts or "\\" in written or ":" in written:
            message = f"{written!r:.200} is outside the folder of this spec"
            self._report.add(at, kind.code, message, f"write a path such as {kind.example}")
            return None
        if any(part.startswith(".") for part in path.parts):
            message = f"{written!r:.200} is a hidden file, or in a hidden folder"
            self._report.add(at, kind.code, message, f"write a path such as {kind.example}")
            return None
        if kind.suffixes and path.suffix.lower() not in kind.suffixes:
            message = (
                f"{kind.what} is read from {' or '.join(kind.suffixes)}, not {preview(written)}"
            )
            self._report.add(at, kind.code, message, f"write a path such as {kind.example}")
            return None
        return self._place.path.parent / path

    def _read(self, written: str, at: Path, kind: _TextFile) -> tuple[PurePosixPath, str] | None:
        """The path and the text of a file; None, and reported, if there is none."""
        path = self._path_of(written, at, kind)
        if path is not None:
            try:
                return path, self._sources.text_of(path)
            except ValueError as error:
                self._report.add(at, kind.code, str(error), _RELATIVE)
        return None


def _declares(path: Path, node: Tree) -> bool:
    """Whether the keys of a map under `fields` or `expect` are names of fields."""
    return path[-1] == "fields" or ("expect" in path and "type" not in node.pairs)


def _subtitle_problem(text: str) -> str | None:
    try:
        cues = parse_subtitles(text)
        CaptionsWith.model_validate({"cues": [asdict(cue) for cue in cues]}, context=EVALUATED)
    except ValidationError as error:
        [details, *_] = error.errors(include_url=False)
        message = details.get("ctx", {}).get("error") or details["msg"]
        return f"caption {int(details['loc'][1]) + 1}: {message}"
    except ValueError as error:
        return str(error)
    return None
