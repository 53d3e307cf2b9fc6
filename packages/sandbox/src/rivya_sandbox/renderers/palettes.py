"""Palettes and named colours, and the words of a prompt that call for them."""

from __future__ import annotations

from rivya_sandbox.renderers.colour import rgb
from rivya_sandbox.renderers.field import Field

# Five steps from dark to light, then two accents.
_CODES = {
    "sunset": "1b1035 5b1e5a c8325c ff7a4d ffd089 ffe9c9 2de2e6",
    "dawn": "2a2d5c 6d5a94 d98fa3 f8c6a6 fff1dd ff6f59 3d5a80",
    "ocean": "04182f 0b4f6c 1a8fa8 7fd6d0 e8fbf3 ff8a5b ffe66d",
    "forest": "0b1f17 1f4d36 4f8a4b a9c77a f1f4d9 e07a3f 2f6f8f",
    "desert": "3b1c14 8a3d22 d67b3a f2bb6b fdf0d2 2a7f8e c1121f",
    "neon": "0a0518 2a0a5e 7a12c9 ff2fa8 ffd1f7 19f0ff f9ff4a",
    "mono": "0c0d10 2c2f36 6b707b b9bdc6 f5f6f8 e63946 f4a261",
    "pastel": "5b5f97 a39fd0 f2b5c4 ffd9c7 fff8ef 7fd1ae ff8fa3",
    "coffee": "1c0f0a 4a2a1b 8c5a3c cfa57f f6eadb e0a458 5f7a61",
    "mint": "0d2b2b 1f6f68 5cc2ae bfeedd f5fffb ff7f6a f6c445",
    "royal": "0b0b2e 23238e 5a4fd6 b9a9ff f3efff ffb703 fb5b8f",
    "citrus": "2b2a06 7a7f10 d6c21d ffe66b fffbe0 ff6b35 2e86ab",
    "rose": "2f0a1c 7d1b46 d1447e f59bb5 ffeaf0 ffd166 3a86a8",
    "arctic": "0d1b2a 1b3a5c 4d86b5 b4d8ee f6fbff ff9f1c ef476f",
    "gold": "14100a 4a3612 a5782a e8c268 fff6dc 8d1d2c 2b5d5a",
    "retro": "22304a 2f6f77 e9c46a f4a261 faf0dc e76f51 264653",
    "berry": "180a2b 4b1769 8f2d84 d96aa0 ffe3ef 7ae582 ffc857",
    "earth": "231a12 57402b 94764f cdb58b f4ecdb 7d8f4e b6502f",
    "hearth": "1d120d 5a3320 b26a35 eab67a fff0d8 c8553d 3f6b66",
}
PALETTES: dict[str, tuple[Field, ...]] = {
    name: tuple(rgb(code) for code in codes.split()) for name, codes in _CODES.items()
}

_WORDS = {
    "sunset": "sunset dusk golden hour summer sunrise mango tropical शाम",
    "dawn": "dawn morning soft gentle baby spring wedding सुबह",
    "ocean": "ocean sea beach water wave surf underwater marine swim island lake river coast समुद्र",
    "forest": "forest jungle nature green tree plant leaf organic eco bamboo garden matcha जंगल",
    "desert": "desert dune canyon clay terracotta western sahara spice masala autumn fall holi",
    "neon": "neon cyberpunk club synthwave vaporwave futuristic gaming electric techno hologram",
    "mono": "monochrome noir black-and-white bw steel tech chrome titanium",
    "pastel": "pastel candy cute kawaii dreamy cotton ice-cream toy kid kids child",
    "coffee": "coffee espresso latte cappuccino mocha chocolate cocoa leather bread bakery कॉफ़ी कॉफी",
    "mint": "mint fresh clean spa wellness skincare health hygiene toothpaste yoga",
    "royal": "royal space galaxy cosmic magic wizard universe nebula planet astronaut star",
    "citrus": "lemon citrus lime banana yellow sun honey juice orange",
    "rose": "rose romantic love valentine pink lipstick cosmetics beauty flower perfume",
    "arctic": "snow ice winter arctic cold frost glacier christmas mountain mountains sky monsoon",
    "gold": "gold luxury premium jewellery jewelry diwali festive festival diamond whisky watch "
    "दिवाली दीपावली त्योहार उत्सव दीया दीये दीप सोना",
    "retro": "retro vintage 70s 80s poster travel classic",
    "berry": "berry grape wine plum purple violet lavender",
    "earth": "earth stone rustic farm handmade craft pottery rice wheat village",
    "hearth": "warm cosy cozy evening oak wood wooden brass candle lamp home hearth fireplace quiet "
    "chai tea चाय लैंप घर",
}
WORDS_OF_PALETTES = {name: frozenset(words.split()) for name, words in _WORDS.items()}

_COLOUR_CODES = {
    "red": "e63946", "crimson": "c1121f", "orange": "fb8500", "amber": "ffb703",
    "yellow": "ffd60a", "gold": "e0a526", "golden": "e0a526", "green": "2a9d4b",
    "emerald": "0f9d76", "teal": "118a8a", "turquoise": "2ec4b6", "cyan": "19c3e6",
    "blue": "1f6feb", "navy": "12305f", "indigo": "4338ca", "violet": "7c3aed",
    "purple": "7b2cbf", "magenta": "d6249f", "pink": "ff6fa3", "brown": "7b4b2a",
    "beige": "e3cfa8", "cream": "fbf1dc", "white": "f7f7f5", "black": "15161a",
    "grey": "8a8f98", "gray": "8a8f98", "silver": "c0c6cf", "copper": "b5673a",
    "brass": "c79a45", "bronze": "9a6b34", "coral": "ff6b5e", "lime": "9be22d",
    "olive": "76803a", "maroon": "7a1f2b", "lavender": "b39ddb", "peach": "ffc09f",
    "लाल": "e63946", "नीला": "1f6feb", "हरा": "2a9d4b", "पीला": "ffd60a",
    "गुलाबी": "ff6fa3", "सफेद": "f7f7f5", "काला": "15161a", "सुनहरा": "e0a526",
    "सुनहरी": "e0a526",
}  # fmt: skip
COLOURS: dict[str, Field] = {name: rgb(code) for name, code in _COLOUR_CODES.items()}
METALS = frozenset(
    [
        "gold",
        "golden",
        "silver",
        "copper",
        "brass",
        "bronze",
        "steel",
        "chrome",
        "titanium",
        "metal",
    ]
)
