"""Losses of latent reasoning, held to their formulas on a tiny model."""

import math

import pytest
import torch

from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.train.reason_losses import info_nce, router_balance, step_ce, text_ce, trajectory


@pytest.fixture(scope="module")
def model():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


IDS = torch.tensor([[3, 4, 5, 6, 7, 1], [8, 9, 3, 2, 5, 1]])


def test_info_nce_is_of_what_is_read_out_and_of_the_anchors(model) -> None:
    think = Latent(16, steps=2, anchor=3)
    backbone = Backbone.of(model)
    queries, documents = think(backbone, {"input_ids": IDS}), think(backbone, {"input_ids": IDS.flip(0)}, steps=0)
    assert queries.anchor is not None and documents.anchor is not None
    hidden = model.base_model(input_ids=IDS).last_hidden_state
    assert torch.allclose(queries.anchor, hidden[[0, 1], [0, 2]], atol=1e-5), "at the anchor, before any step"

    def by_hand(one: torch.Tensor, other: torch.Tensor) -> float:
        cosine = [[float(torch.cosine_similarity(a, b, 0)) / 0.5 for b in other] for a in one]
        ways = [*cosine, *map(list, zip(*cosine, strict=True))]
        return sum(math.log(sum(map(math.exp, way))) - way[i % 2] for i, way in enumerate(ways)) / 4

    read = by_hand(queries.embedding.detach(), documents.embedding.detach())
    assert info_nce(queries, documents, temperature=0.5).item() == pytest.approx(read, abs=1e-5)
    anchored = read + 0.7 * by_hand(queries.anchor.detach(), documents.anchor.detach())
    assert info_nce(queries, documents, temperature=0.5, anchored=0.7).item() == pytest.approx(anchored, abs=1e-5)
    bare = Latent(16, steps=2)(backbone, {"input_ids": IDS})
    assert bare.anchor is None
    with pytest.raises(ValueError, match="on both sides"):
        info_nce(bare, documents, anchored=1.0)


def test_step_ce_is_the_mean_over_steps(model) -> None:
    thought = Latent(16, steps=3)(Backbone.of(model), {"input_ids": IDS})
    targets = torch.tensor([[1, 2, 3, 4], [5, 6, -100, -100]])
    known = [(row, k) for row in range(2) for k in range(4) if targets[row, k] >= 0]
    wanted = [-thought.logits(k)[row].log_softmax(-1)[targets[row, k]] for row, k in known]
    assert torch.allclose(step_ce(thought, targets), torch.stack(wanted).mean(), atol=1e-5)
    hard = torch.nn.functional.one_hot(targets[:1], 20).float().expand(2, -1, -1)
    one = torch.stack([-thought.logits(k)[r].log_softmax(-1)[targets[0, k]] for r in range(2) for k in range(4)]).mean()
    assert torch.allclose(step_ce(thought, hard), one, atol=1e-5), "probabilities do as well"
    with pytest.raises(ValueError, match="Think with steps >= 4"):
        step_ce(thought, torch.zeros(2, 5, dtype=torch.long))


def test_text_ce_without_steps_is_the_model_s_own_loss(model) -> None:
    thought = Latent(16, tail=3)(Backbone.of(model), {"input_ids": IDS}, steps=0)
    labels = IDS.clone()
    labels[:, :3] = -100
    assert torch.allclose(text_ce(thought, IDS[:, 3:]), model(input_ids=IDS, labels=labels).loss, atol=1e-5)


def test_text_ce_behind_steps_starts_at_the_last_step(model) -> None:
    thought = Latent(16, steps=2, tail=2)(Backbone.of(model), {"input_ids": IDS})
    ids = torch.tensor([[5, -100], [-100, -100]])
    assert torch.allclose(text_ce(thought, ids), -thought.logits(2)[0].log_softmax(-1)[5], atol=1e-5)


def test_trajectory_is_nought_at_the_teacher_and_moves_the_student_alone(model) -> None:
    thought = Latent(16, steps=3)(Backbone.of(model), {"input_ids": IDS})
    assert float(trajectory(thought, thought.states).detach()) == 0
    teacher = torch.randn(2, 2, 16, requires_grad=True)
    loss = trajectory(thought, teacher)
    spread = teacher.std(dim=(0, 2), keepdim=True)
    far = ((thought.states[:, :2] - teacher) / spread).abs()
    wanted = torch.where(far < 1, far**2 / 2, far - 0.5).mean()
    assert torch.allclose(loss, wanted, atol=1e-5)
    loss.backward()
    assert teacher.grad is None
    assert model.get_input_embeddings().weight.grad.abs().max() > 0
    with pytest.raises(ValueError, match="Think with steps >= 4"):
        trajectory(thought, torch.randn(2, 5, 16))


def test_balance_is_over_the_batch() -> None:
    sure = torch.eye(4).repeat(2, 1)[:, None]
    assert float(router_balance(sure)) == 0, "each row may prefer one, if all are in use"
    one = torch.zeros(8, 3, 4)
    one[..., 2] = 1
    assert float(router_balance(one)) == pytest.approx(3 / 16)
    assert math.isclose(float(router_balance(torch.tensor([[[0.7, 0.3]]]))), 0.04, abs_tol=1e-6)
