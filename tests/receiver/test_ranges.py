from __future__ import annotations

from rivya_flows.receiver.media import asked_part


def test_ranges_of_an_empty_file_and_of_huge_numbers() -> None:
    assert asked_part(None, 0) is None
    assert asked_part("bytes=0-" + "9" * 18, 5) == range(5)
    assert asked_part("bytes=0-" + "9" * 19, 5) is None
    assert asked_part("bytes=0-0", 0) == range(0)
