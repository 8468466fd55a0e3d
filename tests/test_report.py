"""The report: one file that needs no other, whole, and readable by keyboard."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fake_run import configuration, fill, maps

from analysis import figures, report, tables
from analysis.report import pictures
from analysis.scores import GENERATED
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import write_text

VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Tags with their attributes; complains about tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.text).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def figures(self) -> list[dict[str, str | None]]:
        return [attributes for attributes in self.all("img") if "src" in attributes]


SVG = """<svg xmlns="http://www.w3.org/2000/svg"><metadata><dc:description xmlns:dc="http://purl.org/dc/elements/1.1/">
{caption}</dc:description></metadata>{more}</svg>"""


def stand_ins(run: Run, more: str = "") -> None:
    """Files in place of figures: the report reads a figure's file and the caption in it, and nothing else."""
    for name in figures.NAMES:
        words = f"What is drawn, in a caption of some length. {'' if run.comparable else GENERATED.capitalize() + '.'}"
        write_text(run.folder / "figures" / f"{name}.svg", SVG.format(caption=words, more=more))
        write_text(run.folder / "figures" / f"{name}.pdf", "")
        write_text(run.folder / "figures" / f"{name}.png", "")


def made(run: Run) -> Page:
    """The report over stand-ins for figures."""
    stand_ins(run)
    return Page(report.write(run).read_text())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Page:
    run = configuration(tmp_path_factory.mktemp("real"))
    fill(run)
    return made(run)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Page:
    run = configuration(tmp_path_factory.mktemp("generated"), source="mini")
    fill(run)
    return made(run)


def test_it_asks_nothing_of_the_network(real: Page) -> None:
    for _, attributes in real.tags:
        for key in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#", "../")), value
    assert [script.get("type") for script in real.all("script")] == ["application/json", None, None]
    (style,) = [text for text in real.text if "--page" in text]
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_somewhere(real: Page) -> None:
    names = Counter(attributes["id"] for _, attributes in real.tags if "id" in attributes)
    assert max(names.values()) == 1
    targets = {str(link["href"])[1:] for link in real.all("a") if str(link["href"]).startswith("#")}
    assert targets
    assert targets <= set(names)
    labelled = {attributes["aria-labelledby"] for _, attributes in real.tags if "aria-labelledby" in attributes}
    assert labelled <= set(names)


def test_links_to_files_are_those_that_were_written(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    for name in tables.NAMES:
        tables.write(run, name)
    page = made(run)
    links = [str(link["href"]) for link in page.all("a") if str(link["href"]).startswith("../")]
    assert len(links) > 3 * len(tables.NAMES)
    assert all((run.folder / "report" / link).exists() for link in links)


def test_every_table_and_figure_is_in_it(real: Page) -> None:
    names = {attributes.get("id") for _, attributes in real.tags}
    assert set(tables.NAMES) <= names
    assert set(figures.NAMES) <= names
    assert len(real.figures) == len(figures.NAMES)
    assert all(len(str(image["alt"])) > 40 for image in real.figures)
    text = " ".join(real.text)
    assert "provenance" in text.lower()
    assert "0123456789" in text
    assert "siamrcr evaluate" in text
    assert "ef" * 32 in text


def test_tables_are_reached_by_keyboard_and_read_aloud(real: Page) -> None:
    regions = [a for tag, a in real.tags if tag == "div" and a.get("class") == "scroll"]
    assert regions
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" and a.get("aria-label") for a in regions)
    assert all(a.get("scope") in ("row", "col", "colgroup") for a in real.all("th") if "colspan" not in a)
    assert real.all("html") == [{"lang": "en"}]
    assert real.all("nav")[0]["aria-label"]


def test_rows_are_as_wide_as_their_head(real: Page) -> None:
    widths: list[set[int]] = []
    count = 0
    for tag, attributes in real.tags:
        if tag == "table":
            widths.append(set())
        if tag in ("tr", "table") and count:
            widths[-1 if tag == "tr" else -2].add(count)
            count = 0
        if tag in ("td", "th"):
            count += int(attributes.get("colspan") or 1)
    # Tables that the scripts fill have no row yet.
    assert all(len(width) == 1 for width in widths if width)
    assert sum(map(bool, widths)) > len(tables.NAMES)


def test_light_and_dark(real: Page) -> None:
    (style,) = [text for text in real.text if "--page" in text]
    pairs = re.findall(r"(--\w+): light-dark\((#\w+), (#\w+)\)", style)
    assert 'data-theme="dark"' in style
    light, dark = ({name: both[place] for name, *both in pairs} for place in (0, 1))

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for theme in (light, dark):
        for text in ("--text", "--quiet", "--link", "--best", "--mark", "--good"):
            for ground in ("--page", "--card", "--head"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground, theme)


def test_generated_benchmarks_are_named_at_every_table_and_figure(generated: Page, real: Page) -> None:
    captions = [str(image["alt"]) for image in generated.figures]
    assert all(GENERATED.capitalize() in caption for caption in captions)
    text = " ".join(generated.text)
    assert text.count(GENERATED) >= len(tables.NAMES) + 1
    assert "generated" not in " ".join(real.text)


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    page = made(configuration(tmp_path))
    text = " ".join(page.text)
    assert "none is trained yet" in text
    assert "Nothing was computed yet" in text
    assert "dataset absent" in text


def test_a_figure_that_was_not_drawn_is_named_with_its_command(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    made(run)
    (run.folder / "figures/figure-1.svg").unlink()
    with pytest.raises(InputError, match=r"figure-1\.svg: not drawn yet: run `siamrcr figure figure-1`"):
        report.write(run)


def test_half_a_figure_is_named_with_its_command(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    made(run)
    write_text(run.folder / "figures/radius.svg", SVG[:60])
    with pytest.raises(
        InputError, match=r"radius\.svg: not a whole SVG file .*: remove it and run `siamrcr figure radius`"
    ):
        report.write(run)


def test_a_figure_that_is_no_longer_as_it_was_drawn_is_named(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    made(run)
    folder = run.folder / "figures"
    figures.write(run, "radius")
    figures.write(run, "vot2018-ranking")
    page, drawn = report.write(run).read_text(), (folder / "radius.svg").read_bytes()
    for data, words in (
        (drawn.replace(b"stroke", b"strokf", 1), "is damaged, or was edited"),
        ((folder / "vot2018-ranking.svg").read_bytes(), "is the figure vot2018-ranking"),
    ):
        assert data != drawn
        (folder / "radius.svg").write_bytes(data)
        with pytest.raises(InputError, match=rf"radius\.svg: ({words}).*: remove it and run `siamrcr figure radius`"):
            report.write(run)
    # An editor's copy has another last line, and is the user's own.
    (folder / "radius.svg").write_bytes(b"\n".join(drawn.splitlines()[:-1]) + b"\n")
    assert len(report.write(run).read_text()) < len(page)


def test_a_large_figure_is_a_picture_that_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = configuration(tmp_path)
    fill(run)
    for name in ("radius", "vot2018-ranking"):
        figures.write(run, name)
    monkeypatch.setattr(pictures, "LARGEST_SVG", 0)
    assert pictures.picture(run, "radius").source.startswith("data:image/png;base64,")
    path = run.folder / "figures" / "radius.png"
    drawn = bytearray(path.read_bytes())
    drawn[len(drawn) // 2] ^= 1
    for data, words in (
        (bytes(drawn), "not a whole PNG file"),
        (bytes(drawn[:300]), "not a whole PNG file"),
        (path.with_name("vot2018-ranking.png").read_bytes(), "is the figure vot2018-ranking"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"radius\.png: {words}.*: remove it and run `siamrcr figure radius`"):
            pictures.picture(run, "radius")
    path.unlink()
    with pytest.raises(InputError, match=r"radius\.png: not drawn yet: run `siamrcr figure radius`"):
        pictures.picture(run, "radius")


def test_real_figures_fit(tmp_path: Path) -> None:
    """The two that hold images, from maps as large as the paper's."""
    run = configuration(tmp_path)
    fill(run)
    made(run)
    for name in {"siamrcr", *run.analysis.correlation.values()}:
        maps(run.folder / "maps" / f"{name}-s0.npz", frames=1000, side=255)
    for name in ("figure-1", "figure-4"):
        figures.write(run, name)
    page = Page(report.write(run).read_text())
    assert (run.folder / "report/index.html").stat().st_size < 9_000_000
    alternatives = [str(image["alt"]) for image in page.all("img")]
    assert (
        sum("Search images of the sample" in text or "IoU of the predicted box" in text for text in alternatives) == 2
    )


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    fill(run)
    made(run)
    first = (run.folder / "report/index.html").read_bytes()
    assert report.write(run).read_bytes() == first
