"""Submissions: what the servers accept, from any layout, in equal bytes; what is incomplete is refused and named."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from official import got10k_sequence, trackingnet_sequence

from siamrcr import config, results, submission
from siamrcr.errors import InputError
from siamrcr.results import Result

ONE, TWO = "GOT-10k_Test_000001", "GOT-10k_Test_000002"


@pytest.fixture
def run(tmp_path: Path) -> config.Run:
    """A configuration whose folders hold two sequences a benchmark: GOT-10k's of 4 frames, TrackingNet's of 12."""
    for number in (1, 2):
        got10k_sequence(tmp_path / "data" / "mini" / "got10k", "test", number, np.ones((1, 4)))
        trackingnet_sequence(tmp_path / "data" / "mini" / "trackingnet" / "TEST", f"clip_{number}")
    return config.resolve({"data": str(tmp_path / "data")})


def tracked(folder: Path, benchmark: str, repetitions: int = 1, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    names, frames = ((ONE, TWO), 4) if benchmark == "got10k-test" else (("clip_1", "clip_2"), 12)
    for name in names:
        for repetition in range(1, repetitions + 1):
            boxes, seconds = generator.uniform(1, 300, (frames, 4)), generator.uniform(0, 1, frames)
            codes = np.zeros(frames, dtype=np.int8)
            results.write(folder, benchmark, name, repetition, Result(boxes, codes, seconds, seconds))
    results.write_manifest(folder, {})
    # As a run that is killed while it writes leaves behind.
    (folder / ".x.x1y2.txt").write_text("1,2,")
    return folder


def members(path: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode().splitlines() for name in archive.namelist()}


def test_got10ks_server_takes_a_folder_a_sequence_with_its_runs_and_times(run: config.Run, tmp_path: Path) -> None:
    tracks = tracked(tmp_path / "tracks", "got10k-test", repetitions=2)
    submission.pack(run, "got10k-test", tracks, tmp_path / "x.zip")
    found = members(tmp_path / "x.zip")
    assert list(found) == [f"{name}/{name}_{end}.txt" for name in (ONE, TWO) for end in ("001", "002", "time")]
    assert all(len(lines) == 4 for lines in found.values())
    assert found[f"{ONE}/{ONE}_001.txt"] == (tracks / ONE / f"{ONE}_001.txt").read_text().splitlines()
    assert found[f"{ONE}/{ONE}_time.txt"] == (tracks / ONE / f"{ONE}_time.txt").read_text().splitlines()


def test_trackingnets_server_takes_a_file_a_sequence(run: config.Run, tmp_path: Path) -> None:
    tracks = tracked(tmp_path / "tracks", "trackingnet", repetitions=2)
    (tracks / "clip_1.txt").write_text("1.005\t2\t3e1\t-4.5\r\n" * 12)
    submission.pack(run, "trackingnet", tracks, tmp_path / "x.zip")
    found = members(tmp_path / "x.zip")
    assert list(found) == ["clip_1.txt", "clip_2.txt"]
    assert found["clip_1.txt"] == ["1.00,2.00,30.00,-4.50"] * 12


@pytest.mark.parametrize("benchmark", ["got10k-test", "trackingnet"])
def test_equal_results_give_equal_bytes(run: config.Run, tmp_path: Path, benchmark: str) -> None:
    tracks = tracked(tmp_path / "tracks", benchmark)
    submission.pack(run, benchmark, tracks, tmp_path / "x.zip")
    again = tracked(tmp_path / "again", benchmark)
    submission.pack(run, benchmark, again, tmp_path / "y.zip")
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    # A submission is a tracker's raw results again.
    submission.pack(run, benchmark, tmp_path / "x.zip", tmp_path / "z.zip")
    assert members(tmp_path / "z.zip") == members(tmp_path / "x.zip")


def test_what_is_incomplete_is_named(run: config.Run, tmp_path: Path) -> None:
    tracks = tracked(tmp_path / "tracks", "got10k-test", repetitions=2)
    boxes, times = (tracks / TWO / f"{TWO}_{end}.txt" for end in ("002", "time"))

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            submission.pack(run, "got10k-test", tracks, tmp_path / "x.zip")
        assert not (tmp_path / "x.zip").exists()

    text = boxes.read_text()
    boxes.write_text("1,2,3,4\n" * 3)
    refused(rf"{boxes.name}: 3 lines for 4 frames")
    boxes.write_text("1,2,3,4\n1,2,nan,4\n1,inf,3,4\n1,2,3,4\n")
    refused(rf"{boxes.name}: line 2 is no finite box")
    boxes.write_text("1,2,3,4\n1,2,3\n1,2,3,4\n1,2,3,4\n")
    refused(rf"{boxes.name}: line 2 has 3 numbers instead of 4")
    boxes.write_text(text)
    content = times.read_text()
    times.write_text("0.1,0.2\n0.1,nan\n0.1,0.2\n0.1,0.2\n")
    refused(rf"{times.name}: line 2 has no time, for 4 boxes of run 2")
    times.write_text(content + "0.1,0.2\n")
    refused(rf"{times.name}: 5 lines, for 4 boxes of run 1")
    times.unlink()
    refused(
        rf"tracks: no times of 1 of 2 sequences of got10k-test \({TWO}\): the server wants the seconds of every frame: "
        "track these again$"
    )
    boxes.unlink()
    refused(rf"tracks: not all of 2 runs of 1 of 2 sequences of got10k-test \({TWO}\): track these again, or leave")
    (tracks / TWO / f"{TWO}_001.txt").unlink()
    refused(rf"tracks: no raw results of 1 of 2 sequences of got10k-test \({TWO}\): the server wants all")


def test_four_runs_are_one_too_many(run: config.Run, tmp_path: Path) -> None:
    tracks = tracked(tmp_path / "tracks", "got10k-test", repetitions=4)
    with pytest.raises(InputError, match="4 runs, and the server takes 3"):
        submission.pack(run, "got10k-test", tracks, tmp_path / "x.zip")


def test_what_no_server_takes_is_said(run: config.Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lasot: no server takes its results"):
        submission.pack(run, "lasot", tmp_path, tmp_path / "x.zip")
    with pytest.raises(InputError, match="no such folder or zip"):
        submission.pack(run, "trackingnet", tmp_path / "none", tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"elsewhere: no dataset there"):
        submission.pack(run, "trackingnet", tmp_path, tmp_path / "x.zip", root=tmp_path / "elsewhere")


def test_the_official_numbers_of_sequences_are_wanted(run: config.Run, tmp_path: Path) -> None:
    assert submission.expected(run, "got10k-test") == {ONE: 4, TWO: 4}
    assert submission.expected(run, "trackingnet") == {"clip_1": 12, "clip_2": 12}
    real = run.model_copy(update={"source": "real", "data": tmp_path / "nowhere"})
    assert len(submission.expected(real, "got10k-test")) == 180
    root = tmp_path / "data" / "mini" / "trackingnet"
    with pytest.raises(InputError, match="2 of 511 sequences of trackingnet"):
        submission.expected(real, "trackingnet", root)
    few = real.model_copy(update={"expected": {"trackingnet-test": 2, "got10k-test": 1}})
    assert list(submission.expected(few, "trackingnet", root)) == ["clip_1", "clip_2"]
    assert list(submission.expected(few, "got10k-test")) == [ONE]


def test_an_accepted_submission_passes_and_keeps_its_structure(
    real_data: Path, run: config.Run, tmp_path: Path
) -> None:
    official = real_data / "official" / "got10k"
    accepted = official / "Ocean-online_test_submission.zip"
    submission.pack(run, "got10k-test", accepted, tmp_path / "x.zip")
    ours, theirs = members(tmp_path / "x.zip"), members(accepted)
    assert sorted(ours) == sorted(theirs)
    assert {name: len(lines) for name, lines in ours.items()} == {name: len(lines) for name, lines in theirs.items()}
    counts = json.loads((official / "frame_counts_from_results.json").read_text())["test"]
    assert {name: len(ours[f"{name}/{name}_001.txt"]) for name in counts} == counts
    for lines, given in ((ours[name], theirs[name]) for name in ours):
        digits = 8 if "," not in lines[0] else 3
        rows = [[np.array(line.split(","), dtype=float) for line in each] for each in (lines, given)]
        np.testing.assert_allclose(rows[0], rows[1], rtol=0, atol=0.5 * 10**-digits + 1e-12)
    with pytest.raises(InputError, match="no times of 180 of 180 sequences"):
        submission.pack(run, "got10k-test", official / "Ocean-offline_test_boxes.zip", tmp_path / "y.zip")
