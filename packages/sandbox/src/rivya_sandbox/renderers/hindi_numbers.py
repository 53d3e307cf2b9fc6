"""Numbers in Hindi texts as words: amounts, money, percentages, dates, times.

Digits of either script, grouped as in India (``1,25,000``) or elsewhere (``125,000``).
"""

from __future__ import annotations

import re

from rivya_sandbox.renderers.telephone import TELEPHONE

_NUMERALS = (
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ "
    "दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस "
    "बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस "
    "तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस "
    "चालीस इकतालीस बयालीस तैंतालीस चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास "
    "पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ "
    "साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर "
    "सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उन्यासी "
    "अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी "
    "नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे"
)
_TO_99 = _NUMERALS.split()
_SCALES = ((10**11, "खरब"), (10**9, "अरब"), (10**7, "करोड़"), (10**5, "लाख"), (1000, "हज़ार"),
           (100, "सौ"))  # fmt: skip
_MONTHS = ("जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर",
           "दिसंबर")  # fmt: skip
_UNITS = {"kg": "किलो", "g": "ग्राम", "km": "किलोमीटर", "m": "मीटर", "cm": "सेंटीमीटर",
          "mm": "मिलीमीटर", "ml": "मिलीलीटर", "l": "लीटर", "W": "वॉट", "kW": "किलोवॉट",
          "°C": "डिग्री सेल्सियस", "°": "डिग्री"}  # fmt: skip
_COINS = {"₹": ("रुपया", "रुपये", "पैसे"), "$": ("डॉलर", "डॉलर", "सेंट"), "€": ("यूरो", "यूरो", "सेंट"),
          "£": ("पाउंड", "पाउंड", "पेंस")}  # fmt: skip
_ORDINALS = {"1ला": "पहला", "1ली": "पहली", "1ले": "पहले", "2रा": "दूसरा", "2री": "दूसरी", "2रे": "दूसरे",
             "3रा": "तीसरा", "3री": "तीसरी", "3रे": "तीसरे", "4था": "चौथा", "4थी": "चौथी", "4थे": "चौथे",
             "6ठा": "छठा", "6ठी": "छठी", "6ठे": "छठे"}  # fmt: skip
_DIGITS = str.maketrans("०१२३४५६७८९", "0123456789")
_LONGEST = 15  # digits of a number; longer ones are read digit by digit
_MOST = 10**13  # from here on numbers have no name

_AMOUNT = r"\d+(?:,\d{2,3})*(?:\.\d+)?"
_SCALED = r"(?:\s*(?:सौ|हज़ार|हजार|लाख|करोड़|अरब))?"
_SIGN = r"(?:₹|रु\.?|Rs\.?|INR|\$|€|£)"
# Abbreviations, in the order in which they are matched.
_SHORT_FORMS = (
    (re.compile(r"\b(?:https?://)?www\.", re.IGNORECASE), ""),
    (re.compile(r"(?<=[A-Za-z0-9])@(?=[A-Za-z0-9])"), " ऐट "),
    (re.compile(r"(?<=[A-Za-z0-9])\.(?=(?:com|in|org|net|io|ai|app|shop|store|co)\b)", re.IGNORECASE), " डॉट "),
    (TELEPHONE, lambda found: _telephone(found[0])),
    (re.compile(r"डॉ\."), "डॉक्टर"),
    (re.compile(r"(?<=श्री)\."), ""),
    (re.compile(r"\b24\s*[x/]\s*7\b"), "चौबीसों घंटे"),
    (re.compile(r"((?:₹|Rs\.?|INR|रु\.?)\s*[\d.,]*\d)\s*L\b"), r"\1 लाख"),
    (re.compile(r"(?<=\d)\s*Crs?\b\.?"), " करोड़"),
    (re.compile(r"(?<=\d)\s*रु\.?(?![\u0900-\u097f])"), " रुपये"),
    (re.compile(r"\s?/\s?(?=(?:माह|महीन[ाे]|दिन|हफ़्ता|साल|वर्ष|किलो|व्यक्ति|पीस|रात)(?![\u0900-\u097f]))"),
     " प्रति "),
    # The money is named once, after the span: "₹10-20 लाख" is दस से बीस लाख रुपये.
    (re.compile(rf"({_SIGN})\s*({_AMOUNT}{_SCALED})[-–—](?=\d)(?![\d.,]*\s*(?:%|प्रतिशत))"), r"\2 से \1"),
    (re.compile(r"(?<=\d)\s*[-–]\s*(?=₹\s*\d|\d{1,2}(?::\d\d)?\s*बजे)"), " से "),
)  # fmt: skip
_MONEY = re.compile(rf"({_SIGN})\s*({_AMOUNT})({_SCALED})(?![\d])(?:/-)?")
_ISO_DATE = re.compile(r"(?<!\d)([12]\d{3})-(\d{1,2})-(\d{1,2})(?!\d)")
_DATE = re.compile(r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?!\d)")
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):([0-5]\d)(?![\d:])(?:\s*बजे)?")
_YEAR = re.compile(
    r"(?:(?<=सन् )|(?<=सन )|(?<=वर्ष )|(?<=साल ))(1[1-9]\d\d)(?!\d)"
    r"|(?<![\d,.])(1[1-9]\d\d)(?=\s*(?:में|से|तक|ई|के दशक)(?![\u0900-\u097f]))"
)
_SPAN = re.compile(rf"(?<![\d.,-])({_AMOUNT})\s*[-–]\s*({_AMOUNT})(?![\d-])")
_ORDINAL = re.compile(r"(?<!\d)(\d{1,9})(ल[ाीे]|र[ाीे]|थ[ाीे]|ठ[ाीे]|वाँ|वां|वें|वीं)(?![\u0900-\u097f])")
_PLAIN = re.compile(rf"(?:(?<=\s)|^)[-−](?=\d)|{_AMOUNT}\s*%?")
_POSTPOSITION = re.compile(r"\s*(?:में|से|का|की|के|पर|तक|को)(?![\u0900-\u097f])")
_HALVES = re.compile(r"(?<![\d.,])(\d{1,2})\.5(?=\s*(?:हज़ार|हजार|लाख|करोड़|अरब))")
_UNIT = re.compile(r"(?<=\d)\s*(kg|g|km|m|cm|mm|ml|l|W|kW|°C|°)(?![A-Za-z])")


def with_words(text: str) -> str:
    """The text with every number as words, and with the words of money, per cent and units."""
    text = text.translate(_DIGITS)
    for short, long in _SHORT_FORMS:
        text = short.sub(long, text)
    text = _UNIT.sub(lambda found: f" {_UNITS[found[1]]} ", text)
    for pattern, say in (
        (_MONEY, _money), (_HALVES, lambda found: _and_a_half(int(found[1]))), (_ISO_DATE, _iso_date), (_DATE, _date), (_TIME, _time),
        (_YEAR, lambda found: year(int(found[1] or found[2]))), (_SPAN, _span),
        (_ORDINAL, _ordinal), (_PLAIN, _plain),
    ):  # fmt: skip
        text = pattern.sub(lambda found, say=say: f" {say(found)} ", text)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return text


def cardinal(number: int) -> str:
    """A whole number from 0, by lakh and crore; digit by digit from ten trillion on."""
    if number < 100:
        return _TO_99[number]
    if number >= _MOST:
        return _digits(str(number))
    words = []
    for scale, name in _SCALES:
        if count := number // scale:
            words.append(f"{cardinal(count)} {name}")
            number %= scale
    if number:
        words.append(_TO_99[number])
    return " ".join(words)


def year(number: int) -> str:
    """A year as it is said: 1947 by its centuries, 2026 as any number."""
    century, rest = divmod(number, 100)
    if not 11 <= century <= 19:
        return cardinal(number)
    return f"{_TO_99[century]} सौ {_TO_99[rest]}" if rest else f"{_TO_99[century]} सौ"


def _digits(text: str) -> str:
    return " ".join(_TO_99[int(digit)] for digit in text)


def _amount(text: str) -> str:
    """A number with or without commas and decimals; a code is read digit by digit."""
    whole, _, decimals = text.replace(",", "").partition(".")
    # Telephone numbers and codes are not read as amounts.
    code = "," not in text and (len(whole) >= 10 or (len(whole) > 1 and whole[0] == "0"))
    spoken = _digits(whole) if code or len(whole) > _LONGEST else cardinal(int(whole))
    return f"{spoken} दशमलव {_digits(decimals)}" if decimals else spoken


def _telephone(number: str) -> str:
    plus = "प्लस " if number.startswith("+") else ""
    return plus + _digits("".join(filter(str.isdigit, number)))


def _and_a_half(number: int) -> str:
    """A number and a half of lakh, crore or hours."""
    return {0: "आधा", 1: "डेढ़", 2: "ढाई"}.get(number, f"साढ़े {_TO_99[number]}")


def _money(found: re.Match[str]) -> str:
    sign, text, scale = found[1], found[2], found[3].strip()
    one, many, small = _COINS.get(sign, _COINS["₹"])
    whole, _, decimals = text.replace(",", "").partition(".")
    if scale or len(decimals) > 2 or len(whole) > _LONGEST:
        half = _HALVES.match(text + scale)
        return f"{_and_a_half(int(half[1])) if half else _amount(text)} {scale} {many}"
    single = int(whole) == 1 and not _POSTPOSITION.match(found.string, found.end())
    spoken = f"{cardinal(int(whole))} {one if single else many}"
    coins = int(decimals.ljust(2, "0")) if decimals else 0
    return f"{spoken} {cardinal(coins)} {small}" if coins else spoken


def _iso_date(found: re.Match[str]) -> str:
    return _day(int(found[3]), int(found[2]), int(found[1])) or found[0].replace("-", " ")


def _date(found: re.Match[str]) -> str:
    return _day(int(found[1]), int(found[3]), int(found[4])) or found[0].replace(found[2], " ")


def _day(day: int, month: int, of: int) -> str | None:
    """Day, month and year in Indian order; None if it is not a date."""
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    return f"{_TO_99[day]} {_MONTHS[month - 1]} {year(of)}"


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    if hour > 24:
        return f"{_TO_99[hour]} {_TO_99[minute]}"
    if minute == 0:
        return f"{_TO_99[hour]} बजे"
    if minute == 30:
        return f"{_and_a_half(hour) if hour else f'साढ़े {_TO_99[hour]}'} बजे"
    if minute == 15:
        return f"सवा {_TO_99[hour]} बजे"
    if minute == 45:
        return f"पौने {_TO_99[1 if hour == 12 else hour % 24 + 1]} बजे"
    return f"{_TO_99[hour]} बजकर {_TO_99[minute]} मिनट"


def _span(found: re.Match[str]) -> str:
    first, last = (float(part.replace(",", "")) for part in found.groups())
    # Rising numbers are a range; others, such as telephone numbers, are read in sequence.
    spans = first < last and not found[1].startswith("0")
    return f"{found[1]} से {found[2]}" if spans else f"{found[1]} {found[2]}"


def _ordinal(found: re.Match[str]) -> str:
    return _ORDINALS.get(found[0]) or cardinal(int(found[1])) + found[2]


def _plain(found: re.Match[str]) -> str:
    text = found[0].rstrip()
    if text in ("-", "−"):
        return "माइनस"
    per_cent = text.endswith("%")
    spoken = _amount(text.removesuffix("%").rstrip())
    return f"{spoken} प्रतिशत" if per_cent else spoken
