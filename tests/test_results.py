"""Raw results on disk: written and read again, laid out by other toolkits, and with errors that name the place."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siamrcr import results
from siamrcr.config import BENCHMARKS
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError
from siamrcr.results import FAILURE, INIT, REGION, SKIPPED, Result

NAMES = {
    "got10k-val": "GOT-10k_Val_000001",
    "got10k-test": "GOT-10k_Test_000001",
    "otb2015": "Basketball",
    "lasot": "airplane-1",
    "trackingnet": "a1qoB1eERn0_0",
    "vot2018": "ants1",
    "vot2019": "ants1",
}
PRECISION = {"vot2018": 4, "vot2019": 4}


def sequence(name: str, frames: int) -> Sequence:
    return Sequence(name, (), np.ones((frames, 4)), np.ones(frames, dtype=bool))


def result(boxes: np.ndarray, **more: np.ndarray) -> Result:
    unknown = np.full(len(boxes), np.nan)
    fields = {"codes": np.zeros(len(boxes), dtype=np.int8), "times": unknown, "confidence": unknown} | more
    return Result(boxes, **fields)


def random_result(frames: int, seed: int, resets: bool) -> Result:
    generator = np.random.default_rng(seed)
    boxes = generator.uniform(1, 300, (frames, 4))
    codes = np.zeros(frames, dtype=np.int8)
    if resets:
        codes[[0, 3, 4, 5, 6, 7, 8]] = [INIT, FAILURE, SKIPPED, SKIPPED, SKIPPED, SKIPPED, INIT]
        boxes[codes != REGION] = np.nan
    return result(boxes, codes=codes, times=generator.uniform(0, 1, frames), confidence=generator.uniform(0, 1, frames))


def text(boxes: np.ndarray, separator: str = ",", form: str = "%.2f") -> str:
    return "".join(separator.join(form % value for value in row) + "\n" for row in boxes)


BOXES = np.arange(20, dtype=np.float64).reshape(5, 4) * 3 + 1


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_what_is_written_is_read_again(tmp_path: Path, benchmark: str) -> None:
    name, frames = NAMES[benchmark], 12
    assert not results.exists(tmp_path, benchmark, name, 1)
    runs = [random_result(frames, seed, benchmark.startswith("vot")) for seed in range(3)]
    for repetition, run in enumerate(runs, start=1):
        results.write(tmp_path, benchmark, name, repetition, run)
        assert results.exists(tmp_path, benchmark, name, repetition)
    assert not results.exists(tmp_path, benchmark, name, 4)
    again = results.read(tmp_path, benchmark, [sequence(name, frames)])[name]
    assert len(again) == 3
    for run, back in zip(runs, again, strict=True):
        np.testing.assert_array_equal(back.codes, run.codes)
        step = 0.5 * 10.0 ** -PRECISION.get(benchmark, 3) + 1e-9
        np.testing.assert_allclose(back.boxes, run.boxes, rtol=0, atol=step)
        np.testing.assert_allclose(back.times, run.times, rtol=0, atol=1e-8)
        np.testing.assert_allclose(back.confidence, run.confidence, rtol=0, atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(arrays(np.float64, (3, 4), elements=st.integers(-5000, 5000).map(lambda k: k / 1000)))
def test_printed_boxes_come_back_as_printed(tmp_path: Path, boxes: np.ndarray) -> None:
    for benchmark in ("got10k-val", "otb2015", "trackingnet"):
        results.write(tmp_path, benchmark, NAMES[benchmark], 1, result(boxes))
        (back,) = results.read(tmp_path, benchmark, [sequence(NAMES[benchmark], 3)])[NAMES[benchmark]]
        np.testing.assert_allclose(back.boxes, boxes, rtol=0, atol=1e-12)


def test_files_are_where_the_official_toolkits_look(tmp_path: Path) -> None:
    for benchmark in ("got10k-test", "otb2015", "vot2018"):
        run = random_result(9, 0, benchmark == "vot2018")
        results.write(tmp_path / benchmark, benchmark, NAMES[benchmark], 1, run)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file())
    got, vot = "got10k-test/GOT-10k_Test_000001/GOT-10k_Test_000001", "vot2018/baseline/ants1/ants1_001"
    assert found == sorted(
        [
            *(f"{got}_{end}" for end in ("001.txt", "001_confidence.value", "time.txt")),
            *(f"otb2015/Basketball{end}" for end in (".txt", "_001_confidence.value", "_time.txt")),
            *(f"{vot}{end}" for end in (".txt", "_confidence.value", "_time.value")),
        ]
    )
    lines = (tmp_path / f"{vot}.txt").read_text().split("\n")
    assert [lines[k] for k in (0, 3, 4, 8)] == ["1", "2", "0", "1"]


def test_otb_and_lasot_count_from_one_on_disk(tmp_path: Path) -> None:
    for benchmark, first in (("otb2015", "1.000,1.000,"), ("lasot", "1.000,1.000,"), ("trackingnet", "0.000,0.000,")):
        results.write(tmp_path / benchmark, benchmark, NAMES[benchmark], 1, result(np.array([[0.0, 0, 5, 6]])))
        assert (tmp_path / benchmark / f"{NAMES[benchmark]}.txt").read_text() == f"{first}5.000,6.000\n"


@pytest.mark.parametrize(
    ("benchmark", "path"),
    [
        ("otb2015", "Basketball.txt"),
        ("otb2015", "OTB100/tracker/basketball.txt"),
        ("otb2015", "Basketball_001.txt"),
        ("lasot", "results/airplane-1.txt"),
        ("got10k-val", "GOT-10k_Val_000001.txt"),
        ("got10k-val", "tracker/GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt"),
        ("trackingnet", "x/a1qoB1eERn0_0.txt"),
        ("vot2018", "tracker/baseline/ants1/ants1_001.txt"),
        ("vot2018", "ants1_001.txt"),
        ("vot2018", "ants1.txt"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_layouts_of_other_toolkits(tmp_path: Path, benchmark: str, path: str, zipped: bool) -> None:
    target = tmp_path / "tracks.zip" if zipped else tmp_path / "tracks"
    strays = {"readme.txt": "who, when\n", "__MACOSX/._x.txt": "\0", "notes.md": "n"}
    contents = {path: text(BOXES)} | strays
    if zipped:
        with zipfile.ZipFile(target, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    else:
        for name, content in contents.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(content)
    (back,) = results.read(target, benchmark, [sequence(NAMES[benchmark], 5)])[NAMES[benchmark]]
    shift = [1, 1, 0, 0] if benchmark in ("otb2015", "lasot") else [0, 0, 0, 0]
    np.testing.assert_array_equal(back.boxes + shift, BOXES)
    assert np.isnan(back.times).all()
    assert np.isnan(back.confidence).all()


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", ";", "  "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n\n"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    content = text(BOXES, separator).rstrip("\n").replace("\n", end[:2] if end[0] == "\r" else "\n") + end
    (tmp_path / "a1qoB1eERn0_0.txt").write_bytes(content.encode())
    (back,) = results.read(tmp_path, "trackingnet", [sequence("a1qoB1eERn0_0", 5)])["a1qoB1eERn0_0"]
    np.testing.assert_array_equal(back.boxes, BOXES)


@pytest.mark.parametrize("name", ["Jogging.1", "Jogging_1", "Jogging-1", "jogging-1"])
def test_names_of_other_toolkits(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.txt").write_text(text(BOXES))
    assert list(results.read(tmp_path, "otb2015", [sequence("Jogging-1", 5)])) == ["Jogging-1"]


def test_a_name_that_ends_like_a_repetition(tmp_path: Path) -> None:
    for stem in ("clip_100", "clip_100_002", "clip"):
        (tmp_path / f"{stem}.txt").write_text(text(BOXES))
    read = results.read(tmp_path, "trackingnet", [sequence("clip_100", 5), sequence("clip", 5)])
    assert {name: len(runs) for name, runs in read.items()} == {"clip_100": 2, "clip": 1}


def test_repetitions_and_their_times(tmp_path: Path) -> None:
    folder = tmp_path / "GOT-10k_Val_000001"
    folder.mkdir()
    for repetition in (1, 2, 3):
        (folder / f"GOT-10k_Val_000001_{repetition:03d}.txt").write_text(text(BOXES + repetition))
    (folder / "GOT-10k_Val_000001_time.txt").write_text("0.1,0.2,0.3\n" * 5)
    runs = results.read(tmp_path, "got10k-val", [sequence("GOT-10k_Val_000001", 5)])["GOT-10k_Val_000001"]
    assert [run.boxes[0, 0] for run in runs] == [2, 3, 4]
    assert [run.times[4] for run in runs] == [0.1, 0.2, 0.3]


def test_polygons_are_kept_as_read(tmp_path: Path) -> None:
    lines = ["1", "0,0,10,0,10,8,0,8", "2", "0", "NaN,NaN,NaN,NaN", "1,2,3,4"]
    (tmp_path / "ants1_001.txt").write_text("\n".join(lines) + "\n")
    (back,) = results.read(tmp_path, "vot2018", [sequence("ants1", 6)])["ants1"]
    assert back.codes.tolist() == [INIT, REGION, FAILURE, SKIPPED, SKIPPED, REGION]
    assert back.regions is not None
    assert back.regions[1].tolist() == [0, 0, 10, 0, 10, 8, 0, 8]
    assert back.boxes[[1, 5]].tolist() == [[0, 0, 10, 8], [1, 2, 3, 4]]
    results.write(tmp_path / "again", "vot2018", "ants1", 1, back)
    (twice,) = results.read(tmp_path / "again", "vot2018", [sequence("ants1", 6)])["ants1"]
    np.testing.assert_array_equal(twice.regions[1], back.regions[1])
    np.testing.assert_array_equal(twice.boxes, back.boxes)


def test_lengths_are_aligned(tmp_path: Path) -> None:
    def read(benchmark: str, name: str, lines: int, frames: int) -> np.ndarray:
        rows = np.arange(lines)[:, None] * np.ones(4) + 1
        (tmp_path / f"{name}.txt").write_text(text(rows))
        return results.read(tmp_path, benchmark, [sequence(name, frames)])[name][0].boxes[:, 2]

    assert read("otb2015", "Tiger1", 354, 349)[0] == 6
    assert read("otb2015", "Tiger1", 349, 349)[0] == 1
    assert len(read("otb2015", "Board", 697, 698)) == 697
    assert read("otb2015", "David", 480, 471).tolist() == list(range(1, 472))
    assert len(read("lasot", "monkey-17", 15, 12)) == 12
    short = read("trackingnet", "clip", 3, 5)
    assert short[:3].tolist() == [1, 2, 3]
    assert np.isnan(short[3:]).all()
    assert len(read("vot2018", "ants1", 3, 5)) == 3
    assert len(read("lasot", "clip", 4, 5)) == 4
    for lines in (4, 6):
        with pytest.raises(InputError, match=rf"{lines} lines for 5 frames of clip"):
            read("got10k-val", "clip", lines, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3,4\n1,2,x,4\n", r"clip\.txt: line 2 is not numbers: '1,2,x,4'"),
        ("1,2,3,4\n1,2,3\n1,2,3,4,5\n", r"clip\.txt: line 2 has 3 numbers instead of 4"),
        ("1,2,3,4\n\n1,2,3,4\n", r"clip\.txt: line 2 has 0 numbers instead of 4"),
        ("", r"clip\.txt: is empty: track the sequence again"),
        ("\x89PNG\r\n", r"clip\.txt: line 1 is not numbers"),
    ],
)
def test_a_file_that_does_not_parse_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "clip.txt").write_text(content)
    with pytest.raises(InputError, match=message):
        results.read(tmp_path, "trackingnet", [sequence("clip", 3)])


@pytest.mark.parametrize(("line", "message"), [("7", "is 7: a code is 0, 1 or 2"), ("1,2", "has 2 numbers instead of")])
def test_a_vot_line_that_is_neither_code_nor_region(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "ants1.txt").write_text(f"1\n{line}\n")
    with pytest.raises(InputError, match=f"line 2 {message}"):
        results.read(tmp_path, "vot2018", [sequence("ants1", 2)])


def test_missing_sequences_are_named(tmp_path: Path) -> None:
    (tmp_path / "clip.txt").write_text(text(BOXES))
    wanted = [sequence(name, 5) for name in ("clip", "a", "b", "c", "d")]
    with pytest.raises(InputError, match=r"no raw results of 4 of 5 sequences of lasot \(a, b, c, \.\.\.\): add them"):
        results.read(tmp_path, "lasot", wanted)
    assert list(results.read(tmp_path, "lasot", wanted, subset=True)) == ["clip"]
    with pytest.raises(InputError, match="name the tracker's own folder"):
        results.read(tmp_path, "lasot", wanted[1:], subset=True)


def test_a_missing_sequence_is_legal_on_trackingnet(tmp_path: Path) -> None:
    (tmp_path / "clip.txt").write_text(text(BOXES))
    assert list(results.read(tmp_path, "trackingnet", [sequence("clip", 5), sequence("a", 5)])) == ["clip"]
    with pytest.raises(InputError, match="no raw results of 1 of 1"):
        results.read(tmp_path, "trackingnet", [sequence("a", 5)])


def test_a_misspelt_name_stands_beside_the_missing_one(tmp_path: Path) -> None:
    for name in ("Basketbal", "Biker", "Biker_time"):
        (tmp_path / f"{name}.txt").write_text(text(BOXES))
    with pytest.raises(InputError, match=r"1 of 2 .*\(Basketball\), but 1 files of other names \(Basketbal\.txt\)"):
        results.read(tmp_path, "otb2015", [sequence("Basketball", 5), sequence("Biker", 5)])


def test_results_in_archives_of_their_own_are_named(tmp_path: Path) -> None:
    (tmp_path / "KCF.zip").touch()
    with pytest.raises(InputError, match=r"no raw results .*: unpack KCF\.zip first"):
        results.read(tmp_path, "otb2015", [sequence("Basketball", 5)])


def test_what_is_not_a_source_of_results_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or zip"):
        results.read(tmp_path / "none", "lasot", [sequence("a", 1)])
    (tmp_path / "file.zip").write_text("text")
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        results.read(tmp_path / "file.zip", "lasot", [sequence("a", 1)])


def test_two_trackers_in_one_folder_are_refused(tmp_path: Path) -> None:
    for tracker in ("one", "two"):
        (tmp_path / tracker).mkdir()
        (tmp_path / tracker / "clip.txt").write_text(text(BOXES))
    with pytest.raises(InputError, match=r"holds results of 2 trackers \(one, two\): give one of them"):
        results.read(tmp_path, "trackingnet", [sequence("clip", 5)])


def test_of_a_vot_tracker_the_baseline_is_read(tmp_path: Path) -> None:
    for experiment, first in (("baseline", 1.0), ("unsupervised", 50.0)):
        folder = tmp_path / experiment / "ants1"
        folder.mkdir(parents=True)
        (folder / "ants1_001.txt").write_text(text(BOXES + first))
    (back,) = results.read(tmp_path, "vot2018", [sequence("ants1", 5)])["ants1"]
    assert back.boxes[0, 0] == BOXES[0, 0] + 1


def filled(folder: Path, seconds: float, shift: float = 0.0, confidence: float = 0.5) -> Path:
    run = random_result(6, 1, False)
    times, scores = np.full(6, seconds), np.full(6, confidence)
    shifted = Result(run.boxes + shift, run.codes, times, scores)
    results.write(folder, "trackingnet", "clip", 1, shifted)
    results.write_manifest(folder, {"date": seconds, "seconds": seconds})
    return folder


def test_the_digest_knows_results_and_ignores_times_and_provenance(tmp_path: Path) -> None:
    digest = results.digest(filled(tmp_path / "a", 0.1))
    assert results.digest(filled(tmp_path / "b", 0.9)) == digest
    (tmp_path / "b" / ".clip.x1y2.txt").write_text("1,2,")
    assert results.digest(tmp_path / "b") == digest
    assert results.digest(filled(tmp_path / "c", 0.1, shift=0.001)) != digest
    assert results.digest(filled(tmp_path / "d", 0.1, confidence=0.4)) != digest
    score = '{"metrics": {"AO": 1}, "provenance": {"date": %d}, "curve": [{"loss": %s, "seconds": %d}]}'
    digests = []
    for name, values in (("a", (1, "2.0", 3)), ("b", (4, "2.00", 5)), ("c", (1, "2.1", 3))):
        (tmp_path / name / "score.json").write_text(score % values)
        digests.append(results.digest(tmp_path / name / "score.json"))
    assert digests[0] == digests[1] != digests[2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no results"):
        results.digest(tmp_path / "empty")


def test_the_digest_of_a_zip_is_that_of_its_folder(tmp_path: Path) -> None:
    folder = filled(tmp_path / "tracks", 0.1)
    with zipfile.ZipFile(tmp_path / "tracks.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    assert results.digest(tmp_path / "tracks.zip") == results.digest(folder)


def test_the_digest_takes_arrays_as_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "maps.npz", a=np.arange(3))
    first = results.digest(tmp_path / "maps.npz")
    np.savez(tmp_path / "maps.npz", a=np.arange(1, 4))
    assert results.digest(tmp_path / "maps.npz") != first


def test_the_manifest_of_another_benchmark_is_named(tmp_path: Path) -> None:
    results.write_manifest(tmp_path, {"tracker": "kcf", "benchmark": "vot2018"})
    with pytest.raises(InputError, match=r"manifest\.json: is of vot2018, not of otb2015: remove it and track again"):
        results.read(tmp_path, "otb2015", [])


def test_the_manifest_comes_back(tmp_path: Path) -> None:
    assert results.read_manifest(tmp_path) is None
    results.write_manifest(tmp_path, {"tracker": "kcf"})
    assert results.read_manifest(tmp_path) == {"tracker": "kcf"}
