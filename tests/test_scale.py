"""What a plan of many variants counts, and a tracker's model found without a list of all."""

from pathlib import Path

import pytest
import yaml

from bench import scale
from siamrcr import config

ROOT = Path(__file__).resolve().parents[1]


def test_a_trackers_model_is_the_one_that_lists_it() -> None:
    models = {"a": {}, "a-s1": {"seeds": [0, 11]}, "b": {"weights_of": "a-s1"}}
    run = config.resolve({"seeds": [0, 1], "models": models, "trackers": {"kcf": {"command": "opencv:KCF"}}})
    assert {tracker: run.model_of(tracker) for tracker in run.trained()} == run.trained()
    assert [run.model_of(name) for name in ("kcf", "a", "a-s", "a-s01", "a-s2", "c-s0", "b-s1")] == [None] * 7
    with pytest.raises(KeyError):
        run.weights("kcf")


@pytest.mark.workflow
def test_a_plan_counts_a_job_a_variant_benchmark_and_seed(tmp_path: Path) -> None:
    path = scale.generated(tmp_path, 2)
    plan = scale.planned(path)
    jobs = {rule: plan["jobs"][rule] for rule in ("train", "track", "evaluate", "submit")}
    assert jobs == {"train": 10, "track": 60, "evaluate": 60, "submit": 20}
    # Each of those jobs leaves a log besides; training leaves weights and a card.
    assert plan["files"] > 10 * 3 + (60 + 60 + 20) * 2
    assert plan["mebibytes"] > 20


def test_costs_are_counts_times_figures(tmp_path: Path) -> None:
    raw = yaml.safe_load(scale.generated(tmp_path, 1).read_text())
    raw["models"]["v000"]["benchmarks"] = ["otb2015"]
    found = scale.raw_results(tmp_path / "raw")
    cost = scale.cost(config.resolve(raw), {"jobs": {"all": 1}, "files": 0}, found, checkpoint=7)
    assert cost["trainings"] == 5
    assert cost["pairs"] == 5 * 20 * 150_000
    assert cost["frames"] == 5 * 59_040
    assert cost["tracking_hours"] == pytest.approx(5 * 59_040 / 65 / 3600)
    assert cost["raw_files"] == 5 * 100 * found["otb2015"][0]
    assert cost["model_bytes"] == 35
