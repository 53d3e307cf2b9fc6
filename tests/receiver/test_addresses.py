from __future__ import annotations

import httpx

from rivya_flows.receiver.addresses import asset_address, named_medium, named_run, report_address


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
