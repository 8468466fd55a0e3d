"""Files of strangers, broken in any way: each parser gives a value or one line that names the file, nothing else."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official import BOXES, POLYGON, lines
from test_formats import RUN, TRAJECTORY, cells, matlab

from faults.fuzz import CASES, fuzz
from faults.parsers import PARSERS, case
from siamrcr import datasets, formats, layouts, parsing, results
from siamrcr.datasets.sequence import Sequence
from siamrcr.errors import InputError

BRIEF = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEXT = lines(BOXES).encode()
VOT = f"1\n{POLYGON}\n2\n0\n1.5,2,3,4\n".encode()
ENTRY = {"gt_rect": [[1, 2, 3, 4], [2, 3, 4, 5]], "attr": ["SV"], "width": 64, "height": 48, "occlusion": [0, 1]}
JSON = json.dumps({"Basketball": ENTRY, "ants1": ENTRY | {"absent": [1, 0]}}).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


ARCHIVE = zipped({"KCF/Basketball.txt": TEXT, "KCF/Biker.txt": TEXT, "KCF/Biker_time.txt": b"0.1\n" * 4})
TRUTH = zipped({"annos/cat-1.txt": TEXT, "annos/absent/cat-1.txt": b"0\n1\n0\n0\n", "annos/att/cat-1.txt": b"1,0" * 7})
DATASET = zipped({"book/groundtruth.txt": f"{POLYGON}\n".encode(), "book/occlusion.tag": b"1\n", "list.txt": b"book"})


def mutated(*originals: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and valid files with pieces cut out, put in and turned over."""
    pieces = st.one_of(
        st.binary(max_size=6), st.sampled_from([b"\0", b"\n", b",", b"nan", b"-", b"1e999", b"\xff\xfe"])
    )
    edits = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 4), pieces), min_size=1, max_size=4)

    def edit(original: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        data = bytearray(original)
        for place, removed, piece in changes:
            start = place % (len(data) + 1)
            data[start : start + removed] = piece
        return bytes(data)

    return st.one_of(st.binary(max_size=200), st.builds(edit, st.sampled_from(originals), edits))


def survives(parser: Callable[[], object], name: str) -> None:
    try:
        parser()
    except InputError as error:
        message = str(error)
        assert name in message
        assert "\n" not in message


@BRIEF
@given(mutated(TEXT, VOT, b"1+2i,3,4,5\n"))
def test_texts_of_numbers(data: bytes) -> None:
    survives(lambda: parsing.numbers(parsing.without_complex(data), "file.txt"), "file.txt")
    for benchmark in ("otb2015", "lasot", "vot2018"):
        survives(lambda: formats.read(data, "file.txt", benchmark), "file.txt")  # noqa: B023 (called at once)


@BRIEF
@given(mutated(TRAJECTORY))
def test_binary_trajectories(data: bytes) -> None:
    survives(lambda: formats.read(data, "file.bin", "vot2018"), "file.bin")


@BRIEF
@given(mutated(matlab(cells(RUN)), matlab(RUN)))
def test_matlab_files(data: bytes) -> None:
    survives(lambda: formats.read(data, "file.mat", "otb2015"), "file.mat")


@BRIEF
@given(mutated(json.dumps([{"resType": "rect", "res": BOXES.tolist()}]).encode()))
def test_json_files(data: bytes) -> None:
    survives(lambda: formats.read(data, "file.json", "otb2015"), "file.json")


@BRIEF
@given(mutated(ARCHIVE))
def test_archives_of_results(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "results.zip"
    path.write_bytes(data)
    sequences = [Sequence(name, (), np.ones((4, 4)), np.ones(4, dtype=bool)) for name in ("Basketball", "Biker")]
    survives(lambda: results.read(path, "otb2015", sequences), "results.zip")


@BRIEF
@given(mutated(TRUTH, DATASET))
def test_archives_of_ground_truth(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "truth.zip"
    path.write_bytes(data)
    for benchmark in ("lasot", "vot2018"):
        survives(lambda: datasets.load(benchmark, None, path), "truth.zip")  # noqa: B023 (called at once)


@BRIEF
@given(mutated(JSON))
def test_ground_truth_in_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "truth.json"
    path.write_bytes(data)
    for benchmark in ("otb2015", "vot2018", "lasot"):
        survives(lambda: datasets.load(benchmark, None, path), "truth.json")  # noqa: B023 (called at once)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@BRIEF
@given(st.sampled_from([*ENTRY, "absent", "gt"]), VALUES)
def test_any_value_in_ground_truth(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"ants1": ENTRY | {key: value}}))
    survives(lambda: datasets.load("vot2018", None, path), "truth.json")


@BRIEF
@given(mutated(TEXT, VOT), st.sampled_from(["groundtruth.txt", "occlusion.tag", "sequence", "full_occlusion.txt"]))
def test_a_datasets_own_files(tmp_path: Path, data: bytes, name: str) -> None:
    for benchmark, sequence in (("vot2018", "book"), ("lasot", "cat-1")):
        folder = tmp_path / benchmark / sequence
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "groundtruth.txt").write_bytes(TEXT)
        for file in folder.iterdir():
            if file.name != "groundtruth.txt":
                file.unlink()
        (folder / name).write_bytes(data)
        root = tmp_path / benchmark
        survives(lambda: datasets.load(benchmark, None, root), benchmark)  # noqa: B023 (called at once)


@BRIEF
@given(
    st.lists(st.from_regex(r"(\w|[./ -]){0,12}(Basketball|_|001|time|-1)?\.(txt|mat|bin|json|value)", fullmatch=True)),
    st.sampled_from(["otb2015", "lasot", "trackingnet", "vot2018", "got10k-val"]),
)
def test_names_of_files(paths: list[str], benchmark: str) -> None:
    survives(lambda: layouts.index(paths, benchmark, ["Basketball", "Jogging-1"], "given"), "given")


@pytest.mark.parametrize("depth", [10, 100_000])
def test_deep_json(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * depth + "]" * depth)
    with pytest.raises(InputError, match=r"deep\.json"):
        datasets.load("otb2015", None, path)


# Fuzzing guided by coverage: `make fuzz` tries many more inputs


@pytest.mark.parametrize("name", PARSERS)
def test_every_parser_reads_what_fuzzing_begins_from(tmp_path: Path, name: str) -> None:
    parser = PARSERS[name]
    parser.prepare(tmp_path)
    for seed in parser.seeds:
        (tmp_path / parser.file).write_bytes(seed)
        parser.read(tmp_path, seed)


@pytest.mark.parametrize("path", sorted(CASES.glob("*--*")), ids=lambda path: path.name)
def test_inputs_that_once_broke_a_parser(tmp_path: Path, path: Path) -> None:
    parser, data = case(path)
    parser.prepare(tmp_path)
    parser.survives(tmp_path, data)


def test_a_line_stays_one_whatever_a_file_holds() -> None:
    """Not even a terminal's own commands get through."""
    assert str(InputError("a.csv: 'x\n\x1e\x1b[2Jé'")) == "a.csv: 'x\\n\\x1e\\x1b[2Jé'"


def test_what_is_neither_a_value_nor_a_line_is_a_failure(tmp_path: Path) -> None:
    parser = PARSERS["configurations"]
    for error in (ValueError("run.yaml"), InputError("another file: wrong")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        with pytest.raises(ValueError, match=r"run\.yaml"):
            replace(parser, read=fails).survives(tmp_path, b"")


def test_fuzzing_guided_by_coverage(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has wheels for Linux alone")
    found = fuzz("a server's answer", runs=200, seed=1, cases=tmp_path)
    assert (found.inputs, found.case) == (200, "")
    assert found.covered > 30, "the parser's own code is looked into"
