"""The command `rivya-cut`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from rivya_client.errors import RivyaError, UsageError
from rivya_client.printable import one_line

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rivya-cut", message="%(prog)s %(version)s")
def program() -> None:
    """Cut films from clips, stills, speech and music."""


@program.command()
@click.argument("cut", type=click.Path(path_type=Path))
@click.option(
    "--folder",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Where the files go; it is created.",
)
@click.option("--shrink", type=click.IntRange(1, 64), help="Divide width and height of formats.")
@JSON
def render(cut: Path, folder: Path, shrink: int | None, as_json: bool) -> None:
    """Render the cut that the YAML file CUT describes, and list the files."""
    from rivya_cut import api
    from rivya_cut.composition import Composition

    work = api.load(cut)
    if shrink is not None:
        work = work.model_copy(update={"shrink": shrink})
    shaped = work.formats or (isinstance(work, Composition) and work.platforms)
    if work.shrink > 1 and not shaped:
        raise UsageError(f"{cut}: no `formats` to shrink", "add `formats`, or do not shrink")
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=100, file=sys.stderr, hidden=hidden) as bar:
        rendered = api.render(work, folder, lambda share: bar.update(int(100 * share) - bar.pos))
    if as_json:
        click.echo(json.dumps(asdict(rendered), indent=2))
        return
    for name, found in rendered.media.items():
        length = "" if found.duration_seconds is None else f"  {found.duration_seconds:.1f} s"
        click.echo(one_line(f"{folder / name}  {found.width}×{found.height}{length}"))
    for name in filter(None, (rendered.subtitles, rendered.timeline)):
        click.echo(one_line(f"{folder / name}"))
    if rendered.loudness is not None:
        sound = rendered.loudness
        click.echo(f"{sound.lufs:.1f} LUFS, true peak {sound.true_peak:.1f} dBTP")
    for lost in rendered.lost:
        click.echo(one_line(f"note: {lost}"), err=True)


@program.command()
@click.argument("file", type=click.Path(path_type=Path))
def probe(file: Path) -> None:
    """Print kind, size, length and shape of a media FILE as JSON."""
    from rivya_cut import api

    click.echo(json.dumps(asdict(api.probe(file)), indent=2))


@program.command()
@click.argument("file", type=click.Path(path_type=Path))
def measure(file: Path) -> None:
    """Print what is black, still, silent, clipped or of one colour in a media FILE as JSON."""
    from rivya_cut import api

    click.echo(json.dumps(asdict(api.measure(file)), indent=2))


def run(arguments: Sequence[str] | None = None) -> int:
    """Call the command; gives 0, 1 for an error, 2 for a wrong call or cut, 128 + n after signal n."""
    try:
        program.main(arguments, prog_name="rivya-cut")
    except SystemExit as ended:
        code = int(ended.code or 0)
        if code > 128:
            click.echo(f"error: stopped by {signal.Signals(code - 128).name}", err=True)
        return code
    except RivyaError as error:
        for line in str(error).splitlines():
            click.echo(one_line(f"error: {line}"), err=True)
        if error.hint:
            click.echo(one_line(f"hint: {error.hint}"), err=True)
        return 2 if error.code == "usage" else 1
    return 0


def _stop(number: int, frame: object) -> None:
    """End as after an error, so that nothing half-made is left."""
    sys.exit(128 + number)


def main() -> None:
    """The console script."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    sys.exit(run())
