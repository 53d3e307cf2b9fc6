"""Numbers, money, dates and addresses in English texts."""

from __future__ import annotations

import pytest

from rivya_sandbox.renderers import english_numbers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Rs. 499/- only", "499 rupees only"),
        ("₹1,25,000.50", "1 lakh 25,000 rupees and 50 paise"),
        ("₹1 or ₹1,250.", "1 rupee or 1,250 rupees."),
        ("₹5 lakh", "5 lakh rupees"),
        ("₹2,50,00,000", "2 crore 50 lakh rupees"),
        ("1,00,000 lamps, 1,000,000 lights", "1 lakh lamps, 1,000,000 lights"),
        ("₹3.2 Cr, ₹1.5L, a 5L can", "3.2 crore rupees, 1.5 lakh rupees, a 5 litres can"),
        ("₹999/month, ₹0.99", "999 rupees per month, 99 paise"),
        ("₹10–₹20", "10 to 20 rupees"),
        ("₹499-999 or ₹499 – ₹999", "499 to 999 rupees or 499 to 999 rupees"),
        ("Now ₹999 – 20% off today", "Now 999 rupees – 20% off today"),
        ("₹2,999 - 3 months free", "2,999 rupees - 3 months free"),
        ("₹500-20% off", "500 rupees-20% off"),
        ("₹.005 a day, not ₹.50", "0.005 rupees a day, not 50 paise"),
        ("Version ₹1.2.3", "Version 1 rupee and 20 paise.3"),
        ("2026-08-15 10:30, 2024 2025 2026", "2026-08-15 10:30, 2024 2025 2026"),
        ("2026-08-15 98765 43210", "2026-08-15 9 8 7 6 5 4 3 2 1 0"),
        ("15-08-2026 10:30", "15-08-2026 10:30"),
        ("10am-6pm on 15.08.2026", "10 AM to 6 PM on 15 August 2026"),
        ('A 6.7" screen, 5\'8" tall, "under 5"', 'A 6.7 inch screen, 5 foot 8 tall, "under 5"'),
        ("10x faster, 50MP, 24x7", "10 times faster, 50 megapixel, 24 7"),
        ("www.rivya.co.in or hi@rivya.com.", "rivya dot co dot in or hi@rivya dot com."),
        ("No. 25, 100W, 24/7", "number 25, 100 watts, 24 7"),
        ("+91 98765 43210.", "plus 9 1 9 8 7 6 5 4 3 2 1 0."),
        ("In 2026, 3-5 of 12; $2.50", "In 2026, 3-5 of 12; $2.50"),
    ],
)
def test_english_numbers_are_read_as_in_india(written: str, read: str) -> None:
    assert english_numbers.readable(written) == read
