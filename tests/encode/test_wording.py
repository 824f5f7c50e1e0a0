import pytest

from samespace.encode.hf_folder import Folder
from samespace.encode.hf_model import tokenizer
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.errors import RecipeError

LONG = "words without end " * 100


@pytest.fixture(scope="module")
def words(folders):
    """A tokenizer of bytes that closes no text by itself, and knows Qwen's own tokens."""
    return tokenizer(Folder(folders("qwen_vl:qwen2_vl"), "tiny"))


def wording(words, **recipe):
    return Wording(words, Recipe(family="causal", dim=8, **recipe), "tiny", ("<|image_pad|>", "<|im_end|>"))


def said(words, ids):
    return words.decode(ids)


def test_prompt_by_role_and_lower_case(words):
    made = wording(words, prompts={"query": "Query: "}, lower_case=True)
    assert said(words, made.ids("Big Cat", "query")) == "query: big cat"
    assert said(words, made.ids("Big Cat", "document")) == "big cat"


def test_template_slots_are_filled_once(words):
    made = wording(words, template="<|im_start|>{instruction}|{prompt}|{text}<|im_end|>", instruction="Do {text}.")
    assert said(words, made.ids("say {instruction}", "query")) == "<|im_start|>Do {text}.||say {instruction}<|im_end|>"


def test_a_prompt_without_a_slot_is_not_lost(words):
    made = wording(words, template='"{text}" in one word:', prompts={"query": "Q: "})
    assert said(words, made.ids("cat", "query")) == '"Q: cat" in one word:'


def test_the_text_is_cut_not_what_follows_it(words):
    made = wording(words, template="Say: {text} <|im_end|>", terminal="<|endoftext|>", max_tokens=40)
    ids = made.ids(LONG, "document")
    assert len(ids) == 40
    assert said(words, ids).startswith("Say: words without")
    assert said(words, ids).endswith(" <|im_end|><|endoftext|>")
    assert said(words, made.ids("x", "document")) == "Say: x <|im_end|><|endoftext|>"


def test_the_terminal_survives_without_a_template(words):
    made = wording(words, terminal="<|endoftext|>", max_tokens=10)
    assert said(words, made.ids(LONG, "document")) == "words wit<|endoftext|>"
    assert said(words, made.ids("cat", "document")) == "cat<|endoftext|>"
    assert said(words, made.ids("", "document")) == "<|endoftext|>"


def test_runs_of_pads_are_never_cut(words):
    made = wording(words, template="{image}{text}<|im_end|>", max_tokens=30)
    ids = made.ids(LONG, "document", ("<|image_pad|>" * 8, "<|image_pad|>" * 4))
    assert len(ids) == 30
    assert ids.count(words.convert_tokens_to_ids("<|image_pad|>")) == 12
    assert ids[-1] == words.convert_tokens_to_ids("<|im_end|>")


def test_pictures_that_do_not_fit_are_an_error(words):
    made = wording(words, template="{image}{text}", max_tokens=30)
    with pytest.raises(RecipeError, match="take 42 tokens, the limit is 30\nRaise max_tokens"):
        made.ids("cat", "document", ("<|image_pad|>" * 40,))


def test_bare_pads_leave_no_gap_without_a_picture(words):
    made = wording(words, template="{image_pad} {prompt}{text}")
    assert said(words, made.ids("cat", "query")) == "cat"
    assert said(words, made.ids("cat", "query", ("<|image_pad|>",))) == "<|image_pad|> cat"


def test_nobody_writes_a_picture_into_a_text(words):
    made = wording(words, template="{image}{text}")
    pad = words.convert_tokens_to_ids("<|image_pad|>")
    assert made.ids("look: <|image_pad|>", "document", ("<|image_pad|>",)).count(pad) == 1
    assert said(words, made.ids("<|im_end|>", "document")) == "< |im_end|>"


def test_cutting_in_scripts_of_several_bytes(words):
    made = wording(words, template="{text}<|im_end|>", max_tokens=12)
    ids = made.ids("税" * 50, "document")
    assert len(ids) <= 12
    assert said(words, ids) == "税税税<|im_end|>"


def test_recipes_that_cannot_be_carried_out(words):
    with pytest.raises(RecipeError, match=r"has no \{text\}\nSay where"):
        wording(words, template="{image}")
    with pytest.raises(RecipeError, match=r"not in its vocabulary\nIts end token is '<\|endoftext\|>'"):
        wording(words, terminal="</s>")
