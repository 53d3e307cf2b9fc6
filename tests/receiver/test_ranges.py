from __future__ import annotations

import pytest

from rivya_flows.receiver.ranges import ByteRange, UnsatisfiableError, asked_part


def test_ranges_of_an_empty_file_and_of_huge_numbers() -> None:
    assert asked_part(None, 0) is None
    assert asked_part("bytes=0-" + "9" * 18, 5) == ByteRange(0, 5)
    assert asked_part("bytes=0-" + "9" * 19, 5) is None
    with pytest.raises(UnsatisfiableError):
        asked_part("bytes=0-0", 0)
