"""Results of test cases as JUnit XML, as CI servers read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path, PurePath
from xml.etree import ElementTree as Xml

from rivya_flows.app.report import write_whole
from rivya_flows.app.spec_tests import CaseResult
from rivya_flows.errors import StoreError, UsageError
from rivya_flows.printable import printable

_NOT_XML = re.compile("[\ufffe\uffff]")


def write_junit(path: Path, results: Sequence[CaseResult]) -> None:
    """Writes the results into a file, as a whole or not at all."""
    try:
        write_whole(path, junit(results))
    except StoreError as error:
        raise UsageError(error.message, "give another --junit FILE") from error


def junit(results: Sequence[CaseResult]) -> str:
    """The document: a test suite for each spec, in the order of the results."""
    root = Xml.Element("testsuites", {"name": "rivya-flows", **_counts(results)})
    for file, group in groupby(results, key=lambda one: one.file):
        cases = list(group)
        suite = Xml.SubElement(
            root,
            "testsuite",
            {"name": _text(cases[0].spec), "file": _text(file), **_counts(cases)},
        )
        for case in cases:
            _add(suite, case)
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _add(suite: Xml.Element, case: CaseResult) -> None:
    about = {
        # Servers group by the part before the last dot.
        "classname": _text(PurePath(case.spec).with_suffix("").as_posix().replace("/", ".")),
        "name": _text(case.name),
        "file": _text(case.file),
        "time": f"{case.seconds:.3f}",
    }
    made = Xml.SubElement(suite, "testcase", about)
    properties = Xml.SubElement(made, "properties")
    for name, value in (("credits", str(case.credits)), ("status", case.status or "refused")):
        Xml.SubElement(properties, "property", {"name": name, "value": value})
    if not case.passed:
        first, *more = case.lines
        message = first if not more else f"{first} (and {len(more)} more)"
        failure = Xml.SubElement(
            made, "failure", {"type": "expectation", "message": _text(message)}
        )
        failure.text = _text("\n".join((*case.lines, *case.problems, f"by hand: {case.command}")))


def _counts(cases: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(not one.passed for one in cases)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(one.seconds for one in cases):.3f}",
    }


def _text(words: str) -> str:
    """The text without characters that XML cannot have, and that a log viewer would act on."""
    return _NOT_XML.sub("�", printable(words))
