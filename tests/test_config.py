"""The configuration: one place for each setting, one line for each mistake."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from analysis import evaluation
from siamrcr import config, hyperparameters
from siamrcr.datasets import verification
from siamrcr.errors import InputError

CONFIGURATIONS = Path("workflow/config")


@pytest.mark.parametrize("name", ["mini", "paper"])
def test_shipped_configurations_are_valid(name: str) -> None:
    run = config.load(CONFIGURATIONS / f"{name}.yaml")
    assert run.run == name
    assert set(run.analysis.components) == {"I", "II", "III", "IV"}
    assert {benchmark for _, benchmark in run.jobs()} == set(config.BENCHMARKS)


def test_schema_is_generated_from_the_configuration() -> None:
    assert (CONFIGURATIONS / "schema.json").read_text() == config.schema_text(), "run: make schema"


def test_paper_configuration_is_the_papers() -> None:
    model = config.load(CONFIGURATIONS / "paper.yaml").models["siamrcr"]
    network, training = model.network, model.training
    assert (network.exemplar_size, network.search_size, network.score_size) == (127, 255, 25)
    assert (training.epochs, training.batch_size, training.momentum) == (20, 128, 0.9)
    assert (training.lr_start, training.lr_peak, training.lr_end) == (1e-6, 0.1, 1e-4)
    assert (training.warmup_epochs, training.frozen_epochs, training.backbone_lr_factor) == (5, 10, 0.1)
    assert (model.loss.radius, model.loss.lambda_regression, model.loss.lambda_localization) == (2, 1, 1)


def test_variants_are_configuration() -> None:
    models = config.load(CONFIGURATIONS / "paper.yaml").models
    found = {name: (models[name].network.localization, models[name].loss.reciprocal) for name in list(models)[:4]}
    assert found == {
        "baseline": (False, False),
        "localization": (True, False),
        "reciprocal": (False, True),
        "siamrcr": (True, True),
    }
    assert [models[f"radius-{r}"].loss.radius for r in (1, 3, 4, 5)] == [1, 3, 4, 5]


def test_every_hyper_parameter_names_its_source() -> None:
    for section in config.SECTIONS.values():
        source = inspect.getsource(section)
        for name, field in section.model_fields.items():
            line = re.search(rf"^    {name}: .*$", source, re.MULTILINE)
            assert line, name
            assert field.is_required() is False, f"{name} has no default"
            if name not in {"micro_batch", "channels_last", *hyperparameters.SPEED_ONLY}:
                assert re.search(r"# (Section|Equations?|Table|Figure|not in the paper)", line[0]), line[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"models": {"a": {"loss": {"raduis": 3}}}}, ["models.a.loss", "'raduis'", "'radius'"]),
        ({"sourse": "mini"}, ["'sourse'", "'source'"]),
        ({"training": {"optimizer": "sdg"}}, ["training.optimizer", "sgd", "'sdg'"]),
        ({"network": {"search_size": 250}}, ["network", "250", "127 and 255"]),
        (
            {"models": {"a": {"training": {"datasets": {"lasott": 1}}}}},
            ["models.a.training.datasets: ", "'lasott'", "mean 'lasot'"],
        ),
        ({"trackers": {"x": {"label": "X"}}}, ["trackers.x", "command", "results"]),
        ({"analysis": {"radius": {"1": "radius-1"}}}, ["analysis.radius.1", "model 'radius-1'"]),
        ({"models": {"a": {}}, "analysis": {"reference": "siamrcrr"}}, ["analysis.reference", "'siamrcrr'", "are a"]),
        ({"training_roots": {"got10kk": "/x"}}, ["training_roots", "'got10kk'", "mean 'got10k'"]),
        ({"expected": {"got10k-tain": 5}}, ["expected", "'got10k-tain'", "mean 'got10k-train'"]),
        ({"expected": {7: 5}}, ["expected.7: ", "string"]),
        ({"shards": {"lasott": 2}}, ["shards: unknown name 'lasott'", "mean 'lasot'"]),
        ({"analysis": {"radius": {"9": "a"}}}, ["analysis.radius: unknown name '9'", "1, 2, 3, 4, 5"]),
        (
            {"benchmarks": {"otb2015": {"convention": "pysott"}}},
            ["benchmarks.otb2015.convention", "'pysott'", "mean 'pysot'"],
        ),
        (
            {"models": {"a": {}}, "benchmarks": {"got10k-test": {"answers": {"aa-s0": "x.json"}}}},
            ["benchmarks.got10k-test.answers", "'aa-s0'", "mean 'a-s0'"],
        ),
        (
            {"models": {"a": {}}, "benchmarks": {"lasot": {"answers": {"a-s0": "x.json"}}}},
            ["benchmarks.lasot.answers", "no server"],
        ),
        (
            {"benchmarks": {"vot2018": {"eao_interval": [300, 10]}}},
            ["benchmarks.vot2018.eao_interval", "shortest", "[300, 10]"],
        ),
        ({"benchmarks": {"vot2018": {"eao_interval": [0, 10]}}}, ["benchmarks.vot2018.eao_interval", "from 1"]),
        ({"benchmarks": {"otb2015": {"eao_interval": [3, 10]}}}, ["benchmarks.otb2015.eao_interval", "VOT"]),
        ({"seeds": []}, ["seeds", "at least one"]),
        ({"seeds": [-1]}, ["seeds.0", "-1"]),
        ({"models": {"a": {"seeds": [10**23]}}}, ["models.a.seeds.0", str(10**23)]),
        ({"models": {"a b": {}}}, ["a b", "letters"]),
        (
            {"loss": {"detach_iou_weight": False, "detach_classification_weight": False}},
            ["detach_iou_weight", "collapses"],
        ),
    ],
)
def test_mistakes_get_one_line(raw: dict, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        config.resolve(raw, "my.yaml")
    message = str(caught.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    assert all(word in message for word in words), message
    assert "[key]" not in message


def test_names_of_rules_and_splits_are_those_that_there_are() -> None:
    assert {name: evaluation.conventions(name) for name in config.BENCHMARKS} == config.RULES
    assert tuple(split.name for split in verification.SPLITS) == config.SPLITS


def test_variants_alone_need_no_reference_model() -> None:
    assert config.resolve({"models": {"chebyshev": {}}}).analysis.reference == "siamrcr"


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml"):
        config.load(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(InputError, match=r"broken\.yaml: not valid YAML"):
        config.load(tmp_path / "broken.yaml")


def test_run_level_sections_are_defaults_of_every_model() -> None:
    run = config.resolve({"loss": {"radius": 4}, "models": {"a": {}, "b": {"loss": {"focal_gamma": 1}}}})
    assert [(m.loss.radius, m.loss.focal_gamma) for m in run.models.values()] == [(4, 2), (4, 1)]


def test_training_sets_are_replaced_not_merged() -> None:
    merged = config.merge({"training": {"datasets": {"got10k": 1}}}, {"training": {"datasets": {"lasot": 1}}})
    assert merged["training"]["datasets"] == {"lasot": 1}


def test_written_configuration_reads_back(tmp_path: Path) -> None:
    raw = yaml.safe_load((CONFIGURATIONS / "paper.yaml").read_text())
    config.write(raw, tmp_path / "run" / "config.yaml")
    assert config.load(tmp_path / "run" / "config.yaml") == config.load(CONFIGURATIONS / "paper.yaml")


def test_jobs_cover_seeds_and_raw_results() -> None:
    run = config.resolve(
        {
            "seeds": [0, 1],
            "models": {"a": {"benchmarks": ["lasot"]}, "b": {"seeds": [7], "benchmarks": ["vot2018"]}},
            "trackers": {"Ocean": {"results": {"lasot": "ocean.zip"}}},
        }
    )
    assert run.jobs() == [("a-s0", "lasot"), ("a-s1", "lasot"), ("b-s7", "vot2018"), ("Ocean", "lasot")]
