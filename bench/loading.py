"""From whole frames to a training pair, on one core: `python -m bench.loading FOLDER PAIRS` prints seconds as JSON.

With `kept` as third word every loader has the memory of `siamrcr.allocator`, else what the C library does by itself.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from siamrcr import allocator
from siamrcr.config import Model, Training
from siamrcr.crops import crop_matrix
from siamrcr.datasets.images import FrameFiles
from siamrcr.datasets.sequence import Sequence, decode
from siamrcr.geometry import centers, context_side
from siamrcr.training import augment, index
from siamrcr.training.loader import Examples
from siamrcr.training.pairs import Pool, generator, sample

FRAME = (1280, 720)
QUALITY = 76  # of the JPEGs: about 130 kB a frame
FRAMES, TARGETS = 12, 8
BLOCK = 20  # pairs that one loader gives before the next loader's turn
# Square root of the targets' areas, log-uniform: a twentieth to half of the frame's height.
SIDES = (36.0, 360.0)


def write(folder: Path) -> None:
    """Frames of photographs with noise, a video a target, and the targets' boxes."""
    from skimage import data

    random = np.random.default_rng(0)
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    boxes = []
    for target in range(TARGETS):
        (folder / str(target)).mkdir(parents=True)
        photograph = cv2.resize(photographs[target % 4], FRAME, interpolation=cv2.INTER_CUBIC)[..., ::-1]
        for number in range(1, FRAMES + 1):
            noisy = photograph + random.normal(0, 7, photograph.shape)
            image = np.clip(noisy, 0, 255).astype(np.uint8)
            path = folder / str(target) / f"{number:04d}.jpg"
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        side = SIDES[0] * (SIDES[1] / SIDES[0]) ** ((target + 0.5) / TARGETS)
        aspect = float(random.uniform(0.7, 1.4))
        size = np.array([side * aspect, side / aspect])
        corner = random.uniform(0, np.array(FRAME) - size, (FRAMES, 2))
        boxes.append(np.concatenate([corner, np.broadcast_to(size, (FRAMES, 2))], axis=1))
    np.save(folder / "boxes.npy", np.stack(boxes))


def read(folder: Path, name: str, targets: list[int]) -> Pool:
    """Some of the targets that `write` wrote, as a training set."""
    boxes = np.load(folder / "boxes.npy")
    videos = [
        Sequence(str(n), FrameFiles(folder / str(n), 1, FRAMES, 4, ".jpg"), boxes[n], np.ones(FRAMES, dtype=bool))
        for n in targets
    ]
    return Pool(name, 1.0, index.opened(folder / name, name, folder, Training(), lambda: videos))


def reductions(folder: Path) -> list[int]:
    """For each target, the size at which frames are decoded for its exemplar, as a divisor."""
    sides = [float(context_side(box[0, 2:], 0.5)) for box in np.load(folder / "boxes.npy")]
    return [augment.reduction(Path("a.jpg"), crop_matrix((0, 0), side, 127)) for side in sides]


def ours(pool: Pool, numbers: range, reduced: bool) -> dict[str, float]:
    """Seconds of our loader for some pairs, and of its stages: draw, decode, crop, augment."""
    settings = Model(training=Training(pairs_per_epoch=max(numbers.stop, 128), reduced_decoding=reduced))
    examples = Examples((pool,), settings, seed=0)
    whole = _timed(lambda: [examples[number] for number in numbers])
    stages = dict.fromkeys(("draw", "decode", "crop", "augment"), 0.0)
    network, chosen = settings.network, settings.training
    for number in numbers:
        marks = [time.perf_counter()]
        rng = generator(0, 0, number)
        pair = sample((pool,), chosen, rng)
        frames = (pair.exemplar, pair.search)
        cuts = augment.matrices((pair.exemplar.box, pair.search.box), network, chosen, 0.5, rng)
        factors = [
            augment.reduction(frame.path, cut) if chosen.reduced_decoding else 1
            for frame, cut in zip(frames, cuts, strict=True)
        ]
        marks.append(time.perf_counter())
        images = [decode(frame.path, factor) for frame, factor in zip(frames, factors, strict=True)]
        marks.append(time.perf_counter())
        smaller = [augment.reduced(cut, factor) for cut, factor in zip(cuts, factors, strict=True)]
        crops = augment.crops((images[0], images[1]), (smaller[0], smaller[1]), network)
        marks.append(time.perf_counter())
        augment.recolored(crops, chosen, rng)
        augment.transform(cuts[1], pair.search.box)
        marks.append(time.perf_counter())
        for name, seconds in zip(stages, np.diff(marks), strict=True):
            stages[name] += float(seconds)
    return {"whole": whole, **stages}


def naive(pool: Pool, numbers: range) -> dict[str, float]:
    """Seconds of what anybody would write: read both frames, warp to 127 and 255 pixels, augment nothing."""
    settings = Training()
    drawn = [sample((pool,), settings, generator(0, 0, number)) for number in numbers]

    def run() -> None:
        for pair in drawn:
            for frame, size in ((pair.exemplar, 127), (pair.search, 255)):
                image = cv2.cvtColor(np.asarray(cv2.imread(str(frame.path))), cv2.COLOR_BGR2RGB)
                x, y = centers(frame.box)
                side = float(context_side(frame.box[2:], 0.5)) * size / 127
                mean = cv2.mean(image)
                matrix = crop_matrix((x, y), side, size)
                cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=mean)

    return {"whole": _timed(run)}


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Time each loader over the same pairs, a block of each in turn: what else the machine does befalls all alike."""
    folder, pairs = Path(sys.argv[1]), int(sys.argv[2])
    if "kept" in sys.argv[3:]:
        allocator.keep()
    cv2.setNumThreads(1)
    shares = reductions(folder)
    pool = read(folder, "all", list(range(len(shares))))
    large = read(folder, "large", [target for target, share in enumerate(shares) if share > 1])
    kinds: dict[str, Callable[[range], dict[str, float]]] = {
        "naive": lambda numbers: naive(pool, numbers),
        "full decoding": lambda numbers: ours(pool, numbers, reduced=False),
        "reduced decoding": lambda numbers: ours(pool, numbers, reduced=True),
        "reduced, large targets alone": lambda numbers: ours(large, numbers, reduced=True),
    }
    for work in kinds.values():
        work(range(min(pairs, 10)))
    found: dict[str, Counter[str]] = {name: Counter() for name in kinds}
    for start in range(0, pairs, BLOCK):
        for name, work in kinds.items():
            found[name].update(work(range(start, min(start + BLOCK, pairs))))
    print(json.dumps({"pairs": pairs, "reductions": shares, "seconds": found}))


if __name__ == "__main__":
    main()
