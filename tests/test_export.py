"""The exported graphs against PyTorch, what they are worth as a tracker, and folders that are no export."""

from collections.abc import Iterator
from pathlib import Path

import moving_square
import numpy as np
import pytest
import torch

from siamrcr import baselines, cli, config, engine, export
from siamrcr.config import Network, Run, Tracking
from siamrcr.errors import InputError
from siamrcr.files import read_json, write_json
from siamrcr.model import SiamRCR
from siamrcr.tracker import SiamTracker

BENCHMARK = "otb2015"
ROOT = Path("data/real/otb2015")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with moving_square.prepared(tmp_path) as run:
        moving_square.trained(run)
        yield run


def model(**more: object) -> SiamRCR:
    """A network with outputs of some size: its first ones all but vanish."""
    torch.manual_seed(0)
    made = SiamRCR(Network(**{**moving_square.SMALL, **more}), pretrained=False).eval()
    with torch.no_grad():
        for output in (made.classification.output, made.regression.output, made.localization):
            if output is not None:
                output.weight.mul_(30)
    return made


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"localization": False, "box_form": "ltrb", "size_transform": "softplus", "head_normalization": "group"},
        {"backbone": "tf_efficientnet_lite0", "stage": 2, "stride": 4, "localization_kernel": 1, "tower_depth": 0},
    ],
    ids=["small", "other head", "mini"],
)
def test_the_graphs_give_pytorchs_maps(tmp_path: Path, more: dict[str, object]) -> None:
    network = model(**more)
    export.write_graphs(network, tmp_path)
    graphs = export.OnnxNetwork(tmp_path, network.network)
    rng = torch.Generator().manual_seed(1)
    exemplars, searches = (torch.rand(2, 3, side, side, generator=rng) * 255 for side in (63, 127))
    with torch.no_grad():
        kernels = network.exemplar(exemplars)
        wanted = network.search(kernels, searches)
    for one, other in zip(graphs.exemplar(exemplars), kernels, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    found = graphs.search(kernels, searches)
    assert (found.localization is None) == (network.localization is None)
    for one, other in zip(found, wanted, strict=True):
        if one is not None and other is not None:
            assert other.std() > 0.01
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_a_difference_is_the_largest_of_any_map() -> None:
    one, other = model(), model()
    pairs = export.textures()
    assert export.difference(one, other, pairs, Tracking()) == (0, 0)
    with torch.no_grad():
        other.localization.bias.add_(0.01)
    moved = export.difference(one, other, pairs, Tracking())
    assert 1e-3 < moved.score < 0.01
    assert moved.corner == 0
    with torch.no_grad():
        other.regression.scale.mul_(1.01)
    assert export.difference(one, other, pairs, Tracking()).corner > 0.1


def test_an_export_tracks_as_pytorch_does_and_is_a_trackers_name(run: Run) -> None:
    folder = export.export(run, "small-s0", benchmark=BENCHMARK)
    assert folder == run.folder / "onnx" / "small-s0"
    about = read_json(folder / "export.json", "")
    assert about["check"]["pairs"] == 2
    assert about["check"]["on"] == "first frames of otb2015"
    assert 0 <= about["check"]["max_score_difference"] < 1e-5
    assert about["network"]["search_size"] == 127
    assert about["tracking"]["penalty"] == 0.04
    torch_boxes = moving_square.boxes(engine.track(run, "small-s0", BENCHMARK))
    for name, chosen in ((str(folder), run), ("small-s0", run.model_copy(update={"runtime": "onnx"}))):
        source = baselines.source(chosen, name)
        assert source.settings["runtime"] == "onnx"
        tracks = engine.track(chosen, name, BENCHMARK, out=Path("tracks") / name)
        assert np.abs(moving_square.boxes(tracks) - torch_boxes).max() < 0.05


def test_graphs_of_other_weights_or_settings_are_exported_again(run: Run) -> None:
    folder = export.current(run, "small-s0")
    kept = (folder / "export.json").stat().st_mtime_ns
    assert export.current(run, "small-s0") == folder
    assert (folder / "export.json").stat().st_mtime_ns == kept
    other = moving_square.settings(tracking={"penalty": 0.2})
    assert read_json(export.current(other, "small-s0") / "export.json", "")["tracking"]["penalty"] == 0.2
    moving_square.trained(run, seed=1)
    before = read_json(folder / "export.json", "")
    after = read_json(export.current(run, "small-s0") / "export.json", "")
    assert before["weights_sha256"] != after["weights_sha256"]
    assert before["graphs_sha256"] != after["graphs_sha256"]


def test_the_same_weights_give_the_same_graphs(run: Run) -> None:
    first, second = (export.export(run, "small-s0", out=Path(name)) for name in ("one", "two"))
    for name in (export.EXEMPLAR, export.SEARCH):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_graphs_that_differ_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "write_graphs", lambda _, folder: _write_graphs(model(), folder))
    with pytest.raises(InputError, match=r"differ from PyTorch by .* in scores and .* pixels"):
        export.export(run, "small-s0", out=Path("out"))
    assert not baselines.is_exported("out")


_write_graphs = export.write_graphs


def test_a_folder_that_is_no_export_or_has_other_graphs_is_refused(run: Run) -> None:
    folder = export.export(run, "small-s0")
    with pytest.raises(InputError, match="device cuda: ONNX Runtime runs on the CPU"):
        baselines.source(run.model_copy(update={"device": "cuda"}), str(folder))
    (folder / export.SEARCH).write_bytes(b"another graph")
    with pytest.raises(InputError, match=r"search\.onnx: not the graph that export\.json describes"):
        baselines.source(run, str(folder))
    (folder / export.SEARCH).unlink()
    with pytest.raises(InputError, match=r"search\.onnx: not the graph"):
        baselines.source(run, str(folder))
    write_json(folder / "export.json", {"network": {}})
    with pytest.raises(InputError, match="does not describe exported graphs"):
        baselines.source(run, str(folder))


@pytest.mark.usefixtures("run")
def test_the_command_prints_the_difference_and_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    config.write({"run": "test", "models": {"small": {"network": moving_square.SMALL}}}, Path("my.yaml"))
    assert cli.main(["export", "small-s0", "--configfile", "my.yaml", "--out", "out"]) == 0
    said = capsys.readouterr()
    assert said.out == "out\n"
    assert "largest difference on 8 generated textures: " in said.err
    assert cli.main(["export", "small-s1", "--configfile", "my.yaml"]) == 2
    assert "small-s1" in capsys.readouterr().err


def test_real_frames_give_the_same_maps(real_data: Path, tmp_path: Path) -> None:
    network = model()
    export.write_graphs(network, tmp_path)
    graphs = export.OnnxNetwork(tmp_path, network.network)
    pairs = export.frames("otb2015", real_data / "sequences" / "otb")
    assert len(pairs) == export.CHECKED
    found = export.difference(network, graphs, pairs, Tracking())
    assert found.score < 1e-4
    assert found.corner < 0.01
    tracker = SiamTracker(graphs, Tracking())
    tracker.init(pairs[0].exemplar, pairs[0].box)
    assert np.isfinite(tracker.update(pairs[0].search)).all()
