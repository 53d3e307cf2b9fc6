"""What a browser gets from the receiver: media by address, whole and in part, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rivya_flows.receiver.addresses import (
    SECRET_NAME,
    asset_address,
    named_medium,
    named_run,
    report_address,
)
from rivya_flows.receiver.media import PIECE_BYTES
from rivya_flows.receiver.ranges import ByteRange, UnsatisfiableError, asked_part
from rivya_flows.store.shared_secrets import shared_secret
from support.receiver_stage import Stage, receiving

FILM = bytes(range(256)) * (PIECE_BYTES // 256) * 2 + b"the end"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("receiver")
    with receiving(
        f"sqlite:///{folder / 'journal.sqlite'}", folder, metrics=lambda: b"credits 3\n"
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a film of two and a bit pieces."""
    return kept(stage, tmp_path_factory.mktemp("film") / "film", FILM, "video/mp4")


def kept(stage: Stage, file: Path, content: bytes, mime_type: str) -> str:
    file.write_bytes(content)
    asset = {"sha256": stage.assets.put(file), "mime_type": mime_type}
    return asset_address("", shared_secret(stage.journal.engine, SECRET_NAME), asset)


def test_a_film_comes_whole_with_its_type_and_may_be_kept_for_ever(stage: Stage, path: str) -> None:
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


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-", slice(0, None)),
        ("bytes=5-9", slice(5, 10)),
        (f"bytes={PIECE_BYTES - 2}-{PIECE_BYTES * 2 + 1}", slice(PIECE_BYTES - 2, -5)),
        (f"bytes={PIECE_BYTES}-", slice(PIECE_BYTES, None)),
        ("bytes=-7", slice(-7, None)),
        (f"bytes=-{len(FILM) * 2}", slice(0, None)),
        (f"bytes=3-{len(FILM) * 2}", slice(3, None)),
    ],
)
def test_a_part_of_a_film_is_exactly_what_was_asked_for(
    stage: Stage, path: str, asked: str, part: slice
) -> None:
    answer = stage.get(path, Range=asked)
    start, stop, _ = part.indices(len(FILM))
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(FILM)}"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.content == FILM[part]


@pytest.mark.parametrize("asked", [f"bytes={len(FILM)}-", "bytes=99999999999-", "bytes=-0"])
def test_a_part_behind_the_end_is_refused_with_the_size(
    stage: Stage, path: str, asked: str
) -> None:
    answer = stage.get(path, Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(FILM)}"


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "lines=1-2", "bytes=9-5", "bytes=0-1,4-5"])
def test_what_is_no_single_range_gets_the_whole(stage: Stage, path: str, asked: str) -> None:
    answer = stage.get(path, Range=asked)
    assert answer.status_code == 200
    assert len(answer.content) == len(FILM)


def test_a_part_of_another_version_is_not_mixed_in(stage: Stage, path: str) -> None:
    tag = stage.get(path).headers["etag"]
    same = stage.get(path, **{"Range": "bytes=0-3", "If-Range": tag})
    other = stage.get(path, **{"Range": "bytes=0-3", "If-Range": '"another"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_browser_that_has_it_is_told_so(stage: Stage, path: str) -> None:
    tag = stage.get(path).headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = stage.get(path, **{"If-None-Match": known})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    assert stage.get(path, **{"If-None-Match": '"x"'}).status_code == 200


def test_head_tells_all_but_the_content(stage: Stage, path: str) -> None:
    whole, part = stage.client.head(path), stage.client.head(path, headers={"Range": "bytes=1-4"})
    assert (whole.status_code, whole.content) == (200, b"")
    assert whole.headers["content-length"] == str(len(FILM))
    assert (part.status_code, part.headers["content-length"]) == (206, "4")


def test_an_empty_file_is_an_empty_answer(stage: Stage, tmp_path: Path) -> None:
    path = kept(stage, tmp_path / "empty", b"", "image/png")
    assert stage.get(path).content == b""
    assert stage.get(path, Range="bytes=0-").status_code == 416


def test_everything_unknown_is_the_same_answer(stage: Stage, path: str, tmp_path: Path) -> None:
    _, _, token, name = path.split("/")
    page = kept(stage, tmp_path / "page", b"<script>", "text/html")
    gone = asset_address(
        "",
        shared_secret(stage.journal.engine, SECRET_NAME),
        {"sha256": "ab" * 32, "mime_type": "image/png"},
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
    assert {answer.text for answer in answers.values()} == {"Not Found"}


def test_only_reading_is_allowed(stage: Stage, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert stage.client.request(method, path).status_code == 405


def test_a_medium_that_is_taken_away_is_gone(stage: Stage, tmp_path: Path) -> None:
    path = kept(stage, tmp_path / "short-lived", b"soon gone", "image/png")
    sha256 = stage.get(path).headers["etag"].strip('"')
    stage.assets.remove(sha256)
    assert stage.get(path).status_code == 404


def test_health_and_metrics_are_told(stage: Stage) -> None:
    assert stage.get("/healthz").json() == {"status": "ok"}
    answer = stage.get("/metrics")
    assert answer.text == "credits 3\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Via", "Forwarded", "X-Real-IP"])
def test_metrics_are_not_told_through_a_proxy(stage: Stage, name: str) -> None:
    assert stage.get("/metrics", **{name: "192.0.2.7"}).status_code == 404


def test_metrics_are_told_to_who_knows_the_password(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    with receiving(store, tmp_path, metrics=lambda: b"credits 3\n", auth="rivya:p") as stage:
        assert stage.get("/metrics").status_code == 401
        assert stage.get("/metrics", Authorization="Basic cml2eWE6eA==").status_code == 401
        assert stage.get("/metrics", Authorization="Basic cml2eWE6cA==").text == "credits 3\n"


def test_there_are_no_metrics_where_nobody_gives_them(tmp_path: Path) -> None:
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path) as stage:
        assert stage.get("/metrics").status_code == 404


def test_addresses_are_the_same_for_the_same_content_and_secret_only() -> None:
    asset = {"sha256": "ab" * 32, "mime_type": "image/png", "path": "/x"}
    one = asset_address("https://example.org/media-of-us/", "secret", asset)
    assert one.startswith("https://example.org/media-of-us/media/")
    assert one == asset_address("https://example.org/media-of-us", "secret", asset)
    assert one != asset_address("https://example.org/media-of-us", "other", asset)
    token, name = httpx.URL(one).path.split("/")[-2:]
    found = named_medium("secret", token, name)
    assert found is not None
    assert (found.sha256, found.mime_type) == ("ab" * 32, "image/png")
    assert named_medium("other", token, name) is None


def test_a_medium_and_a_report_cannot_stand_for_each_other() -> None:
    run_id = "run-20260101-000000-abcd"
    token = report_address("", "secret", run_id).split("/")[2]
    assert named_run("secret", token) == run_id
    assert named_run("other", token) is None
    assert named_medium("secret", token, "report.html") is None
    assert named_run("secret", "") is None


def test_ranges_of_an_empty_file_and_of_huge_numbers() -> None:
    assert asked_part(None, 0) is None
    assert asked_part("bytes=0-" + "9" * 18, 5) == ByteRange(0, 5)
    assert asked_part("bytes=0-" + "9" * 19, 5) is None
    with pytest.raises(UnsatisfiableError):
        asked_part("bytes=0-0", 0)
