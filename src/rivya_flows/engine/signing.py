"""Who signs composed media, what is signed about them, and whether that holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rivya_client.mime_types import suffix_of
from rivya_cut.results import Probe
from rivya_flows.assets import Asset
from rivya_flows.errors import MediaError, UsageError, explain_os_error
from rivya_flows.extras import need
from rivya_flows.media import content_credentials
from rivya_flows.media.decoding import credentials
from rivya_flows.private import readable_by_others
from rivya_flows.settings import Settings

_MAX_PEM_BYTES = 64 << 10


@dataclass(frozen=True)
class Signing:
    """What a run signs its media with, and its id."""

    signer: content_credentials.Signer
    run_id: str

    def sign(
        self, path: Path, found: Probe, arguments: Mapping[str, Any], sources: Sequence[Asset]
    ) -> Probe:
        """Sign a file that a step made; what it holds afterwards."""
        if found.mime_type not in content_credentials.SIGNED_TYPES:
            return found
        request = json.dumps(arguments, sort_keys=True, default=str, ensure_ascii=False)
        content_credentials.sign(
            path,
            found.mime_type,
            self.signer,
            title=path.name,
            run={"id": self.run_id, "request": hashlib.sha256(request.encode()).hexdigest()},
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            ingredients=[
                *{
                    one.sha256: content_credentials.Ingredient(title_of(one), one.sha256)
                    for one in sources
                }.values()
            ],
        )
        return replace(found, size_bytes=path.stat().st_size)


def title_of(asset: Asset) -> str:
    """What people call a medium: the name of its file, else its kind and the begin of its hash."""
    if asset.path is not None and not asset.path.name.startswith(asset.sha256):
        return asset.path.name
    return f"{asset.kind}-{asset.sha256[:12]}{suffix_of(asset.mime_type)}"


def signer_of(settings: Settings) -> content_credentials.Signer | None:
    files = (settings.rivya_flows_c2pa_certificate, settings.rivya_flows_c2pa_key)
    certificate, key = files
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError(
            "signing needs both RIVYA_FLOWS_C2PA_CERTIFICATE and RIVYA_FLOWS_C2PA_KEY",
            "set both to PEM files, or neither",
        )
    need("c2pa", "signing", "unset RIVYA_FLOWS_C2PA_CERTIFICATE and RIVYA_FLOWS_C2PA_KEY")
    if readable_by_others(key):
        raise UsageError(f"RIVYA_FLOWS_C2PA_KEY: others can read {key}", f"chmod 600 {key}")
    signer = content_credentials.Signer(
        _pem("RIVYA_FLOWS_C2PA_CERTIFICATE", certificate), _pem("RIVYA_FLOWS_C2PA_KEY", key)
    )
    content_credentials.open_signer(signer).close()
    return signer


def _pem(name: str, path: Path) -> bytes:
    with explain_os_error(f"{name}: {path}", "name a PEM file"), path.open("rb") as file:
        content = file.read(_MAX_PEM_BYTES + 1)
    if len(content) > _MAX_PEM_BYTES or b"-----BEGIN" not in content:
        raise UsageError(f"{name}: {path} is not a PEM file", "name a PEM file")
    return content


def verify(path: Path) -> content_credentials.Credentials | None:
    """The content credentials of a file, read in a separate process; None if it has none."""
    need("c2pa", "`verify`")
    if not path.is_file():  # a pipe would be waited for
        raise MediaError(f"{path}: not a file", "name a film or a picture")
    return credentials(path)
