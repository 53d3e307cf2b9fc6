"""Prompt words for places and looks, and words without meaning for a picture."""

from __future__ import annotations

from unicodedata import normalize


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TOWN = "town"
_PLACE_NAMES = {
    "mountains": "mount mountain mountains alps himalaya himalayas peak peaks valley hill hills hillside glacier "
    "volcano पहाड़ पहाड़ों पहाड़ी पर्वत हिमालय घाटी",
    "lake": "lake lakes river riverbank pond lagoon backwaters झील नदी तालाब",
    "sea": "sea seaside ocean coast harbour harbor island pier समुद्र सागर समंदर",
    "beach": "beach beaches shore seashore तट बीच",
    "underwater": "underwater reef",
    "city": "city cities skyline downtown metropolis rooftop bridge शहर नगर छत",
    "street": "street streets alley alleyway lane sidewalk pavement road highway crosswalk सड़क सड़कों गली गलियों "
    "रास्ते",
    "market": "market bazaar bazar marketplace fair stall बाज़ार मेले मेला",
    "forest": "forest forests jungle woods woodland rainforest जंगल वन",
    "garden": "garden gardens park backyard courtyard orchard greenhouse lawn बगीचा बगीचे बाग बाग़ पार्क आँगन आंगन",
    "meadow": "meadow meadows field fields farm farmland countryside village pasture prairie गाँव गांव खेत खेतों मैदान",
    "balcony": "balcony terrace veranda porch बालकनी छज्जे छज्जा बरामदे बरामदा",
    "desert": "desert dune dunes sahara canyon रेगिस्तान मरुस्थल",
    "sky": "sky skies clouds आसमान आकाश",
    "space": "space galaxy cosmos nebula planet orbit अंतरिक्ष",
    "room": "room livingroom lounge home house interior hotel घर कमरा कमरे बैठक",
    "bedroom": "bedroom bedside शयनकक्ष",
    "kitchen": "kitchen kitchens रसोई रसोईघर किचन",
    "bathroom": "bathroom bath spa shower गुसलखाने स्नानघर बाथरूम",
    "cafe": "cafe café cafes cafés coffeehouse coffeeshop teahouse restaurant bistro bar diner bakery कैफ़े कैफे "
    "रेस्तरां दुकान ढाबे ढाबा",
    "office": "office offices workplace workspace coworking boardroom दफ़्तर दफ्तर ऑफ़िस ऑफिस कार्यालय",
    "shop": "shop store supermarket boutique showroom दुकानों",
    "library": "library bookshop bookstore study classroom school पुस्तकालय स्कूल",
    "gym": "gym जिम",
    "bokeh": "fairylights",
    "studio": "studio स्टूडियो",
}
# What is seen in well-known towns and countries. Unknown names after a preposition are towns, too.
_TOWN_NAMES = {
    "city": "york chicago francisco angeles toronto london berlin frankfurt tokyo osaka seoul shanghai beijing "
    "singapore bangkok jakarta dubai mumbai delhi bangalore bengaluru kolkata sydney melbourne lagos nairobi "
    "johannesburg paulo janeiro brooklyn manhattan मुंबई मुम्बई दिल्ली कोलकाता बेंगलुरु लंदन टोक्यो न्यूयॉर्क दुबई",
    "street": f"{TOWN} paris lisbon porto madrid barcelona rome florence milan prague vienna amsterdam brussels "
    "havana istanbul edinburgh munich jaipur varanasi lucknow agra पेरिस रोम जयपुर वाराणसी बनारस लखनऊ आगरा",
    "market": "marrakesh marrakech",
    "garden": "kyoto क्योटो",
    "mountains": "switzerland schweiz austria norway iceland canada alaska colorado scotland nepal bhutan tibet "
    "peru bolivia chile patagonia andes rockies dolomites fuji everest kashmir himachal ladakh sikkim darjeeling "
    "japan china korea कश्मीर हिमाचल लद्दाख नेपाल शिमला मनाली जापान",
    "meadow": "france germany england ireland britain netherlands holland denmark poland ukraine italy spain "
    "tuscany provence normandy bavaria zealand india punjab vietnam kenya tanzania argentina uruguay kansas "
    "भारत पंजाब फ्रांस फ़्रांस इटली",
    "desert": "egypt cairo morocco tunisia algeria libya namibia jordan oman qatar arabia iran arizona nevada utah "
    "mexico mongolia australia outback rajasthan राजस्थान मिस्र",
    "beach": "goa bali hawaii maldives jamaica barbados bahamas fiji tahiti seychelles mauritius zanzibar caribbean "
    "thailand philippines miami गोवा मालदीव बाली",
    "sea": "greece santorini croatia malta cyprus sicily sardinia capri portugal maine cornwall brittany",
    "lake": "kerala como finland केरल",
    "forest": "amazon brazil congo borneo indonesia sweden",
}
_PLACE_HINTS = {
    "mountains": "hiking trek snow winter camping adventure outdoor landscape",
    "sea": "wave waves boat sailboat yacht ship surf surfing lighthouse tropical holiday vacation houseboat लहरें लहरों",
    "city": "urban traffic building buildings",
    "forest": "trees fox deer wild nature leaf eco organic",
    "garden": "plants potted flowerbed",
    "balcony": "monsoon",
    "desert": "camel",
    "space": "rocket astronaut stars cosmic universe moon alien",
    "bokeh": "festival party diwali deepavali christmas celebration lights romantic wedding "
    "jewellery jewelry ramadan eid lantern lanterns ईद रमज़ान दिवाली दीपावली त्योहार उत्सव",
    "room": "evening cosy cozy quiet table desk window morning reading sofa शाम मेज़ मेज",
    "cafe": "barista espresso",
    "kitchen": "cooking",
}
# Words that say where something is: before the place, in Hindi after it.
AT = _set(
    "in on at by near beside inside outside along through across under over above behind against "
    "before amid among overlooking into"
)
AT_AFTER = _set("में पर के की किनारे से")
# Names of places that are other words too: places only where something is at them.
AMBIGUOUS = _set(
    "space sky skies clouds field fields peak home house interior bar bath shower spa fair "
    "stall study school road lane fall orbit hotel bridge china jordan बीच दुकान मैदान छत वन"
)
WILD = _set("sea mountains forest desert")
# Words after a place that do not make it a mere description of a thing ("street style").
OF_PLACES = _set(
    "style scene landscape background backdrop view setting counter table desk interior wall window floor light "
    "lights atmosphere top at in on by with"
)
INDOORS = _set("room bedroom kitchen bathroom cafe office shop library gym studio")

WITHOUT_GROUND = _set("sky space underwater")  # nothing stands there


def _by_word(words_of: dict[str, str]) -> dict[str, str]:
    return {
        normalize("NFC", word): place for place, words in words_of.items() for word in words.split()
    }


TOWNS = _by_word(_TOWN_NAMES)
PLACE_OF_NAME = _by_word(_PLACE_NAMES) | TOWNS
PLACE_OF_HINT = _by_word(_PLACE_HINTS)

# Subjects shown in their place, not on a table.
AT_HOME = {
    "sea": frozenset("⛵🚢🐳🐟🐢🏄🐧"),
    "lake": frozenset("⛵🐟🦆"),
    "beach": frozenset("🌴🐢🏄⛵"),
    "underwater": frozenset("🐟🐳🐢"),
    "space": frozenset("🚀"),
    "desert": frozenset("🐫🚙🌵"),
    "forest": frozenset("🦊🐘🦁🐯🐼🐻🐰🦉🐵⛺🌳🚙"),
    "garden": frozenset("🌳🐰🦋🌻🌹🌷🌸"),
    "meadow": frozenset("🐴🐰🦊🌳🏠🌻🚗🚙🚲"),
    "mountains": frozenset("⛺🚙🐴🏠🚗🏍🛕🐧🐻🦊"),
    "city": frozenset("🚗🚙🛵🏍🚲🛺"),
    "street": frozenset("🚗🚙🛵🏍🚲🛺🐱🐶"),
}

_LOOKS = {
    "studio": "studio podium packshot product-shot catalogue",
    "neon": "neon cyberpunk synthwave vaporwave hologram",
    "poster": "flat vector minimal minimalist illustration cartoon poster graphic sticker icon "
    "infographic",
    "gradient": "gradient 3d floating levitating abstract dreamy",
    "noir": "noir monochrome bw black-and-white grayscale",
    "watercolor": "watercolor watercolour painting painted impressionist gouache aquarelle",
    "pencil": "sketch pencil drawing lineart charcoal",
    "pixel": "pixel 8bit pixelart pixel-art 16bit",
    "comic": "comic comicstrip pop-art popart halftone manga superhero",
    "strip": "comicstrip panels storyboard",
    "flat": "flat vector illustration illustrated cartoon sticker icon infographic",
    "enamel": "enamel enamelpin lapelpin",
    "retro": "retro vintage film 70s polaroid",
    "night": "night midnight nighttime moon moonlight moonlit रात चाँदनी",
    "dusk": "sunset dusk evening twilight sundown शाम सूर्यास्त",
    "dawn": "dawn sunrise morning सुबह भोर सूर्योदय",
    "snow": "snow snowy snowfall winter christmas बर्फ बर्फ़ बर्फीले बर्फीली बर्फ़ीले",
    "rain": "rain rainy raining monsoon storm stormy drizzle बारिश वर्षा बरसात मानसून",
    "fog": "fog foggy mist misty haze hazy कोहरा कोहरे धुंध",
    "blossom": "blossom blossoms sakura",
    "autumn": "autumn autumnal पतझड़",
    "silk": "silk silky satin velvet draped fabric रेशम रेशमी",
    "table": "table desk wooden marble counter kitchen shelf मेज़",
}
LOOKS = {look: frozenset(normalize("NFC", words).split()) for look, words in _LOOKS.items()}

# Prompt words that name neither a subject nor a product.
EMPTY_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "with",
        "and",
        "or",
        "for",
        "to",
        "by",
        "from",
        "as",
        "is",
        "are",
        "be",
        "this",
        "that",
        "it",
        "its",
        "into",
        "over",
        "under",
        "near",
        "very",
        "high",
        "quality",
        "photo",
        "image",
        "picture",
        "photograph",
        "render",
        "shot",
        "view",
        "style",
        "background",
        "front",
        "ultra",
        "realistic",
        "detailed",
        "4k",
        "8k",
        "hd",
        "cinematic",
        "lighting",
        "product",
        "advertisement",
        "advert",
        "ad",
        "banner",
        "brand",
        "new",
        "make",
        "create",
        "generate",
        "show",
        "showing",
        "beautiful",
        "modern",
        "best",
        "our",
        "your",
        "their",
        "his",
        "her",
        "up",
        "close",
        "closeup",
        "close-up",
        "wide",
        "angle",
        "scene",
        "hero",
        "key",
        "visual",
        "social",
        "media",
        "post",
        "campaign",
        "variant",
        "variation",
        "soft",
        "light",
        "dark",
        "bright",
        "slow",
        "push-in",
        "dust",
        "shadows",
        "depth",
        "field",
        "shallow",
        "centre",
        "center",
        "foreground",
        "left",
        "right",
        "above",
        "below",
        "clean",
        "lines",
        "empty",
        "space",
        "generous",
        "low",
        "clear",
        "sky",
        "one",
        "colour",
        "color",
        "calm",
        "falling",
        "seen",
        "table",
        "same",
        "keep",
        "turn",
        "change",
        "add",
        "edit",
        "photo",
        "reference",
        "instagram",
        "facebook",
        "youtube",
        "whatsapp",
        "linkedin",
        "reel",
        "story",
        "stories",
        "dslr",
        "led",
        "ai",
        "uhd",
        "cgi",
        "ugc",
        "card",
        "greeting",
        "machine",
        "speech",
        "bubble",
        "bubbles",
        "delivery",
        "design",
    ]
)
