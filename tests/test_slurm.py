"""The workflow through a real SLURM, started for the test: the same bytes as on one machine, through every fault."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace import REPOSITORY, command, environment, snakemake, workspace

from faults.ground import digests
from siamrcr.results import digest

SCRIPT = REPOSITORY / "workflow" / "local_slurm.py"
TINY = ["--configfile", "tests/tiny.yaml"]
MODELS = ("baseline", "siamrcr", "radius-3")
WEIGHTS = [f"results/tiny/models/{model}-s0.safetensors" for model in MODELS]
SCORE = "results/tiny/scores/siamrcr-s0/got10k-val.json"
missing = [
    name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path="/usr/sbin:/usr/bin")
]
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)}: apt-get install slurm-wlm munge"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which commands reach a SLURM of three nodes of one core."""
    words = [sys.executable, str(SCRIPT), "start", "--nodes=3", "--cpus=1", "--gpus=1"]
    started = subprocess.run(words, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    found = dict(re.findall(r"export (\w+)=(.*)\n", started.stdout))
    yield environment() | found
    subprocess.run([sys.executable, str(SCRIPT), "stop", found["SIAMRCR_SLURM"]], check=True)
    assert not Path(found["SIAMRCR_SLURM"]).exists()


def through_slurm(*arguments: str) -> list[str]:
    """Snakemake with the profile as it is; without accounting, and looking at its jobs more often."""
    profile = ["--workflow-profile", "workflow/profiles/slurm", "--slurm-status-command", "squeue"]
    often = ["--seconds-between-status-checks", "1", "--slurm-init-seconds-before-status-checks", "1"]
    return [sys.executable, "-m", "snakemake", *profile, *often, "--latency-wait", "10", *arguments]


def asked(cluster: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=cluster, capture_output=True, text=True, check=True).stdout


def jobs(cluster: dict[str, str], rule: str) -> list[tuple[str, str, str]]:
    """Number, state and node of every job of a rule, by what the executor notes of it."""
    listed = asked(cluster, "squeue", "--states=all", "--noheader", "--format=%k|%i|%T|%N")
    rows = [line.split("|") for line in listed.splitlines()]
    return [(number, state, node) for comment, number, state, node in rows if comment == rule]


def working(folder: Path) -> dict[int, list[bytes]]:
    """Number and command line of every process in a workspace."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                found[int(process.name)] = (process / "cmdline").read_bytes().split(b"\0")
    return found


def frozen(folder: Path, printed: Path) -> dict[str, int]:
    """Wait for each training of a workspace, and stop it where it is: whatever comes, comes in mid-run."""
    held: dict[str, int] = {}
    deadline = time.monotonic() + 300
    while len(held) < len(MODELS):
        for process, words in working(folder).items():
            for model in set(MODELS) - held.keys():
                if b"train" in words and model.encode() in words and b"--seed" in words:
                    os.kill(process, signal.SIGSTOP)
                    held[model] = process
        assert time.monotonic() < deadline, f"only {sorted(held)} are being trained:\n{printed.read_text()}"
        time.sleep(0.02)
    return held


def test_cancelled_timed_out_and_its_node_down_a_training_ends_in_the_same_bytes(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    alone, folder, printed = workspace(tmp_path / "alone"), tmp_path / "slurm", tmp_path / "printed"
    snakemake(alone, "data/mini/got10k.json", *TINY)
    shutil.copytree(alone, folder)
    # Through SLURM much is waiting, in which the run on one machine takes place.
    with printed.open("w") as out, (tmp_path / "printed-alone").open("w") as beside:
        undisturbed = subprocess.Popen(
            command(*WEIGHTS, SCORE, *TINY), cwd=alone, env=environment(), stdout=beside, stderr=beside
        )
        running = subprocess.Popen(
            through_slurm(*WEIGHTS, SCORE, *TINY), cwd=folder, env=cluster, stdout=out, stderr=out
        )
    try:
        held = frozen(folder, printed)
        first = {model: jobs(cluster, f"rule_train_wildcards_{model}_0")[0] for model in MODELS}
        asked(cluster, "scontrol", "update", f"JobId={first['baseline'][0]}", "EndTime=now")
        asked(cluster, "scancel", first["siamrcr"][0])
        node = first["radius-3"][2]
        asked(cluster, "scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        deadline = time.monotonic() + 300
        while Path(f"/proc/{held['radius-3']}").exists():
            assert time.monotonic() < deadline, printed.read_text()
            time.sleep(0.1)
        asked(cluster, "scontrol", "update", f"NodeName={node}", "State=RESUME")
        assert running.wait(timeout=900) == 0, printed.read_text()
        assert undisturbed.wait(timeout=900) == 0, (tmp_path / "printed-alone").read_text()
    finally:
        for process in (running, undisturbed):
            process.kill()
            process.wait()
        # SLURM without control groups leaves what waits for a frozen process.
        for left in working(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
    assert [(folder / path).read_bytes() for path in WEIGHTS] == [(alone / path).read_bytes() for path in WEIGHTS]
    for part in ("tracks", "scores"):
        assert digest(folder / "results/tiny" / part) == digest(alone / "results/tiny" / part)
    ends = {model: [state for _, state, _ in jobs(cluster, f"rule_train_wildcards_{model}_0")] for model in MODELS}
    assert sorted(ends["baseline"]) == ["COMPLETED", "TIMEOUT"]
    assert sorted(ends["siamrcr"]) == ["CANCELLED", "COMPLETED"]
    assert ends["radius-3"] == ["COMPLETED"], "a job whose node failed is queued again under its number"
    assert "Restarts=1" in asked(cluster, "scontrol", "show", "job", first["radius-3"][0])


@pytest.mark.slow
def test_the_whole_workflow_ends_in_the_same_bytes(cluster: dict[str, str], tmp_path: Path) -> None:
    alone, folder = workspace(tmp_path / "alone"), workspace(tmp_path / "slurm")
    snakemake(alone, *TINY)
    done = subprocess.run(through_slurm(*TINY), cwd=folder, env=cluster, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "results/tiny/report/index.html").stat().st_size > 1_000_000
    ours, theirs = digests(folder), digests(alone)
    packed = [sorted(path.glob("results/tiny/submissions/*/*.zip")) for path in (folder, alone)]
    # GOT-10k's server wants the times, too.
    assert [digest(path) for path in packed[0]] == [digest(path) for path in packed[1]]
    assert len(packed[0]) == 2
    assert ours | {"submissions": ""} == theirs | {"submissions": ""}
