"""Running trackers over benchmarks: what is written, resumed, refused and repeated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.trackers import Tracker as GotTracker
from moving_square import FRAMES, boxes, draw, prepared, settings, trained

from siamrcr import baselines, cli, datasets, engine, results
from siamrcr.config import Run
from siamrcr.errors import InputError
from siamrcr.files import read_json, sha256


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path) as run:
        yield run


def manifest(folder: Path) -> dict[str, Any]:
    return read_json(folder / results.MANIFEST, "")


def test_a_static_box_gives_a_folder_of_results_with_a_manifest(run: Run) -> None:
    folder = engine.track(run, "stay", "otb2015")
    assert folder == run.folder / "tracks" / "stay" / "otb2015"
    record = manifest(folder)
    expected = {"tracker": "stay", "label": "stays", "benchmark": "otb2015", "sequences": 2, "frames": 2 * FRAMES}
    assert {key: record[key] for key in expected} == expected
    assert (record["repetitions"], record["deterministic"], record["weights_sha256"]) == (1, True, None)
    assert record["fps"] == pytest.approx(2 * FRAMES / record["seconds"])
    assert record["digest"] == results.digest(folder)
    assert record["provenance"]["python"]
    assert np.array_equal(boxes(folder), np.tile([40, 50, 24, 24], (FRAMES, 1)))


def test_names_and_commands_are_trackers_alike(run: Run) -> None:
    named, bare = (engine.track(run, tracker, "otb2015") for tracker in ("stay", "static"))
    assert bare == run.folder / "tracks" / "static" / "otb2015"
    assert results.digest(named) == results.digest(bare)


def test_a_trained_model_tracks_the_same_bytes_twice(run: Run) -> None:
    path = trained(run)
    first = engine.track(run, "small-s0", "otb2015")
    second = engine.track(run, "small-s0", "otb2015", out=Path("again"))
    assert results.digest(first) == results.digest(second)
    record = manifest(first)
    assert record["weights_sha256"] == sha256(path)
    assert record["settings"]["tracking"]["size_rate"] == 0.52
    assert len(set(boxes(first)[:, 0])) > 2
    direct = engine.track(run, str(path), "otb2015", out=Path("direct"))
    assert results.digest(direct) == results.digest(first)


def test_got10ks_own_runner_gives_the_same_boxes(run: Run) -> None:
    trained(run)
    folder = engine.track(run, "small-s0", "otb2015")

    class Theirs(GotTracker):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("small", is_deterministic=True)
            self.ours = baselines.source(run, "small-s0").make("Alpha", 1)

        def init(self, image: Any, box: np.ndarray) -> None:
            self.ours.init(image, box)

        def update(self, image: Any) -> np.ndarray:
            return self.ours.update(image)

    (sequence, _) = datasets.load("otb2015", Path("data/real/otb2015"))
    theirs, _ = Theirs().track([str(path) for path in sequence.frames], sequence.boxes[0])
    assert np.allclose(theirs, boxes(folder), atol=5.1e-4)  # the file holds three decimals


def test_only_the_first_box_of_a_hidden_truth_is_needed(run: Run, tmp_path: Path) -> None:
    shown = engine.track(run, "stay", "otb2015")
    for file in (tmp_path / "data" / "real").rglob("groundtruth_rect.txt"):
        target = tmp_path / "data" / "real" / "trackingnet" / "TEST"
        (target / "anno").mkdir(parents=True, exist_ok=True)
        (target / "frames" / file.parent.name).mkdir(parents=True)
        (target / "anno" / f"{file.parent.name}.txt").write_text(file.read_text().splitlines()[0] + "\n")
        for number, image in enumerate(sorted((file.parent / "img").iterdir())):
            (target / "frames" / file.parent.name / f"{number}.png").write_bytes(image.read_bytes())
    folder = engine.track(run, "stay", "trackingnet")
    lines = (folder / "Beta.txt").read_text().splitlines()
    assert len(lines) == FRAMES
    assert np.array_equal(np.loadtxt(lines, delimiter=",") - [1, 1, 0, 0], boxes(shown, "Beta"))


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ctrl-C when so many runs are kept."""
    write, kept = results.write, []

    def writing(*arguments: Any) -> None:
        if len(kept) == after:
            raise KeyboardInterrupt
        kept.append(write(*arguments))

    monkeypatch.setattr(results, "write", writing)


def test_an_interrupted_run_continues_where_it_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Path("calls.txt")
    whole = engine.track(run, "random", "otb2015", out=Path("whole"))
    with monkeypatch.context() as patch:
        interrupt(patch, after=2)
        with pytest.raises(KeyboardInterrupt):
            engine.track(run, "random", "otb2015")
    folder = run.folder / "tracks" / "random" / "otb2015"
    assert not (folder / results.MANIFEST).exists()
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.txt") if "_time" not in path.name}
    assert len(kept) == 2

    calls.unlink()
    assert engine.track(run, "random", "otb2015") == folder
    assert calls.read_text().split() == (["init"] + ["update"] * (FRAMES - 1)) * 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert results.digest(folder) == results.digest(whole)
    assert manifest(folder)["fps"] > 0

    calls.unlink()
    before = (folder / results.MANIFEST).read_bytes()
    engine.track(run, "random", "otb2015")
    assert not calls.exists()
    assert (folder / results.MANIFEST).read_bytes() == before

    (folder / "Beta_002.txt").unlink()
    with monkeypatch.context() as patch:
        interrupt(patch, after=0)
        with pytest.raises(KeyboardInterrupt):
            engine.track(run, "random", "otb2015")
    assert not (folder / results.MANIFEST).exists()


def test_repetitions_differ_and_depend_on_nothing_else(run: Run) -> None:
    folder = engine.track(run, "random", "otb2015")
    assert manifest(folder)["repetitions"] == 2
    assert not np.array_equal(boxes(folder, "Beta"), boxes(folder, "Beta", 2))
    (folder / "Beta_002.txt").unlink()
    before = boxes(folder, "Beta")
    engine.track(run, "random", "otb2015")
    assert np.array_equal(before, boxes(folder, "Beta"))
    alone = engine.track(run, "random", "otb2015", out=Path("alone"))
    assert results.digest(alone) == results.digest(folder)


@pytest.mark.parametrize(
    ("benchmark", "tracker", "deterministic", "wanted"),
    [
        ("got10k-val", "small-s0", True, 1),
        ("vot2018", "small-s0", True, 1),
        ("got10k-val", "opencv:MIL", False, 3),
        ("got10k-test", "opencv:MIL", False, 3),
        ("vot2019", "opencv:MIL", False, 15),
        ("otb2015", "opencv:MIL", False, 1),
        ("lasot", "opencv:MIL", False, 1),
        ("vot2018", "random", False, 2),
        ("otb2015", "random", False, 2),
        ("vot2018", "random", True, 1),
    ],
)
def test_repetitions(benchmark: str, tracker: str, deterministic: bool, wanted: int) -> None:
    assert engine.repetition_count(settings(), tracker, benchmark, deterministic) == wanted


def test_a_damaged_stamp_says_what_to_remove(run: Run) -> None:
    trained(run)
    folder = engine.track(run, "small-s0", "otb2015")
    (folder / results.MANIFEST).unlink()
    stamp = folder / results.STAMP
    stamp.write_text(stamp.read_text().replace("sequences", "sequencez"))
    with pytest.raises(InputError, match=rf"settings\.json: is damaged.*: remove {folder} and track again"):
        engine.track(run, "small-s0", "otb2015")


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("damage", ['{"tracker"', "null", "{}", "\0"])
def test_a_damaged_manifest_is_written_again_without_tracking(capsys: pytest.CaptureFixture[str], damage: str) -> None:
    Path("my.yaml").write_text("source: real\n")
    command = ["track", "static", "otb2015", "--configfile", "my.yaml", "--out", "out"]
    assert cli.main(command) == 0
    before, file = manifest(Path("out")), Path("out/Alpha.txt")
    written = file.stat().st_mtime_ns
    (Path("out") / results.MANIFEST).write_text(damage)
    assert cli.main(command) == 0
    assert {**manifest(Path("out")), "provenance": None} == {**before, "provenance": None}
    assert file.stat().st_mtime_ns == written
    assert all(line.endswith("it is written again") for line in capsys.readouterr().err.splitlines() if "JSON" in line)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("out", ["taken", "taken/sub"])
def test_results_that_would_go_into_a_file_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], out: str
) -> None:
    Path("my.yaml").write_text("source: real\n")
    Path("taken").write_text("something")
    assert cli.main(["track", "static", "otb2015", "--configfile", "my.yaml", "--out", out]) == 2
    assert capsys.readouterr().err == "siamrcr: taken: is a file, not a folder: name another\n"


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(("source", "verb"), [("real", "download"), ("mini", "mini")])
def test_a_dataset_that_is_not_there_is_named_with_what_brings_it(
    capsys: pytest.CaptureFixture[str], source: str, verb: str
) -> None:
    Path("my.yaml").write_text(f"source: {source}\n")
    there = ("--configfile", "my.yaml")
    for words in (["track", "static", "lasot"], ["video", "lasot", "airplane-1", "x"], ["evaluate", "lasot", "x"]):
        assert cli.main([*words, *there]) == 2
        said = capsys.readouterr().err
        assert f"data/{source}/lasot: no " in said
        assert f"or run `siamrcr {verb} lasot" in said
        assert said.count("\n") == 1


def test_other_settings_are_tracked_again(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    trained(run)
    folder = engine.track(run, "small-s0", "otb2015")
    old = results.digest(folder)
    (folder / results.MANIFEST).unlink()  # as a workflow does before it starts a job again
    engine.track(settings(tracking={"size_rate": 0.1}), "small-s0", "otb2015")
    assert "other settings" in capsys.readouterr().err
    assert results.digest(folder) != old
    trained(run, seed=1)
    engine.track(run, "small-s0", "otb2015")
    assert "other settings" in capsys.readouterr().err
    trained(run)
    engine.track(run, "small-s0", "otb2015")
    assert results.digest(folder) == old


@pytest.mark.parametrize("name", ["Alpha.txt", "Beta_001.txt", "theirs/Beta.txt"])
def test_results_that_were_made_elsewhere_are_refused_and_kept(run: Run, name: str) -> None:
    path = Path("given") / name
    path.parent.mkdir(parents=True)
    path.write_text("1,2,3,4\n" * FRAMES)
    with pytest.raises(InputError, match=r"^given: .*choose another folder for the results \(--out\) or remove"):
        engine.track(run, "stay", "otb2015", out=Path("given"))
    assert [file for file in Path("given").rglob("*") if file.is_file()] == [path]
    assert path.read_text() == "1,2,3,4\n" * FRAMES


def test_the_stamp_is_there_before_the_first_result(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path("out") / "Alpha").mkdir(parents=True)
    (Path("out") / "notes.txt").write_text("not a sequence's")

    def killed(folder: Path, *_: object) -> None:
        assert (folder / results.STAMP).is_file()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.track(run, "stay", "otb2015", out=Path("out"))
    assert manifest(engine.track(run, "stay", "otb2015", out=Path("out")))["sequences"] == 2


def test_other_frames_are_tracked_again_and_the_rest_is_kept(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = engine.track(run, "static", "otb2015")
    kept = (folder / "Alpha.txt").stat().st_mtime_ns
    root = Path("data/real/otb2015")
    for file in sorted((root / "Beta").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    draw(root, "Beta", FRAMES + 3, seed=9)
    engine.track(run, "static", "otb2015")
    assert "1 runs of other settings, frames" in capsys.readouterr().err
    assert len(boxes(folder, "Beta")) == FRAMES + 3
    assert (folder / "Alpha.txt").stat().st_mtime_ns == kept


def test_fewer_repetitions_leave_none_behind(run: Run) -> None:
    folder = engine.track(run, "random", "otb2015")
    first = boxes(folder)
    trackers = {"random": {"command": "own:Drifting", "deterministic": False, "repetitions": 1}}
    engine.track(settings(trackers=trackers), "random", "otb2015")
    assert not (folder / "Alpha_002.txt").exists()
    assert np.array_equal(boxes(folder), first)
    record = manifest(folder)
    assert (record["repetitions"], record["frames"]) == (1, 2 * FRAMES)
    assert record["digest"] == results.digest(folder)
    assert record["fps"] > 0


@pytest.mark.parametrize(
    ("tracker", "damaged", "again"),
    [
        ("random", "Alpha_002.txt", {"Alpha_002.txt"}),
        ("random", "Alpha_time.txt", {"Alpha.txt", "Alpha_002.txt"}),
        ("small-s0", "Alpha_001_confidence.value", {"Alpha.txt"}),
    ],
)
def test_a_file_that_changed_is_tracked_again_and_no_other(
    run: Run, tracker: str, damaged: str, again: set[str]
) -> None:
    trained(run)
    folder = engine.track(run, tracker, "otb2015")
    digest, shape = results.digest(folder), np.loadtxt(folder / "Alpha_time.txt", delimiter=",").shape
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*.txt") if not path.stem.endswith("_time")}
    data = bytearray((folder / damaged).read_bytes())
    data[0] ^= 8  # 0 is 8, 2 is a colon
    (folder / damaged).write_bytes(data)
    (folder / results.MANIFEST).unlink()
    engine.track(run, tracker, "otb2015")
    assert (folder / damaged).read_bytes() != data
    assert {path.name for path, time in written.items() if path.stat().st_mtime_ns != time} == again
    assert results.digest(folder) == digest
    times = np.loadtxt(folder / "Alpha_time.txt", delimiter=",")
    assert times.shape == shape
    assert np.isfinite(times).all()


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_a_bad_frame_stops_with_its_name_and_keeps_what_was_finished(
    run: Run, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = Path("data/real/otb2015/Beta/img/0007.png")
    image = frame.read_bytes()
    sequences = datasets.load("otb2015", Path("data/real/otb2015"))
    frame.write_bytes(b"")
    if damage == "missing":  # between listing and decoding
        frame.unlink()
    monkeypatch.setattr(datasets, "load", lambda *_: sequences)
    with pytest.raises(InputError, match=r"0007\.png"):
        engine.track(run, "static", "otb2015")
    folder = run.folder / "tracks" / "static" / "otb2015"
    assert [results.exists(folder, "otb2015", name, 1) for name in ("Alpha", "Beta")] == [True, False]
    assert not (folder / results.MANIFEST).exists()
    frame.write_bytes(image)
    engine.track(run, "static", "otb2015")
    assert manifest(folder)["sequences"] == 2


def test_a_reset_based_benchmark_is_run_with_resets(real_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "vot"
    root.mkdir()
    (root / "ball1").symlink_to(real_data / "sequences" / "vot" / "ball1")
    sequences = datasets.load("vot2018", root)
    folder = engine.track(settings(), "static", "vot2018", root=root, out=tmp_path / "out")
    (result,) = results.read(folder, "vot2018", sequences)["ball1"]
    assert result.codes[0] == results.INIT
    failures = np.flatnonzero(result.codes == results.FAILURE)
    assert len(failures)
    for failure in failures[failures + 5 < len(result)]:
        assert result.codes[failure + 1 : failure + 6].tolist() == [results.SKIPPED] * 4 + [results.INIT]
    assert (folder / "baseline" / "ball1" / "ball1_001.txt").is_file()
