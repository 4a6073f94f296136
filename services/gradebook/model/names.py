"""Detects names that are not proper Unicode: in TCVN3 (ABC) or VNI, or misread UTF-8.

Such a name would be stored and printed as it looks, «NguyÔn V¨n», and no later step could notice.
It is detected in two ways: by characters that occur in no name, and by words that are not
Vietnamese syllables but all become syllables when the old encoding is undone. Names of other
peoples and countries are not Vietnamese syllables either way and pass.
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
"""TCVN 5712:1993, third set: its bytes, read as Latin-1 → the letter meant."""


def _vni() -> dict[str, str]:
    """The letters of VNI, which writes a mark as a separate letter after the vowel.

    «Nguyeãn» is Nguyễn.
    """
    tones = {"ø": "\u0300", "ù": "\u0301", "û": "\u0309", "õ": "\u0303", "ï": "\u0323"}
    hats = {"à": "\u0300", "á": "\u0301", "å": "\u0309", "ã": "\u0303", "ä": "\u0323"}
    breves = {"è": "\u0300", "é": "\u0301", "ú": "\u0309", "ü": "\u0303", "ë": "\u0323"}
    letters = {"ñ": "đ", "ö": "ư", "ô": "ơ", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ", "aâ": "â", "eâ": "ê", "oâ": "ô"}
    letters["aê"] = "ă"
    letters |= {f"{base}{sign}": base + tone for base in "aeouy" for sign, tone in tones.items()}
    letters |= {f"{base}{sign}": real + tone for base, real in (("ö", "ư"), ("ô", "ơ")) for sign, tone in tones.items()}
    letters |= {f"{base}{sign}": base + "\u0302" + tone for base in "aeo" for sign, tone in hats.items()}
    letters |= {f"a{sign}": "ă" + tone for sign, tone in breves.items()}
    return {key: unicodedata.normalize("NFC", value) for key, value in letters.items()}


_VNI = _vni()
_VNI_SIGNS = re.compile("|".join(sorted(map(re.escape, _VNI), key=len, reverse=True)))
_IN_NO_NAME = re.compile("[?\ufffd¡-©«-¶¸¹»-¿×÷ªµ\u00ad\u0080-\u009f]")
"""Latin-1 signs that TCVN3 uses for letters, C1 controls, and replacements of lost letters."""

_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))
_SYLLABLE = re.compile(
    "(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnprstvx])?"
    "(?:"
    # Rhymes that may end in a consonant, then rhymes that may not.
    "(?:uyê|oă|uâ|uê|iê|yê|oa|oe|oo(?=ng|c)|uô|ươ|uy|[aăâeêioôơuư])(?:ng|nh|ch|[cmnpt])?"
    "|(?<=qu)y(?:nh|ch|[nt])?|uya|uyu|oai|oay|oao|oeo|uây|uôi|ươi|ươu|iêu|yêu|uơ|uao|uai|uay"
    "|ai|ao|au|ay|âu|ây|eo|êu|ia|iu|oi|ôi|ơi|ua|ui|ưa|ưi|ưu|y"
    ")"
)


def legacy_reading(name: str) -> str | None:
    """What a name in an old encoding most likely says; None for a name in Unicode.

    "" when the name is damaged but cannot be read. A word such as «Vò» is a syllable in both
    readings; a name consisting only of such words passes.
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
    return _recase(text, _VNI_SIGNS.sub(lambda sign: _VNI[sign[0]], lower))


def _recase(text: str, read: str) -> str:
    """The reading with capitals as typed: one at the start of each word, or all in capitals."""
    read = unicodedata.normalize("NFC", read)
    plain = [c for c in text if c.isascii() and c.isalpha()]
    if len(plain) > 1 and all(c.isupper() for c in plain):
        return read.upper()
    return " ".join(word[:1].upper() + word[1:] for word in read.lower().split(" "))


def _split(text: str) -> list[str]:
    """The words of a name, including all signs that may stand for letters."""
    return [word for word in re.split(r"[\s.'’\-]+", text) if word]


def _is_syllable(word: str) -> bool:
    """Whether a word has the form of a Vietnamese syllable, with at most one tone on any vowel."""
    letters = unicodedata.normalize("NFD", word.casefold())
    bare = letters.translate(_TONES)
    return len(letters) - len(bare) <= 1 and bool(_SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare)))
