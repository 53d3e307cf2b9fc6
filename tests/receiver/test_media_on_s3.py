"""Media that lie on an S3-compatible store, in a browser."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from rivya_flows.receiver.addresses import SECRET_NAME, asset_address
from rivya_flows.receiver.media import PIECE_BYTES
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.secrets import shared_secret
from support.receiver_stage import receiving
from support.s3_server import BUCKET, s3_server

FILM = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"the end"


def test_a_film_on_s3_is_served_whole_and_in_parts_and_copied_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        # fsspec keeps a client for each address, whatever the environment says by now.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir(BUCKET)
        store = f"sqlite:///{tmp_path / 'journal.sqlite'}"
        with receiving(store, tmp_path, assets_url=f"s3://{BUCKET}/assets") as stage:
            (tmp_path / "film").write_bytes(FILM)
            run = AssetStore(f"s3://{BUCKET}/assets", tmp_path / "copies of the run")
            sha256 = run.put(tmp_path / "film")
            secret = shared_secret(stage.journal.engine, SECRET_NAME)
            path = asset_address("", secret, sha256, "video/mp4")
            assert stage.get(path).content == FILM
            first, last = PIECE_BYTES - 3, 2 * PIECE_BYTES + 2
            part = stage.get(path, Range=f"bytes={first}-{last}")
            assert part.status_code == 206
            assert part.content == FILM[first : last + 1]
            stage.assets.remove(sha256)
            assert stage.get(path).status_code == 404
            assert not (tmp_path / "copies").exists()
