"""Words as full-text search sees them: the same for what is indexed and for what is asked.

NFKC, lower case; words of letters and digits; scripts written without spaces as overlapping pairs of characters, so
that 餐厅 is found inside 这家餐厅很好. No word is left out as too common: the ranking weighs it.

Knows nothing of indexes. Imports the standard library only.
"""

import re
import unicodedata

__all__ = ["normalize"]

# Han, kana, Thai, Lao, Khmer, Myanmar, Tibetan: no spaces between words. Hangul has spaces, but its words carry
# endings, so it is cut into pairs as well.
_DENSE = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_DENSE}]+|[^\W_{_DENSE}]+(?:['’][^\W_{_DENSE}]+)*")
_FIRST_DENSE = re.compile(rf"[{_DENSE}]")


def normalize(text: str) -> list[str]:
    """Cut text into terms, in order, repeats kept.

    >>> normalize("Total: RM 1,234 at Café_de_Paris")
    ['total', 'rm', '1', '234', 'at', 'café', 'de', 'paris']
    >>> normalize("这家餐厅 ok")
    ['这家', '家餐', '餐厅', 'ok']
    """
    terms: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if _FIRST_DENSE.match(word) and len(word) > 1:
            terms += (word[i : i + 2] for i in range(len(word) - 1))
        else:
            terms.append(word)
    return terms
