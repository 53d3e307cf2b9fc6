"""What specs, models and the service say reaches a terminal as text, and does nothing there."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.printable import one_line, printable, printable_json
from rivya_flows.cli.output import log_handler, print_json, print_table, tell
from rivya_flows.cli.terminal import end
from rivya_flows.flows.current_run import run_logger
from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.report import write_report
from rivya_flows.store.assets import AssetStore
from support.cli_calls import Terminal
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.small_server import Answer, Request, answering

ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x9b2J\rforged\nok: \u202eevil\u2066\ud83d\x00\x7f"
HOSTILE += (
    "\u061c\u200b\u200d\u200f\u2028\u2060\u2064\ufeff\u3164\ufe0f\U000e0041\U000e007f\U000e0100"
)
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
INVISIBLE = re.compile(
    "[\u061c\u200b\u200e\u200f\u2028\u2029\u2060-\u2064\u206a-\u206f\ufeff\u3164\U000e0000-\U000e001f]"
)


@given(st.text(st.characters(categories=None)))
def test_nothing_that_acts_is_left_in_printable_text(text: str) -> None:
    assert not ACTING.search(printable(text))
    assert not INVISIBLE.search(printable(text))
    assert not re.search("[\n\u2028\u2029]", one_line(text))
    written = printable_json(json.dumps(text, ensure_ascii=False))
    assert not ACTING.search(written)
    assert json.loads(written) == text


def test_what_is_shown_can_be_told_from_what_was_sent() -> None:
    assert (
        printable("a\x1b[1mb\x9b\r\u202e\ud83d\tc\nd") == r"a\x1b[1mb\x9b\r\u202e\ud83d" + "\tc\nd"
    )
    assert one_line("a\nb\u2028c") == r"a\nb\u2028c"
    assert printable("नमस्ते, שלום, 你好, é") == "नमस्ते, שלום, 你好, é"


@pytest.mark.parametrize(
    "text",
    [
        "क्‍ष, क्‍",  # a joiner that shows half a letter
        "می‌خواهم",
        "ශ්‍රී ලංකා",
        "۱۴۰۳ ه\u200d.ش", "می\u200c ",  # at the end of a word
        "ยินดี\u200bต้อนรับ ភាសា\u200bខ្មែរ မြန်မာ\u200bစာ ພາສາ\u200bລາວ",  # where a line may break
        "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 ❤️‍🔥 ❤️ 1️⃣ ©️ ☎︎",
        "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",  # the flag of Wales
        "葛\U000e0100城",
    ],
)  # fmt: skip
def test_what_a_script_or_an_emoji_needs_is_kept(text: str) -> None:
    assert printable(text) == one_line(text) == text
    document = json.dumps(text, ensure_ascii=False)
    assert printable_json(document) == document


@pytest.mark.parametrize(
    "text",
    [
        "".join(map(chr, range(0xE0020, 0xE0060))),  # words that only a model reads
        "\U0001f3f4\U000e0042\U000e0059\U000e007f",
        "\U0001f3f4" + "\U000e0067" * 30 + "\U000e007f",
        "\U0001f600\U000e0100\U000e0142\U000e01ef",  # bytes behind an emoji
        "\U0001f600" + "\ufe0f" * 3,
        "pay\u200cpal", "pay\u200dpal", "न\u200d\u200d\u200c", "ก\u200b\u200bก", "ก\u200ba", "\U0001f469\u200d",
        "\u200e\u200f\u061c", "a\u2028b\u2029", "\u2060\u2061\u2062\u2063\u2064", "\ufeffa", "so\u00adft",
        "\u3164\u115f\uffa0", "\u3164\ufe0f", "a\ufe00", "\u206a\u180e\ufff9",
    ],
)  # fmt: skip
def test_invisible_text_is_shown(text: str) -> None:
    assert printable(text) != text
    document = json.dumps(text, ensure_ascii=False)
    assert json.loads(printable_json(document)) == text
    for shown in (printable(text), printable_json(document)):
        assert "\\" in shown
        assert sum(unicodedata.category(one) == "Cf" for one in shown) <= 1


def hostile_words(request: Request) -> Answer:
    """The answer of a service all of whose words are hostile."""
    model = {
        "id": "evil",
        "display_name": HOSTILE,
        "category": "image",
        "notices": [HOSTILE],
        "params": [{"key": HOSTILE, "default": HOSTILE, "options": [HOSTILE]}],
    }
    endpoint = {"id": "whend_1", "name": HOSTILE, "url": HOSTILE, "status": HOSTILE}
    refusal = {"error": {"code": HOSTILE, "message": HOSTILE, "requestId": HOSTILE}}
    documents: dict[str, Any] = {
        "/api/v1/models": {"data": [model]},
        "/api/v1/webhooks": {"data": [endpoint]},
    }
    found = documents.get(request.path.partition("?")[0])
    body = json.dumps(refusal if found is None else found).encode()
    return Answer(body, 403 if found is None else 200)


@pytest.fixture(scope="module")
def hostile_service() -> Iterator[str]:
    with answering(hostile_words) as url:
        yield url


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "evil"),
        ("models", "--json"),
        ("webhooks", "endpoints", "list"),
        ("webhooks", "endpoints", "list", "--json"),
        ("credits",),
        ("credits", "--json"),
        ("--verbose", "credits"),
    ],
    ids=" ".join,
)
def test_words_of_the_service_do_nothing_at_a_terminal(
    arguments: tuple[str, ...],
    hostile_service: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RIVYA_BASE_URL", hostile_service)
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_0123456789abcdef")
    said = Terminal(capsys)(*arguments)
    assert not ACTING.search(said.out + said.err)
    assert not INVISIBLE.search(said.out + said.err)
    assert "ok: " not in [line[:4] for line in (said.out + said.err).splitlines()]
    assert "forged" in said.out + said.err


def test_a_spec_of_a_stranger_does_nothing_at_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Terminal(capsys)
    words = HOSTILE.replace("\ud83d", "")
    # YAML knows no pairs of surrogates, as JSON writes what is beyond U+FFFF.
    hostile = '"' + "".join(f"\\U{ord(one):08x}" for one in words) + '"'
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"version: 1\nname: a\ntitle: {hostile}\ninputs:\n  looks:\n    type: list\n"
        f"    default: [{hostile}]\nsteps:\n  a:\n    uses: generate\n    title: {hostile}\n"
        "    foreach: ${{ inputs.looks }}\n"
        "    with: {model: z-image, prompt: '${{ item }}'}\n"
    )
    assert call("check", spec).code == 0
    for arguments in (("graph", spec), ("graph", spec, "-i", f"looks=[{hostile}]")):
        said = call(*arguments)
        assert said.code == 0
        assert not ACTING.search(said.out + said.err)
        assert not INVISIBLE.search(said.out + said.err)
    spec.write_text(
        f"version: 1\nname: {hostile}\n{hostile}: 1\nsteps: \u202e\x85{hostile}\n", "utf-8"
    )
    said = call("check", spec)
    assert said.code == 2
    assert not ACTING.search(said.out + said.err)
    assert not INVISIBLE.search(said.out + said.err)
    # Each line is one of ours: a problem, its line of the file, a caret, a hint, the count.
    assert not [line for line in said.err.splitlines() if line.startswith("ok: ")]


def test_a_text_among_the_outputs_forges_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = """
version: 1
name: texts
inputs: {words: {type: text}}
steps:
  talk:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hello}
outputs: {answer: "${{ inputs.words }}"}
"""
    words = "first\n  receipt       /forged\x1b[2A"
    rehearsal = Rehearsal(frozen(spec, words=words), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    entries = [
        Stamped(n + 1, NOON.timestamp() + n, event) for n, event in enumerate(rehearsal.journal)
    ]
    store = AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")
    report = write_report(entries, tmp_path / "run", store)
    assert end(report, as_json=False, open_sheet=False) == 0
    out = capsys.readouterr().out
    assert f"  {'answer':<14}first\n" in out
    assert f"  {'':<14}  receipt       /forged\\x1b[2A\n" in out


def test_cells_and_lines_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", ">credits"], [[HOSTILE, "1"], ["[red]plain", "2"]])
    tell(HOSTILE)
    print_json({"name": HOSTILE})
    out, err = capsys.readouterr()
    assert not ACTING.search(out + err)
    head, hostile, plain, *document = out.splitlines()
    assert head.split() == ["name", "credits"]
    assert hostile.startswith(r"\x1b]52;c;ZXZpbA==\x07\x9b2J\rforged\nok: \u202eevil")
    assert plain.startswith("[red]plain")
    assert json.loads("\n".join(document)) == {"name": HOSTILE}
    assert err.count("\n") == 1


_DRAWS = """
import sys
from rivya_flows.cli.progress import Screen
class Hostile(Screen):
    columns = ("step", "status", "words")
    still = {{}}
    def draw(self, most, seconds):
        return [["step", ("running", "cyan"), {0!r}]]
    def sentence(self, seconds):
        return ""
screen = Hostile()
with screen.drawing():
    assert screen.alive
    screen.say({0!r})
"""


def test_the_live_table_has_colours_of_ours_and_no_control_of_others() -> None:
    terminal, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "300"}
    with subprocess.Popen(
        [sys.executable, "-c", _DRAWS.format(HOSTILE)], stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the end of a pseudo-terminal
                break
            drawn += piece
        os.close(terminal)
    assert process.returncode == 0
    text = drawn.decode()
    assert "\x1b[36mrunning\x1b[0m" in text
    assert r"\x1b]52;c;ZXZpbA==\x07\x9b2J\rforged\nok: \u202eevil" in text
    assert not re.search("\x1b]|\x07|\x9b|\x1b\\[2J|\u202e", text)


def test_a_log_line_of_the_client_is_one_line() -> None:
    handler = log_handler("%(levelname)s %(message)s")
    assert isinstance(handler, logging.StreamHandler)
    stream = handler.stream = io.StringIO()
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (HOSTILE,), None)
    handler.handle(record)
    assert stream.getvalue().startswith("INFO \\x1b]52")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("name", ["prefect.flow_runs", "prefect.task_runs"])
def test_prefects_log_prints_no_control_of_others(name: str) -> None:
    with pytest.raises(Exception, match="active flow or task run"):
        run_logger()  # outside of a run Prefect refuses, and the filter stands
    logger, stream = logging.getLogger(name), io.StringIO()
    handler = logging.StreamHandler(stream)  # as plain as Prefect's own
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logger.exception("it failed: %s", HOSTILE, extra={"send_to_api": False})
    finally:
        logger.removeHandler(handler)
    assert "it failed: \\x1b]52" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert not ACTING.search(stream.getvalue())


def test_nothing_but_one_module_prints() -> None:
    allowed = {
        "src/rivya_flows/cli/output.py",
        "src/rivya_flows/up/start.py",  # to its log file
        "packages/cut/src/rivya_cut/cli.py",
        "packages/sandbox/src/rivya_sandbox/cli.py",  # its errors
        "packages/sandbox/src/rivya_sandbox/output.py",
        "packages/sandbox/src/rivya_sandbox/service/serve.py",
    }
    folders = [
        ROOT / name
        for name in (
            "src",
            "flows",
            "tasks",
            *(f"packages/{one}/src" for one in ("client", "cut", "mcp", "sandbox")),
        )
    ]
    found = []
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        # The voices of the sandbox speak in a process of their own, to their parent.
        text = path.read_text("utf-8")
        if name not in allowed and "/renderers/" not in name and _MAY_PRINT.search(text):
            found += [f"{name}:{line} {word}" for line, word in _printing(ast.parse(text))]
    assert not found, "say it with rivya_flows.cli.output"


_PRINTING = {
    "print",
    "input",
    "click.echo",
    "click.secho",
    "click.prompt",
    "click.confirm",
    "sys.stdout.write",
    "sys.stderr.write",
    "sys.stdout.buffer.write",
    "sys.stderr.buffer.write",
    "sys.excepthook",
    "traceback.print_exc",
    "traceback.print_exception",
    "logging.StreamHandler",
    "logging.basicConfig",
}
_MAY_PRINT = re.compile(r"rich|logging|" + "|".join(rf"{one}\s*\(" for one in sorted(_PRINTING)))
"""Whether it is worth a look at the tree of a module."""
_DRAWING = {"rich", "rich.console", "rich.text", "rich.table", "rich.panel", "rich.logging"}


def _printing(tree: ast.Module) -> Iterator[tuple[int, str]]:
    typing_only = {
        id(inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inside in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (word := ast.unparse(node.func)) in _PRINTING:
            yield node.lineno, word
        elif isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in typing_only:
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [one.name for one in node.names]
            )
            yield from ((node.lineno, name) for name in names if name in _DRAWING)
