"""What would stop a run or spoil it on this machine, each finding with its remedy in one line."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from siamrcr import mapfile, results
from siamrcr.config import DATASET, Run
from siamrcr.datasets import plan, transfer, verification
from siamrcr.datasets.mini import WRITERS
from siamrcr.errors import InputError
from siamrcr.files import read_json, sha256

REPOSITORY = Path(__file__).resolve().parents[1]
# What decides numbers, or breaks in another version; of the others a newer one is as good.
MATTER = (
    *("numpy", "torch", "torchvision", "timm", "opencv-contrib-python-headless", "onnxruntime", "pandas", "scipy"),
    *("got10k", "vot-toolkit", "attributee", "snakemake", "safetensors", "pydantic", "simplejpeg", "matplotlib"),
)
# Bytes that results and a generated dataset may take, and that the processes of a loader share.
ROOM, SHARED = 2 << 30, 1 << 30
Level = Literal["ok", "note", "stop"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `stop` where a run would fail, `note` where it would be slower or other than the lock's.
        subject: what.
        text: how it is.
        remedy: what to do; empty where all is well.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.subject:<9} {self.text}" + (f": {self.remedy}" if self.remedy else "")


def examine(run: Run) -> Iterator[Finding]:
    """Look at everything that a run of this configuration needs, the quickest first."""
    yield _python()
    yield from _packages()
    yield from _device(run)
    yield from _memory(run)
    yield from _folders(run)
    yield from _datasets(run)
    yield from _workflow()
    yield from _results(run)


def _python() -> Finding:
    found = platform.python_version()
    try:
        wanted = SpecifierSet(metadata.metadata("siamrcr")["Requires-Python"] or "")
    except metadata.PackageNotFoundError:
        return Finding("note", "Python", f"{found}, into which siamrcr is not installed", "make setup")
    if found not in wanted:
        return Finding("stop", "Python", f"{found}, and {wanted} is needed", "make setup PYTHON=/path/to/another")
    return Finding("ok", "Python", f"{found}, {sys.executable}")


def _packages(lock: Path = REPOSITORY / "requirements.lock") -> Iterator[Finding]:
    """Installed versions against the lock's."""
    if not lock.is_file():
        yield Finding("note", "packages", "no requirements.lock here to compare with", "install from the repository")
        return
    wanted = locked(lock.read_text())
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions()}
    names = [canonicalize_name(name) for name in MATTER if canonicalize_name(name) in wanted]
    missing = [name for name in names if name not in installed]
    # A build's own tag, as of PyTorch without CUDA, is no other version.
    others = [
        f"{name} {installed[name]} instead of {wanted[name]}"
        for name in names
        if name in installed and installed[name].partition("+")[0] != wanted[name].partition("+")[0]
    ]
    if missing:
        yield Finding("stop", "packages", f"not installed: {', '.join(missing)}", "make setup")
    if others:
        yield Finding("note", "packages", f"other versions than the lock's: {', '.join(others)}", "make setup")
    if not missing and not others:
        yield Finding("ok", "packages", f"the {len(names)} that matter are the lock's")


def locked(text: str) -> dict[str, str]:
    """Name -> version in the text of a lock, for this Python and platform."""
    found: dict[str, str] = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE):
        if not marker or Marker(marker.strip()).evaluate():
            found[canonicalize_name(name)] = version
    return found


def _device(run: Run) -> Iterator[Finding]:
    """PyTorch's build, the driver, and the GPUs."""
    try:
        import torch
    except Exception as error:  # a broken build fails in many ways
        yield Finding("stop", "torch", f"cannot be imported ({' '.join(str(error).split())[:100]})", "make setup")
        return
    cuda = torch.version.cuda
    build = f"CUDA {cuda}" if cuda else "ROCm" if getattr(torch.version, "hip", None) else "CPU only"
    yield Finding("ok", "torch", f"{torch.__version__}, built for {build}")
    driver = _driver()
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Finding("ok", "GPU", f"{', '.join(names)}" + (f", driver {driver}" if driver else ""))
        return
    if driver and build == "CPU only":
        remedy = "make setup, or install the CUDA build of PyTorch"
        yield Finding("note", "GPU", f"driver {driver}, which this build of PyTorch cannot use", remedy)
    elif driver:
        yield Finding("note", "GPU", f"driver {driver} does not serve CUDA {cuda}", "update the driver")
    if run.device.startswith("cuda"):
        yield Finding("stop", "GPU", f"none, and the configuration says device: {run.device}", "set device: auto")
    elif not driver:
        level: Level = "note" if run.comparable else "ok"
        remedy = "the paper's trainings need one: run on a machine that has it" if run.comparable else ""
        yield Finding(level, "GPU", "none: networks run on the CPU", remedy)


def _driver() -> str:
    """Version of NVIDIA's driver; empty where there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.split()), "")


def _memory(run: Run) -> Iterator[Finding]:
    """Shared memory, of which containers often give a loader's processes too little."""
    workers = max((model.training.workers for model in run.models.values()), default=0)
    shared = Path("/dev/shm")
    if not workers or not shared.is_dir():
        return
    free = shutil.disk_usage(shared).free
    if free < SHARED:
        remedy = "start the container with --shm-size 8g, or set training.workers: 0"
        yield Finding("stop", "memory", f"{free / 1e6:.0f} MB in {shared}, which {workers} loaders share", remedy)
    else:
        yield Finding("ok", "memory", f"{free / 1e9:.1f} GB in {shared} for {workers} loaders")


def _folders(run: Run) -> Iterator[Finding]:
    """Whether data and results can be written, and how much room there is."""
    for folder in dict.fromkeys((run.data, run.results)):
        place = transfer.existing(folder)
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            remedy = "make it writable, or name another folder (`data:`, `results:`)"
            yield Finding("stop", "disk", f"{folder} cannot be written ({error.strerror})", remedy)
            continue
        free = transfer.free(folder)
        if free < ROOM:
            yield Finding("stop", "disk", f"{free / 1e9:.1f} GB free for {folder}", f"free {ROOM / 1e9:.0f} GB there")
        else:
            yield Finding("ok", "disk", f"{free / 1e9:.1f} GB free for {folder}")


def _datasets(run: Run) -> Iterator[Finding]:
    """Which datasets are there, and whether the others can be had, with room for all of them."""
    trained = (name for model in run.models if run.trains(model) for name in verification.trained_from(run, model))
    names = dict.fromkeys([*trained, *(DATASET[benchmark] for _, benchmark in run.jobs())])
    absent = []
    for name in names:
        try:
            splits = verification.verify(run, name)
        except InputError as error:
            absent.append(name)
            text, _, remedy = f"{name}: {error}".rpartition(". ")
            if run.source == "real":
                yield Finding("note", "dataset", text, remedy.removeprefix("Run: "))
            elif name in WRITERS:
                yield Finding("ok", "dataset", f"{name}: will be generated")
            else:
                yield Finding("stop", "dataset", f"{name}: has no miniature", "leave it out, or set source: real")
        else:
            yield Finding("ok", "dataset", f"{name}: {sum(each['sequences'] for each in splits.values())} sequences")
    if run.source == "real" and absent:
        try:
            plan.ready(run, absent)
        except InputError as error:
            yield Finding("stop", "plan", str(error).replace("\n", " "))
        else:
            yield Finding("ok", "plan", f"{', '.join(absent)} can be downloaded, and there is room for what is known")


def _workflow() -> Iterator[Finding]:
    """Snakemake's locks, which outlive a run that was killed."""
    if any(Path(".snakemake", "locks").glob("*")):
        remedy = "where none runs, `make reproduce` takes over; or snakemake --unlock"
        yield Finding("note", "workflow", "this folder is locked: a run is at work here, or was killed", remedy)


def _results(run: Run) -> Iterator[Finding]:
    """Whether what was computed is still what was written."""
    damaged: list[str] = []
    looked = 0
    for path in sorted([*run.folder.rglob("*.json"), *run.folder.glob("maps/*.npz")]):
        looked += 1
        try:
            _intact(path)
        except InputError as error:
            damaged.append(str(error))
    yield from (Finding("stop", "results", line) for line in damaged)
    if looked and not damaged:
        yield Finding(
            "ok", "results", f"{looked} records and maps in {run.folder}, and what they tell of, are as written"
        )


def _intact(path: Path) -> None:
    """Raise InputError where a record, or a file that it tells of, is not what was written."""
    if path.suffix == ".npz":
        mapfile.load(path)
        return
    again = "remove it, and run the same command again"
    found = read_json(path, results.stamp_remedy(path.parent) if path.name == results.STAMP else again)
    if path.name == results.MANIFEST:
        with results.opened(path.parent) as source:
            for name in found.get("files", ()):
                source.read(name)
    weights = path.with_suffix(".safetensors")
    if weights.is_file() and found.get("weights_sha256") not in (None, sha256(weights)):
        raise InputError(f"{weights}: is not what was trained: remove it, and train again")


def tell(run: Run, worded: Callable[[str], str] = str) -> int:
    """Print each finding as it comes, its line as `worded` gives it, and give the exit status."""
    findings = []
    for finding in examine(run):
        print(worded(str(finding)), flush=True)
        findings.append(finding)
    return worst(findings)


def worst(findings: list[Finding]) -> int:
    """The exit status: 1 where something would stop a run."""
    return int(any(finding.level == "stop" for finding in findings))
