"""Result URLs that expire."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from rivya_sandbox.service.links import Links


def links(now: float, *, secret: str = "secret", life: float | None = 20) -> Links:
    return Links("http://127.0.0.1:1", secret, life, lambda: now)


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_url_without_a_lifetime_has_no_query_and_never_expires() -> None:
    forever = links(0, life=None)
    assert forever.result("a.png") == "http://127.0.0.1:1/media/results/a.png"
    assert forever.is_good("a.png", {})


@pytest.mark.parametrize(("now", "good"), [(100, True), (119, True), (120, False)])
def test_a_url_works_until_its_lifetime_ends(now: float, good: bool) -> None:
    query = query_of(links(100).result("a.png"))
    assert links(now).is_good("a.png", query) is good


def test_a_signature_holds_for_one_name_one_time_and_one_secret() -> None:
    query = query_of(links(100).result("a.png"))
    assert not links(100).is_good("b.png", query)
    assert not links(100).is_good("a.png", query | {"expires": "999"})
    assert not links(100, secret="other").is_good("a.png", query)
    assert not links(100).is_good("a.png", {})
    assert not links(100).is_good("a.png", {"expires": "x", "signature": "ä"})
