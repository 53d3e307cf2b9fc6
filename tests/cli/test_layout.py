"""Where lines break in a terminal."""

from __future__ import annotations

import re
import shlex

import pytest

from rivya_flows.cli.layout import excerpt, width_of, wrap_line


def pasted(lines: list[str]) -> str:
    """Lines as a shell reads them."""
    return re.sub(r"\s*\\?\n\s*", " ", "\n".join(lines))


SENTENCE = "using the local sandbox at http://127.0.0.1:33837 (pretend credits)"
COMMAND = "rivya-flows resume run-20261128-120011-2ca4 --regenerate 'film[a b]' --answer 'hero=none: NOTE'"


def test_a_line_breaks_at_blanks_and_continues_below_its_text() -> None:
    assert wrap_line(SENTENCE, 80) == [SENTENCE]
    assert wrap_line(SENTENCE, 40) == [
        "using the local sandbox at",
        "http://127.0.0.1:33837 (pretend credits)",
    ]
    assert wrap_line("  hint: write it like this", 16) == ["  hint: write it", "  like this"]
    assert wrap_line("ok       service  the sandbox starts on demand", 40) == [
        "ok       service  the sandbox starts on",
        "                  demand",
    ]


def test_a_long_word_stays_whole_and_moves_left_where_that_makes_room() -> None:
    path = "/home/ada/.local/share/rivya-flows"
    assert wrap_line(f"ok       data folder  {path} is full", 44) == [
        "ok       data folder",
        f"    {path} is",
        "    full",
    ]
    assert wrap_line(f"wrote {path}", 20) == ["wrote", path]


def test_what_is_between_backticks_is_one_word() -> None:
    assert wrap_line("end it with `rivya-flows down` now", 20) == [
        "end it with",
        "`rivya-flows down`",
        "now",
    ]


def test_a_command_at_the_end_gets_its_own_line() -> None:
    line = "compare with: rivya-flows compare run-1 run-2"
    assert wrap_line(line, 44) == ["compare with:", "    rivya-flows compare run-1 run-2"]
    for path in (".venv/bin/rivya-flows", "'/my env/bin/rivya-flows'"):
        assert wrap_line(f"compare with: {path} run-1", 36) == [
            "compare with:",
            f"    {path} run-1",
        ]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_a_broken_command_pastes_as_it_was(columns: int) -> None:
    lines = wrap_line(f"resume with: {COMMAND}", columns)
    assert pasted(lines).removeprefix("resume with: ") == COMMAND


def test_a_comment_behind_a_command_is_not_continued() -> None:
    command = f"{COMMAND}  # or another of the 15"
    lines = wrap_line(command, 60)
    assert lines[-1].strip() == "# or another of the 15"
    assert shlex.split(pasted(lines), comments=True) == shlex.split(COMMAND)


@pytest.mark.parametrize("columns", [1, 20, 37, 60])
def test_nothing_is_lost_and_only_single_words_are_too_long(columns: int) -> None:
    words = f"{SENTENCE} एक चायदानी 电热水壶 {'x' * 50}"
    lines = wrap_line(words, columns)
    assert " ".join(lines).split() == words.split()
    assert all(width_of(line) <= columns or len(line.split()) == 1 for line in lines)


def test_a_long_line_of_a_file_is_shown_around_its_caret() -> None:
    line = "".join(map(str, range(100)))
    for column in (0, 5, 90, len(line) - 1):
        text, caret = excerpt(line, column, 40)
        assert width_of(text) <= 40
        assert text[caret] == line[column]
    assert excerpt("short", 2, 40) == ("short", 2)
