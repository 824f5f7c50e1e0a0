"""Our losses and batches under sentence-transformers' own trainer and wrappers, on a tiny real model."""

import pytest
import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from tiny_models import bert

from samespace.train import batches, losses

WORDS = ["kite", "harbour", "lamp", "tax", "river", "engine", "letter", "coffee"]
ROWS = {
    "anchor": [f"a {word} {i}" for i in range(4) for word in WORDS],
    "positive": [f"the {word} of {i}" for i in range(4) for word in WORDS],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("tiny"))


def trained(folder, out, loss_of, rows=ROWS, sampler=None):
    """Loss by step of 16 steps, and the trainer."""
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("accelerate")
    torch.manual_seed(0)
    model = SentenceTransformer(str(folder), device="cpu")
    loss = loss_of(model)
    settings = {} if sampler is None else {"batch_sampler": sampler}
    arguments = SentenceTransformerTrainingArguments(
        str(out), max_steps=16, per_device_train_batch_size=8, learning_rate=3e-3, logging_steps=1, use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True, seed=1, **settings,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(model, arguments, datasets.Dataset.from_dict(rows), loss=loss)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], trainer


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 3])
def test_the_trainer_trains_the_model_and_what_the_loss_learns(size, folder, tmp_path) -> None:
    made, trainer = trained(folder, tmp_path, lambda m: losses.SigmoidLoss(m, bias=-2.0, mini_batch_size=size))
    assert sum(made[-4:]) < sum(made[:4])
    assert float(trainer.loss.bias.detach()) != -2.0
    assert float(trainer.loss.log_scale.detach()) != pytest.approx(2.302585, abs=1e-6)
    card = trainer.model.model_card_data
    assert "SigmoidLoss" in str(card.citations)
    assert "Sigmoid Loss for Language Image" in str(card.citations)


@pytest.mark.slow
def test_labels_reach_the_loss_and_batches_are_those_of_the_sampler(folder, tmp_path) -> None:
    """Modal masks as labels; batches of one word each, seen through the loss."""
    seen = []

    class Watching(losses.MaskedInfoNCELoss):
        def of(self, columns, labels):
            seen.append(labels.tolist())
            return super().of(columns, labels)

    rows = {**ROWS, "label": [i % 8 for i in range(32)]}
    keys = [i % 4 for i in range(32)]
    trained(folder, tmp_path, lambda m: Watching(m, modal=True), rows, batches.group_by(keys))
    assert len(seen) == 16
    assert all({label % 4 for label in labels} in ({0}, {1}, {2}, {3}) for labels in seen)
    assert {labels[0] % 4 for labels in seen} == {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 3])
def test_matryoshka_wraps_them(size, folder, tmp_path) -> None:
    """At the full width and at half of it: the wrapped loss is the sum of both."""
    model = SentenceTransformer(str(folder), device="cpu").eval()
    inner = losses.SpreadLoss(model, mini_batch_size=size)
    wrapped = MatryoshkaLoss(model, inner, [model.get_embedding_dimension(), 16])
    features = [model.preprocess(ROWS[column][:8]) for column in ("anchor", "positive")]
    both = float(wrapped([dict(f) for f in features], None).detach())
    with torch.no_grad():
        whole = [model(dict(f))["sentence_embedding"] for f in features]
    apart = sum(float(losses.SpreadLoss(model).of([x[:, :d] for x in whole], None)) for d in (32, 16))
    assert both == pytest.approx(apart, rel=1e-4)
