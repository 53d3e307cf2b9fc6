"""Media with content credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_cut.reading import probe
from rivya_flows.assets import Asset
from rivya_flows.engine.signing import Signing, signer_of
from rivya_flows.settings import Settings
from support.composed_media import still


def signed_card(folder: Path) -> Path:
    """A picture with content credentials, made of another one; skips without the extra c2pa."""
    pytest.importorskip("c2pa", reason="needs the extra c2pa")
    from support.certificates import write_chain

    chain, key = write_chain(folder)
    signer = signer_of(Settings(rivya_flows_c2pa_certificate=chain, rivya_flows_c2pa_key=key))
    assert signer is not None
    path, hero = still(folder / "card.png", (64, 64)), still(folder / "hero.png", (8, 8))
    source = Asset(kind="image", path=hero, sha256="ab" * 32)
    Signing(signer, "run_0123").sign(path, probe(path), {}, [source])
    return path
