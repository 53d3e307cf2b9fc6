"""`verify`: whether a file is signed, by whom, and whether the signature holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli.failures import FAILED
from rivya_flows.cli.output import print_json, show

if TYPE_CHECKING:
    from rivya_flows.media.content_credentials import Credentials


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check the content credentials (C2PA) of a film or picture.

    Exit code 0 if it is signed and unchanged, 1 if not.
    """
    from rivya_flows.app.signing import verify as checked

    found = checked(file)
    if as_json:
        print_json({"signed": found is not None, **({} if found is None else asdict(found))})
    else:
        for line in _lines(file, found):
            show(line)
    if found is None or not found.valid:
        ctx.exit(FAILED)


def _lines(file: Path, found: Credentials | None) -> list[str]:
    if found is None:
        return [f"{file}: not signed"]
    lines = [f"{file}: {'signed, unchanged' if found.valid else 'NOT VALID'}"]
    lines += [f"  {problem}" for problem in found.problems]
    who = ", ".join(one for one in (found.signer, found.issuer) if one)
    facts = {
        "signer": f"{who} (certificate not checked against a trust list)" if who else None,
        "signed at": found.signed_at,
        "created at": found.created_at and f"{found.created_at} (as the signer says)",
        "made with": found.generator,
        "run": found.run,
        "source type": ", ".join(found.source_types),
    }
    lines += [f"  {name}: {text}" for name, text in facts.items() if text]
    lines += [f"  ingredient: {one.title} {one.sha256}" for one in found.ingredients]
    return lines
