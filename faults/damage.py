"""Files that are truncated, emptied, have a bit flipped, or are exchanged, between a step and the next."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.ground import RUN, BrokenError, Round, wait_for
from faults.kills import STEPS, Step

KINDS = ("truncated", "emptied", "flipped", "exchanged")


@dataclass(frozen=True)
class Link:
    """Files between two steps.

    Attributes:
        files: patterns of those that the next step reads.
        step: what comes next.
        others: patterns of what one may be exchanged with; the same where empty.
        remove: patterns of what is taken away first; the next step's outputs where empty.
    """

    files: tuple[str, ...]
    step: Step
    others: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


MODELS = (f"{RUN}/models/*.safetensors",)
OURS = (f"{RUN}/models/siamrcr-s0.safetensors",)
KCF = f"{RUN}/tracks/kcf"
SERVED = f"{RUN}/tracks/siamrcr-s0/trackingnet"
HALF = (f"{KCF}/vot2018/manifest.json", f"{KCF}/vot2018/baseline/mini1")
SCORES = tuple(f"{RUN}/scores/{model}-s0/got10k-val.json" for model in ("baseline", "siamrcr"))
LINKS = {
    "frames and tracks": Link(("data/mini/got10k/val/*/*.jpg",), STEPS["track a network"]),
    "labels and tracks": Link(("data/mini/vot2018/*/groundtruth.txt", "data/mini/vot2018/*/*.tag"), STEPS["track"]),
    "labels and scores": Link(("data/mini/otb2015/*/groundtruth*.txt",), STEPS["evaluate"]),
    "hidden labels and scores": Link(
        ("data/mini/server/trackingnet/*.txt",),
        Step((), f"{RUN}/scores/kcf/trackingnet.json", (f"{RUN}/scores/kcf/trackingnet.json",)),
    ),
    "index and training": Link(("data/mini/index/*.safetensors",), STEPS["train"], MODELS),
    "markers and tracks": Link(("data/mini/*.json",), STEPS["track a network"]),
    "weights and tracks": Link(OURS, STEPS["track a network"], MODELS),
    "weights and maps": Link(OURS, STEPS["maps"], MODELS),
    "cards and the report": Link((f"{RUN}/models/siamrcr-s0.json",), STEPS["report"], (f"{RUN}/models/*.json",)),
    "raw results and scores": Link((f"{KCF}/otb2015/[!.]*.txt",), STEPS["evaluate"]),
    "raw results and submissions": Link((f"{SERVED}/*.txt",), STEPS["submit"]),
    "manifests and scores": Link((f"{KCF}/otb2015/manifest.json",), STEPS["evaluate"], (f"{KCF}/*/manifest.json",)),
    "a tracking and its stamps": Link(
        (f"{KCF}/vot2018/.settings.json", f"{KCF}/vot2018/.finished"), STEPS["track"], (f"{KCF}/*/.[sf]*",), HALF
    ),
    "a tracking and its first half": Link((f"{KCF}/vot2018/baseline/*/[!.]*",), STEPS["track"], (), HALF),
    "maps and figures": Link((f"{RUN}/maps/*.npz",), STEPS["figure"]),
    "figures and the report": Link((f"{RUN}/figures/*.svg",), STEPS["report"]),
    "scores and tables": Link(SCORES, STEPS["table"], (f"{RUN}/scores/*/got10k-*.json",)),
    "configuration and a step": Link((f"{RUN}/config.yaml",), STEPS["table"]),
    "Snakemake's records and Snakemake": Link((".snakemake/metadata/*",), STEPS["table"]),
}


def damaged(name: str, kind: str) -> Callable[[Round], str]:
    """Damage one file between two steps, or exchange two, then let Snakemake make what comes next."""

    def fault(given: Round) -> str:
        link = LINKS[name]
        given.remove(*(link.remove or link.step.outputs))
        path, other = _drawn(given, link)
        names = [str(one.relative_to(given.folder)) for one in (path, other)]
        given.notes.append(f"{kind}: {' and '.join(names if kind == 'exchanged' else names[:1])}")
        # A card answers for weights, a manifest for raw results: the line may name either, or their folder.
        places = {part for one in names for part in Path(one).parts[-3:]}
        if kind != "exchanged":
            _damage(given, path, kind)
            return given.settles(given.workflow(link.step.target), sorted(places))
        kept, state = other.read_bytes(), other.stat()
        _exchange(path, other)

        def mend() -> None:
            # The other one's own reader would say the same of it.
            other.write_bytes(kept)
            os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))

        return given.settles(given.workflow(link.step.target), sorted(places), mend)

    return fault


def checkpoint(kind: str) -> Callable[[Round], str]:
    """A training is killed, and its checkpoint damaged, before it is continued."""

    def fault(given: Round) -> str:
        step = STEPS["train"]
        given.remove(*step.outputs)
        often = ("--set", "training.checkpoint_every=1")
        process = given.start([*given.siamrcr(*step.verb), *often])
        path = given.results / "models" / "radius-3-s0.checkpoint.pt"
        if not wait_for(path.exists, process):
            raise BrokenError("no checkpoint came up")
        os.kill(process.pid, signal.SIGKILL)
        given.finish(process)
        if not path.exists():
            return given.settles(given.workflow(step.target))
        if kind == "exchanged":
            path.write_bytes((given.results / "models" / "siamrcr-s0.safetensors").read_bytes())
        else:
            _damage(given, path, kind)
        given.notes.append(f"{kind}: {path.name}")
        return given.settles(given.workflow(step.target), [path.name])

    return fault


def _drawn(given: Round, link: Link) -> tuple[Path, Path]:
    """A file that the next step reads, and one of its kind that holds something else."""

    def present(patterns: tuple[str, ...]) -> list[Path]:
        found = {path for pattern in patterns for path in given.folder.glob(pattern) if path.is_file()}
        return sorted(path for path in found if path.stat().st_size)

    found = present(link.files)
    if not found:
        raise BrokenError(f"no file to damage: {', '.join(link.files)}")
    path = given.rng.choice(found)
    data = path.read_bytes()
    others = [one for one in present(link.others or link.files) if one.suffix == path.suffix]
    return path, given.rng.choice([one for one in others if one.read_bytes() != data] or [path])


def _damage(given: Round, path: Path, kind: str) -> None:
    """In place, with the file's date kept: a disk that rots changes none."""
    state, data = path.stat(), bytearray(path.read_bytes())
    if kind == "flipped":
        place = given.rng.randrange(8 * len(data))
        data[place // 8] ^= 1 << place % 8
    else:
        del data[given.rng.randrange(len(data)) if kind == "truncated" else 0 :]
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _exchange(one: Path, other: Path) -> None:
    if one != other:
        between = one.with_name(".between")
        one.rename(between)
        other.rename(one)
        between.rename(other)
