"""The language of a text, where that is cheap and sure: by its script, or by its smallest words.

Says None rather than guess. Knows nothing of files. Imports the standard library only.
"""

import re
from collections import Counter

__all__ = ["guess", "most_common"]

_LOOKED_AT = 4000  # characters; more would not change the answer
_LEAST_WORDS = 8  # fewer words say nothing
_LEAST_DIFFERENT = 3  # stop words that must occur: one alone may be a name
_LEAST_SHARE = 0.12  # share of stop words in running text of a language
_SCRIPTS = re.compile(
    r"(?P<kana>[\u3041-\u30ff])|(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff])|(?P<ko>[\u1100-\u11ff\uac00-\ud7a3])"
    r"|(?P<el>[\u0370-\u03ff])|(?P<cyrillic>[\u0400-\u04ff])|(?P<he>[\u0590-\u05ff])|(?P<arabic>[\u0600-\u06ff])"
    r"|(?P<devanagari>[\u0900-\u097f])|(?P<bn>[\u0980-\u09ff])|(?P<ta>[\u0b80-\u0bff])|(?P<te>[\u0c00-\u0c7f])"
    r"|(?P<th>[\u0e00-\u0e7f])|(?P<ka>[\u10a0-\u10ff])|(?P<hy>[\u0530-\u058f])|(?P<latin>[\u00c0-\u024f])"
)
_LEAST_LETTERS = 20
_RUSSIAN = re.compile("[ыэёЫЭЁ]")  # which Ukrainian, Bulgarian and Serbian do not have
_OTHER_CYRILLIC = re.compile("[іїєґўјљњћђќѓѕџІЇЄҐЎЈЉЊ\u048a-\u04ff]")  # which Russian does not have
_ASCII, _LETTERS = re.compile("[\x00-\x7f]+"), re.compile("[A-Za-z]+")
_BY_SCRIPT = frozenset({"ko", "el", "he", "bn", "ta", "te", "th", "ka", "hy"})  # scripts of (nearly) one language
_WORD = re.compile(r"[^\W\d_]+")
_STOP_WORDS = {
    "en": "the of and to in is that it for was on are with as be this by at from not have or you which an they we",
    "de": "der die das und ist nicht ein eine zu den mit von dem für auf im sich des auch es ich wird sind als an er",
    "fr": "le la les et des est un une du que dans pour pas qui sur au ce il avec par plus sont ne vous nous à se",
    "es": "el la los las y de que en un una es por con para del se no al lo como más su pero sus este está",
    "it": "il la di e che è un una per non del della in con le i sono si da al come più gli dei nel alla",
    "pt": "o a os as e de que do da em um uma é para com não no na se por mais dos como ao foi são das",
    "nl": "de het een en van is dat niet in op te zijn met voor die er aan ook als maar om wordt door bij uit",
    "sv": "och att det som en är på av för med den till inte har ett om jag var men de vi så från kan",
    "da": "og at det er en den til på som med for der af ikke et har de jeg var vi men han fra kan",
    "no": "og det er en å som på til med for av ikke den et har jeg de var vi men han fra kan ble",
    "fi": "ja on ei se että oli hän mutta ovat kun niin myös tai joka kuin minä nyt mitä sen vain",
    "pl": "i w z na nie się że to jest do o jak ale po co tak za od przez jego był dla są być",
    "cs": "a je se v na že to s z do o i ale jako za by po jsem není který byl jsou pro jeho",
    "tr": "ve bir bu da de için ile çok daha ne gibi olan olarak kadar ama en sonra var değil ben o",
    "ro": "și de la în a cu nu este pe care un o mai din că pentru sau se au ca fost sunt",
    "hu": "a az és hogy nem is egy van meg de ez csak volt mint el már ha azt vagy még ki",
    "vi": "và của là có không được các trong cho một người với này những đã khi đến để về như",
    "id": "yang dan di ini itu dengan untuk dari tidak dalam akan pada adalah ke juga ada saya oleh kita mereka",
    "ru": "и в не на что с он как это по но они мы из у за так от же для вы его был бы она",
    "uk": "і в не на що з як це до та але за від у він його для вони є ми або які був",
    "bg": "и на да се в за от е не с са по това като но който ще към си до при след",
    "ar": "في من على إلى أن هذا التي عن مع الذي لا ما كان هذه هو وقد ذلك كل بين",
    "fa": "و در به از که این را با است برای آن یک تا می بر هم های خود شد",
    "hi": "के है में की और से का को पर यह हैं ने कि एक भी था लिए नहीं हो",
}
_TAGS_OF: dict[str, list[str]] = {}
for _tag, _words in _STOP_WORDS.items():
    for _word in dict.fromkeys(_words.split()):
        _TAGS_OF.setdefault(_word, []).append(_tag)
_CYRILLIC, _ARABIC, _DEVANAGARI = frozenset({"ru", "uk", "bg"}), frozenset({"ar", "fa"}), frozenset({"hi"})
_CANDIDATES = {
    "cyrillic": _CYRILLIC,
    "arabic": _ARABIC,
    "devanagari": _DEVANAGARI,
    "latin": frozenset(_STOP_WORDS) - _CYRILLIC - _ARABIC - _DEVANAGARI,
}


def guess(text: str, hint: str | None = None) -> str | None:
    """BCP 47 tag of a text's language, None if not sure.

    Args:
        text: its first 4000 characters are looked at.
        hint: the language of the whole it is taken from: Japanese written in Chinese characters alone is not Chinese.
    """
    sample = text[:_LOOKED_AT]
    scripts = Counter(m.lastgroup for m in _SCRIPTS.finditer(_ASCII.sub("", sample)))
    scripts["latin"] += sum(map(len, _LETTERS.findall(sample)))
    if not scripts.total():
        return None
    kana, han = scripts["kana"], scripts["han"]
    top, count = max(scripts.items(), key=lambda item: item[1])
    # A Han character weighs two Latin letters at least: Chinese prose is full of Latin names.
    if (kana + han) * 2 > count or top in {"kana", "han"}:
        japanese = kana * 10 > han if kana else hint == "ja"
        return "ja" if japanese else "zh"
    if top in _BY_SCRIPT:
        return top
    russian = _RUSSIAN.search(sample) and not _OTHER_CYRILLIC.search(sample)
    if top == "cyrillic" and russian and count >= _LEAST_LETTERS:
        return "ru"
    return _by_stop_words(sample, _CANDIDATES.get(top or "", frozenset()))


def _by_stop_words(text: str, candidates: frozenset[str]) -> str | None:
    """The candidate whose smallest words make up enough of the text, and clearly more than the next one's."""
    words = [w for w in _WORD.findall(text.lower()) if len(w) > 1 or not w.isascii()]
    if len(words) < _LEAST_WORDS:
        return None
    small = Counter(w for w in words if w in _TAGS_OF)
    counts: Counter[str] = Counter()
    for word, count in small.items():
        for tag in _TAGS_OF[word]:
            counts[tag] += count
    ranked = [(count, tag) for tag, count in counts.most_common() if tag in candidates]
    best, tag = ranked[0] if ranked else (0, "")
    second = ranked[1][0] if len(ranked) > 1 else 0
    different = sum(tag in _TAGS_OF[word] for word in small)
    sure = best >= _LEAST_SHARE * len(words) and best >= 1.3 * second and different >= _LEAST_DIFFERENT
    return tag if sure else None


def most_common(tags: Counter[str | None]) -> str | None:
    """The language of the greater part, weighed by what was counted; None if no language has half of it."""
    known = [(count, tag) for tag, count in tags.items() if tag is not None]
    best = max(known, default=(0, None))
    return best[1] if best[0] * 2 > sum(tags.values()) else None
