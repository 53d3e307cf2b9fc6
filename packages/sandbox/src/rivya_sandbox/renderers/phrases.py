"""The stock phrases of the sandbox's copy, in English and Hindi, and the words that lead to them."""

from __future__ import annotations

import re

OPENINGS = {
    "en": ("Meet {product}.", "Introducing {product}.", "Say hello to {product}."),
    "hi": ("पेश है {product}।", "मिलिए {product} से।", "यह है {product}।"),
}
# By length, so that a narration can reach the requested number of words exactly.
CLOSINGS = {
    "en": (
        "Yours.",
        "Made simple.",
        "Made for you.",
        "Make every moment yours.",
        "Good things start right here.",
        "It feels like coming home today.",
    ),
    "hi": (
        "आज ही।",
        "आपके लिए।",
        "हर दिन खास।",
        "आपके घर के लिए।",
        "हर पल को बनाए खास।",
        "आज ही अपने घर ले आइए।",
    ),
}
FILLERS = {
    "en": ("Simple to love", "Ready when you are", "Made with care", "Small in size, big in joy",
           "For every day and every evening", "Nothing more, nothing less"),
    "hi": ("सादगी और सुंदरता", "हर घर की पसंद", "प्यार से बनाया हुआ", "छोटी सी चीज़, बड़ी सी खुशी",
           "हर सुबह और हर शाम", "बस इतना ही काफ़ी है"),
}  # fmt: skip
SHOTS = (
    "Close-up of {product} on a table, {details}, soft shadows, shallow depth of field",
    "Low angle on {product} in the foreground, {details}, light falling from the left",
    "Wide shot with {product} at the centre, {details}, calm background, clear sky of one colour",
    "{product} seen from above, {details}, clean lines, generous empty space",
)
MOVES = ("Slow push-in", "Slow pan to the right", "Gentle pull back", "Slow tilt up")
SCENES = (
    "A bright scene that stands for {product}, {details}, natural light, shallow depth of field",
    "Wide view of {product}, {details}, calm background, clear sky of one colour",
    "A quiet moment with {product}, {details}, light falling from the left, generous empty space",
)
# What cannot stand on a table.
NO_OBJECTS = frozenset(
    [
        "app",
        "bank",
        "brand",
        "cafe",
        "campaign",
        "class",
        "club",
        "company",
        "course",
        "event",
        "festival",
        "hotel",
        "insurance",
        "loan",
        "offer",
        "platform",
        "plan",
        "resort",
        "restaurant",
        "sale",
        "school",
        "service",
        "shop",
        "show",
        "store",
        "subscription",
        "studio",
        "tour",
        "trip",
        "website",
        "workshop",
        "दुकान",
        "सेल",
        "ऐप",
        "सेवा",
        "कोर्स",
        "स्कूल",
        "होटल",
    ]
)
UNSEEN = re.compile(
    r"[\d₹$€£%]|\b(?:price|off|order|free|deliver\w*|discount|offer|warranty|guarantee|launch|call"
    r"|book|visit|download|whatsapp|message|range|hours?)\b",
    re.IGNORECASE,
)
DEED = re.compile(
    r"(?:order|call|book|visit|download|shop|buy|join|sign up|register|subscribe|try)\b"
    r"|अभी |आज ही ",
    re.IGNORECASE,
)
VERB = re.compile(r"^(?:keeps|makes|lasts|gives|helps|works|comes|saves|fits|feels|stays|is|has)\b")
TAGLINES = {
    "en": ("{detail}. Made for you.", "Say yes to {lower}.", "{detail}, and nothing less."),
    "hi": ("{detail}, हर दिन।", "{detail}। आपके लिए।", "{detail}, बस और क्या चाहिए।"),
}
ACTIONS = {
    "en": ("Discover more today", "Order yours now", "See for yourself"),
    "hi": ("आज ही देखिए", "अभी मंगाइए", "अपने घर ले आइए"),
}
# By a word of the product, the verb for using it.
SPECIAL_ACTIONS = (
    ("app", ("Download it today", "Get the app", "Try it free today")),
    ("sale offer store shop", ("Shop the offer today", "Visit us today", "Save now")),
    ("club class course event festival school workshop show",
     ("Join us today", "Save your place", "Be part of it")),
    ("hotel resort restaurant cafe tour trip", ("Book your table", "Plan your visit", "Book now")),
    ("bank insurance loan plan platform service subscription website",
     ("Find out more", "Start today", "Talk to us today")),
    ("दुकान सेल", ("आज ही आइए", "अभी खरीदिए", "आपका इंतज़ार है")),
)  # fmt: skip
MOODS = {"en": ("warm and calm", "bright and lively", "quiet and elegant"),
          "hi": ("शांत और गर्मजोश", "चमकदार और जीवंत", "सादा और सुंदर")}  # fmt: skip
MUSIC = ("calm piano and soft pads", "warm lo-fi with a light beat", "upbeat pop with plucks")
COLOURS = ("gold", "teal", "coral", "navy", "cream", "emerald")
MATERIALS = ("oak", "brass", "linen", "glass", "ceramic", "paper")
KNOWN_MATERIALS = (
    *MATERIALS,
    "wood",
    "steel",
    "silk",
    "cotton",
    "leather",
    "wool",
    "clay",
    "gold",
    "silver",
    "copper",
    "marble",
    "bamboo",
    "plastic",
    "stone",
    "jute",
)
KEYWORDS = (
    "new",
    "today",
    "design",
    "everyday",
    "madewithcare",
    "discover",
    "ideas",
    "inspiration",
)
PLACES = ("a quiet room with a large window", "a street in the early morning",
           "a kitchen table", "a garden in the evening")  # fmt: skip
# Of later rounds of shots, so that a long list repeats none.
LIGHTS = ("", "in morning light", "at dusk", "under an overcast sky", "lit from behind",
           "by candlelight", "in hard noon light")  # fmt: skip
PLAIN_SIGHTS = ("warm light", "honest materials", "quiet moments")
TOPIC_OPENINGS = (
    "Let us talk about {product}.",
    "A closer look at {product}.",
    "This is about {product}.",
)
TOPIC_ACTIONS = ("Find out more", "Try it yourself", "Start today")
TOPIC_DETAILS = ("small steps every day", "what matters most", "where to begin")
# Details that an English brief often has, for its copy in Hindi.
IN_HINDI = {
    "warm light": "गुनगुनी रोशनी", "soft light": "मद्धम रोशनी", "quiet evening": "शांत शाम",
    "oak": "ओक की लकड़ी", "brass": "पीतल की चमक", "oak and brass": "ओक और पीतल", "silk": "रेशम का स्पर्श",
    "clay cup": "मिट्टी का कुल्हड़", "clay cups": "मिट्टी के कुल्हड़", "steam": "उठती भाप",
    "rainy evening": "बारिश की शाम", "deep bass": "गहरा बेस", "dark roast": "गहरा भुना स्वाद",
    "handmade": "हाथ से बना", "made by hand": "हाथ से बना", "natural": "प्राकृतिक", "organic": "जैविक",
    "no added sugar": "बिना चीनी", "fresh": "ताज़गी", "fast": "तेज़ रफ़्तार", "free delivery": "मुफ़्त डिलीवरी",
    "no paperwork": "बिना काग़ज़ी काम", "instant loans": "तुरंत लोन", "quiet": "बिना शोर",
}  # fmt: skip
PLAIN_DETAILS = {"en": ("good things every day", "honest care", "moments that stay"),
                  "hi": ("छोटी-छोटी खुशियाँ", "सच्ची कारीगरी", "सुकून के पल")}  # fmt: skip
