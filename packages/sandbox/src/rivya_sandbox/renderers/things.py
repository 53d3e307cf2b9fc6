"""Subjects that prompts name, and how they are drawn."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rivya_sandbox.renderers.drawings import PACKET, SCREEN

# Objects of rotation, see `turned`.
TURNED = {
    "bottle": "facewash handwash cleanser conditioner tube bottle flask thermos shampoo lotion sunscreen juice water बोतल पानी",
    "perfume": "perfume fragrance cologne attar इत्र",
    "dropper": "serum oil skincare सीरम तेल",
    "vase": "vase pottery pot ceramic गमला",
    "jar": "jar cream moisturizer moisturiser cosmetics honey jam pickle अचार शहद",
    "can": "can soda cola beer drink energy",
    "wine": "wine champagne whisky rum",
    "cup": "coffee espresso latte cappuccino mocha tea chai matcha mug cup kulhad चाय कॉफ़ी कॉफी कप",
    "lamp": "lamp lampshade लैंप",
    "candle": "candle candles मोमबत्ती",
}
TURNED_OF_WORD = {word: kind for kind, words in TURNED.items() for word in words.split()}

# Characters of Noto Emoji, if the Unicode name does not match.
_GLYPHS = {
    "👟": "sneaker sneakers shoe shoes trainer trainers जूते जूता", "🥾": "boots", "👠": "heels",
    "📱": "phone smartphone फोन फ़ोन मोबाइल", "💻": "laptop computer notebook",
    "⌚": "watch smartwatch घड़ी", "🎧": "headphones headphone earbuds headset", "🔊": "speaker",
    "📷": "camera", "🚗": "car कार गाड़ी", "🚙": "suv", "🚲": "bike bicycle cycle साइकिल",
    "🛵": "scooter स्कूटर", "🏍": "motorcycle motorbike", "✈": "plane flight airline travel",
    "🚆": "train", "🚢": "ship cruise", "⛵": "boat sailboat yacht houseboat backwaters",
    "🚀": "rocket launch", "🏠": "house home villa bungalow घर", "🏢": "apartment office",
    "🍔": "burger", "🍕": "pizza", "🍟": "fries", "🌮": "taco", "🍣": "sushi", "🍜": "noodles ramen",
    "🍛": "curry biryani thali pulao paneer", "🍚": "rice", "🍞": "bread", "🎂": "cake birthday केक",
    "🧁": "cupcake", "🍪": "cookie cookies biscuit biscuits", "🍫": "chocolate चॉकलेट",
    "🍦": "icecream ice-cream", "🍩": "donut", "🥤": "smoothie", "🍹": "cocktail", "🥛": "milk दूध",
    "🥭": "mango mangoes आम", "🍎": "apple apples", "🍌": "banana", "🍋": "lemon", "🍓": "strawberry",
    "🦊": "fox", "🐱": "cat kitten बिल्ली", "🐶": "dog puppy pet कुत्ता", "🦁": "lion शेर",
    "🐯": "tiger", "🐘": "elephant हाथी", "🐫": "camel camels ऊँट", "🐼": "panda", "🐻": "bear",
    "🐰": "rabbit", "🐦": "bird", "🦉": "owl", "🐴": "horse", "🐳": "whale", "🐟": "fish",
    "🦋": "butterfly", "🐉": "dragon", "🤖": "robot", "🦕": "dinosaur", "🦄": "unicorn", "🐵": "monkey",
    "🐧": "penguin", "🐢": "turtle", "🌳": "tree पेड़", "🌴": "palm palms coconut-tree",
    "🍄": "mushroom mushrooms", "🏮": "lantern lanterns", "🌙": "crescent",
    "💳": "creditcard debitcard", "🚚": "truck lorry van", "🌸": "flower flowers blossom फूल",
    "🌻": "sunflower", "🌹": "roses गुलाब", "🏵": "marigold marigolds गेंदा", "🌷": "tulip",
    "🪷": "lotus कमल", "🍃": "leaf leaves", "🪴": "plant plants houseplant पौधा", "🌵": "cactus",
    "👜": "bag handbag", "👛": "purse wallet", "🎒": "backpack", "🧳": "luggage suitcase", "👗": "dress",
    "👕": "shirt tshirt t-shirt", "👖": "jeans", "🥻": "sari saree lehenga साड़ी",
    "👚": "kurta kurti blouse", "📿": "necklace beads mangalsutra",
    "🍲": "cooker casserole stew", "🥟": "samosa samosas समोसा समोसे dumpling dumplings momo momos", "🧺": "washingmachine laundry detergent",
    "👒": "hat", "🧢": "cap", "🕶": "sunglasses", "👓": "glasses",
    "💍": "ring jewellery jewelry अंगूठी गहने", "💎": "diamond", "👑": "crown", "🎸": "guitar",
    "🎹": "piano", "🥁": "drum", "🎵": "music", "⚽": "ball football", "🏏": "cricket क्रिकेट",
    "🏀": "basketball", "🎾": "tennis", "📖": "book किताब", "📚": "books",
    "🎁": "gift gifts present उपहार", "🎈": "balloon balloons",
    "🪔": "diya diyas diwali deepavali दीया दीये दीप दीपक दिवाली दीपावली", "💡": "lightbulb bulb",
    "🪑": "chair", "🛋": "sofa couch", "🛏": "bed", "🔑": "key", "☂": "umbrella छाता",
    "🎮": "gamepad game gaming controller", "📺": "tv", "❤": "heart", "🏆": "trophy", "🩺": "doctor",
    "💊": "medicine", "🧼": "soap साबुन", "🪥": "toothbrush toothpaste", "💄": "lipstick makeup",
    "🧸": "teddy toy खिलौना", "💰": "money rupee", "🏦": "bank", "📈": "chart", "☁": "cloud",
    "🛍": "shop shopping sale सेल", "🎆": "festival fireworks", "🎉": "party celebration",
    "🎨": "holi paint होली", "🛕": "temple मंदिर", "🏰": "castle", "🕌": "taj mosque eid ईद",
    "⛺": "tent camping", "🧘": "yoga योग",
    "🏋": "fitness gym dumbbell dumbbells barbell weightlifting workout", "🏄": "surfing surfboard",
    "🛹": "skateboard", "🖋": "pen", "🥥": "coconut नारियल", "🥚": "egg", "🧀": "cheese", "🍿": "popcorn",
    "🍬": "sweets mithai मिठाई मिठाइयाँ", "🍳": "pan frypan cookware", "🫖": "teapot kettle",
    "⏰": "alarm clock", "🎤": "microphone", "🧴": "sanitizer", "🧣": "scarf", "🪁": "kite पतंग",
    "🛺": "rickshaw autorickshaw", SCREEN: "app apps ऐप",
    PACKET: "packet packets pouch sachet doypack पैकेट",
}  # fmt: skip
GLYPH_OF_WORD = {word: glyph for glyph, words in _GLYPHS.items() for word in words.split()}

# Colours of things that everyone knows, by the size of the drawing's parts, largest first; where
# it says "main", the colour is that of the picture or the one that the prompt names.
NATURAL_COLOURS = {
    "🪔": "b4632c e8a13a ffd24d ffefb0", "🦊": "e8762c fbf1dc 3a2418",
    "🍔": "d9923f 6fae4a f2c14e 7a4526", "🍕": "f2c14e d9923f c8402f", "🍓": "d8303f 4f9a44 fbe3a0",
    "🍋": "f6d32d 7fae3c", "🍌": "f6d443 8a6a2a", "🍎": "d0313a 5a9a3c 7b4b2a",
    "🥭": "f6a623 6fae4a d9602c", "🌻": "f5b921 5c3a1e 5a9a3c", "🌵": "4f9a57 2f6f43 e87fa0",
    "🌳": "4f8f46 7b4b2a 7fb85a", "🍃": "5fae52 3c7f3a", "🪴": "5a9f55 c9744a 3c7f3a",
    "🐼": "f4f2ec 2a2a2c", "🐘": "9aa3ad c7ccd2", "🦁": "e2a544 b5702c fbe6c0",
    "🐯": "ee9a3a fbf1dc 2e2019", "🐶": "c98d55 fbf1dc 7b4b2a", "🐱": "e8b06a fbf1dc 7b4b2a",
    "🪷": "ef8fb2 f8c9d9 6fae4a", "🌹": "cf2340 3f8a3f", "🌷": "e8507a 4f9a44",
    "🌸": "f4a6c0 fde3ec f2c14e", "🎁": "d8303f f2c14e fbf1dc", "🥥": "7b4b2a fbf6ee",
    "🍫": "6b3f22 c0392b", "🍦": "fff1d6 d9a35a", "🍩": "e87fa0 d9a35a fbf1dc", "🍪": "c9914f 6b3f22",
    "🧸": "b9814a e3bd8c", "🏏": "d9a35a c8402f", "🚗": "main 2b2d33 dcebf5 dcebf5",
    "🚙": "main dcebf5 2b2d33 2b2d33", "🛵": "main 2b2d33 2b2d33 2b2d33",
    "🚚": "main f4f2ec 2b2d33 2b2d33", "🥟": "e0a85a c98d3f", "💍": "d9a83f dff4fb bfeaf8 9fdcf0",
    "⌚": "e9ecef 2a2d33 8a8f98", "🏵": "f59a1b ffc94d c9631a", "🏠": "f0dcc0 c8553d 7b4b2a",
    "🍄": "d8303f fbf1dc fbf1dc", "🌴": "4f9a44 8a5a34 3c7f3a", "🏮": "d8303f f2c14e 7a1f1f",
    "🌙": "f2c94c", "👩": "c98d55 2a1a14 e8507a", "👨": "c98d55 2a1a14 1f6feb",
    "🍬": "e8507a f8c9d9 f2c14e", "🐫": "c99a5b e3bd8c 7b4b2a", "🛕": "e8a95a c8553d f6d9a0",
    PACKET: "main fbf1dc main", SCREEN: "f6f7f9 main 2b2d33 main main main",
    "🍞": "dba05a f2d6a0", "💎": "6fd0ee bfeaf8 3aa0cc",
}  # fmt: skip

# Colours of what is in bottles and jars, where the prompt names none for the thing itself.
CONTENT_COLOURS = {
    "honey": "e09a1f", "mango": "f6a623", "orange": "fb8500", "strawberry": "d8303f", "mint": "8fd6b4",
    "chocolate": "6b3f22", "rose": "f4a6c0", "lemon": "f2cf2d", "cola": "4a2218", "wine": "6a1428",
    "whisky": "b5651d", "aloe": "8fbf6a", "neem": "5a8f46", "turmeric": "e3a81c", "saffron": "f08a24",
    "charcoal": "33353a", "coconut": "f4efe6", "milk": "fbf6ee", "pickle": "b8641f", "ghee": "f0b83a",
    "शहद": "e09a1f", "अचार": "b8641f", "गुलाब": "f4a6c0", "नीम": "5a8f46", "घी": "f0b83a",
}  # fmt: skip
CONTAINERS = frozenset(("bottle", "jar", "dropper", "wine", "can", "candle"))

_RANGES = (
    (0x2300, 0x2BFF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF),
    (0x1FA70, 0x1FAFF),
)  # fmt: skip
_NO_THINGS = frozenset(
    [
        "sign",
        "with",
        "face",
        "black",
        "white",
        "symbol",
        "mark",
        "over",
        "and",
        "light",
        "heavy",
        "left",
        "right",
        "up",
        "down",
        "small",
        "large",
        "medium",
        "open",
        "free",
        "new",
        "end",
        "back",
        "on",
        "cool",
        "top",
        "old",
        "person",
        "set",
        "of",
        "square",
        "circle",
        "triangle",
        "arrow",
        "shot",
        "view",
        "eight",
        "day",
        "night",
        "soft",
        "fast",
        "quick",
        "order",
        "today",
        "bright",
        "line",
        "page",
        "hand",
        "sky",
        "dark",
        "red",
        "blue",
        "green",
        "yellow",
        "orange",
        "purple",
        "brown",
        "star",
        "sun",
        "for",
        "the",
        "text",
        "input",
        "button",
        "high",
        "low",
        "selector",
        "style",
        "voltage",
        "check",
        "multiplication",
        "division",
        "box",
        "drawings",
        "block",
        "shade",
        "electric",
        "right-pointing",
        "wide",
    ]
)


# Nouns of low priority: any other noun of the prompt comes first.
PASSING_WORDS = frozenset(
    [
        "travel",
        "toy",
        "festival",
        "music",
        "party",
        "celebration",
        "home",
        "house",
        "sale",
        "shop",
        "shopping",
        "office",
        "shirt",
        "app",
        "money",
        "bank",
        "chart",
        "cloud",
        "game",
        "gaming",
        "gamepad",
        "yoga",
        "holi",
        "paint",
        "diwali",
        "deepavali",
        "birthday",
        "launch",
        "pet",
        "fitness",
        "gym",
        "घर",
        "सेल",
        "दिवाली",
        "दीपावली",
        "होली",
        "योग",
    ]
)


@lru_cache(maxsize=1)
def _glyph_of_name() -> dict[str, str]:
    """Last words of Unicode names to the emoji whose name is shortest.

    The last word is the head: a "lab coat" is not a lab.
    """
    found: dict[str, tuple[int, str]] = {}
    for first, last in _RANGES:
        for code in range(first, last + 1):
            words = unicodedata.name(chr(code), "").lower().replace("-", " ").split()
            if 0 < len(words) <= 3 and len(words[-1]) > 2 and words[-1] not in _NO_THINGS:
                best = found.get(words[-1], (9, ""))
                found[words[-1]] = min(best, (len(words), chr(code)))
    return {word: glyph for word, (_, glyph) in found.items()}


def glyph_of(word: str) -> str | None:
    """The emoji for a word, by synonyms first and then by Unicode names."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if glyph := GLYPH_OF_WORD.get(form):
            return glyph
    return None


def named_glyph(word: str) -> str | None:
    """The emoji that has the word in its Unicode name, if there is one."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if glyph := _glyph_of_name().get(form):
            return glyph
    return None
