"""A language is named when it is sure, and not otherwise."""

from collections import Counter

import pytest

from samespace.read.language import guess, most_common


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("The cat sat on the mat and it was happy with the way that things are.", "en"),
        ("Der Hund ist nicht im Haus, er sitzt auf dem Baum und das ist auch gut so.", "de"),
        ("Le chat est sur la table et il ne veut pas que nous soyons dans la maison.", "fr"),
        ("El perro no está en la casa y los niños juegan con él por las tardes para reír.", "es"),
        ("Il gatto non è nella casa e i bambini giocano con una palla per le strade della città.", "it"),
        ("Мы не знали, что это было так, но она сказала, как он из города вернулся.", "ru"),
        ("Мальчик играет на гитаре; мужчины ели пирожные", "ru"),
        ("Він не знав, що це було так, але вона сказала, як він з міста повернувся до неї", "uk"),
        ("今天天气很好，我们去公园散步，他说 Transformer 模型很大。", "zh"),
        ("今日はとても天気が良いです。", "ja"),
        ("오늘은 날씨가 좋습니다", "ko"),
        ("Σήμερα ο καιρός είναι καλός", "el"),
        ("สวัสดีครับ วันนี้อากาศดี", "th"),
    ],
)
def test_whole_sentences(text, tag):
    assert guess(text) == tag


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "PROGRAM-ID. A. ENVIRONMENT DIVISION. DATA DIVISION.",
        "im = Image.open(d); im.seek(0)",
        "im " * 20,
        "ok",
    ],
)
def test_what_is_not_sure_is_not_guessed(text):
    assert guess(text) is None


def test_japanese_in_chinese_characters_alone_is_known_by_the_whole():
    assert guess("東京都渋谷区") == "zh"
    assert guess("東京都渋谷区", hint="ja") == "ja"


def test_a_file_has_the_language_of_its_greater_part():
    assert most_common(Counter({"en": 700, "de": 200, None: 90})) == "en"
    assert most_common(Counter({"en": 40, "de": 35, None: 60})) is None
    assert most_common(Counter()) is None
