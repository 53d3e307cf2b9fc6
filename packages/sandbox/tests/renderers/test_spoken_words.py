"""Numbers, money and dates as words, and Hindi words as phonemes."""

from __future__ import annotations

import pytest

from rivya_sandbox.renderers import english_numbers, hindi, hindi_numbers


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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("99,99,999", "निन्यानवे लाख निन्यानवे हज़ार नौ सौ निन्यानवे"),
        ("1,000,000", "दस लाख"),
        ("१२३४५६७८", "एक करोड़ तेईस लाख पैंतालीस हज़ार छह सौ अठहत्तर"),
        ("12.50%", "बारह दशमलव पाँच शून्य प्रतिशत"),
        ("₹1,25,000.50", "एक लाख पच्चीस हज़ार रुपये पचास पैसे"),
        ("Rs. 499/-", "चार सौ निन्यानवे रुपये"),
        ("₹1", "एक रुपया"),
        ("₹1 में", "एक रुपये में"),
        ("₹2.5 लाख", "ढाई लाख रुपये"),
        ("1.5L फ़ॉलोअर, ₹1.5L", "एक दशमलव पाँच L फ़ॉलोअर, डेढ़ लाख रुपये"),
        ("₹3.2 Cr", "तीन दशमलव दो करोड़ रुपये"),
        ("₹999/माह, ₹500-₹1000", "नौ सौ निन्यानवे रुपये प्रति माह, पाँच सौ रुपये से एक हज़ार रुपये"),
        ("₹499-999", "चार सौ निन्यानवे से नौ सौ निन्यानवे रुपये"),
        ("₹10-20 लाख", "दस से बीस लाख रुपये"),
        ("₹1 लाख-2 लाख", "एक लाख से दो लाख रुपये"),
        ("₹999 – 20% छूट", "नौ सौ निन्यानवे रुपये – बीस प्रतिशत छूट"),
        ("2026-08-15 10:30", "पंद्रह अगस्त दो हज़ार छब्बीस साढ़े दस बजे"),
        ("15-08-2026 10:30", "पंद्रह अगस्त दो हज़ार छब्बीस साढ़े दस बजे"),
        ("2024 2025 2026", "दो हज़ार चौबीस दो हज़ार पच्चीस दो हज़ार छब्बीस"),
        ("98765-43210", "नौ आठ सात छह पाँच चार तीन दो एक शून्य"),
        ("1800-123-4567", "एक आठ शून्य शून्य एक दो तीन चार पाँच छह सात"),
        ("9-5 बजे, 24x7", "नौ से पाँच बजे, चौबीसों घंटे"),
        ("1990 के दशक में डॉ. राव", "उन्नीस सौ नब्बे के दशक में डॉक्टर राव"),
        ("www.rivya.co.in पर", "rivya डॉट co डॉट in पर"),
        ("15/08/1947", "पंद्रह अगस्त उन्नीस सौ सैंतालीस"),
        ("2026-11-05", "पाँच नवंबर दो हज़ार छब्बीस"),
        ("99/99/2020", "निन्यानवे निन्यानवे दो हज़ार बीस"),
        ("1857 में", "अठारह सौ सत्तावन में"),
        ("1900 ग्राम", "एक हज़ार नौ सौ ग्राम"),
        ("9:00 बजे", "नौ बजे"),
        ("1:30", "डेढ़ बजे"),
        ("5:15", "सवा पाँच बजे"),
        ("12:45", "पौने एक बजे"),
        ("7:20", "सात बजकर बीस मिनट"),
        ("5-10 दिन", "पाँच से दस दिन"),
        ("022-12345", "शून्य दो दो बारह हज़ार तीन सौ पैंतालीस"),
        ("9876543210", "नौ आठ सात छह पाँच चार तीन दो एक शून्य"),
        ("-5°C", "माइनस पाँच डिग्री सेल्सियस"),
        ("21वीं", "इक्कीसवीं"),
        ("3री", "तीसरी"),
    ],
)
def test_hindi_numbers_are_said_as_an_indian_reader_says_them(written: str, said: str) -> None:
    assert " ".join(hindi_numbers.with_words(written).split()) == said


def test_each_hindi_number_is_its_own_words_and_each_word_has_phonemes() -> None:
    words = [hindi_numbers.cardinal(number) for number in range(100)]
    assert len(set(words)) == 100
    assert len({hindi.word_phonemes(word) for word in words}) == 100


@pytest.mark.parametrize(
    "written",
    ["₹{n}", "₹{n}.50", "₹{n} crore", "{n}%", "{n} लाख", "{n}वाँ", "{n}th", "10-{n}", "{n},999",
     "9{commas}", "₹9{commas}", "08\n%"],
)  # fmt: skip
def test_a_number_without_a_name_is_read_digit_by_digit(written: str) -> None:
    text = written.format(n="9" * 5000, commas=",99" * 2500 + ",999")
    assert hindi_numbers.with_words(text).strip()
    assert english_numbers.readable(text).strip()


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("नमक", "nˈʌmək"),      # the last inherent vowel is silent
        ("घर", "ɡhˈʌɹ"),
        ("रोशनी", "ɹˈOʃni"),    # and so is one between two syllables
        ("ताज़ी", "tˈɑzi"),       # a dotted letter
        ("हिंदी", "hˈɪnði"),      # a nasal before a consonant
    ],
)  # fmt: skip
def test_hindi_words_become_phonemes(word: str, phonemes: str) -> None:
    assert hindi.word_phonemes(word) == phonemes


def test_hindi_reads_numbers_and_latin_names() -> None:
    (line,) = hindi.phonemes("Aurora पर ५०% छूट।", lambda word: f"<{word}>")
    assert line.startswith("<Aurora> ")
    assert hindi.word_phonemes("पचास") in line
    assert hindi.word_phonemes("प्रतिशत") in line
