"""Files made to harm: code in a pickle, tags in YAML, links in archives, a script in a figure."""

import base64
import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_run import configuration

from analysis import pearson
from analysis.report.pictures import picture
from siamrcr import baselines, bundles, cli, config, mapfile
from siamrcr.errors import InputError
from siamrcr.files import write_text
from siamrcr.model import load
from siamrcr.training import checkpoint

TAGS = ("!!python/object/apply:os.mkdir [{0}]", "!!python/object/new:os.mkdir [{0}]", "!!python/name:os.system ''")


class Payload:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.folder,)


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What is there once the code of a file has run."""
    return tmp_path / "ran"


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.checkpoint.pt"
    torch.save({"hash": "", "identity": {}, "state": Payload(ran)}, path)
    assert checkpoint.load(path, {}) is None
    assert f"{path}: not a readable checkpoint" in capsys.readouterr().err
    path.write_bytes(pickle.dumps(Payload(ran)))
    assert checkpoint.load(path, {}) is None
    assert not ran.exists()


def test_weights_are_safetensors_whatever_a_file_is_called(tmp_path: Path, ran: Path) -> None:
    path = tmp_path / "model.safetensors"
    for write in (lambda: torch.save({"a": Payload(ran)}, path), lambda: path.write_bytes(pickle.dumps(Payload(ran)))):
        write()
        for read in (lambda: load(path), lambda: baselines.source(config.Run(), str(path))):
            with pytest.raises(InputError, match=r"model\.safetensors: not a safetensors file"):
                read()
    assert not ran.exists()


def test_code_in_score_maps_does_not_run(tmp_path: Path, ran: Path) -> None:
    path = tmp_path / "siamrcr-s0.npz"
    np.savez(path, iou=np.array([Payload(ran)], dtype=object))
    with pytest.raises(InputError, match=r"siamrcr-s0\.npz: not a maps file"):
        mapfile.load(path)
    assert not ran.exists()


@pytest.mark.parametrize("tag", TAGS)
def test_tags_of_yaml_are_refused(tmp_path: Path, ran: Path, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, value = tmp_path / "run.yaml", tag.format(ran)
    path.write_text(f"run: {value}\n")
    with pytest.raises(InputError, match=r"run\.yaml: not valid YAML: could not determine a constructor"):
        config.load(path)
    assert cli.main(["datasets", "--set", f"run={value}"]) == 2
    assert "the value is not YAML" in capsys.readouterr().err
    assert not ran.exists()


def test_links_in_an_archive_of_results_are_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("KCF/Basketball.txt")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with (
        bundles.source(tmp_path / "a.zip") as source,
        pytest.raises(InputError, match=r"Basketball\.txt: is a link: pack the file itself"),
    ):
        source.read("KCF/Basketball.txt")


def test_a_figure_is_embedded_as_an_image_where_no_script_runs(tmp_path: Path) -> None:
    run = configuration(tmp_path)
    script = "<script>hit()</script><a onclick='hit()'/>"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' onload='hit()'>{script}</svg>"
    for suffix, content in (("svg", svg), ("png", "")):
        write_text(run.folder / "figures" / f"figure-5.{suffix}", content)
    source = picture(run, "figure-5").source
    assert source.startswith("data:image/svg+xml;base64,")
    assert base64.b64decode(source.partition(",")[2]).decode() == svg
    page = (Path(pearson.__file__).parent / "report" / "page.html").read_text()
    # Browsers run nothing of an image's own, wherever its address is in an <img>; it stands nowhere else.
    assert page.count("figure.source") == page.count('<img src="{{ figure.source }}"') == 1
