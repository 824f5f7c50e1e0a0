"""The words of a file's name."""

import pytest

from samespace.index.naming import means_something, name_text


@pytest.mark.parametrize(
    ("path", "title", "meta", "text"),
    [
        ("/x/beachHouse_2021-07.jpg", None, {}, "beach House 2021 07 jpg"),
        ("/x/a.mp3", "Blue  Train", {"artist": "John Coltrane", "seconds": 12}, "a mp3. Blue Train. John Coltrane"),
        ("/x/東京タワー.png", "東京タワー.png", {}, "東京タワー png. 東京タワー.png"),
        ("/x/two\nlines\u202e.png", "", {"description": "two lines png"}, "two lines png"),
    ],
)
def test_name_title_and_facts_are_one_line(path, title, meta, text) -> None:
    assert name_text(path, title, meta) == text


@pytest.mark.parametrize("text", ["IMG 0001 jpg", "DSC 2041 JPG", "Screenshot 2024 01 02 at 10 00 png", "PXL 2023 mp4"])
def test_names_of_cameras_mean_nothing(text: str) -> None:
    assert not means_something(text)


@pytest.mark.parametrize("text", ["IMG 0001 harbour jpg", "東京 png", "invoice pdf", "Größe"])
def test_names_of_people_mean_something(text: str) -> None:
    assert means_something(text)
