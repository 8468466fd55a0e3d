"""The doctor finds what would stop a run, and says in one line how to mend it."""

import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from siamrcr import cli, config, doctor, results
from siamrcr.doctor import Finding
from siamrcr.files import write_json, write_text

RUN = {"data": "data", "results": "results", "models": {"siamrcr": {"benchmarks": ["otb2015"]}}}


def examined(folder: Path, **changes: object) -> list[Finding]:
    places = {"data": str(folder / "data"), "results": str(folder / "results")}
    return list(doctor.examine(config.resolve({**RUN, **places, **changes})))


def stops(findings: list[Finding], subject: str) -> list[Finding]:
    return [finding for finding in findings if finding.level == "stop" and finding.subject == subject]


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room on every disk and in shared memory, which a container may lack."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 40, total=1 << 41, used=1 << 40))


@pytest.mark.usefixtures("roomy")
def test_a_sound_machine_passes(tmp_path: Path) -> None:
    findings = examined(tmp_path)
    assert doctor.worst(findings) == 0
    assert {"Python", "packages", "torch", "GPU", "disk", "dataset"} <= {finding.subject for finding in findings}
    assert all(finding.remedy for finding in findings if finding.level != "ok")
    assert all("\n" not in str(finding) for finding in findings)


@pytest.mark.usefixtures("roomy")
def test_the_command_says_what_it_found_and_fails_where_something_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"data={tmp_path}", f"results={tmp_path}"]
    words = ["doctor", *(word for place in places for word in ("--set", place))]
    assert cli.main(words) == 0
    assert "ok    torch" in capsys.readouterr().out
    assert cli.main([*words, "--set", "device=cuda:77"]) == 1
    assert (
        "stop  GPU       none, and the configuration says device: cuda:77: set device: auto" in capsys.readouterr().out
    )


def test_an_old_python_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.10.4")
    (found,) = stops(examined(tmp_path), "Python")
    assert "3.10.4, and >=3.11 is needed" in found.text


def test_a_missing_package_stops_and_another_version_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    every = list(metadata.distributions())

    def changed() -> list[object]:
        kept = [each for each in every if each.metadata["Name"] != "timm"]
        numpy = SimpleNamespace(metadata={"Name": "numpy"}, version="1.0")
        torch = SimpleNamespace(metadata={"Name": "torch"}, version=f"{metadata.version('torch')}+cpu")
        return [*(each for each in kept if each.metadata["Name"] not in ("numpy", "torch")), numpy, torch]

    monkeypatch.setattr("importlib.metadata.distributions", changed)
    missing, other = doctor._packages()
    assert (missing.level, missing.text) == ("stop", "not installed: timm")
    assert (other.level, other.remedy) == ("note", "make setup")
    assert other.text.startswith("other versions than the lock's: numpy 1.0 instead of ")
    assert "torch" not in other.text, "a build without CUDA is the same version"


def test_the_lock_is_read_for_this_python() -> None:
    lines = ("a==1.0", "    --hash=sha256:0", "b==2 ; python_version < '3'", "b==3 ; python_version >= '3'")
    text = "".join(f"{line} \\\n" for line in lines)
    assert doctor.locked(text) == {"a": "1.0", "b": "3"}


def test_a_driver_that_pytorch_cannot_use_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    answer = SimpleNamespace(stdout="470.82.01\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    for cuda, remedy in (("13.0", "update the driver"), (None, "make setup, or install the CUDA build of PyTorch")):
        monkeypatch.setattr("torch.version.cuda", cuda)
        run = config.resolve({**RUN, "data": str(tmp_path), "results": str(tmp_path)})
        (found,) = [each for each in doctor._device(run) if each.subject == "GPU"]
        assert (found.level, found.remedy) == ("note", remedy)
        assert "470.82.01" in found.text


def test_a_full_or_small_disk_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("siamrcr.datasets.transfer.free", lambda _: 1 << 20)
    assert [each.remedy for each in stops(examined(tmp_path), "disk")] == [
        "free 2 GB there" for _ in ("data", "results")
    ]


def test_a_folder_that_cannot_be_written_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    found = stops(examined(tmp_path), "disk")
    assert len(found) == 2
    assert "Read-only file system" in found[0].text


def test_little_shared_memory_stops_where_loaders_share_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=64 << 20, total=1, used=1))
    run = {**RUN, "data": str(tmp_path), "results": str(tmp_path)}
    assert not list(doctor._memory(config.resolve({**run, "training": {"workers": 0}})))
    (found,) = doctor._memory(config.resolve({**run, "training": {"workers": 2}}))
    assert (found.level, "--shm-size" in found.remedy) == ("stop", True)


def test_datasets_that_need_registration_stop_with_the_address(tmp_path: Path) -> None:
    findings = examined(tmp_path, source="real", training={"datasets": {"got10k": 1.0}})
    assert any(each.remedy == "`siamrcr download otb2015`" for each in findings)
    (plan,) = stops(findings, "plan")
    assert "got10k needs registration: register at" in plan.text


def test_a_backbones_weights_are_a_dataset_like_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planned: list[str] = []
    monkeypatch.setattr("siamrcr.datasets.plan.ready", lambda _, names: planned.extend(names))
    network = {"weights": "{data}/resnet50/model.safetensors"}
    findings = examined(tmp_path, source="real", network=network)
    assert any(each.remedy == "`siamrcr download resnet50`" for each in findings)
    assert "resnet50" in planned
    foreign = {"siamrcr": {"benchmarks": ["otb2015"], "checkpoint": "own.safetensors"}}
    findings = examined(tmp_path, source="real", network=network, models=foreign)
    assert not any("resnet50" in each.text for each in findings), "weights of one's own need no backbone's"


def test_what_has_no_miniature_stops(tmp_path: Path) -> None:
    (found,) = stops(examined(tmp_path, training={"datasets": {"coco": 1.0}}), "dataset")
    assert "coco: has no miniature" in found.text


def test_damaged_maps_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mini" / "maps"
    folder.mkdir(parents=True)
    for name in ("a-s0", "b-s0", "c-s0"):
        np.savez_compressed(folder / f"{name}.npz", names=np.arange(1000), tracker=np.array(name))
    data = bytearray((folder / "b-s0.npz").read_bytes())
    data[100] ^= 1
    (folder / "b-s0.npz").write_bytes(data)
    (folder / "c-s0.npz").write_bytes((folder / "a-s0.npz").read_bytes())
    found = [each.text for each in stops(examined(tmp_path), "results")]
    assert [Path(text.partition(": ")[0]).name for text in found] == ["b-s0.npz", "c-s0.npz"]
    assert all(
        f"remove it and run `siamrcr maps {model} --seed 0`" in text for model, text in zip("bc", found, strict=True)
    )


def test_damaged_results_are_named(tmp_path: Path) -> None:
    models, tracks = (tmp_path / "results" / "mini" / name for name in ("models", "tracks/kcf/otb2015"))
    write_json(models / "a-s0.json", {"model": "a", "weights_sha256": "0" * 64})
    (models / "a-s0.safetensors").write_bytes(b"other")
    write_text(tracks / "Mini1.txt", "1,2,3,4\n")
    write_json(tracks / "manifest.json", {"files": {"Mini1.txt": "0" * 16}})
    (tmp_path / "results" / "mini" / "scores.json").write_text("{")
    found = stops(examined(tmp_path), "results")
    assert len(found) == 3
    for name in ("a-s0.safetensors", "Mini1.txt", "scores.json"):
        assert any(name in each.text and "remove" in each.text for each in found)


def test_a_damaged_stamp_is_mended_as_the_engine_says(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mini" / "tracks" / "kcf" / "otb2015"
    write_text(folder / ".settings.json", "{")
    (found,) = stops(examined(tmp_path), "results")
    assert found.text.endswith(f": {results.stamp_remedy(folder)}")
    assert f"remove {folder} and track again" in found.text


def test_a_file_that_is_gone_is_no_matter_of_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mini" / "tracks" / "kcf" / "otb2015"
    write_json(folder / "manifest.json", {"files": {"Mini1_time.txt": "0" * 16}})
    (found,) = stops(examined(tmp_path), "results")
    assert found.text == (
        f"{folder / 'Mini1_time.txt'}: is missing: remove {folder / 'manifest.json'} and track again, which keeps what "
        f"is whole"
    )


def test_a_lock_of_snakemake_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / ".snakemake" / "locks" / "0.input.lock", "")
    (found,) = [each for each in examined(tmp_path) if each.subject == "workflow"]
    assert "make reproduce" in found.remedy
