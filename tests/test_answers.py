"""What servers answer: each form as it comes, and what cannot be told apart refused in one line."""

import json
from pathlib import Path

import pytest

from analysis import answers
from siamrcr.errors import InputError

# As the devkit's author quotes the server: issue 13 of TrackingNet-devkit.
PERCENT = {"Precision": 66.4294402491, "NormalizedPrecision": 78.844017693, "Success": 72.6283813851}
TRACKINGNET = {"precision": 0.664294402491, "normalized_precision": 0.78844017693, "success": 0.726283813851}
# As got10k/experiments/got10k.py writes performance.json: the curve counts overlaps above 0, 0.01, ..., 1.
CURVE = [1 - k / 100 for k in range(101)]
REPORT = {"overall": {"ao": 0.348, "sr": 0.353, "speed_fps": 44.15, "succ_curve": CURVE}, "seq_wise": {}}


def read(folder: Path, text: str, benchmark: str = "trackingnet", name: str = "answer.json") -> dict[str, float]:
    (folder / name).write_text(text)
    return answers.read(folder / name, benchmark, "ours")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TRACKINGNET),
        json.dumps(PERCENT),
        json.dumps([{"test_split": PERCENT | {"Coverage": 100.0}}]),
        json.dumps({"result": [{"test_split": PERCENT}], "submission_metadata": None}),
        "metric,value\n" + "".join(f"{name},{value}\n" for name, value in PERCENT.items()),
        "".join(f"{name}\t{value}\n" for name, value in TRACKINGNET.items()),
        "\ufeffSuccess ; 72.6283813851\nNormalized Precision; 78.844017693\nPrecision;66.4294402491\n\n",
    ],
)
def test_trackingnet(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == pytest.approx(TRACKINGNET, abs=1e-12)


@pytest.mark.parametrize("name", ["ours", "SiamFCv2"])
def test_got10k_report(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, json.dumps({name: REPORT}), "got10k-test")
    assert found == pytest.approx({"AO": 0.348, "SR0.5": 0.353, "SR0.75": 0.25})
    named = REPORT | {"overall": {"ao": 0.4, "sr_0.50": 0.5, "sr_0.75": 0.3, "succ_curve": CURVE}}
    assert read(tmp_path, json.dumps({name: named}), "got10k-test") == {"AO": 0.4, "SR0.5": 0.5, "SR0.75": 0.3}


def test_a_report_of_several_trackers(tmp_path: Path) -> None:
    other = {"overall": {"ao": 0.1, "sr": 0.1}}
    assert read(tmp_path, json.dumps({"theirs": other, "ours": REPORT}), "got10k-test")["AO"] == 0.348
    with pytest.raises(InputError, match="a report of theirs, third, not of ours: name one with --tracker"):
        read(tmp_path, json.dumps({"theirs": other, "third": REPORT}), "got10k-test")


def test_a_part_of_the_metrics(tmp_path: Path) -> None:
    assert read(tmp_path, '{"AO": 0.5}', "got10k-test") == {"AO": 0.5}
    assert read(tmp_path, "AO,0\n", "got10k-test") == {"AO": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"success": 72.6, "precision": 0.66}',
            "success of 72.6 is per cent, but precision of 0.66 may be a",
        ),
        ('[{"split": {"Success": 0.7}}]', "EvalAI gives per cent, but success of 0.7 may be a fraction"),
        ('[{"a": {"Success": 70.0}}, {"b": {"Success": 60.0}}]', "holds 2 splits of a challenge instead of one"),
        ('{"success": 101}', "success is 101"),
        ('{"success": -0.1}', "success is -0.1"),
        ('{"success": NaN}', "success is nan"),
        ('{"success": true}', "success is True"),
        ('{"success": null}', "success is None"),
        ('{"AO": 0.5}', "'AO' is no metric of trackingnet"),
        ('{"success": 0.5, "Success": 0.6}', "'Success' is no metric of trackingnet, or there twice"),
        ('{"Coverage": 100}', "holds none of the metrics of trackingnet"),
        ('{"success": ', "not readable JSON"),
        ('{"a": {"overall": 3}}', "its `overall` is no mapping"),
        ("", "empty"),
        ("success,0.5,0.6\n", r"\['success', '0.5', '0.6'\] is not a metric and a value"),
        ("success,good\nprecision,0.5x\n", "precision is '0.5x'"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "answer.json"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json: cannot be read"):
        answers.read(tmp_path / "absent.json", "trackingnet", "ours")
