"""A client for vot-toolkit 0.7: answers over TraX with any tracker of ours.

`python -m siamrcr.toolkits.vot --entry siamrcr-s0` prints the entry for a workspace's trackers.ini.
"""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from siamrcr import baselines, regions
from siamrcr.datasets.sequence import read_image
from siamrcr.errors import InputError
from siamrcr.geometry import Array
from siamrcr.protocols import Tracker
from siamrcr.toolkits import CONFIGURATION, source

# The toolkit waits so many seconds for an answer; the first one includes the import of PyTorch.
TIMEOUT = 120


def serve(tracker: Tracker) -> None:
    """Answer requests on the standard streams until the toolkit quits.

    A polygon is asked for, not the toolkit's bounding box of it, and turned into the box that `siamrcr track` starts
    on. Nothing says that this is Python, for then the toolkit would start a new process after every failure.
    """
    from trax import TraxStatus
    from trax.image import Image
    from trax.region import Rectangle, Region
    from trax.server import Server

    with Server([Region.POLYGON, Region.RECTANGLE], [Image.PATH], tracker_name="siamrcr") as server:
        while (request := server.wait()).type != TraxStatus.QUIT:
            image = read_image(Path(request.image["color"].path()))
            if request.type == TraxStatus.INITIALIZE:
                region = request.objects[0][0]
                numbers = region.bounds() if region.type == Region.RECTANGLE else np.ravel(list(region))
                box = regions.axis_aligned(transmitted(numbers))
                tracker.init(image, box)
            else:
                box = tracker.update(image)
            confidence = float(tracker.confidence)
            properties = {"confidence": f"{confidence:.6f}"} if np.isfinite(confidence) else {}
            # A box without numbers is a failure to the toolkit too where it has no area.
            answer = transmitted(box) if np.isfinite(box).all() else np.zeros(4)
            server.status([(Rectangle.create(*answer), properties)])


def transmitted(region: ArrayLike) -> Array:
    """Numbers with the four decimals that TraX carries: it keeps single precision, whose further ones are noise."""
    return np.array([float(f"{value:.4f}") for value in np.ravel(region)])


def overlap(box: Array, truth: Array, bounds: tuple[float, float]) -> float:
    """vot-toolkit's own overlap, by which its supervised experiment finds failures: a `protocols.Overlap`.

    It draws a box to x + w - 1 and rounds halves to even. MATLAB's toolkit 7 draws boxes alike but asks first whether
    the bounding boxes share an area; the published tables come of boxes drawn to x + w (`regions.overlap`).
    """
    from vot.region import Polygon, Rectangle, calculate_overlap

    shapes = [
        Rectangle(*numbers) if len(numbers) == 4 else Polygon(list(map(tuple, numbers.reshape(-1, 2))))
        for numbers in map(transmitted, (box, truth))
    ]
    return float(calculate_overlap(*shapes, (int(bounds[0]) + 1, int(bounds[1]) + 1)))


def entry(tracker: str, configfile: Path = CONFIGURATION, folder: Path | None = None) -> str:
    """The tracker's entry in trackers.ini; `folder`, where relative paths start, is the current one where absent."""
    folder = (folder or Path()).resolve()
    command = [sys.executable, "-m", "siamrcr.toolkits.vot", "--folder", str(folder), "--configfile", str(configfile)]
    lines = [
        f"[{identifier(tracker)}]",
        f"label = {tracker}",
        "protocol = trax",
        f"timeout = {TIMEOUT}",
        f"command = {shlex.join([*command, tracker])}",
    ]
    return "".join(f"{line}\n" for line in lines)


def identifier(tracker: str) -> str:
    """The tracker's name in the letters that vot-toolkit allows."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", baselines.short(tracker))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a tracker, or print its entry; 2 where the tracker is not there."""
    parser = argparse.ArgumentParser(prog="python -m siamrcr.toolkits.vot", description=__doc__)
    parser.add_argument("tracker", help="any name that `siamrcr track` knows")
    parser.add_argument("--configfile", type=Path, default=CONFIGURATION, metavar="FILE", help="of the run")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where relative paths start")
    parser.add_argument("--entry", action="store_true", help="print the entry for trackers.ini")
    options = parser.parse_args(arguments)
    if options.entry:
        print(entry(options.tracker, options.configfile, options.folder), end="")
        return 0
    # The toolkit starts its trackers in a temporary folder.
    if options.folder is not None:
        os.chdir(options.folder)
    try:
        serve(source(options.tracker, options.configfile).make("", 1))
    except InputError as error:
        print(f"siamrcr: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
