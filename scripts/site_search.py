"""Teach the search of the built site the words that people use; `scripts/docs` calls it after the builder.

Zensical wants every word of a query in one section, has neither synonyms nor a boost, and prefers a match in a title,
and of two titles the one that it stands nearer to the beginning of. So:

* Words that questions are made of, such as *how do I*, separate words as a space does. Alone, or as code, they are found.
* The words that a page has in a comment, ``<!-- search: vertical video, portrait -->``, are written before the title of
  the section that it stands in, unseen, and something that no reader searches for before the titles of all other sections.
* The first section of a guide has all words of its page, and what people say in any question, unseen.
* What guides have comes before what others have.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INDEX = ROOT / "dist" / "site" / "search.json"
GUIDES = ("how-to/", "tutorial/")
SMALL_WORDS = """
    a about am an and any are at be by can can't could did do does doesn't don't every for from get gets had has have
    how i i'd i'm if in into is isn't it it's its me my no not of on only or our should so some something than that the
    their them then there they this to us want was we what when where while why will with without would you your
"""
COMMON_WORDS = """
    account add again all another app back best big buy call campaign campaigns change choose clip clips company computer
    cost create customer day different do during each end error errors every everything fail fails fast few film films
    find first fix friend give go good happens have help idea image images instead keep laptop last later less long look
    looks lot made make makes making many mean more movie much must need needs never new next number off old once one
    other others own page part pay people person photo photos picture pictures please possible product products program
    project put result results run running runs same save see send set show shop single small somebody someone song spec
    specs start step steps still stop switched take takes team tell ten text thing things three time too try turn two
    under use used using version video videos voice wait want way week without word work working works write wrong
"""
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_TERM = re.compile(r"<!-- search: (.*?) -->", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_FARTHER = "· " * 20


def main() -> None:
    """Rewrites the index of the search."""
    index = json.loads(INDEX.read_text("utf-8"))
    index["config"]["separator"] = separator(index["config"]["separator"])
    items = index["items"]
    items.sort(key=lambda one: not one["location"].startswith(GUIDES))
    unseen = {one["location"]: _FARTHER for one in items if one["level"] > 1}
    for page in (ROOT / "docs").rglob("*.md"):
        text = _FENCED.sub("", page.read_text("utf-8"))
        address = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        sections = [one for one in items if one["location"].partition("#")[0] == address]
        for found in _TERM.finditer(text):
            section = sections[len(_HEADING.findall(text, 0, found.start())) - 1]
            unseen[section["location"]] = found[1].replace(",", "")
        if address.startswith(GUIDES):
            texts = [f"{one['title']} {one['text']}" for one in sections]
            body = _TAG.sub(" ", " ".join((*texts, COMMON_WORDS))).lower().split()
            sections[0]["text"] += _hide_markup(" ".join(dict.fromkeys(body)))
    for one in items:
        if terms := unseen.get(one["location"]):
            one["title"] = _hide_markup(terms) + one["title"]
    INDEX.write_text(json.dumps(index, ensure_ascii=False), "utf-8")


def separator(of_builder: str) -> str:
    """What separates words, as a regular expression of JavaScript: also small words beside a space, and marks of a sentence."""
    small = "|".join(re.escape(one) for word in SMALL_WORDS.split() for one in _cases(word))
    return rf"{of_builder}|[?;…]+|(?:^|(?<=[\s>]))(?:{small})(?=\s)|(?<=\s)(?:{small})(?=$|[?.,<])"


def _cases(word: str) -> tuple[str, str]:
    return word, word.capitalize()


def _hide_markup(terms: str) -> str:
    return f'<span hidden="hidden">{terms} </span>'


if __name__ == "__main__":
    main()
