"""As a module of sentence-transformers: encodes like the Reasoner, trains, saves, loads."""

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Transformer

from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.st import LatentReasoning

TEXTS = ["a red kite over the hills", "tax", "the committee met on tuesday to discuss it"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny Qwen3 with a tokenizer of bytes that ends every text."""
    from tiny_models import causal

    return causal(tmp_path_factory.mktemp("maker"), stated=False)


def build(folder: Path, **settings) -> SentenceTransformer:
    backbone = Transformer(str(folder))
    thinking = LatentReasoning(backbone.get_embedding_dimension(), **settings)
    return SentenceTransformer(modules=[backbone, thinking, Normalize()], device="cpu")


def wanted(model: SentenceTransformer, steps: int, tail: int = 1) -> torch.Tensor:
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        thought = Latent(32, tail=tail)(Backbone.of(model[0].model), batch, steps=steps)
    return torch.nn.functional.normalize(thought.embedding, dim=-1)


def test_it_encodes_like_the_reasoner(folder) -> None:
    model = build(folder, steps=3)
    made = model.encode(TEXTS, convert_to_tensor=True)
    assert (made - wanted(model, 3)).abs().max() <= 1e-5
    eight = model.encode(TEXTS, convert_to_tensor=True, steps=8)
    assert (eight - wanted(model, 8)).abs().max() <= 1e-5
    assert (made - eight).abs().max() > 1e-3
    assert model.get_embedding_dimension() == 32


def test_queries_think_and_documents_do_not(folder) -> None:
    model = build(folder, steps={"query": 4, "document": 0})
    queries = model.encode_query(TEXTS, convert_to_tensor=True)
    documents = model.encode_document(TEXTS, convert_to_tensor=True)
    assert (queries - wanted(model, 4)).abs().max() <= 1e-5
    assert (documents - wanted(model, 0)).abs().max() <= 1e-5


def test_it_saves_and_loads_by_modules_json(folder, tmp_path) -> None:
    model = build(folder, steps=2, adapter="routed", anchor=40, feedback="raw", tail=2)
    for parameter in model[1].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    texts = [f"{t}" for t in ("HHa", "bHc", "Hello")]
    model[1].reasoner.anchor = int(model.tokenizer("H")["input_ids"][0])
    model[1].anchor = model[1].reasoner.anchor
    before = model.encode(texts, convert_to_tensor=True)
    model.save_pretrained(str(tmp_path))
    again = SentenceTransformer(str(tmp_path), device="cpu", trust_remote_code=True)
    assert torch.equal(again.encode(texts, convert_to_tensor=True), before)
    assert type(again[1]) is LatentReasoning
    assert not list(tmp_path.rglob("*.bin"))


def test_it_trains_with_their_loss(folder) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = build(folder, steps=2, adapter="mlp")
    loss = MultipleNegativesRankingLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    model.train()
    values = []
    for _ in range(6):
        columns = [model.preprocess(TEXTS), model.preprocess([t.upper() for t in TEXTS])]
        value = loss(columns, None)
        values.append(float(value.detach()))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert values[-1] < values[0]
    assert model[1].reasoner.adapter.last.weight.abs().max() > 0, "the adapter learns"


def test_rows_stop_by_themselves_only_where_nothing_is_trained(folder) -> None:
    from samespace.errors import RecipeError

    model = build(folder, steps=2, until="kl")  # this model's head is left out, and is not its embedding table
    with pytest.raises(RecipeError, match="without the head"):
        model.encode(TEXTS)
    model.encode(TEXTS, steps=0)
    assert model.train()(model.preprocess(TEXTS))["thought"].used.tolist() == [2, 2, 2]


def test_what_it_cannot_be_part_of(folder) -> None:
    with pytest.raises(ValueError, match="Use 'none', 'mlp' or 'routed'"):
        LatentReasoning(32, adapter="moe")
    with pytest.raises(ValueError, match="on_model_ready"):
        LatentReasoning(32)({"input_ids": torch.ones(1, 2)})
    with pytest.raises(ValueError, match="Transformer over a causal model"):
        SentenceTransformer(modules=[Normalize(), LatentReasoning(32)], device="cpu")


@pytest.mark.slow
def test_it_trains_with_their_trainer_and_resumes(folder, tmp_path) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    rows = Dataset.from_dict(
        {"anchor": [f"{i} is it" for i in range(24)], "positive": [f"it is {i}" for i in range(24)]}
    )

    def run(where: Path, most: int, resume: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = build(folder, steps=2, adapter="mlp")
        args = SentenceTransformerTrainingArguments(
            output_dir=str(where), max_steps=most, per_device_train_batch_size=4, save_steps=2, learning_rate=1e-3,
            lr_scheduler_type="constant", report_to=[], use_cpu=True, disable_tqdm=True, seed=1, logging_steps=100,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(model, args, train_dataset=rows, loss=MultipleNegativesRankingLoss(model))
        trainer.train(resume_from_checkpoint=resume)
        return {name: value.clone() for name, value in model.state_dict().items()}

    straight = run(tmp_path / "a", 4, False)
    run(tmp_path / "b", 2, False)
    resumed = run(tmp_path / "b", 4, True)
    for name, value in straight.items():
        assert torch.allclose(value, resumed[name], atol=1e-6), name
