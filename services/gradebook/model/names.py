"""Names typed in a font's own encoding from before Unicode: TCVN3 (ABC), VNI, or UTF-8 read as something else.

Such a name is stored and printed as it looks, «NguyÔn V¨n», and no later step can notice. It is found in two ways: by
signs that stand in no name, and by words that are no Vietnamese syllables but become so, all of them, when the old
encoding is undone. Names of other peoples and countries are no Vietnamese syllables either way and pass.
"""

import re
import unicodedata

_TCVN3 = dict(
    zip(
        "µ¸¶·¹¨»¾¼½Æ©ÇÊÈÉË®ÌÐÎÏÑªÒÕÓÔÖ×ÝØÜÞßãáâä«åèæçé¬êíëìîïóñòô\u00adõøö÷ùúýûüþ¡¢§£¤¥¦",
        "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵĂÂĐÊÔƠƯ",
        strict=True,
    )
)
"""TCVN 5712:1993, third set, as its bytes look when they are taken for Latin-1."""


def _vni() -> dict[str, str]:
    """VNI writes a mark as a letter of its own after the vowel: «Nguyeãn» is Nguyễn."""
    tones = {"ø": "\u0300", "ù": "\u0301", "û": "\u0309", "õ": "\u0303", "ï": "\u0323"}
    hats = {"à": "\u0300", "á": "\u0301", "å": "\u0309", "ã": "\u0303", "ä": "\u0323"}
    breves = {"è": "\u0300", "é": "\u0301", "ú": "\u0309", "ü": "\u0303", "ë": "\u0323"}
    found = {"ñ": "đ", "ö": "ư", "ô": "ơ", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ", "aâ": "â", "eâ": "ê", "oâ": "ô"}
    found["aê"] = "ă"
    found |= {f"{base}{sign}": base + tone for base in "aeouy" for sign, tone in tones.items()}
    found |= {f"{base}{sign}": real + tone for base, real in (("ö", "ư"), ("ô", "ơ")) for sign, tone in tones.items()}
    found |= {f"{base}{sign}": base + "\u0302" + tone for base in "aeo" for sign, tone in hats.items()}
    found |= {f"a{sign}": "ă" + tone for sign, tone in breves.items()}
    return {key: unicodedata.normalize("NFC", value) for key, value in found.items()}


_VNI = _vni()
_VNI_SIGNS = re.compile("|".join(sorted(map(re.escape, _VNI), key=len, reverse=True)))
_IN_NO_NAME = re.compile("[?\ufffd¡-©«-¶¸¹»-¿×÷ªµ\u00ad\u0080-\u009f]")
"""Signs of Latin-1 that TCVN3 uses for letters, C1 controls, and what is left where letters were lost."""

_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))
_SYLLABLE = re.compile(
    "(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnprstvx])?"
    "(?:"
    # Rhymes that may end in a consonant, then those that may not.
    "(?:uyê|oă|uâ|uê|iê|yê|oa|oe|oo(?=ng|c)|uô|ươ|uy|[aăâeêioôơuư])(?:ng|nh|ch|[cmnpt])?"
    "|(?<=qu)y(?:nh|ch|[nt])?|uya|uyu|oai|oay|oao|oeo|uây|uôi|ươi|ươu|iêu|yêu|uơ|uao|uai|uay"
    "|ai|ao|au|ay|âu|ây|eo|êu|ia|iu|oi|ôi|ơi|ua|ui|ưa|ưi|ưu|y"
    ")"
)


def legacy_reading(name: str) -> str | None:
    """What a name in an old encoding most likely says, "" when that cannot be told; None for a name that is in Unicode.

    A word such as «Vò» is a word in both readings; a name of nothing but such words passes.
    """
    text = unicodedata.normalize("NFC", name)
    readings = (_undo_tcvn3(text), _undo_vni(text))
    for reading in readings:
        words = _split(reading)
        if reading != text and words and all(map(_is_syllable, words)) and not all(map(_is_syllable, _split(text))):
            return reading
    return "" if _IN_NO_NAME.search(text) else None


def _undo_tcvn3(text: str) -> str:
    if any(not c.isascii() and c not in _TCVN3 for c in text):
        return text
    return _recase(text, "".join(_TCVN3.get(c, c) for c in text))


def _undo_vni(text: str) -> str:
    lower = text.lower()
    if not _VNI_SIGNS.sub("", lower).replace("ì", "").replace("í", "").isascii():
        return text
    return _recase(text, _VNI_SIGNS.sub(lambda found: _VNI[found[0]], lower))


def _recase(text: str, read: str) -> str:
    """The reading with a capital at the start of each word, or all in capitals, as the name was typed."""
    read = unicodedata.normalize("NFC", read)
    plain = [c for c in text if c.isascii() and c.isalpha()]
    if len(plain) > 1 and all(c.isupper() for c in plain):
        return read.upper()
    return " ".join(word[:1].upper() + word[1:] for word in read.lower().split(" "))


def _split(text: str) -> list[str]:
    """The words of a name, with every sign that may stand for a letter."""
    return [word for word in re.split(r"[\s.'’\-]+", text) if word]


def _is_syllable(word: str) -> bool:
    """Whether a word is built as a Vietnamese syllable is; its tone may be any, on one vowel."""
    letters = unicodedata.normalize("NFD", word.casefold())
    bare = letters.translate(_TONES)
    return len(letters) - len(bare) <= 1 and bool(_SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare)))
