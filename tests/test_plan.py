"""Before a download: parts, folders, room, what the workflow must know; and the table of all datasets."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import layouts
import pytest
import yaml
from downloads import run_in
from server import Server

from siamrcr import cli, config
from siamrcr.config import DATASET, TRAINING_SETS
from siamrcr.datasets import catalogue, plan, transfer, verification
from siamrcr.datasets.download import Options, download
from siamrcr.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def got10k(tmp_path: Path, server: Server, table) -> None:
    """GOT-10k's three splits on an open server, a sequence each."""
    clip = layouts.clips(tmp_path / "clips", count=1)[0]
    rows = []
    for part, file in (("train", "GOT-10k_Train_split_01"), ("val", "val_data"), ("test", "test_data")):
        name = f"GOT-10k_{part.title()}_000001"
        folder = layouts.got10k(tmp_path / "origin", part, [name], clip)
        server.files[f"/{file}.zip"] = layouts.packed(folder, f"{part}/")
        rows.append({"dataset": "got10k", "part": part, "file": f"{file}.zip", "url": f"{server.address}/{file}.zip"})
        rows[-1]["layout"] = f"{part}/GOT-10k_{part.title()}_*"
    table(*rows)


ONE_EACH = {"got10k-train": 1, "got10k-val": 1, "got10k-test": 1}


@pytest.mark.usefixtures("got10k")
@pytest.mark.parametrize("name", ["val", "got10k-val", "val_data.zip", "val_data", "val_*"])
def test_chosen_parts_alone_are_downloaded(tmp_path, server, name, capsys):
    run = run_in(tmp_path / "data", expected=ONE_EACH)
    assert download(run, "got10k", Options(parts=(name,))) is None
    assert [path for path, _ in server.requests] == ["/val_data.zip"]
    assert not (tmp_path / "data" / "real" / "got10k.json").exists()
    assert f"{name} complete; the configuration needs more of it" in capsys.readouterr().out
    assert download(run, "got10k", Options(parts=(name,))) is None
    assert len(server.requests) == 1
    # With the rest it is whole, and has its marker.
    assert download(run, "got10k", Options(parts=("train", "test"))) == tmp_path / "data" / "real" / "got10k.json"


@pytest.mark.usefixtures("got10k")
def test_a_run_gets_only_what_it_needs(tmp_path, server):
    models = {"m": {"checkpoint": "m.safetensors", "benchmarks": ["got10k-test"]}}
    record = json.loads(download(run_in(tmp_path / "data", models=models, expected=ONE_EACH), "got10k").read_text())
    assert record["parts"] == ["got10k-test"]
    assert [path for path, _ in server.requests] == ["/test_data.zip"]


@pytest.mark.usefixtures("got10k")
def test_parts_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"--parts vall: got10k has no such part; known are train, val, test, and fil"):
        download(run_in(tmp_path), "got10k", Options(parts=("vall",)))


@pytest.mark.usefixtures("got10k")
def test_another_folder_is_linked(tmp_path):
    run = run_in(tmp_path / "data", expected=ONE_EACH)
    disk = tmp_path / "disk" / "got"
    marker = download(run, "got10k", Options(root=disk))
    assert (disk / "val" / "GOT-10k_Val_000001" / "00000001.jpg").is_file()
    assert (tmp_path / "data" / "real" / "got10k").resolve() == disk
    assert json.loads(marker.read_text())["splits"]["got10k-val"]["frames"] == 3
    assert download(run, "got10k") == marker
    # Another one later: the first is not touched.
    download(run, "got10k", Options(root=tmp_path / "other"))
    assert (disk / "val").is_dir()
    (tmp_path / "third" / "real" / "got10k").mkdir(parents=True)
    (tmp_path / "third" / "real" / "got10k" / "mine").touch()
    with pytest.raises(InputError, match=r"real/got10k: holds files already: move them to .*disk/got and link it"):
        download(run_in(tmp_path / "third", expected=ONE_EACH), "got10k", Options(root=disk))


def test_a_dry_run_refuses_what_does_not_fit(tmp_path, table, monkeypatch, capsys):
    row = {"dataset": "otb2015", "file": "Biker.zip", "url": "http://127.0.0.1:1/Biker.zip", "layout": "Biker/img"}
    table(row | {"bytes": 8_000_000_000})
    monkeypatch.setattr(transfer, "free", lambda _: 15_000_000_000)
    with pytest.raises(InputError, match=r"16\.0 GB for downloading otb2015, 15\.0 GB free"):
        download(run_in(tmp_path / "data"), "otb2015", Options(dry_run=True))
    printed = capsys.readouterr().out
    assert "Biker.zip: 8.00 GB, open, http://127.0.0.1:1/Biker.zip" in printed
    assert "15.0 GB free, about 16.0 GB needed" in printed
    assert not (tmp_path / "data").exists()


def test_sizes_that_only_the_documentation_states(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "free", lambda _: 67_000_000_000)
    with pytest.raises(InputError, match=r"68\.0 GB for downloading got10k, 67\.0 GB free"):
        download(run_in(tmp_path), "got10k", Options(dry_run=True))
    download(run_in(tmp_path, expected={"got10k-train": 5}), "got10k", Options(dry_run=True))


# Before a workflow


def test_all_that_needs_the_user_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "free", lambda _: 1 << 50)
    models = {"m": {"training": {"datasets": {"got10k": 1, "vid": 1, "lasot": 1}}, "benchmarks": ["got10k-val"]}}
    run = run_in(tmp_path, models=models)
    with pytest.raises(InputError) as error:
        plan.ready(run, ["got10k", "lasot", "vid"])
    message = str(error.value)
    assert "got10k needs registration: register at http://got-10k.aitestunion.com/downloads" in message
    assert "put GOT-10k_Train_split_01.zip ... val_data.zip (20 files) into" in message
    assert "vid needs registration: register at https://image-net.org/challenges/LSVRC/2015/" in message
    assert "siamrcr download vid --from DIR" in message
    assert "lasot" not in message
    assert "test_data" not in message
    # What is there already, or as an archive, is not asked for.
    (tmp_path / "real" / "vid" / "archives").mkdir(parents=True)
    (tmp_path / "real" / "vid" / "archives" / "ILSVRC2015_VID.tar.gz").write_bytes(b"x")
    plan.ready(run, ["vid", "lasot"])
    monkeypatch.setattr(transfer, "free", lambda _: 1 << 39)
    with pytest.raises(InputError, match=r"the disk is too small \(\d+\.\d GB for the datasets of this run"):
        plan.ready(run, ["trackingnet"])


@pytest.mark.workflow
def test_a_workflow_names_what_is_missing_before_it_starts(tmp_path):
    from workspace import command, environment, workspace

    folder = workspace(tmp_path)
    configuration = {"run": "real", "source": "real", "expected": {"got10k-val": 1}}
    configuration["trackers"] = {"kcf": {"command": "opencv:KCF", "benchmarks": ["got10k-val", "otb2015"]}}
    (folder / "real.yaml").write_text(yaml.safe_dump(configuration))
    arguments = ["--configfile", "real.yaml", "--", "results/real/scores/kcf/got10k-val.json"]
    done = subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode != 0
    assert "got10k needs registration: register at http://got-10k.aitestunion.com/downloads, put val_data.zip into" in (
        done.stdout + done.stderr
    )
    assert "otb2015" not in done.stderr.partition("needs registration")[2]  # this target does not need it
    assert not list(folder.glob("results/real/logs/*"))
    # With the sequence in place the same command runs through.
    clip = layouts.clips(tmp_path / "clips", count=1)[0]
    layouts.got10k(folder / "data" / "real" / "got10k", "val", ["GOT-10k_Val_000001"], clip)
    shutil.rmtree(folder / "results")
    done = subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr


# The table of all


def test_the_table_of_all_datasets(tmp_path, capsys):
    root = tmp_path / "real" / "got10k"
    clip = layouts.clips(tmp_path / "clips", count=1)[0]
    layouts.got10k(root, "val", ["GOT-10k_Val_000001"], clip)
    layouts.otb(tmp_path / "real" / "otb2015", "Biker", clip)
    (tmp_path / "real" / "lasot" / "archives").mkdir(parents=True)
    (tmp_path / "real" / "lasot" / "archives" / "cat.zip.part").touch()
    verification.mark(run_in(tmp_path), "got10k", root)
    assert cli.main(["datasets", "--set", f"data={tmp_path}"]) == 0
    rows = {}
    for line in capsys.readouterr().out.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = cells[1:]
    assert list(rows) == [*catalogue.NINE, "resnet50"]
    assert rows["got10k"][:4] == ["yes (val)", "0.0 MB", "about 68.0 GB", "registration"]
    assert rows["otb2015"][0] == "in part, or not verified"
    assert rows["lasot"][:4] == ["begun", "-", "not stated", "open"]
    assert rows["coco"][:4] == ["no", "-", "19.6 GB", "open"]
    assert rows["trackingnet"][2:4] == ["1,138.1 GB", "open, perhaps a token"]


def test_the_results_that_need_a_dataset_are_the_papers():
    paper = config.load(REPOSITORY / "workflow" / "config" / "paper.yaml")
    trained = paper.models["siamrcr-all"]
    assert set(trained.training.datasets) == set(TRAINING_SETS)
    words = {"otb2015": "OTB-2015", "vot2018": "VOT-2018", "vot2019": "VOT-2019"}
    served = [words[benchmark] for benchmark in trained.benchmarks]
    for dataset in TRAINING_SETS:
        assert all(word in catalogue.FACTS[dataset].results for word in served), dataset
    assert {DATASET[benchmark] for _, benchmark in paper.jobs()} == set(catalogue.NINE[:6])


# Bars


def test_a_terminal_shows_a_bar_a_file_and_one_for_all(tmp_path, server):
    for name in ("a", "b"):
        server.files[f"/{name}.bin"] = b"x" * 300_000
    server.piece, server.pause = 30_000, 0.03
    program = "import sys; from pathlib import Path; from siamrcr.datasets import transfer, pool, bars\n"
    program += "with bars.bars('download set', 2) as shown:\n"
    program += "    def get(name):\n"
    program += "        with shown.part(name) as meter:\n"
    program += "            url, path = f'{sys.argv[1]}/{name}', Path(sys.argv[2], name)\n"
    program += "            transfer.fetch([url], path, None, lambda p: None, meter)\n"
    program += "    pool.each(['a.bin', 'b.bin'], get, 2)\n"
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 100))
    command = [sys.executable, "-c", program, server.address, str(tmp_path)]
    process = subprocess.Popen(command, stderr=other)
    os.close(other)
    shown = b""
    while True:
        try:
            shown += os.read(main, 4096)
        except OSError:
            break
    os.close(main)
    assert process.wait() == 0
    text = shown.decode()
    for name in ("a.bin", "b.bin"):
        assert re.search(rf"{name}: +\d+%", text), text
    # Each on a line of its own, below the one for all.
    assert "\n" in text
    assert "\x1b[A" in text
    assert re.search(r"download set: 100%.*600k/600k.*2/2 files", text), text
