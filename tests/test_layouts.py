"""Which file is whose: the folders and names of every toolkit, several trackers, and runs in folders of their own."""

import pytest

from siamrcr import layouts
from siamrcr.errors import InputError

NAMES = {
    "otb2015": ["Basketball", "Jogging-1", "Human4-2"],
    "lasot": ["airplane-1", "bear-2"],
    "got10k-val": ["GOT-10k_Val_000001"],
    "trackingnet": ["-3TIfnTSM6c_2", "a1qoB1eERn0_0"],
    "vot2018": ["ants1", "ants3"],
}


def boxes(benchmark: str, *paths: str) -> dict[str, dict[int, str]]:
    """Sequence -> run -> file of boxes."""
    table = layouts.index(paths, benchmark, NAMES[benchmark], "given")
    return {name: {number: run.boxes for number, run in index.runs.items()} for name, index in table.items()}


@pytest.mark.parametrize(
    ("benchmark", "paths"),
    [
        # pysot
        ("otb2015", {"SiamRPN/Basketball.txt": "Basketball", "SiamRPN/jogging_1.txt": "Jogging-1"}),
        ("lasot", {"SiamRPN/airplane-1.txt": "airplane-1", "SiamRPN/bear-2.txt": "bear-2"}),
        ("vot2018", {"SiamRPN/baseline/ants1/ants1_001.txt": "ants1", "SiamRPN/baseline/ants3/ants3_001.txt": "ants3"}),
        # pytracking: the results of all its datasets lie in one folder
        (
            "otb2015",
            {
                "dimp/dimp50/Human4_2.txt": "Human4-2",
                "dimp/dimp50/Jogging_1.txt": "Jogging-1",
                "dimp/dimp50/Jogging_1_time.txt": "",
                "dimp/dimp50/Basketball_object_presence_scores.txt": "",
                "dimp/dimp50/uav_bike1.txt": "",
                "dimp/dimp50/airplane-1.txt": "",
            },
        ),
        # got10k's toolkit
        (
            "otb2015",
            {"results/OTB/2015/KCF/Jogging.1.txt": "Jogging-1", "results/OTB/2015/KCF/times/Jogging.1_time.txt": ""},
        ),
        ("got10k-val", {"KCF/GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt": "GOT-10k_Val_000001"}),
        # LaSOT's toolkit, and results in the dataset's classes
        ("lasot", {"KCF_tracking_result/airplane-1.txt": "airplane-1", "KCF_tracking_result/bear-2.txt": "bear-2"}),
        ("lasot", {"KCF/airplane/airplane-1.txt": "airplane-1", "KCF/bear/bear-2.txt": "bear-2"}),
        # TrackingNet's devkit: any path that contains the name
        ("trackingnet", {"x/KCF_a1qoB1eERn0_0.txt": "a1qoB1eERn0_0", "x/-3TIfnTSM6c_2.txt": "-3TIfnTSM6c_2"}),
        # VOT's toolkits
        ("vot2018", {"KCF/baseline/ants1/ants1_001.bin": "ants1", "KCF/baseline/ants1/ants1_001_time.value": ""}),
        ("vot2018", {"KCF/baseline/ants3/ants3_001.txt": "ants3", "KCF/baseline/ants3/ants3_time.txt": ""}),
        # OTB's own toolkits
        ("otb2015", {"OPE/basketball_KCF.mat": "Basketball", "OPE/jogging-1_KCF.mat": "Jogging-1"}),
        ("otb2015", {"OPE/human4_2_LSK_x.mat": "Human4-2"}),
        ("otb2015", {"OPE/CT/Basketball.json": "Basketball", "OPE/CT/scores_tb100/ALL.json": "", "manifest.json": ""}),
    ],
)
def test_every_toolkit_names_its_files(benchmark: str, paths: dict[str, str]) -> None:
    assert boxes(benchmark, *paths) == {name: {1: path} for path, name in paths.items() if name}


def test_runs_of_pytracking_are_repetitions_with_times_of_their_own() -> None:
    paths = [f"dimp/dimp50_{run:03d}/Basketball{end}.txt" for run in (0, 2) for end in ("", "_time")]
    runs = layouts.index(paths, "otb2015", NAMES["otb2015"], "given")["Basketball"].runs
    assert {number: run.boxes for number, run in runs.items()} == {1: paths[0], 2: paths[2]}
    assert [run.times for run in runs.values()] == [(paths[1], 0), (paths[3], 0)]


@pytest.mark.parametrize(
    ("benchmark", "paths", "named"),
    [
        ("otb2015", ["KCF/Basketball.txt", "CSK/Basketball.txt"], r"2 trackers \(CSK, KCF\)"),
        ("otb2015", ["KCF/Basketball.txt", "CSK/Jogging-1.txt"], r"2 trackers \(CSK, KCF\)"),
        ("otb2015", ["Basketball.txt", "old/Basketball.txt"], r"2 trackers \(\., old\)"),
        ("otb2015", ["a/dimp50_000/Basketball.txt", "a/dimp18_000/Basketball.txt"], r"2 trackers \(a/dimp18.*\)"),
        ("otb2015", ["OPE/basketball_CT.mat", "OPE/basketball_KCF.mat"], r"2 trackers \(OPE/CT, OPE/KCF\)"),
        ("vot2018", [f"{t}/baseline/ants1/ants1_001.txt" for t in "abcde"], r"5 trackers \(a, b, c, d, \.\.\.\)"),
        ("lasot", ["annos/airplane-1.txt", "KCF_tracking_result/airplane-1.txt"], r"2 trackers \(.*, annos\)"),
    ],
)
def test_several_trackers_are_named(benchmark: str, paths: list[str], named: str) -> None:
    with pytest.raises(
        InputError, match=rf"^given: holds results of {named}: give one of them, in a folder of its own"
    ):
        layouts.index(sorted(paths), benchmark, NAMES[benchmark], "given")


def test_two_files_of_one_run_are_refused() -> None:
    with pytest.raises(InputError, match=r"Jogging-1\.txt are both Jogging-1|are both Jogging-1: keep one"):
        boxes("otb2015", "Jogging-1.txt", "jogging.1.txt")
    with pytest.raises(InputError, match="are both Basketball: keep one"):
        boxes("otb2015", "Basketball.txt", "Basketball_001.txt")


def test_of_a_text_and_a_binary_file_the_text_counts() -> None:
    paths = [f"KCF/baseline/ants1/ants1_001.{suffix}" for suffix in ("bin", "txt")]
    assert boxes("vot2018", *paths) == boxes("vot2018", *reversed(paths)) == {"ants1": {1: paths[1]}}


def test_trackingnet_takes_no_file_where_several_contain_the_name() -> None:
    paths = ["x/a1qoB1eERn0_0.txt", "x/KCF_a1qoB1eERn0_0.txt", "x/-3TIfnTSM6c_2.txt", "x/-3TIfnTSM6c_2_002.txt"]
    assert boxes("trackingnet", *paths) == {"-3TIfnTSM6c_2": {1: paths[2], 2: paths[3]}}


def test_strangers_are_files_of_no_sequence() -> None:
    paths = ["Basketbal.txt", "Basketball.txt", "Basketball_time.txt", "Skater_time.txt", "manifest.json", ".x.txt"]
    assert layouts.strangers(paths, "otb2015", NAMES["otb2015"]) == ["Basketbal.txt"]
