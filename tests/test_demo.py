"""The demo on the user's own video or folder of images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamrcr.baselines import OpenCV, Static
from siamrcr.demo import annotated, demo
from siamrcr.errors import InputError
from siamrcr.geometry import iou

FRAMES, START = 9, (30.0, 40.0, 24.0, 24.0)


def frames(width: int = 160, height: int = 120) -> list[np.ndarray]:
    """RGB frames in which a textured square moves two pixels to the right each time."""
    rng = np.random.default_rng(0)
    back, square = (
        cv2.resize(rng.integers(0, 256, (n, n, 3), dtype=np.uint8), size)
        for n, size in ((9, (width, height)), (6, (24, 24)))
    )
    images = []
    for number in range(FRAMES):
        image = back // 2
        image[40:64, 30 + 2 * number : 54 + 2 * number] = square
        images.append(image)
    return images


def film(path: Path, images: list[np.ndarray], rate: float = 25) -> Path:
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for image in images:
        writer.write(image[..., ::-1])
    writer.release()
    return path


def folder(path: Path, images: list[np.ndarray]) -> Path:
    path.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(path / f"{number}.png"), image[..., ::-1])
    return path


def read(path: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(path))
    images = []
    while (got := capture.read())[0]:
        images.append(got[1][..., ::-1])
    return images, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("size", [(160, 120), (161, 119)])
def test_a_video_gives_boxes_and_an_annotated_video(tmp_path: Path, size: tuple[int, int]) -> None:
    source = film(tmp_path / "clip.mp4", frames(*size))
    path = demo(source, START, OpenCV("CSRT"), tmp_path / "out" / "seen.mp4")
    assert path == tmp_path / "out" / "seen_boxes.txt"
    boxes = np.loadtxt(path, delimiter=",")
    truth = np.array([START]) + np.arange(FRAMES)[:, None] * [2, 0, 0, 0]
    assert boxes.shape == (FRAMES, 4)
    assert iou(boxes, truth).mean() > 0.8
    images, rate = read(tmp_path / "out" / "seen.mp4")
    assert len(images) == FRAMES
    assert images[0].shape == (size[1] // 2 * 2, size[0] // 2 * 2, 3)  # MPEG-4 has even sides
    assert rate == 25
    plain = read(source)[0]
    x, y = int(boxes[-1, 0]), int(boxes[-1, 1] + 12)
    edge, before = images[-1][y, x].astype(int), plain[-1][y, x].astype(int)
    assert np.abs(edge - (0, 158, 115)).sum() < np.abs(before - (0, 158, 115)).sum()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["seen.mp4", "seen_boxes.txt"]


def test_images_are_taken_in_natural_order_and_boxes_fall_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = [np.full((40, 50, 3), number, dtype=np.uint8) for number in range(12)]
    seen = []

    class Looks(Static):
        def update(self, image: np.ndarray) -> np.ndarray:
            seen.append(int(image[0, 0, 0]))
            return super().update(image) + len(seen)

    source = folder(tmp_path / "frames", images)
    (source / "notes.txt").write_text("not an image")
    assert demo(source, (10, 10, 5, 5), Looks()) == Path("frames_boxes.txt")
    assert seen == list(range(1, 12))
    assert Path("frames_boxes.txt").read_text().splitlines()[:2] == [
        "10.000,10.000,5.000,5.000",
        "11.000,11.000,6.000,6.000",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frames", "frames_boxes.txt"]


@pytest.mark.parametrize("box", [(500, 5, 10, 10), (5, 5, 0, 10), (5, 5, float("nan"), 10)])
def test_a_bad_box_leaves_nothing_behind(tmp_path: Path, box: tuple[float, ...]) -> None:
    source = film(tmp_path / "clip.mp4", frames())
    with pytest.raises(InputError, match="initial box"):
        demo(source, box, Static(), tmp_path / "seen.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_source_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    (tmp_path / "empty").mkdir()
    mixed = folder(tmp_path / "mixed", [*frames()[:2], frames(80, 120)[0]])
    for name, message in (("none.mp4", "no such"), ("broken.mp4", "not a readable video"), ("empty", "no images")):
        with pytest.raises(InputError, match=f"{name}: .*{message}"):
            demo(tmp_path / name, START, Static())
    with pytest.raises(InputError, match="image 3 differs in size"):
        demo(mixed, START, Static(), tmp_path / "seen.mp4")
    (mixed / "1.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"1\.png"):
        demo(mixed, START, Static(), tmp_path / "seen.mp4")
    assert not list(tmp_path.glob("seen*"))


def test_an_output_that_is_no_video_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4", frames())
    with pytest.raises(InputError, match=r"seen\.txt: .*\.mp4"):
        demo(source, START, Static(), tmp_path / "seen.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_output_that_is_a_folder_is_refused_at_the_first_frame(tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4", frames())
    (tmp_path / "seen.mp4").mkdir()

    class Unused(Static):
        def update(self, image: np.ndarray) -> np.ndarray:  # noqa: ARG002
            raise AssertionError("the target was tracked")

    with pytest.raises(InputError, match=r"seen\.mp4: is a folder, not a file: name another"):
        demo(source, START, Unused(), tmp_path / "seen.mp4")


def test_the_frame_is_drawn_on_a_copy_with_the_confidence_where_there_is_one() -> None:
    image = frames()[0]
    before = image.copy()
    with_text, without = (annotated(image, np.array(START), value) for value in (0.5, float("nan")))
    assert np.array_equal(image, before)
    changed = (with_text != without).any(axis=2)
    assert changed.any()
    assert not changed[int(START[1]) + 6 :].any()
    lost = annotated(image, np.full(4, np.nan), float("nan"))
    assert np.array_equal(lost[..., ::-1], image)


class Camera:
    """A camera of three images, then Ctrl-C or an end."""

    def __init__(self, number: int, interrupted: bool) -> None:
        assert number == 2
        self.images, self.interrupted = frames()[:3], interrupted

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.images:
            return True, self.images.pop(0)[..., ::-1]
        if self.interrupted:
            raise KeyboardInterrupt
        return False, None

    def get(self, _: int) -> float:
        return -1

    def release(self) -> None:
        pass


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_camera_is_tracked_until_it_ends_or_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Camera(number, interrupted))
    assert demo(Path("2"), START, Static()) == Path("camera-2_boxes.txt")
    assert len(Path("camera-2_boxes.txt").read_text().splitlines()) == 3
    assert demo(Path("2"), START, Static(), tmp_path / "seen.mp4", frames=2) == tmp_path / "seen_boxes.txt"
    assert len((tmp_path / "seen_boxes.txt").read_text().splitlines()) == 2
    monkeypatch.undo()
    assert read(tmp_path / "seen.mp4")[1] == 30


def test_ctrl_c_ends_a_video_file_without_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Interrupted(Static):
        def update(self, image: np.ndarray) -> np.ndarray:  # noqa: ARG002
            raise KeyboardInterrupt

    source = film(tmp_path / "clip.mp4", frames())
    with pytest.raises(KeyboardInterrupt):
        demo(source, START, Interrupted())
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="99: no camera of this number"):
        demo(Path("99"), START, Static())
