"""The report in a real browser: nothing asked of the network, and every control shows what the score files hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PAGES, SIZE, chromium
from fake_run import configuration, fill
from test_report import stand_ins

from analysis import report
from analysis.scoring import evaluate_tracks
from siamrcr import datasets, results, strips
from siamrcr.config import Run
from siamrcr.datasets.mini import generate
from siamrcr.files import read_json, write_json
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result

SHIFTS = {"siamrcr-s0": 2.0, "kcf": 6.0}
OTB, VOT = "otb2015", "vot2018"
OURS = "SiamRCR [siamrcr]"  # another model has the same label


def tracked(run: Run, benchmark: str) -> None:
    """Raw results and scores of two trackers off by some pixels, with a failure where the protocol has them."""
    for place, (tracker, shift) in enumerate(SHIFTS.items()):
        folder = run.folder / "tracks" / tracker / benchmark
        for number, clip in enumerate(datasets.load(benchmark, run.root(benchmark))):
            drift = shift * np.linspace(0, 1 + ((number + place) % 3), len(clip))
            boxes, codes = clip.boxes + np.outer(drift, [1, 1, 0, 0]), np.full(len(clip), REGION, dtype=np.int8)
            if benchmark == VOT:
                codes[[0, 4, 5, 6]] = INIT, FAILURE, SKIPPED, INIT
                boxes[codes != REGION] = np.nan
            unknown = np.full(len(clip), np.nan)
            results.write(folder, benchmark, clip.name, 1, Result(boxes, codes, unknown, unknown))
        write_json(
            run.folder / "scores" / tracker / f"{benchmark}.json",
            evaluate_tracks(run, benchmark, folder, tracker=tracker),
        )


@dataclass
class Opened:
    """A report in a browser, with all that it asked for and complained of."""

    page: Any
    run: Run
    path: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def turn(self, name: str, benchmark: str = "") -> None:
        self.page.evaluate("document.querySelector('#player').close()")
        self.page.goto(f"{self.path.as_uri()}#{name}")
        if benchmark:
            self.page.select_option(f"#{name} select.benchmark", benchmark)

    def until(self, expression: str) -> None:
        """Wait for JavaScript to be true; playwright's own way needs what the page's policy forbids."""
        for _ in range(300):
            if self.page.evaluate(f"Boolean({expression})"):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never true: {expression}")

    def column(self, table: str, number: int) -> list[str]:
        return [
            text.strip() for text in self.page.locator(f"#{table} tbody tr > :nth-child({number})").all_inner_texts()
        ]

    def score(self, tracker: str, benchmark: str) -> dict[str, Any]:
        return read_json(self.run.folder / "scores" / tracker / f"{benchmark}.json", "")  # type: ignore[no-any-return]


def opened(browser: Any, run: Run, path: Path) -> Opened:
    page = browser.new_page(viewport=SIZE)
    found = Opened(page, run, path)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (found.complaints.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def mini(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A run whose two benchmarks are real to the last frame; the others' scores are drawn at random."""
    folder = tmp_path_factory.mktemp("report")
    everywhere = ["got10k-val", OTB, "lasot", VOT]
    run = configuration(
        folder / "results",
        source="mini",
        data=str(folder / "data"),
        mini={"sequences": 4, "frames": 30, "width": 160, "height": 120},
        benchmarks={VOT: {"eao_interval": [4, 20]}},
        trackers={"kcf": {"label": "KCF", "command": "opencv:KCF", "benchmarks": everywhere}},
    )
    fill(run)
    for benchmark in (OTB, VOT):
        generate(benchmark, run.data / "mini", run.mini)
        tracked(run, benchmark)
    stand_ins(run)
    # Scores that were drawn at random belong to no sequence that there is.
    chosen = {b: names for b, names in report.disagreements(run, 3).items() if b in (OTB, VOT)}
    player, lacks = strips.make(run, chosen, report.drawn(run), run.folder / "report", 2)
    assert not lacks
    return opened(browser, run, report.write(run, player))


def test_every_page_opens_without_a_request_or_a_complaint(mini: Opened) -> None:
    for name in PAGES:
        mini.turn(name)
        assert mini.page.locator("main > section:visible").get_attribute("id") == name
        assert mini.page.locator("nav a[aria-current=page]").get_attribute("href") == f"#{name}"
    for name in ("leaderboards", "curves", "sequences"):
        for benchmark in mini.page.locator(f"#{name} select.benchmark option").evaluate_all(
            "all => all.map(o => o.value)"
        ):
            mini.turn(name, benchmark)
    assert {url.split("#")[0] for url in mini.requests if not url.startswith("data:")} == {mini.path.as_uri()}
    assert mini.complaints == []


def test_a_link_to_a_table_turns_to_its_page(mini: Opened) -> None:
    mini.turn("tables")
    mini.page.click("nav a[href='#table-4']")
    mini.page.locator("#table-4").wait_for(state="visible")
    mini.page.click("nav a[href='#figures']")
    mini.page.locator("#table-4").wait_for(state="hidden")


def test_the_leaderboard_shows_the_score_files_and_sorts_them(mini: Opened) -> None:
    mini.turn("leaderboards", OTB)
    for metric, column in (("success", 2), ("precision", 3)):
        found = dict(zip(mini.column("board", 1), mini.column("board", column), strict=True))
        for tracker, label in (("siamrcr-s0", OURS), ("kcf", "KCF")):
            score = mini.score(tracker, OTB)["metrics"][metric]
            assert found[label] == f"{score['value']:.3f} ± {score['stderr']:.3f}"
    mini.turn("leaderboards", "got10k-val")
    models = ["baseline", "localization", "reciprocal", "siamrcr", "radius-3"]
    values = [mini.score(f"{name}-s0", "got10k-val")["metrics"]["SR0.5"]["value"] for name in models]
    expected = sorted([*values, mini.score("kcf", "got10k-val")["metrics"]["SR0.5"]["value"]])
    mini.page.click("#board th button[data-sort='SR0.5']")
    assert [text.split()[0] for text in mini.column("board", 3)] == [f"{value:.3f}" for value in reversed(expected)]
    assert mini.page.locator("#board th[aria-sort=descending]").count() == 1
    # The button keeps the focus, and is one for the keyboard.
    mini.page.keyboard.press("Enter")
    assert [text.split()[0] for text in mini.column("board", 3)] == [f"{value:.3f}" for value in expected]
    mini.page.click("#board th button[data-sort=label]")
    labels = mini.column("board", 1)
    assert labels == sorted(labels, key=str.casefold)


def test_error_bars_are_as_long_as_the_errors(mini: Opened) -> None:
    mini.turn("leaderboards", OTB)
    ends = mini.page.locator("#board svg.bar").evaluate_all(
        "all => all.map(bar => bar.querySelector('line')).map(({x1, x2}) => x2.baseVal.value - x1.baseVal.value)"
    )
    by_label = dict(zip(mini.column("board", 1), ends, strict=True))
    errors = [mini.score(tracker, OTB)["metrics"]["success"]["stderr"] for tracker in SHIFTS]
    assert by_label[OURS] / by_label["KCF"] == pytest.approx(errors[0] / errors[1], rel=0.02)


def test_the_leaderboard_is_filtered_by_name_kind_and_attribute(mini: Opened) -> None:
    mini.turn("leaderboards", "got10k-val")
    everything = len(mini.column("board", 1))
    mini.page.fill("#board-filter", "KC")
    assert mini.column("board", 1) == ["KCF"]
    assert mini.page.inner_text("#board-count") == f"1 of {everything} rows"
    mini.page.fill("#board-filter", "")
    mini.page.uncheck("[name=kind][value=model]")
    assert mini.column("board", 1) == ["KCF"]
    mini.page.check("[name=kind][value=model]")
    assert len(mini.column("board", 1)) == everything
    mini.turn("leaderboards", OTB)
    tag, values = next(iter(mini.score("kcf", OTB)["attributes"].items()))
    mini.page.select_option("#board-attribute", tag)
    found = dict(zip(mini.column("board", 1), mini.column("board", 2), strict=True))
    assert found["KCF"].split()[0] == f"{values['success']['value']:.3f}"


def lines(opened: Opened) -> dict[str, list[float]]:
    """Name -> ordinates of the lines that plotly has drawn."""
    drawn = (
        "document.getElementById('curves-plot').data.filter(trace => trace.name).map(trace => [trace.name, trace.y])"
    )
    return dict(opened.page.evaluate(drawn))


def test_curves_are_toggled_and_are_those_of_the_score_files(mini: Opened) -> None:
    mini.turn("curves", OTB)
    score = mini.score("siamrcr-s0", OTB)
    found = lines(mini)
    assert set(found) == {OURS, "KCF"}
    assert np.allclose(found[OURS], score["curves"]["success"]["y"], atol=6e-5)
    mini.page.locator("#curves-toggles label", has_text="KCF").locator("input").uncheck()
    assert set(lines(mini)) == {OURS}
    mini.page.click("#curves-no")
    assert lines(mini) == {}
    mini.page.click("#curves-all")
    assert set(lines(mini)) == {OURS, "KCF"}
    mini.page.select_option("#curves-curve", "precision")
    assert np.allclose(lines(mini)[OURS], score["curves"]["precision"]["y"], atol=6e-5)
    tag = next(iter(score["attribute_curves"]))
    mini.page.select_option("#curves-attribute", tag)
    assert np.allclose(lines(mini)[OURS], score["attribute_curves"][tag]["precision"], atol=6e-5)
    markers = mini.page.evaluate("document.getElementById('tags-plot').data.map(trace => trace.y)")
    tags = score["attributes"]
    assert np.allclose(markers[0], [tags[name]["success"]["value"] for name in tags], atol=6e-5)


def test_hovering_tells_the_value(mini: Opened) -> None:
    mini.turn("curves", OTB)
    curve = mini.score("siamrcr-s0", OTB)["curves"]["success"]
    mini.page.select_option("#curves-curve", "success")
    mini.page.select_option("#curves-attribute", "")
    plot = "document.getElementById('curves-plot')"
    place = mini.page.evaluate(f"{plot}.data.findIndex(trace => trace.name === '{OURS}')")
    # Where the mouse must be for the tenth point, in pixels of the window.
    axes, box = f"{plot}._fullLayout", mini.page.locator("#curves-plot .nsewdrag").bounding_box()
    x = mini.page.evaluate(f"{axes}.xaxis.d2p({plot}.data[{place}].x[10])")
    y = mini.page.evaluate(f"{axes}.yaxis.d2p({plot}.data[{place}].y[10])")
    for nudge in (1, 0) * 5:  # a plot that is drawn again forgets where the mouse is
        mini.page.mouse.move(box["x"] + x + nudge, box["y"] + y)
        mini.page.wait_for_timeout(100)
    mini.until(f"{plot}.querySelector('.hoverlayer').textContent")
    text = mini.page.locator("#curves-plot .hoverlayer").text_content()
    assert f"{curve['y'][10]:.3f} ± {curve['stderr'][10]:.3f}" in text


def test_sequences_are_compared_and_filtered(mini: Opened) -> None:
    mini.turn("sequences", OTB)
    ours, theirs = (mini.score(tracker, OTB)["sequences"] for tracker in SHIFTS)
    gaps = {name: ours[name]["success"] - theirs[name]["success"] for name in ours}
    assert mini.column("sequences-table", 1) == sorted(gaps, key=lambda name: -gaps[name])
    shown = [float(text.replace("−", "-")) for text in mini.column("sequences-table", 4)]
    assert np.allclose(shown, sorted(gaps.values(), reverse=True), atol=6e-4)
    mini.page.click("#sequences-table th button[data-sort=name]")
    assert mini.column("sequences-table", 1) == sorted(ours)
    mini.page.fill("#sequences-filter", sorted(ours)[1])
    assert mini.column("sequences-table", 1) == [sorted(ours)[1]]
    mini.page.fill("#sequences-filter", "")
    mini.page.check("#sequences-playable")
    assert len(mini.column("sequences-table", 1)) == 3
    mini.page.uncheck("#sequences-playable")


def play(opened: Opened, benchmark: str, how: str) -> str:
    """Open the player of the first sequence that has a strip, or is on disk alone; its name."""
    opened.turn("sequences", benchmark)
    row = opened.page.locator("#sequences-table tbody tr", has_text=how).first
    row.locator("button").click()
    return str(row.locator("th").inner_text())


def test_the_player_draws_the_raw_results(mini: Opened) -> None:
    name = play(mini, OTB, "strip")
    assert mini.page.inner_text("#player-title").startswith(name)
    image = "document.getElementById('player-image')"
    mini.until(f"{image}.complete && {image}.naturalWidth === 160")
    (clip,) = [each for each in datasets.load(OTB, mini.run.root(OTB)) if each.name == name]
    numbers = np.linspace(0, len(clip) - 1, strips.FRAMES).round().astype(int)
    mini.page.focus("#player-range")
    for _ in range(3):
        mini.page.keyboard.press("ArrowRight")
    frame = int(numbers[3])
    assert mini.page.inner_text("#player-frame") == f"frame {frame + 1} of {len(clip)}"
    place = mini.page.evaluate("DATA.trackers.findIndex(tracker => tracker.name === 'kcf')")
    run = results.read(mini.run.folder / "tracks" / "kcf" / OTB, OTB, [clip])[name][0]
    rows = (("truth", clip.boxes[frame]), (str(place), run.boxes[frame]))
    for layer, expected in rows:
        box = mini.page.locator(f"#player-boxes rect[data-layer='{layer}']").last
        found = [float(box.get_attribute(side)) for side in ("x", "y", "width", "height")]
        assert np.allclose(found, expected, atol=0.051)
    mini.page.uncheck("#player-toggles [data-layer=truth]")
    assert mini.page.locator("#player-boxes [data-layer=truth]").count() == 0
    mini.page.click("#player-play")
    mini.until("player.at === player.numbers.length - 1 && !player.timer")
    mini.page.keyboard.press("Escape")
    assert not mini.page.locator("#player").is_visible()


def test_all_frames_are_read_from_the_folder_of_the_report(mini: Opened) -> None:
    name = play(mini, OTB, "from disk")
    mini.until("player.clip && player.clip.files")
    image = "document.getElementById('player-image')"
    mini.until(f"{image}.complete && {image}.naturalWidth === 160")
    mini.page.click("#player-on")
    (clip,) = [each for each in datasets.load(OTB, mini.run.root(OTB)) if each.name == name]
    assert mini.page.inner_text("#player-frame") == f"frame 2 of {len(clip)}"
    assert mini.page.evaluate(f"{image}.src") == clip.frames[1].resolve().as_uri()
    assert all(url.startswith(("file:", "data:")) for url in mini.requests)
    assert mini.complaints == []


def test_a_report_that_was_moved_says_what_it_lacks(mini: Opened, browser: Any, tmp_path: Path) -> None:
    alone = tmp_path / "index.html"
    alone.write_bytes(mini.path.read_bytes())
    moved = opened(browser, mini.run, alone)
    play(moved, OTB, "strip")
    moved.page.click("#player-whole")
    moved.until("document.getElementById('player-said').textContent.includes('moved apart')")
    moved.page.click("#player-on")
    assert moved.page.inner_text("#player-frame").startswith("frame 5")
    moved.page.close()


def test_the_player_shows_failures_and_polygons(mini: Opened) -> None:
    play(mini, VOT, "strip")
    mini.page.click("#player-whole")
    mini.until("player.clip && player.clip.files")
    for _ in range(4):
        mini.page.click("#player-on")
    assert "KCF: failure" in mini.page.inner_text("#player-events")
    assert mini.page.locator("#player-boxes [data-layer='0']").count() == 0
    assert mini.page.locator("#player-boxes [data-layer=truth]").count() == 2


def brightness(page: Any) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return float(np.mean([float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]))


def test_dark_follows_the_system_and_the_switch(mini: Opened) -> None:
    mini.page.emulate_media(color_scheme="dark")
    mini.turn("curves", OTB)
    assert brightness(mini.page) < 64
    text = mini.page.evaluate("document.getElementById('curves-plot').layout.font.color")
    assert text == mini.page.evaluate("getComputedStyle(document.body).color")
    mini.page.click("#theme")
    assert brightness(mini.page) > 192
    mini.page.emulate_media(color_scheme="light")
    assert brightness(mini.page) > 192
    mini.page.focus("#theme")
    mini.page.keyboard.press("Space")
    assert brightness(mini.page) < 64
    assert mini.page.get_attribute("#theme", "aria-pressed") == "true"
    mini.page.click("#theme")


def test_training_curves_are_the_cards(mini: Opened) -> None:
    mini.turn("training")
    mini.page.select_option("#training-branch", "regression")
    card = read_json(mini.run.folder / "models" / "siamrcr-s0.json", "")
    drawn = "document.getElementById('training-plot').data.map(trace => [trace.name, trace.y])"
    found = {name: y for name, y in mini.page.evaluate(drawn) if "siamrcr, seed" in name}
    assert np.allclose(next(iter(found.values())), [point["regression"] for point in card["curve"]], atol=6e-5)
    mini.page.locator("details summary").first.click()
    assert mini.page.locator("details pre").first.is_visible()


HOSTILE = "</script><script>hit()</script><img src=x onerror=hit()> & \" ' \u2028 <!--"


def test_names_are_text_wherever_they_come_from(browser: Any, tmp_path: Path) -> None:
    """Labels, sequences, attributes, footnotes and figures that hold markup: shown as text, and nothing runs."""
    models = {"siamrcr": {"label": HOSTILE, "benchmarks": ["lasot"]}}
    trackers = {"kcf": {"label": f"<b>{HOSTILE}</b>", "command": "opencv:KCF", "benchmarks": ["lasot"]}}
    run = configuration(tmp_path, models=models, trackers=trackers, source="mini", analysis={"bootstrap": 20})
    fill(run)
    for tracker in ("siamrcr-s0", "kcf"):
        path = run.folder / "scores" / tracker / "lasot.json"
        score = json.loads(path.read_text())
        score["sequences"] = {HOSTILE + name: value for name, value in score["sequences"].items()}
        error = {"value": 0.5, "stderr": 0.1, "sequences": 2}
        score["attributes"] = {HOSTILE: dict.fromkeys(score["metrics"], error)}
        score["attribute_curves"] = {HOSTILE: {name: each["y"] for name, each in score["curves"].items()}}
        score["provenance"]["command"] = HOSTILE
        write_json(path, score)
    stand_ins(run, "<script>hit()</script>")
    strip = {"length": 9, "size": [9, 9], "frames": [0], "images": [], "boxes": {"truth": [[1, 1, 2, 2]]}}
    first = f"{HOSTILE}sequence-000"
    player = {"lasot": {first: {**strip, "events": {"0": {"0": HOSTILE}}, "beside": "sequences/none.js"}}}
    found = opened(browser, run, report.write(run, player))
    found.page.evaluate("void (window.hit = () => (window.hits = (window.hits || 0) + 1))")
    for name in PAGES:
        found.page.click(f"nav a[href='#{name}']")
    assert found.page.locator("#overview th", has_text="onerror=hit()").count()
    found.page.click("nav a[href='#leaderboards']")
    assert sorted(found.column("board", 1)) == sorted((HOSTILE, f"<b>{HOSTILE}</b>"))
    found.page.click("nav a[href='#curves']")
    assert found.page.locator("#curves-plot svg script, #curves-plot svg image, main img[src=x]").count() == 0
    found.page.click("nav a[href='#sequences']")
    found.page.locator("#sequences-table tbody button").first.click()
    assert HOSTILE.split("\u2028")[0].strip() in found.page.inner_text("#player-title")
    assert found.page.evaluate("window.hits") is None
    assert found.complaints == []
    assert all(url.startswith(("file:", "data:")) and "none.js" not in url for url in found.requests)
    found.page.close()
