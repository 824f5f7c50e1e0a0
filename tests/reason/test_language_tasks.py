"""Stories and real questions: what is asked, what is measured, and that every mode can learn."""

import pytest
import torch
from benchmarks import reason_strategy as strategy
from benchmarks.reason_strategy_data import MOST, Data, measured, split
from benchmarks.reason_tales import Asked, Tales

from samespace.train.reason_losses import step_ce


class Words:
    """A tokenizer that knows a number for every word and every full stop."""

    eos_token_id = 0

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, text: str) -> dict[str, list[int]]:
        parts = text.replace(".", " .").split()
        return {"input_ids": [self.known.setdefault(part, len(self.known) + 1) for part in parts]}


def test_a_tale_is_followed_from_one_to_the_next() -> None:
    words = Words()
    tales = Tales(words, 6)
    said = {number: word for word, number in words.known.items()}
    for depth in (1, 4):
        asked = tales.ask(12, depth, torch.Generator().manual_seed(depth), 2)
        for row in range(12):
            story = [said[int(i)] for i in asked.story[row]]
            sentences = [story[i : i + 5] for i in range(0, len(story), 5)]
            assert all((one[0], one[3], one[4]) == ("From", "heard", ".") for one in sentences)
            heard = {one[1]: one[2] for one in sentences}
            assert sorted(heard) == sorted(heard.values())
            assert len(heard) == 6
            for m in range(2):
                number, lead, at = (said[int(i)] for i in asked.question[row, m])
                assert (number, lead) == (("one", "two", "three", "four")[depth - 1], "from")
                for k in range(depth):
                    at = heard[at]
                    assert at == said[int(tales.names[asked.path[row, m, k]])]
                assert int(asked.answer[row, m]) == int(asked.path[row, m, -1])


@pytest.fixture
def worded(monkeypatch, tmp_path):
    """The part with a tiny random model in SmolLM2's place; with that, learning takes minutes."""
    pytest.importorskip("peft")
    from benchmarks import reason_worded
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(**sizes, vocab_size=80, tie_word_embeddings=True, initializer_range=0.1)
    loaded = Words(), LlamaForCausalLM(config).eval().requires_grad_(False)
    monkeypatch.setattr(reason_worded, "_loaded", lambda: loaded)
    monkeypatch.setattr(reason_worded, "_FIRST", 0)
    monkeypatch.setattr(reason_worded, "OUT", tmp_path)
    return reason_worded


@pytest.mark.slow
def test_tellers_of_every_mode_are_trained_and_a_run_goes_on_where_it_stopped(worded, monkeypatch) -> None:
    plain = worded._loaded()[1]
    before = [p.clone() for p in plain.parameters()]
    form = worded.Form("tiny", 6, 2, (2, 1), 2, 2, 4, 1)
    found = worded.seeded(form, 0)
    assert sorted(found) == sorted(["explicit", "latent", "zeroed", "other query's", "none", "pause"])
    assert all(len(one["hits"]) == 5 and all(0 <= hit <= 1 for hit in one["hits"]) for one in found.values())
    assert all(torch.equal(a, b) for a, b in zip(before, plain.parameters(), strict=True)), "the base stays as it is"
    teller = worded.Teller(worded.Form("tiny", 6, 8, (25,), 0, 0, 4, 1), "explicit", 0)
    first = teller.loss(2, torch.Generator().manual_seed(0)).item()
    worded.trained(teller, 25, 0)
    assert teller.loss(2, torch.Generator().manual_seed(0)).item() < first - 0.3
    monkeypatch.setattr(worded, "Teller", None)
    assert worded.seeded(form, 0) == found, "what is done is not done again"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["none", "pause"])
def test_questions_that_are_taught_at_once_are_taught_as_if_alone(mode, worded) -> None:
    teller = worded.Teller(worded.Form("tiny", 6, 3, (2,), 2, 2, 4, 1), mode, 0).eval()
    asked = teller.tales.ask(3, 4, torch.Generator().manual_seed(0), 6)
    with torch.no_grad():
        together, alone = teller._at_once(asked), []
        for m in range(6):
            one = Asked(asked.story, asked.question[:, m : m + 1], asked.path[:, m : m + 1])
            thought = teller.think(one)
            told = step_ce(thought, teller.tales.names[one.path[:, 0]]) if mode == "pause" else 0.0
            alone.append(torch.nn.functional.cross_entropy(teller.scores(thought.embedding), one.answer[:, 0]) + told)
    assert torch.allclose(together, torch.stack(alone).mean(), atol=1e-4)


@pytest.fixture(scope="module")
def few() -> Data:
    """Forty questions whose facts are what their steps say."""
    torch.set_num_threads(1)
    drawn = torch.Generator().manual_seed(0)

    def rows(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=drawn), dim=-1)

    facts, steps = rows(120, 384), torch.zeros(40, MOST, 384)
    gold = [[3 * i, 3 * i + 1] for i in range(40)]
    for i, own in enumerate(gold):
        steps[i, : len(own)] = facts[own]
    words = [4 + i % 3 for i in range(40)]
    states = [torch.randn(n + 6, 576, generator=drawn).half() for n in words]
    question = torch.nn.functional.normalize(facts[::3] + rows(40, 384), dim=-1)
    decomposed = torch.nn.functional.normalize(facts[::3] + facts[1::3] + rows(40, 384), dim=-1)
    return Data(question, decomposed, facts, gold, steps, states, words)


def test_what_counts_as_found(few) -> None:
    every = list(range(40))
    best = torch.stack([few.facts[own].mean(0) for own in few.gold])
    assert measured(few, every, best)["all@10"] == 1
    plain = measured(few, every, few.question)
    assert plain["hard@10"] == 0, "hard is what the question alone misses"
    assert measured(few, every, few.decomposed)["hard@10"] > 0.5
    first = (few.question @ few.facts.T).topk(10).indices.tolist()
    missed = sum(fact not in first[i] for i in every for fact in few.gold[i])
    assert plain["hard"] == missed > 0
    assert plain["R@10"] == pytest.approx(1 - missed / 80)


def test_questions_are_split_anew_for_each_seed() -> None:
    train, test = split(0)
    assert len(test) == 230
    assert sorted(train + test) == list(range(2061))
    assert split(1)[1] != test


@pytest.mark.slow
@pytest.mark.parametrize("name", ["none", "pause", "latent, steps added to the query", "latent, five steps, all told"])
def test_every_mode_starts_from_minilm_and_learns(name, few, monkeypatch) -> None:
    monkeypatch.setattr(strategy, "_BATCH", 20)
    mode, every = strategy.MODES[name], list(range(40))
    with torch.inference_mode():
        fresh = strategy.Query(0)
        made = fresh.vector(few, mode, every, fresh.read(few, mode, every))
    plain = few.decomposed if mode.minilm else few.question
    if not mode.summed:
        assert (made * plain).sum(-1).min() > 0.9999
    with torch.no_grad():
        before = strategy._loss(few, fresh, mode, every, None)
        with torch.enable_grad():
            model = strategy.trained(few, every, mode, 0, None, passes=6)
        assert strategy._loss(few, model, mode, every, None) < before - 0.3
    found = strategy.tested(name, model, few, every, mode)
    assert (f"{name}: zeroed" in found) == name.startswith("latent")


def test_states_are_aligned_with_where_the_written_steps_end(few) -> None:
    teacher = strategy.Query(0)
    ends = strategy._ends(teacher, few, [3, 7])
    mode = strategy.Mode(reads=True)
    for row, i in enumerate((3, 7)):
        alone, mask = teacher.entered(few, mode, [i])
        hidden = teacher.model.base_model(inputs_embeds=alone, attention_mask=mask).last_hidden_state[0]
        wanted = hidden[[few.words[i] - 1 + 2 * k for k in range(4)]]
        assert (ends[row] - wanted).abs().max() <= 1e-4
