"""Whether a file has content credentials, and whether they hold."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.errors import MediaError
from rivya_flows.extras import need
from rivya_flows.media.content_credentials import Credentials
from rivya_flows.media.decoding import credentials


def verify(path: Path) -> Credentials | None:
    """The content credentials of a file, read in a separate process; None if it has none."""
    need("c2pa", "`verify`")
    if not path.is_file():  # a pipe would be waited for
        raise MediaError(f"{path}: not a file", "name a film or a picture")
    return credentials(path)
