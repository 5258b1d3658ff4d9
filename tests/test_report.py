"""The page of `trajloom report`; `tests/look` opens it in a browser."""

import base64
import gzip
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

pytest.importorskip("plotly")
sys.path.insert(0, str(Path(__file__).parent / "look"))

from reports import EVIL, HUMAN, arms

from in_memory import HEADER, MemorySource, source
from trajloom import report, store
from trajloom.cli.main import typer_app
from trajloom.dataset import Dataset, read
from trajloom.errors import MissingExtraError, OutputExistsError, SettingsError
from trajloom.report import figures, gather


class Reader(HTMLParser):
    """Elements with their attributes, and the texts in them."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append((self.tags[-1][1], data))
        else:
            self.texts.append(data.strip())


def made(dataset: Dataset, folder: Path) -> Reader:
    report.write(dataset, folder / "page.html")
    return Reader((folder / "page.html").read_text())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Of a generated dataset with malice in every text."""
    return made(arms(16, 20), tmp_path_factory.mktemp("report"))


def test_a_generated_dataset_has_every_section(page: Reader):
    titles = [text for text in page.texts if text]
    for title in (
        "Success by source", "Why attempts failed", "Where objects stood at first", "How long episodes are",
        "Where the arm goes", "What cameras saw", "Actions", "How smoothly it moves", "Columns",
        "What its reader remarked",
    ):  # fmt: skip
        assert title in titles
    drawn = [attrs["data-figure"] for tag, attrs in page.tags if attrs.get("class") == "plot"]
    assert drawn == [str(i) for i in range(len(figures_of(page)))]


def figures_of(page: Reader) -> list[dict]:
    return json.loads(next(text for attrs, text in page.scripts if attrs.get("id") == "figures"))


def test_plotly_takes_every_figure(page: Reader):
    from plotly.graph_objects import Figure

    for figure in figures_of(page):
        plain = json.loads(re.sub(r'"@\w+"', '"#000000"', json.dumps(figure)))
        plain["layout"].pop("legend", None)  # there: whether to show one
        Figure(plain)


def test_text_of_the_data_stays_text(page: Reader):
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"] * 3
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert {attrs["src"][:22] for tag, attrs in page.tags if tag == "img"} == {"data:image/png;base64,"}
    assert EVIL in page.texts
    labels = json.dumps(figures_of(page))
    assert "alert(1)" in labels
    assert "<script" not in labels
    assert "<" not in next(text for attrs, text in page.scripts if attrs.get("id") == "figures")


def test_scripts_are_those_of_the_policy_and_nothing_may_be_fetched(page: Reader):
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    ours = next(text for attrs, text in page.scripts if not attrs)
    plotly = gzip.decompress(base64.b64decode(next(t for a, t in page.scripts if a.get("id") == "plotly")))
    for script in (ours.encode(), plotly):
        assert base64.b64encode(hashlib.sha256(script).digest()).decode() in policy


def test_the_same_dataset_gives_the_same_page(tmp_path: Path):
    for name in ("a.html", "b.html"):
        report.write(read(HUMAN), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_data_that_was_not_generated_says_so(tmp_path: Path):
    page = made(read(HUMAN), tmp_path)
    assert any("The data was not generated" in text for text in page.texts)
    assert "Why attempts failed" not in page.texts
    assert "What cameras saw" not in page.texts
    assert "cube" in page.texts


@pytest.mark.parametrize("dataset", [Dataset(MemorySource(HEADER, [])), Dataset(source((0, 3)))])
def test_small_and_empty_datasets_have_a_page(dataset: Dataset, tmp_path: Path):
    assert "Columns" in made(dataset, tmp_path).texts


def test_a_page_is_not_overwritten_unless_told_to_and_appears_whole_or_not_at_all(tmp_path: Path):
    out = tmp_path / "page.html"
    out.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"page\.html exists already"):
        report.write(Dataset(source()), out)
    assert out.read_text() == "mine"
    store.write(source(), str(tmp_path / "data"))
    next((tmp_path / "data" / "steps").iterdir()).write_bytes(b"broken")
    with pytest.raises(Exception, match="part-"):
        report.write(read(tmp_path / "data"), out, overwrite=True)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "page.html"]
    report.write(Dataset(source()), out, overwrite=True)
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_a_page_does_not_lie_in_its_dataset(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    with pytest.raises(SettingsError, match="is what is read"):
        report.write(read(tmp_path / "data"), tmp_path / "data" / "page.html")


def test_without_plotly_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trajloom\[report\]'"):
        report.write(Dataset(source()), tmp_path / "page.html")


def test_the_command_prints_where_the_page_is(tmp_path: Path):
    done = CliRunner().invoke(typer_app, ["report", str(HUMAN), str(tmp_path / "page.html")])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'page.html'}\n")


# ---- what is gathered ------------------------------------------------------------------------------------------


def test_points_and_paths_stay_few_however_many_there_are():
    rows = pl.DataFrame({"x": np.arange(50_000.0), "y": np.zeros(50_000), "success": [True, False] * 25_000})
    drawn = figures.standing("cube", rows)
    assert 3000 < sum(len(trace["x"]) for trace in drawn.traces) <= 4000
    assert {trace["name"] for trace in drawn.traces} == {"success", "failure"}
    episodes = pl.DataFrame({"episode_index": range(9000), "success": [i % 300 > 0 for i in range(9000)]})
    chosen = gather._chosen(episodes)
    assert (chosen.height, chosen.filter(~pl.col("success")).height) == (gather.MOST_PATHS, 20)


def test_images_get_smaller_by_whole_blocks():
    image = np.arange(4 * 400 * 3, dtype=np.uint8).reshape(4, 400, 3)
    small = gather.small(image)
    assert small.shape == (1, 100, 3)
    assert small[0, 0].tolist() == image[:4, :4].reshape(-1, 3).mean(axis=0).round().tolist()
    assert gather.small(np.zeros((2, 2), np.uint8)).shape == (2, 2, 3)
    assert gather.small(np.zeros((1, 1000, 4), np.uint8)).shape[2] == 3


def test_strips_show_frames_from_first_to_last():
    members = source((30, 5))
    first, second = gather.strips(Dataset(members))
    assert (first.episode, first.camera, first.frames, second.frames) == ("demo_0", "obs/image", 8, 5)


def test_counts_of_a_histogram_are_those_of_the_steps():
    data = read(HUMAN)
    found = gather.histograms(data, data.header.column("actions"))
    assert [name for name, _, _ in found] == [f"actions[{i}]" for i in range(7)]
    assert {int(counts.sum()) for _, counts, _ in found} == {531}
