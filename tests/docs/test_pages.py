"""The reader of `support.pages` does what a page says, and says where it does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages

PAGE = """\
# A page

```sh
mkdir campaign && cd campaign
name=lamp
```

This is `spec.yaml`:

```yaml
version: 1
name: lamp
```

Change `spec.yaml`:

```diff
 version: 1
-name: lamp
+name: kettle
```

<!-- type: y -->
```sh
cat spec.yaml
read -r answer
echo "$name $answer run-20261127-222316-512c took 2.5 s"
test -t 1 && rivya-flows --version
```

```text
name: kettle
…
lamp y   run-20250101-000000-aaaa took 3 s
rivya-flows 0…
```

```console
$ echo one
one
$ echo \\
    two
two
```

<!-- ends with: 3 -->
```sh
(exit 3)
```

<!-- not run: it needs a network -->
```sh
false
```
"""


def written(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    return page


def test_blocks_run_in_order_in_one_shell_with_a_home_of_its_own(tmp_path: Path) -> None:
    page = written(tmp_path, PAGE)
    pages.run_page(page, tmp_path / "reader")
    made = tmp_path / "reader" / "home" / "work" / "campaign" / "spec.yaml"
    assert made.read_text() == "version: 1\nname: kettle\n"
    assert pages.not_run(page) == ["page.md:52: it needs a network"]


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
    page = written(tmp_path, text)
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
