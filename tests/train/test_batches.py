"""Batches: of one key, of parts of one key, of clusters; every row once, the same ones when a run goes on."""

from collections import Counter

import pytest
from torch.utils.data import DataLoader

from samespace.train import batches

KEYS = ["news"] * 50 + ["pictures"] * 30 + ["sound"] * 17
ROWS = list(range(len(KEYS)))


def drawn(factory, size: int = 8, *, drop_last: bool = False, epoch: int = 0, seed: int = 0):
    sampler = factory(ROWS, batch_size=size, drop_last=drop_last, valid_label_columns=None, generator=None, seed=seed)
    sampler.set_epoch(epoch)
    made = list(sampler)
    assert len(made) == len(sampler)
    return made


FACTORIES = {
    "group_by": batches.group_by(KEYS),
    "interleave": batches.interleave(KEYS, 4),
    "mined": batches.mined([ROWS[i : i + 4] for i in range(0, 96, 4)] + [[96]], keys=None),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_every_row_once_an_epoch_in_an_order_of_its_own(name: str) -> None:
    factory = FACTORIES[name]
    first, again, other = drawn(factory), drawn(factory), drawn(factory, epoch=1)
    assert sorted(row for batch in first for row in batch) == ROWS
    assert first == again
    assert first != other
    assert drawn(factory, seed=1) == other, "an epoch is drawn from seed + epoch"
    assert all(len(batch) <= 8 for batch in first)
    assert all(len(batch) == 8 for batch in drawn(factory, drop_last=True))
    assert len(drawn(factory, drop_last=True)) >= 8


def test_group_by_has_one_key_a_batch() -> None:
    assert all(len({KEYS[row] for row in batch}) == 1 for batch in drawn(FACTORIES["group_by"]))


def test_interleaved_parts_have_one_key_each_and_batches_many() -> None:
    made = drawn(FACTORIES["interleave"], size=12, drop_last=True)
    parts = [batch[i : i + 4] for batch in made for i in range(0, 12, 4)]
    assert all(len({KEYS[row] for row in part}) == 1 for part in parts if len(part) == 4 and max(part) < 96)
    kinds = Counter(len({KEYS[row] for row in batch}) for batch in made)
    assert kinds[3] >= 3, "while there are three kinds left, a batch has all three"


def test_mined_batches_are_whole_clusters_of_one_dataset() -> None:
    clusters = [ROWS[i : i + 4] for i in range(0, 48, 4)] + [ROWS[48:50]]
    clusters += [ROWS[i : i + 4] for i in range(50, 78, 4)] + [ROWS[78:80], ROWS[80:97]]
    made = drawn(batches.mined(clusters, keys=KEYS))
    assert all(len({KEYS[row] for row in batch}) == 1 for batch in made)
    for cluster in clusters[:-1]:
        assert sum(set(cluster) <= set(batch) for batch in made) == 1
    assert max(len(batch) for batch in made) == 8, "a cluster over the batch size is cut to it"


@pytest.mark.parametrize("name", ["group_by", "interleave", "mined"])
def test_equal_content_never_meets(name: str) -> None:
    content = [f"hash {row % 20}" for row in ROWS]
    clusters = [ROWS[i : i + 4] for i in range(0, 97, 4)]
    factory = {
        "group_by": lambda: batches.group_by(KEYS, apart=content),
        "interleave": lambda: batches.interleave(KEYS, 4, apart=content),
        "mined": lambda: batches.mined(clusters, apart=content),
    }[name]()
    made = drawn(factory, size=16)
    assert all(len({content[row] for row in batch}) == len(batch) for batch in made)
    seen = sorted(row for batch in made for row in batch)
    assert len(set(seen)) == len(seen)
    if name == "group_by":
        assert seen == ROWS


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: batches.interleave(KEYS, 0), "sub_batch is 0"),
        (lambda: batches.group_by(KEYS, apart=["x"]), "1 keys or hashes for 97 rows"),
        (lambda: batches.mined([[0, 1], [1, 2]]), "do not hold each of 4 rows once"),
        (lambda: batches.group_by(["a", "b"])(ROWS, batch_size=2), "planned for 2 rows, the dataset has 97"),
    ],
)
def test_bad_settings_are_named(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_loader_takes_it() -> None:
    sampler = FACTORIES["group_by"](ROWS, batch_size=8, drop_last=True)
    assert all(len(batch) == 8 for batch in DataLoader(ROWS, batch_sampler=sampler))
