"""What the prompt asks for, in words this painter knows: a lexicon, and the reading of a prompt with it.

Imports attrs, the standard library, and the colours and the noise of this package only.
"""

from __future__ import annotations

import re
import unicodedata

import attrs

from adapters.demo.colour import COLOUR_WORDS, rgb
from adapters.demo.noise import Array, Dice

#: Motif -> the words and emoji that call it. The first group are grounds (what the picture shows), the second hours,
#: the third sky and weather, the fourth things that stand in the scene, the fifth styles and moods.
_LEXICON = {
    "mountain": "mountain mountains mount mountainous peak alps alpine ridge summit valley canyon cliff fjord himalaya "
    "everest rockies highlands landscape scenery vista wilderness nature berg berge montagne montaña 🏔 ⛰ 🗻 🏞",
    "sea": "sea ocean wave waves beach coast coastal shore seascape bay island harbor harbour horizon tropical "
    "surf maritime meer mer mar playa 🌊 🏖 🏝",
    "lake": "lake lakes pond river reflection reflections reflected loch lagoon water see lac lago",
    "forest": "forest forests wood woods woodland jungle pine pines fir spruce conifer taiga rainforest tree trees "
    "wald forêt bosque 🌲 🌳 🎄",
    "desert": "desert dune dunes sahara sand sandy arid oasis mars martian egypt pyramid wüste 🏜 🐪 🐫",
    "city": "city cities skyline town street urban metropolis downtown skyscraper building buildings tokyo york "
    "london paris manhattan shanghai futuristic architecture stadt ville ciudad 🏙 🌆 🌃 🌇",
    "space": "space galaxy galaxies nebula cosmos cosmic universe planet planets astronomy interstellar saturn jupiter "
    "spaceship starship supernova weltraum 🌌 🪐 🚀 👽 🛸",
    "meadow": "meadow field fields grass grassland prairie garden wildflowers flowers poppies hill hills pasture farm "
    "countryside spring tulips daisies sunflowers village hamlet wiese 🌾 🌻 🌷",
    "bloom": "flower rose roses lotus orchid peony dahlia blossom petal petals lily tulip daisy sunflower poppy bouquet "
    "botanical hibiscus blume fleur flor 🌹 🌸 🌺 🌼 💐 🪷",
    "grid": "synthwave vaporwave outrun retrowave",
    "abstract": "abstract abstraction pattern fractal geometric texture wallpaper background swirl fluid marble "
    "psychedelic ink smoke paint shapes art design logo colors colours 🎨",
    "portrait": "portrait face headshot bust selfie closeup girl boy woman man lady princess queen king model 👩 👨 👤",
    "planet": "planet planets saturn jupiter exoplanet 🪐",
    "dawn": "dawn sunrise morning daybreak aurore amanecer 🌅 🌄",
    "day": "day daylight noon midday sunny summer bright clear daytime afternoon ☀ 🌞",
    "sunset": "sunset sundown golden-hour sonnenuntergang atardecer evening autumnal",
    "dusk": "dusk twilight nightfall blue-hour gloaming",
    "night": "night midnight nighttime nocturnal dark darkness moonlit moonlight starry nacht nuit noche 🌙 🌚 🌜 🌛",
    "stars": "star stars starry constellation milky stargazing ⭐ 🌟 ✨ 🌠",
    "moon": "moon moonlit moonlight lunar crescent mond lune luna 🌙 🌕 🌝 🌜 🌛",
    "sun": "sun sunlight sunny sunshine sonne soleil sol ☀ 🌞 🌅",
    "aurora": "aurora borealis australis polarlicht northern-lights",
    "cloud": "cloud clouds cloudy overcast cumulus cloudscape sky ☁ ⛅ 🌥",
    "clear": "clear cloudless",
    "rain": "rain rainy drizzle wet monsoon umbrella regen pluie lluvia 🌧 ☔",
    "storm": "storm stormy thunder thunderstorm lightning tempest hurricane dramatic ⛈ 🌩 ⚡",
    "snow": "snow snowy winter blizzard frost frozen ice icy arctic antarctica glacier christmas polar schnee neige "
    "nieve ❄ ⛄ ☃",
    "fog": "fog foggy mist misty haze hazy smoky ethereal mysterious nebel 🌫",
    "rainbow": "rainbow 🌈",
    "birds": "bird birds seagull seagulls flock eagle crow crows raven swallow geese 🐦 🕊 🦅",
    "balloon": "balloon balloons hot-air 🎈",
    "boat": "boat boats sailboat ship sailing yacht sail fishing ⛵ 🚤 🛥 🚢",
    "lighthouse": "lighthouse leuchtturm phare faro",
    "cabin": "village hamlet farm cabin house hut cottage chalet home barn lodge haus maison casa 🏠 🏡 🛖",
    "village": "village hamlet dorf pueblo 🏘",
    "castle": "castle fortress palace ruins tower medieval kingdom burg schloss château castillo 🏰 🏯",
    "cat": "cat cats kitten kitty feline katze chat gato 🐈 🐱 😺",
    "dog": "dog dogs puppy wolf wolves fox husky hund chien perro 🐕 🐶 🐺 🦊",
    "deer": "deer stag elk moose reindeer horse unicorn 🦌 🐎 🐴 🦄",
    "person": "person wanderer hiker traveler traveller monk wizard knight samurai warrior astronaut explorer people "
    "human hero robot someone girl boy woman man 🧍 🚶 🧙 🥷 🤖 🧑‍🚀",
    "palm": "palm palms tropical coconut oasis beach 🌴 🏝",
    "oak": "oak lone-tree tree willow",
    "cherry": "cherry sakura 🌸",
    "cactus": "cactus cacti saguaro 🌵",
    "autumn": "autumn fall autumnal maple october herbst automne otoño 🍂 🍁",
    "neon": "neon cyberpunk synthwave vaporwave outrun retrowave blade-runner holographic",
    "pastel": "pastel soft gentle delicate dreamy cute kawaii",
    "mono": "monochrome black-and-white grayscale greyscale noir charcoal bw",
    "sepia": "sepia vintage antique nostalgic daguerreotype",
    "vivid": "vivid vibrant colorful colourful saturated fantasy magical magic",
    "gloomy": "gloomy sad melancholy moody eerie horror spooky haunted apocalyptic",
    "oil": "oil impasto painterly monet gogh impressionist impressionism",
    "watercolor": "watercolor watercolour aquarelle gouache",
    "pixel": "pixel pixelart 8-bit 8bit 16-bit voxel minecraft",
    "sketch": "sketch pencil drawing doodle graphite sketched",
    "poster": "poster flat minimalist minimal vector illustration ukiyo woodblock",
}

GROUNDS = ("mountain", "sea", "lake", "forest", "desert", "city", "space", "meadow", "bloom", "grid", "abstract",
           "portrait")  # fmt: skip
_HOUR_WORDS = ("dawn", "day", "sunset", "dusk", "night")
#: Two words that mean one thing are joined before the lookup.
_JOINED = ("golden hour", "blue hour", "northern lights", "hot air", "black and white", "lone tree", "blade runner",
           "8 bit", "16 bit")  # fmt: skip

#: Colour words that are plants first, when another colour stands beside them.
_FLOWERS = frozenset({"rose", "lavender", "lilac", "violet", "peach", "olive"})

_BY_WORD: dict[str, list[str]] = {}
for _motif, _words in _LEXICON.items():
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_motif)

_TOKEN = re.compile(r"[^\W_]+(?:-[^\W_]+)*|[^\w\s]")
#: Weights and tags of prompt dialects: "(sunset:1.3)", "<lora:name:0.8>".
_DIALECT = re.compile(r"<[^<>]*>|:\d+(?:\.\d+)?")


@attrs.frozen(kw_only=True, eq=False)
class Theme:
    """What a picture is to show. The motifs are those named in the prompt, in its order."""

    motifs: tuple[str, ...]
    grounds: tuple[str, ...]
    hour: str
    colours: tuple[Array, ...]

    def has(self, *motifs: str) -> bool:
        """Whether any of the motifs is asked for."""
        return any(motif in self.motifs for motif in motifs)


def words_of(text: str) -> list[str]:
    """The words and symbols of a prompt, lower case, in order."""
    plain = _DIALECT.sub(" ", unicodedata.normalize("NFC", text)).lower().replace("\ufe0f", "")
    for pair in _JOINED:
        plain = plain.replace(pair, pair.replace(" ", "-"))
    return _TOKEN.findall(plain)


def motifs_of(words: list[str]) -> list[str]:
    """The motifs that the words call, each once, in order of first mention."""
    found: dict[str, None] = {}
    for word in words:
        # "snow-capped" is known by its parts when it is not by itself.
        for part in (word,) if word in _BY_WORD else word.split("-"):
            stem = part if part in _BY_WORD or not part.endswith("s") else part[:-1]
            found.update(dict.fromkeys(_BY_WORD.get(stem, ())))
    return list(found)


def read(prompt: str, negative_prompt: str, dice: Dice) -> Theme:
    """The theme of a prompt. What it leaves open is drawn from `dice`; the negative prompt takes motifs away."""
    words = words_of(prompt)
    unwanted = set(motifs_of(words_of(negative_prompt)))
    motifs = [motif for motif in motifs_of(words) if motif not in unwanted]
    if "clear" in motifs and "cloud" in motifs:
        motifs.remove("clear")
    if "cloud" in unwanted:
        motifs.append("clear")
    named = [word for word in dict.fromkeys(words) if word in COLOUR_WORDS]
    # "Red rose": the rose is the flower, not the colour.
    plain = [word for word in named if word not in _FLOWERS]
    colours = tuple(rgb(COLOUR_WORDS[word]) for word in plain or named)
    hours = [motif for motif in motifs if motif in _HOUR_WORDS]
    return Theme(
        motifs=tuple(motifs),
        grounds=_grounds(motifs, unwanted, words, dice.fork("ground")),
        hour=hours[0] if hours else _open_hour(motifs, dice.fork("hour")),
        colours=colours[:3],
    )


#: What a thing stands in when the prompt names no place.
_IMPLIED = {
    "boat": "sea", "lighthouse": "sea", "palm": "sea", "cactus": "desert", "balloon": "meadow", "cherry": "lake",
    "cabin": "mountain", "castle": "mountain", "cat": "meadow", "dog": "mountain", "deer": "forest", "oak": "meadow",
    "person": "mountain", "autumn": "forest", "aurora": "mountain", "neon": "city", "snow": "mountain",
    "rainbow": "meadow", "moon": "sea", "stars": "mountain", "fog": "forest", "storm": "sea",
}  # fmt: skip
_OPEN_CHOICE = ("mountain", "sea", "forest", "desert", "meadow", "abstract", "space")
_CLOSE_UP = frozenset({"portrait", "face", "headshot", "bust", "selfie", "closeup"})


def _grounds(motifs: list[str], unwanted: set[str], words: list[str], dice: Dice) -> tuple[str, ...]:
    named = [motif for motif in motifs if motif in GROUNDS]
    if "grid" in named:
        return ("grid", *(ground for ground in named if ground != "grid"))
    # A style word such as "art" or "design" makes nothing abstract that has a subject of its own.
    subjects = [ground for ground in named if ground != "abstract"]
    if "portrait" in subjects and not _CLOSE_UP & set(words):
        # "Portrait of a queen" is a portrait; "a woman in a forest" is a forest with someone in it.
        subjects = [ground for ground in subjects if ground != "portrait"] or ["portrait"]
    if subjects or named:
        return tuple(subjects or named)
    implied = [_IMPLIED[motif] for motif in motifs if motif in _IMPLIED and _IMPLIED[motif] not in unwanted]
    if implied:
        return (implied[0],)
    open_choice = ("mountain", "sea", "forest", "desert", "meadow") if motifs else _OPEN_CHOICE
    return (dice.pick([ground for ground in open_choice if ground not in unwanted] or ["mountain"]),)


def _open_hour(motifs: list[str], dice: Dice) -> str:
    if {"stars", "moon", "aurora"} & set(motifs):
        return "night"
    if "neon" in motifs or "city" in motifs:
        return dice.pick(("night", "dusk", "sunset"))
    if {"rainbow", "snow", "rain"} & set(motifs):
        return dice.pick(("day", "dawn", "dusk"))
    if {"storm", "gloomy"} & set(motifs):
        return dice.pick(("dusk", "dusk", "night"))
    if "sun" in motifs:
        return dice.pick(("sunset", "dawn", "day"))
    return dice.pick(("sunset", "dawn", "day", "dusk", "sunset", "night"))
