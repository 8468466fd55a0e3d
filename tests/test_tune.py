"""The search of test-time parameters: what it finds, what it costs, what it refuses, and how its file is used."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fake_run
import moving_square
import numpy as np
import pytest

from analysis import tables
from siamrcr import baselines, cli, config, datasets, tune
from siamrcr.config import Run
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json
from siamrcr.geometry import iou
from siamrcr.tracker import SiamTracker

OWN = (0.04, 0.21, 0.52)
BEST = (0.1, 0.35, 0.7)
FOUND = {"split": "got10k-val", "trials": 9, "tracking": {"penalty": 0.11, "window": 0.4, "size_rate": 0.3}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run whose GOT-10k val is two sequences of moving squares."""
    monkeypatch.chdir(tmp_path)
    with moving_square.prepared(tmp_path) as run:
        moving_square.trained(run)
        whole = datasets.load("otb2015", Path("data/real/otb2015"))
        monkeypatch.setattr(tune.datasets, "load", lambda *_: whole)
        yield run


def clips(count: int, size: float = 5) -> list[Sequence]:
    boxes = np.tile([10.0, 10, size, 5], (11, 1))
    return [Sequence(f"s{number}", (), boxes, np.ones(11, dtype=bool)) for number in range(count)]


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[float, ...], str]]:
    """What was tracked, by trackers whose overlap falls with the distance from BEST."""
    done: list[tuple[tuple[float, ...], str]] = []

    def overlaps(
        _: object, clip: Sequence, points: list[tuple[float, ...]], advance: Callable[[int], None]
    ) -> list[tune.Overlap]:
        done.extend((point, clip.name) for point in points)
        advance(len(points) * len(clip))
        noise = int(clip.name[1:]) * 1e-3
        return [tune.Overlap(10 * (0.9 - np.abs(np.subtract(p, BEST)).sum() + noise), 10) for p in points]

    monkeypatch.setattr(tune._Race, "_overlaps", overlaps)
    return done


def race(folder: Path, count: int, trials: int, size: float = 5) -> tuple[tuple[float, ...], list[dict[str, float]]]:
    store = tune._Store(folder / "overlaps.jsonl", "a search")
    searched = tune._Race(None, None, clips(count, size), store)  # type: ignore[arg-type]
    return searched.run(tune.candidates(OWN, trials))


def test_candidates_start_with_the_configurations_own_and_extend() -> None:
    few, many = tune.candidates(OWN, 9), tune.candidates(OWN, 27)
    assert few[0] == OWN
    assert len(few) == 9
    assert len(set(many)) == 27
    assert many[:9] == few
    values = np.array(many[1:])
    assert (values >= [0, 0, 0.1]).all()
    assert (values <= [0.2, 0.7, 1]).all()
    # They fill the box: each third of each range holds some.
    for column, low, high in zip(values.T, (0, 0, 0.1), (0.2, 0.7, 1), strict=True):
        assert (np.histogram(column, bins=3, range=(low, high))[0] >= 7).all()


def test_the_nearest_to_the_optimum_wins_at_a_quarter_of_the_cost(
    tmp_path: Path, followed: list[tuple[tuple[float, ...], str]]
) -> None:
    best, every = race(tmp_path, 18, 27)
    assert best == min(tune.candidates(OWN, 27), key=lambda p: np.abs(np.subtract(p, BEST)).sum())
    counts = sorted(entry["sequences"] for entry in every)
    # 2 of 18 sequences for all, 6 for a third of them, 18 for a ninth; the configuration's own is always among them.
    assert counts[-3:] == [18, 18, 18] or counts[-4:] == [18, 18, 18, 18]
    assert counts.count(2) in (17, 18)
    assert [entry["sequences"] for entry in every if entry["penalty"] == OWN[0] and entry["window"] == OWN[1]] == [18]
    assert len(followed) == len(set(followed)) == sum(counts)
    assert len(followed) < 0.35 * 27 * 18


def test_an_interrupted_search_continues_and_a_longer_one_builds_on_it(
    tmp_path: Path, followed: list[tuple[tuple[float, ...], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = race(tmp_path / "whole", 18, 27)
    cost = len(followed)
    followed.clear()
    add, left = tune._Store.add, iter(range(40))

    def stops(store: tune._Store, *arguments: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        add(store, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(tune._Store, "add", stops)
        with pytest.raises(KeyboardInterrupt):
            race(tmp_path, 18, 27)
    file = tmp_path / "overlaps.jsonl"
    file.write_text(file.read_text() + '{"point": [0.1, 0.')
    followed.clear()
    assert race(tmp_path, 18, 27) == whole
    assert len(followed) == cost - 40
    followed.clear()
    assert race(tmp_path, 18, 27) == whole
    assert followed == []
    race(tmp_path, 18, 30)
    assert len({point for point, _ in followed}) < 8


def test_another_searchs_overlaps_are_not_used(
    tmp_path: Path, followed: list[tuple[tuple[float, ...], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    race(tmp_path, 9, 3)
    assert capsys.readouterr().err == ""
    followed.clear()
    store = tune._Store(tmp_path / "overlaps.jsonl", "another search")
    assert not store._overlaps
    assert "is removed" in capsys.readouterr().err


def test_another_datasets_overlaps_are_not_used_and_stay(
    tmp_path: Path, followed: list[tuple[tuple[float, ...], str]]
) -> None:
    found = race(tmp_path, 9, 3)
    cost = len(followed)
    followed.clear()
    race(tmp_path, 9, 3, size=6)
    assert len(followed) == cost
    followed.clear()
    assert race(tmp_path, 9, 3) == found
    assert followed == []


@pytest.mark.usefixtures("run")
def test_other_frames_of_a_sequence_are_another_sequence() -> None:
    (before, same), place = datasets.load("otb2015", Path("data/real/otb2015")), Path("data/real/otb2015/Alpha/img")
    known = [tune._identity(clip) for clip in (before, same)]
    (place / "0001.png").write_bytes((place / "0002.png").read_bytes())
    assert tune._identity(before) != known[0]
    assert tune._identity(same) == known[1]
    assert tune._identity(replace(same, visible=~same.visible)) != known[1]


@pytest.mark.parametrize("old", ['"overlap": ', '{"point"', "}\n"])
def test_a_damaged_line_is_measured_again_and_no_other(
    tmp_path: Path, followed: list[tuple[tuple[float, ...], str]], capsys: pytest.CaptureFixture[str], old: str
) -> None:
    found = race(tmp_path, 9, 3)
    followed.clear()
    capsys.readouterr()
    file = tmp_path / "overlaps.jsonl"
    data = file.read_bytes()
    place = data.index(old.encode(), len(data) // 2) + len(old) - 1 + (old == '"overlap": ')
    # A digit that is another, a line that does not parse, and two lines in one.
    file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert race(tmp_path, 9, 3) == found
    assert len(followed) == (2 if old == "}\n" else 1)
    assert f"{file}: 1 damaged line" in capsys.readouterr().err
    followed.clear()
    race(tmp_path, 9, 3)
    assert (followed, "damaged" in capsys.readouterr().err) == ([], False)


def test_the_search_measures_what_tracking_with_the_found_parameters_gives(run: Run) -> None:
    found = read_json(tune.tune(run, "small", 0, trials=4), "")
    assert [found["split"], found["sequences"], found["trials"]] == ["got10k-val", 2, 4]
    runtime, tracking, _ = baselines.network(run, "small-s0")
    overlaps = []
    for clip in datasets.load("otb2015", Path("data/real/otb2015")):
        tracker = SiamTracker(runtime, tracking.model_copy(update=found["tracking"]))
        tracker.init(clip.image(0), clip.boxes[0])
        overlaps.append(iou([tracker.update(clip.image(number)) for number in range(1, len(clip))], clip.boxes[1:]))
    assert found["average_overlap"] == pytest.approx(np.concatenate(overlaps).mean(), abs=1e-12)
    assert found["average_overlap"] >= found["own_average_overlap"]
    assert found["gain"] == pytest.approx(found["average_overlap"] - found["own_average_overlap"])
    assert found["gain_interval"][0] <= found["gain"] <= found["gain_interval"][1]
    again = read_json(tune.tune(run, "small", 0, trials=4), "")
    assert {**again, "provenance": None} == {**found, "provenance": None}


def test_candidates_share_the_networks_answer_about_the_same_crop(run: Run) -> None:
    runtime, tracking, _ = baselines.network(run, "small-s0")
    shared = tune._Shared(runtime)
    whole = datasets.load("otb2015", Path("data/real/otb2015"))
    searched = tune._Race(shared, tracking, whole, tune._Store(Path("overlaps.jsonl"), "x"))
    searched._overlaps(whole[0], [OWN, OWN, BEST], lambda _: None)
    frames = moving_square.FRAMES
    assert shared.asked == 3 * frames
    # One exemplar and one first crop for all; afterwards the two that are alike share theirs.
    assert frames <= shared.answered <= 2 * frames - 2


def test_hidden_and_absent_frames_do_not_count() -> None:
    boxes = np.array([[1.0, 1, 5, 5], [np.nan] * 4, [1, 1, 0, 0], [1, 1, 5, 5], [1, 1, 5, 5], [1, 1, 5, 5]])
    visible = np.array([True, True, True, False, True, True])
    clip = Sequence("s", (), boxes, visible, cover=np.array([8, 8, 8, 8, 0, 8]))
    assert tune._counted(clip).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize(
    "split", ["got10k-test", "otb2015", "lasot", "trackingnet", "vot2018", "vot2019", "coco-train"]
)
def test_a_test_split_is_refused_in_one_line(split: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "siamrcr", "--benchmark", split]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"siamrcr: {split}: a test split or no videos, and nothing is tuned on those: choose one of got10k-val, "
    )
    assert said.count("\n") == 1


def test_the_command_prints_what_a_configuration_then_names(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "tune", lambda *_: Path("found.json"))
    more = {"average_overlap": 0.61, "gain": 0.02, "gain_interval": [-0.01, 0.05], "sequences": 40}
    write_json(Path("found.json"), FOUND | more)
    config.write({"run": run.run, "models": {"small": {}}}, Path("my.yaml"))
    assert cli.main(["tune", "small", "--configfile", "my.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "penalty 0.11, window 0.4, size_rate 0.3",
        "average overlap 0.6100, +0.0200 [-0.0100, +0.0500] against the configuration's own, "
        "on 40 sequences of got10k-val",
        "to track with them: models: {small: {tuned: found.json}}",
    ]


def test_a_file_that_cannot_be_read_is_made_again_by_the_command_that_its_line_names(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write(
        {
            "source": "real",
            "device": "cpu",
            "run": run.run,
            "network": moving_square.SMALL,
            "models": {"small": {"tuned": "found.json"}, "other": {"tuned": "elsewhere.json"}},
        },
        Path("my.yaml"),
    )
    assert cli.main(["track", "small-s0", "otb2015", "--configfile", "my.yaml"]) == 2
    said = capsys.readouterr().err
    assert "found.json: cannot be read" in said
    assert "run `siamrcr tune` on the model" in said
    Path("elsewhere.json").write_text("{}")
    assert cli.main(["tune", "small", "--configfile", "my.yaml", "--trials", "1"]) == 0
    for name in ("found.json", "elsewhere.json"):
        Path(name).write_bytes((run.folder / "tuning" / "small-s0.json").read_bytes())
    assert config.load(Path("my.yaml")).models["other"].tracking.window == OWN[1]


def test_a_configuration_that_names_the_file_tracks_with_it(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    write_json(path, FOUND)
    own = {"tracking": {"penalty": 0.2, "context": 0.4}, "models": {"a": {"tuned": str(path)}, "b": {}}}
    run = config.resolve(own)
    tracking = run.models["a"].tracking
    assert (tracking.penalty, tracking.window, tracking.size_rate, tracking.context) == (0.11, 0.4, 0.3, 0.4)
    assert (run.models["b"].tracking.penalty, run.models["b"].tracking.window) == (0.2, 0.21)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read .*: run `siamrcr tune` on the model"),
        ({"split": "lasot"}, "not a file of `siamrcr tune`"),
        (FOUND | {"tracking": {"penalty": 0.1}}, "not a file of `siamrcr tune`"),
        (FOUND | {"split": "lasot"}, "lasot: a test split"),
    ],
    ids=["absent", "partial", "other keys", "a test split"],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: dict[str, object] | None, words: str) -> None:
    if content is not None:
        write_json(tmp_path / "found.json", content)
    with pytest.raises(InputError, match=words):
        config.resolve({"models": {"a": {"tuned": str(tmp_path / "found.json")}}})


def test_every_tables_footer_tells_the_tuned_parameters(tmp_path: Path) -> None:
    write_json(tmp_path / "found.json", FOUND)
    run = fake_run.configuration(tmp_path)
    models = {"siamrcr": run.models["siamrcr"].model_copy(update={"tuned": tmp_path / "found.json"})}
    run = run.model_copy(update={"models": run.models | models})
    fake_run.fill(run)
    for name in ("table-1", "table-5", "got10k-val", "summary"):
        (text,) = (path.read_text() for path in tables.write(run, name) if path.suffix == ".md")
        assert "the three numbers tuned on GOT-10k val in 9 trials" in text, name
