"""`share`: the finished media of a run as one file to send."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli.completion import runs
from rivya_flows.cli.groups import examples
from rivya_flows.cli.output import near, show, size_of, tell
from rivya_flows.private import as_the_user_wants

_MAILED_BYTES = 15_000_000
"""What mail surely carries: many mailboxes take 20 to 25 MB, and an attachment grows by a third."""


@click.command(epilog=examples("share last", "share last --output spot --out comet-kettle.html"))
@click.argument("run", default="last", shell_complete=runs)
@click.option(
    "--out",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write this file, or replace a page; default: a new one here, named after spec and product.",
)
@click.option(
    "--output", "outputs", metavar="NAME", multiple=True, help="Only this output; may be repeated."
)
@click.option(
    "--title",
    metavar="TEXT",
    help="Title of the page; default: the product, with the title of the spec below.",
)
def share(run: str, file: Path | None, outputs: tuple[str, ...], title: str | None) -> None:
    """Write one HTML file with the finished media of a run, to send to a client.

    RUN is its id, its folder, or `last`, the default: the run in which something happened last.
    Films, pictures, sounds and texts of the outputs are inside, whole, up to 100 MB. Prices, ids,
    prompts and models are not, and of the inputs the first one-line text alone, as the title.
    """
    from rivya_flows.app.sheets import share as write_page
    from rivya_flows.cli.configuration import settings

    replaced = file is not None and file.exists()
    with as_the_user_wants():
        page, lacks, smaller = write_page(settings(), run, file, only=outputs, title=title)
    size = page.stat().st_size
    show(f"{near(page)}  {size_of(size)}")
    if replaced:
        tell(f"replaced {near(page)}")
    if lacks:
        told = ", ".join(f"{name} ({why})" for name, why in lacks.items())
        tell(f"warning: not in the page: {told}")
    if size > _MAILED_BYTES:
        tell(f"note: it may be too large for a mail; put it on a drive, or {smaller}")
