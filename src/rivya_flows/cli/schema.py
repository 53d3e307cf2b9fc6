"""`schema`: print what an editor needs to complete and check a spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rivya_flows.cli.output import print_json, show
from rivya_flows.errors import UsageError
from rivya_flows.private import as_the_user_wants


@click.command()
@click.argument("folder", required=False, type=Path)
@click.option("--write", is_flag=True, help="Write the files into FOLDER instead.")
def schema(folder: Path | None, write: bool) -> None:
    """Print the JSON Schema of specs, for editors.

    With --write, write it and that of tests into FOLDER: by default `specs` if that exists, else the
    current folder. Specs and tests name it in their first line.
    """
    if not write:
        if folder is not None:
            raise UsageError(
                f"{str(folder)!r} needs --write", "add --write to write the file there"
            )
        print_json(known_schema())
        return
    from rivya_flows.spec.schema.document import LINE, TESTS_LINE

    specs, tests = write_schema(folder or (Path("specs") if Path("specs").is_dir() else Path()))
    show(f"{specs}: written", f"begin a spec with: {LINE}")
    show(f"{tests}: written", f"begin tests of one with: {TESTS_LINE}")


def known_schema() -> dict[str, Any]:
    """The JSON Schema of specs, with the models that are known here."""
    from rivya_flows.app.catalogue_cache import known_catalogue
    from rivya_flows.cli.configuration import settings
    from rivya_flows.spec.schema.document import json_schema
    from rivya_flows.steps.registry import installed

    return json_schema(known_catalogue(settings()), installed())


def write_schema(folder: Path, *, keep: bool = False) -> list[Path]:
    """Writes the schemas of specs and of tests into a folder, and gives the paths that it wrote.

    With `keep`, those that exist stay as they are.

    Raises:
        UsageError: They cannot be written there.
    """
    from rivya_flows.spec.schema.document import FILE, TESTS_FILE, schema_of_tests

    written = []
    for name, document in ((FILE, known_schema()), (TESTS_FILE, schema_of_tests())):
        path = folder / name
        text = json.dumps(document, indent=2, ensure_ascii=False)
        try:
            # A link to nowhere is not followed where files are kept.
            with as_the_user_wants(), path.open("x" if keep else "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            written.append(path)
        except OSError as error:
            if keep and isinstance(error, FileExistsError):
                continue
            raise UsageError(f"{path}: {error.strerror or error}", "check the folder") from error
    return written
