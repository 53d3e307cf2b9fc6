"""Teach the search of the built site the words that people use; `scripts/docs` calls it after the builder.

Zensical can leave pages out of its search, and has neither synonyms nor a boost: a match in a title comes before
one in the text, and of two titles the one that it stands nearer to the beginning of. So the words that a page has in
a comment, ``<!-- search: vertical video, portrait -->``, are written before the title of the section that it stands in,
unseen, and something that nobody searches for before the titles of all other sections. What guides have comes
before what others have.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INDEX = ROOT / "dist" / "site" / "search.json"
GUIDES = ("how-to/", "tutorial/")
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_WORDS = re.compile(r"<!-- search: (.*?) -->", re.DOTALL)
_FARTHER = "· " * 20


def main() -> None:
    """Rewrites the index of the search."""
    index = json.loads(INDEX.read_text("utf-8"))
    index["items"].sort(key=lambda one: not one["location"].startswith(GUIDES))
    unseen = {one["location"]: _FARTHER for one in index["items"] if one["level"] > 1}
    for page in (ROOT / "docs").rglob("*.md"):
        text = _FENCED.sub("", page.read_text("utf-8"))
        address = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        sections = [
            one["location"]
            for one in index["items"]
            if one["location"].partition("#")[0] == address
        ]
        for found in _WORDS.finditer(text):
            section = sections[len(_HEADING.findall(text, 0, found.start())) - 1]
            unseen[section] = found[1].replace(",", "")
    for one in index["items"]:
        if words := unseen.get(one["location"]):
            one["title"] = f'<span hidden="hidden">{words} </span>{one["title"]}'
    INDEX.write_text(json.dumps(index, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
