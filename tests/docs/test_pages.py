"""The reader of `support.pages` says where a page does not hold; guides and tutorials are pages that do."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```sh\necho hello\nfalse\n```\n", r"page.md:1 failed:(?s:.*)hello"),
        ("```sh\necho hello\n```\n\n```text\ngood-bye\n```\n", "page.md:5: nothing showed 'good"),
        ("<!-- ends with: 3 -->\n```sh\ntrue\n```\n", "page.md:2 failed"),
        ("```yaml\nversion: 1\n```\n", "page.md:1: no file is named above it"),
        ("`a.txt`\n```diff\n-b\n+c\n```\n", "page.md:2: a.txt has these lines 0 times"),
    ],
)
def test_a_block_that_does_not_hold_is_named(tmp_path: Path, text: str, said: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pages.reading(tmp_path / "reader") as reader:
        (reader.folder / "a.txt").touch()
        *others, last = pages.blocks_of(page)
        for block in others:
            reader.do(block)
        with pytest.raises(AssertionError, match=said):
            reader.do(last)


def test_prices_and_words_are_compared_and_what_varies_is_not() -> None:
    output = "picture  bought (1 credit, task_aa11)\n  receipt /tmp/x/receipt.json\n"
    assert pages.missing_line("picture bought (1 credit, task_ff)\n…\n", output) is None
    assert pages.missing_line("receipt /home/me/receipt.json\n", output) is None
    assert pages.missing_line("picture bought (2 credits", output) is not None
    assert pages.missing_line("receipt /a\npicture bought\n", output) == "picture bought"
