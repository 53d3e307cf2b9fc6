"""docs/how-to/models.md names models that there are, at their prices."""

from __future__ import annotations

import re
from pathlib import Path

from rivya_client.catalogue.prices import price, price_range
from rivya_client.catalogue.snapshot import shipped

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "models.md").read_text("utf-8")
ROWS = re.findall(r"^\| .* \| `(.*)` \| (.*?)(?:, by length)? \|$", PAGE, re.MULTILINE)


def test_the_prices_are_those_of_the_shipped_catalogue() -> None:
    catalogue = shipped()
    assert len(ROWS) > 10
    prices = {name: price(catalogue.models[name], {}) for name, _ in ROWS}
    assert dict(ROWS) == {name: price_range(one.min, one.max) for name, one in prices.items()}
    assert catalogue.date in PAGE
