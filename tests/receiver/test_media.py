"""Media that the receiver serves to browsers, whole and in part, from this machine and from S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import httpx
import pytest

from rivya_flows.receiver.addresses import (
    SECRET_NAME,
    asset_address,
    named_medium,
    named_run,
    report_address,
)
from rivya_flows.receiver.media import PIECE_BYTES, asked_part
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.secrets import shared_secret
from support.receiver_stage import Stage, receiving
from support.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.slow

FILM = bytes(range(256)) * (PIECE_BYTES // 256) * 2 + b"the end"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("receiver")
    with receiving(f"sqlite:///{folder / 'journal.sqlite'}", folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a film of two and a bit pieces."""
    return kept(stage, tmp_path_factory.mktemp("film") / "film", FILM, "video/mp4")


def kept(stage: Stage, file: Path, content: bytes, mime_type: str) -> str:
    file.write_bytes(content)
    secret = shared_secret(stage.journal.engine, SECRET_NAME)
    return asset_address("", secret, stage.assets.put(file), mime_type)


def test_a_film_is_served_whole_with_its_type_and_is_cacheable(stage: Stage, path: str) -> None:
    answer = stage.get(path)
    assert answer.status_code == 200
    assert answer.content == FILM
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(FILM))
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["content-disposition"].startswith('inline; filename="video-')
    assert answer.headers["content-disposition"].endswith('.mp4"')


SIZE = len(FILM)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-", slice(0, None)),
        ("bytes=5-9", slice(5, 10)),
        (f"bytes={PIECE_BYTES - 2}-{PIECE_BYTES * 2 + 1}", slice(PIECE_BYTES - 2, -5)),
        (f"bytes={PIECE_BYTES}-", slice(PIECE_BYTES, None)),
        ("bytes=-7", slice(-7, None)),
        (f"bytes=-{SIZE * 2}", slice(0, None)),
        (f"bytes=3-{SIZE * 2}", slice(3, None)),
        *((asked, None) for asked in (f"bytes={SIZE}-", "bytes=99999999999-", "bytes=-0")),
    ],
)
def test_a_range_returns_exactly_these_bytes_and_one_behind_the_end_is_refused(
    stage: Stage, path: str, asked: str, part: slice | None
) -> None:
    answer = stage.get(path, Range=asked)
    if part is None:
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        return
    start, stop, _ = part.indices(SIZE)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.content == FILM[part]


def test_what_is_not_a_single_range_of_this_version_gets_the_whole_file(
    stage: Stage, path: str
) -> None:
    tag = stage.get(path).headers["etag"]
    assert stage.get(path, **{"Range": "bytes=0-3", "If-Range": tag}).status_code == 206
    others = [{"Range": "bytes=0-3", "If-Range": '"another"'}]
    wrong = ("bytes=", "bytes=-", "lines=1-2", "bytes=9-5", "bytes=0-1,4-5")
    for headers in (*others, *({"Range": asked} for asked in wrong)):
        answer = stage.get(path, **headers)
        assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_a_cached_medium_is_not_sent_again(stage: Stage, path: str) -> None:
    tag = stage.get(path).headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = stage.get(path, **{"If-None-Match": known})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    assert stage.get(path, **{"If-None-Match": '"x"'}).status_code == 200


def test_head_returns_the_headers_only(stage: Stage, path: str) -> None:
    whole, part = stage.client.head(path), stage.client.head(path, headers={"Range": "bytes=1-4"})
    assert (whole.status_code, whole.content) == (200, b"")
    assert whole.headers["content-length"] == str(len(FILM))
    assert (part.status_code, part.headers["content-length"]) == (206, "4")


def test_an_empty_file_gets_an_empty_answer(stage: Stage, tmp_path: Path) -> None:
    path = kept(stage, tmp_path / "empty", b"", "image/png")
    assert stage.get(path).content == b""
    assert stage.get(path, Range="bytes=0-").status_code == 416


def test_every_unknown_path_gets_the_same_answer(stage: Stage, path: str, tmp_path: Path) -> None:
    _, _, token, name = path.split("/")
    page = kept(stage, tmp_path / "page", b"<script>", "text/html")
    gone = asset_address(
        "", shared_secret(stage.journal.engine, SECRET_NAME), "ab" * 32, "image/png"
    )
    sha256 = stage.get(path).headers["etag"].strip('"')
    paths = [
        "/",
        "/media",
        "/media/",
        f"/media/{token}",
        f"/media/{token}/",
        f"/media/{token}/other.mp4",
        f"/media/{token}/{name.replace('.mp4', '.png')}",
        f"/media/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}/{name}",
        f"/media/{token}=/{name}",
        f"/media/{sha256}/{name}",
        f"/media/{sha256[:2]}/{sha256}",
        "/media/%2e%2e/journal.sqlite",
        "/media/..%2f..%2fjournal.sqlite/x.png",
        "/media/é/é",
        f"/runs/{token}/report.html",
        "/runs/x/report.html",
        "/healthz/",
        page,
        gone,
    ]
    answers = {one: stage.get(one) for one in paths}
    assert {one: answer.status_code for one, answer in answers.items()} == dict.fromkeys(paths, 404)
    assert len({answer.text for answer in answers.values()}) == 1


def test_a_medium_can_only_be_read_and_a_removed_one_is_not_found(
    stage: Stage, tmp_path: Path
) -> None:
    path = kept(stage, tmp_path / "short-lived", b"soon gone", "image/png")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert stage.client.request(method, path).status_code == 405
    stage.assets.remove(stage.get(path).headers["etag"].strip('"'))
    assert stage.get(path).status_code == 404


def test_ranges_of_an_empty_file_and_of_huge_numbers() -> None:
    assert asked_part(None, 0) is None
    assert asked_part("bytes=0-" + "9" * 18, 5) == range(5)
    assert asked_part("bytes=0-" + "9" * 19, 5) is None
    assert asked_part("bytes=0-0", 0) == range(0)


def test_urls_are_the_same_for_the_same_content_and_secret_only() -> None:
    asset = ("ab" * 32, "image/png")
    one = asset_address("https://example.org/media-of-us/", "secret", *asset)
    assert one.startswith("https://example.org/media-of-us/media/")
    assert one == asset_address("https://example.org/media-of-us", "secret", *asset)
    assert one != asset_address("https://example.org/media-of-us", "other", *asset)
    token, name = httpx.URL(one).path.split("/")[-2:]
    found = named_medium("secret", token, name)
    assert found is not None
    assert (found.sha256, found.mime_type) == ("ab" * 32, "image/png")
    assert named_medium("other", token, name) is None


def test_the_token_of_a_medium_is_not_one_of_a_report() -> None:
    run_id = "run-20260101-000000-abcd"
    token = report_address("", "secret", run_id).split("/")[2]
    assert named_run("secret", token) == run_id
    assert named_run("other", token) is None
    assert named_medium("secret", token, "report.html") is None
    assert named_run("secret", "") is None


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
