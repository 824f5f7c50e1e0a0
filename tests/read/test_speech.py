import numpy as np
import pytest

from samespace.read import speech
from samespace.read.budget import Budget
from samespace.read.media import RATE
from samespace.read.protocol import Limits
from samespace.read.speech import Heard, Listener, joined, sentences


def heard(text: str, start: float, end: float, language: str = "en") -> Heard:
    return Heard(text, start, end, language)


def test_segments_are_joined_until_a_sentence_ends():
    given = [
        heard("And so my fellow Americans", 0, 3), heard("ask not what your country can do for you.", 3, 8),
        heard("This is another sentence, and it is long enough.", 8, 11),
    ]  # fmt: skip
    assert list(sentences(given)) == [
        heard("And so my fellow Americans ask not what your country can do for you.", 0, 8), given[2],
    ]  # fmt: skip


def test_short_sentences_go_together_and_a_pause_parts_them():
    near = [heard("Yes.", 0, 1), heard("No.", 1.2, 2)]
    far = [heard("Yes.", 0, 1), heard("No.", 4, 5)]
    assert list(sentences(near)) == [heard("Yes. No.", 0, 2)]
    assert list(sentences(far)) == far


def test_a_short_rest_goes_with_what_was_said_before():
    long = "A sentence that is quite complete and long enough to stand alone."
    assert list(sentences([heard(long, 0, 5), heard("In this regard.", 5, 6)])) == [
        heard(f"{long} In this regard.", 0, 6)
    ]


def test_without_sentence_ends_a_passage_does_not_grow_for_ever():
    made = list(sentences(heard("word " * 20, i, i + 1) for i in range(20)))
    assert all(len(h.text) <= speech._LONG for h in made) and len(made) > 5
    assert made[0].start == 0 and made[-1].end == 20


def test_a_passage_that_took_long_to_say_is_ended():
    slow = [heard("a few words", 8 * i, 8 * i + 7.5) for i in range(4)]
    assert [(h.start, h.end) for h in sentences(slow)] == [(0, 15.5), (16, 31.5)]


def test_chinese_is_joined_without_spaces():
    assert next(sentences([heard("今天", 0, 1, "zh"), heard("天气很好。", 1, 2, "zh")])).text == "今天天气很好。"


@pytest.mark.parametrize("seconds", [0, 1, 299, 301, 650])
def test_stretches_hold_everything_in_order(seconds: int):
    sound = np.random.default_rng(0).normal(0, 0.1, seconds * RATE).astype(np.float32)
    blocks = np.array_split(sound, max(1, seconds // 30)) if seconds else []
    made = list(speech._stretches(blocks))
    if seconds:
        np.testing.assert_array_equal(np.concatenate([s for _, s in made]), sound)
    begin = 0
    for second, stretch in made:
        assert second == pytest.approx(begin / RATE)
        assert stretch.size <= speech._STRETCH * RATE
        begin += stretch.size
    assert begin == sound.size


def test_a_stretch_is_cut_where_it_is_quiet():
    sound = np.random.default_rng(0).normal(0, 0.1, 310 * RATE).astype(np.float32)
    sound[285 * RATE : 286 * RATE] = 0
    (_, first), (begin, _) = speech._stretches([sound])
    assert 285 < first.size / RATE < 286 and begin == first.size / RATE


def test_near_parts_are_heard_together_up_to_a_length():
    parts = [(0, 10), (12, 20), (30, 40), (41, 50), (51, 60)]
    assert list(joined(parts, near=5, longest=25)) == [(0, 20), (30, 50), (51, 60)]
    assert list(joined(parts, near=2, longest=25)) == [(0, 10), (12, 20), (30, 50), (51, 60)]
    assert list(joined([], 5, 25)) == []


class Word:
    def __init__(self, word: str, start: float, end: float) -> None:
        self.word, self.start, self.end = word, start, end


def test_a_segment_is_cut_where_a_sentence_ends():
    words = [Word(" Bees", 0.1, 0.5), Word(" fly.", 0.5, 0.9), Word(" Do", 1.5, 1.7), Word(" they?", 1.7, 2.6)]
    assert list(speech._cut(words, 10.0, 2.5, "en")) == [heard("Bees fly.", 10.1, 10.9), heard("Do they?", 11.5, 12.5)]
    assert list(speech._cut(words[:3], 10.0, 2.5, "en"))[1] == heard("Do", 11.5, 11.7)
    assert list(speech._cut([], 10.0, 2.5, "en")) == []


class Segment:
    def __init__(self, no_speech_prob: float, avg_logprob: float, compression_ratio: float) -> None:
        self.no_speech_prob, self.avg_logprob, self.compression_ratio = no_speech_prob, avg_logprob, compression_ratio


@pytest.mark.parametrize(
    ("segment", "doubted"),
    [
        (Segment(0.1, -0.3, 1.3), False),
        (Segment(0.9, -0.3, 1.3), False),
        (Segment(0.9, -1.2, 1.3), True),
        (Segment(0.1, -1.2, 1.3), False),
        (Segment(0.1, -1.6, 1.3), True),
        (Segment(0.1, -0.3, 2.9), True),
    ],
)
def test_what_the_model_itself_doubts_is_dropped(segment: Segment, doubted: bool):
    assert speech._made_up(segment, -1.5) is doubted


class Model:
    """What faster-whisper would say to sound that it does not understand."""

    def transcribe(self, sound: np.ndarray, **settings: object) -> tuple[list[Segment], Word]:
        segment, info = Segment(0.2, -1.1, 1.2), Word("", 0, 0)
        segment.start, segment.words, info.language = 0.5, [Word("Hoytas.", 0.5, 1.0)], "en"
        return [segment], info


@pytest.mark.parametrize("any_language", [True, False])
def test_a_model_of_english_owns_up_to_what_it_does_not_understand(monkeypatch: pytest.MonkeyPatch, any_language: bool):
    monkeypatch.setattr(speech, "_spoken", lambda stretches: [(3.0, np.zeros(2 * RATE, np.float32))])
    notes: list[str] = []
    made = list(Listener("m", any_language, Model()).hear([], Budget(Limits()), notes))
    if any_language:
        assert made == [heard("Hoytas.", 3.5, 4.0)] and notes == []
    else:
        assert made == []
        assert notes == [
            "1 part of the speech not understood: the speech model knows English only; name the folder of another"
        ]
