"""docs/how-to/models.md names models that there are, at their prices."""

from __future__ import annotations

import re
from pathlib import Path

from rivya_client.catalogue.common import common_params
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


def test_the_page_says_which_of_the_four_each_of_its_models_takes() -> None:
    table = PAGE.split("| model | takes |")[1].split("\n\n")[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in table.splitlines()[2:]]
    said = {
        name: re.findall("`(.*?)`", takes)
        for row, takes in rows
        for name in re.findall("`(.*?)`", row)
    }
    models = shipped().models
    assert said == {name: [*common_params(models[name])] for name, _ in ROWS}
