"""Tracking with 16 bits a number and with compiled kernels: how far the maps move, what says so, what is refused."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moving_square import SMALL, boxes, prepared, settings, trained
from test_export import model

from siamrcr import baselines, config, engine, export, results, runtime
from siamrcr.config import Run, Tracking
from siamrcr.errors import InputError
from siamrcr.files import read_json
from siamrcr.model import Maps
from siamrcr.runtime import Forwarding, Lowered
from siamrcr.stages import Watched
from siamrcr.tracker import SiamTracker

CPU = torch.device("cpu")
BENCHMARK = "otb2015"
# Largest differences to fp32: of p^cls and p^loc, of corners in pixels of the search image.
TOLERANCE = {"bf16": (0.01, 1.5), "fp16": (0.002, 0.2)}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    with prepared(tmp_path) as run:
        trained(run)
        yield run


@pytest.fixture
def plainly_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile that traces, and writes no kernels: that takes a minute and a compiler."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(
    "more", [{}, {"head_normalization": "group", "box_form": "ltrb", "size_transform": "softplus"}]
)
def test_maps_move_within_the_precision(precision: str, more: dict[str, Any]) -> None:
    network = model(**more)
    lowered = Lowered(runtime.prepared(network, CPU), runtime.HALF[precision])
    found = export.difference(network, lowered, export.textures(), Tracking())
    score, corner = TOLERANCE[precision]
    assert 0 < found.score < score
    assert 0 < found.corner < corner


def test_real_frames_move_within_the_precision(real_data: Path) -> None:
    network = model()
    lowered = Lowered(runtime.prepared(network, CPU), torch.bfloat16)
    pairs = export.frames(BENCHMARK, real_data / "sequences" / "otb")
    found = export.difference(network, lowered, pairs, Tracking(exemplar_flip=True))
    assert 0 < found.score < TOLERANCE["bf16"][0]
    assert 0 < found.corner < TOLERANCE["bf16"][1]


def test_convolutions_alone_are_lowered_and_maps_have_their_32_bits() -> None:
    network = model(head_normalization="group")
    lowered = Lowered(runtime.prepared(network, CPU), torch.bfloat16)
    images = [255 * torch.rand(2, 3, side, side) for side in (63, 127)]
    with torch.inference_mode():
        kernels = lowered.exemplar(images[0])
        maps = lowered.search(kernels, images[1])
    assert {kernel.dtype for kernel in kernels} == {torch.bfloat16}
    assert {each.dtype for each in maps if each is not None} == {torch.float32}
    assert {each.dtype for each in network.parameters()} == {torch.float32}, "the model itself stays"


def test_a_lowered_network_is_timed_by_stage() -> None:
    watched = Watched(Lowered(runtime.prepared(model(), CPU), torch.bfloat16))
    tracker, image = SiamTracker(watched, Tracking()), np.zeros((90, 120, 3), dtype=np.uint8)
    tracker.init(image, [30, 30, 20, 20])
    watched.start()
    tracker.update(image)
    assert set(watched.stop()) == {"crop", "backbone", "correlation", "head", "post-processing"}


def test_a_lowered_network_tracks_and_the_manifest_says_so(run: Run) -> None:
    full = engine.track(run, "small-s0", BENCHMARK, out=Path("full"))
    variant = settings(
        models={"small": {}, "half": {"weights_of": "small", "tracking": {"precision": "bf16"}}}, lanes=2
    )
    half = engine.track(variant, "half-s0", BENCHMARK)
    record = read_json(half / results.MANIFEST, "")
    assert record["settings"]["tracking"]["precision"] == "bf16"
    assert record["settings_sha256"] != read_json(full / results.MANIFEST, "")["settings_sha256"]
    assert record["weights_sha256"] == read_json(full / results.MANIFEST, "")["weights_sha256"]
    assert results.digest(half) != results.digest(full)
    # The next box: later ones start from another place.
    assert np.abs(boxes(half)[1] - boxes(full)[1]).max() < 2
    again = engine.track(variant.model_copy(update={"lanes": 1}), "half-s0", BENCHMARK, out=Path("again"))
    assert results.digest(again) == results.digest(half)


@pytest.mark.usefixtures("run", "plainly_compiled")
def test_a_compiled_network_tracks_the_same_in_threads() -> None:
    plain, compiled = (
        engine.track(
            settings(tracking={"precision": "bf16", "compile": chosen}, lanes=2), "small-s0", BENCHMARK, out=out
        )
        for chosen, out in ((False, Path("plain")), (True, Path("compiled")))
    )
    assert results.digest(compiled) == results.digest(plain)
    assert read_json(compiled / results.MANIFEST, "")["settings"]["tracking"]["compile"] is True


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler: install g++")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_kernels_give_the_same_maps(precision: str) -> None:
    network = model()
    written = runtime.opened(network, CPU, Tracking(precision=precision, compile=True))
    plain = runtime.opened(network, CPU, Tracking(precision=precision))
    found = export.difference(plain, written, export.textures(), Tracking())
    assert found.score < 1e-5 if precision == "fp32" else found.score < TOLERANCE[precision][0]
    assert found.corner < 1e-3 if precision == "fp32" else found.corner < TOLERANCE[precision][1]


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(_: Callable[..., Any], **__: Any) -> Callable[..., Any]:
        def fail(*_: Any) -> None:
            raise RuntimeError("No working C++ compiler found in torch._inductor.config.cpp.cxx\nand much more")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)
    with pytest.raises(InputError, match=r"^tracking\.compile: .*\(No working C\+\+ compiler found .*cxx\): install a"):
        runtime.opened(model(), CPU, Tracking(compile=True))


def test_what_a_device_lacks_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^tracking\.precision fp16: is for GPUs: set it to bf16 or fp32"):
        engine.track(settings(tracking={"precision": "fp16"}), "small-s0", BENCHMARK)
    assert not (run.folder / "tracks").exists()
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(runtime, "prepared", lambda network, _: network)
    with pytest.raises(InputError, match=r"^tracking\.precision bf16: this GPU does not compute with it"):
        runtime.opened(model(), torch.device("cuda"), Tracking(precision="bf16"))


@pytest.mark.parametrize("tracking", [{"precision": "bf16"}, {"compile": True}])
def test_exported_graphs_know_neither(run: Run, tracking: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"models\.small\.tracking: runtime onnx computes in fp32"):
        config.resolve({"runtime": "onnx", "network": SMALL, "models": {"small": {"tracking": tracking}}})
    with pytest.raises(InputError, match="the graphs compute in fp32 and are not compiled"):
        export.export(settings(tracking=tracking), "small-s0")
    assert not (run.folder / "onnx").exists()


def test_an_overflow_of_fp16_names_its_own_remedy() -> None:
    class Endless(Forwarding):
        def search(self, kernels: tuple[torch.Tensor, ...], images: torch.Tensor) -> Maps:
            maps = super().search(kernels, images)
            return maps._replace(boxes=maps.boxes / 0)

    image = np.zeros((90, 120, 3), dtype=np.uint8)
    for precision, words in (("fp32", "its training diverged"), ("fp16", "set tracking.precision to bf16 or fp32")):
        tracker = SiamTracker(Endless(model()), Tracking(precision=precision))
        tracker.init(image, [30, 30, 20, 20])
        with pytest.raises(InputError, match=words):
            tracker.update(image)


def test_both_are_off_unless_asked_for(run: Run) -> None:
    ours, tracking, _ = baselines.network(run, "small-s0")
    assert (tracking.precision, tracking.compile) == ("fp32", False)
    assert type(ours).__name__ == "SiamRCR"
