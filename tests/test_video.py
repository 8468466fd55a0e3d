"""Tracks drawn into frames: what stands where, in which colour, and the files that hold it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import moving_square
import numpy as np
import official
import pytest

from siamrcr import cli, results
from siamrcr.errors import InputError
from siamrcr.video import COLORS, WHITE, Track, contact_sheet, drawn, video

BENCHMARK = "otb2015"
ROOT = Path("data/real/otb2015")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with moving_square.prepared(tmp_path):
        yield tmp_path


def stored(folder: Path, shift: float, repetitions: int = 1) -> Path:
    """Raw results that lie `shift` pixels right of the truth, each repetition 5 further."""
    x = 40 + 2.0 * np.arange(moving_square.FRAMES)
    for repetition in range(1, repetitions + 1):
        boxes = np.stack([x + shift + 5 * (repetition - 1), 50 + np.arange(len(x)), x * 0 + 24, x * 0 + 24], axis=1)
        nothing = np.full(len(x), np.nan)
        result = results.Result(boxes, np.full(len(x), results.REGION, dtype=np.int8), nothing, nothing)
        results.write(folder, BENCHMARK, "Alpha", repetition, result)
    return folder


def has(image: np.ndarray, x: float, y: float, color: tuple[int, int, int], tolerance: int = 40) -> bool:
    """Whether a colour, blue, green and red, is within a pixel of a place."""
    near = image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3).astype(int)
    return bool((np.abs(near - color).max(axis=1) <= tolerance).any())


def test_a_region_is_drawn_at_its_place_in_its_colour_and_the_frame_is_left_alone() -> None:
    image = np.full((480, 640, 3), 90, dtype=np.uint8)
    polygon = np.array([400.0, 100, 500, 150, 450, 250, 350, 200])
    tracks = [
        Track("a box", COLORS[0], [np.array([100.0, 200, 80, 60])], [""]),
        Track("a polygon", COLORS[1], [polygon], [""]),
        Track("a code", COLORS[2], [np.array([2.0])], ["failure"]),
        Track("absent", COLORS[3], [np.array([0.0, 0, 0, 0])], [""]),
        Track("lost", COLORS[4], [np.full(4, np.nan)], [""]),
        Track("short", COLORS[5], [], []),
    ]
    frame = drawn(image, 0, tracks)
    assert (image == 90).all()
    assert frame.shape == image.shape
    for x, y in ((100, 230), (180, 230), (140, 200), (140, 260)):
        assert has(frame, x, y, COLORS[0])
    for x, y in polygon.reshape(-1, 2):
        assert has(frame, x, y, COLORS[1])
    below = frame[140:]
    assert all((np.abs(below.astype(int) - color).max(axis=2) > 40).all() for color in COLORS[2:6])


def test_names_and_events_are_written_in_the_tracks_colour() -> None:
    image = np.zeros((480, 640, 3), dtype=np.uint8)

    def seen(event: str, *, tile: bool) -> int:
        frame = drawn(image, 0, [Track("name", COLORS[0], [np.full(4, np.nan)], [event])], tile)
        return int((np.abs(frame.astype(int) - COLORS[0]).max(axis=2) < 60).sum())

    assert seen("failure", tile=False) > seen("", tile=False) > 0
    assert seen("failure", tile=True) > seen("", tile=True) == 0


def test_a_small_frame_is_enlarged_with_its_boxes() -> None:
    frame = drawn(np.zeros((120, 160, 3), dtype=np.uint8), 0, [Track("", WHITE, [np.array([100.0, 60, 20, 30])], [""])])
    assert frame.shape == (480, 640, 3)
    assert has(frame, 401.5, 300, WHITE)
    assert has(frame, 481.5, 300, WHITE)


def test_tiles_stand_row_by_row_under_the_names() -> None:
    tiles = [np.full((10, 200, 3), number, dtype=np.uint8) for number in (1, 2, 3)]
    sheet = contact_sheet(tiles, [Track("one", WHITE, [], [])], columns=2)
    assert sheet.shape[1] == 400
    rows = sheet[-20:]
    assert [rows[5, 100, 0], rows[5, 300, 0], rows[15, 100, 0], rows[15, 300, 0]] == [1, 2, 3, 0]
    assert (sheet[:-20] > 200).any()


def test_a_video_holds_every_frame_with_the_first_repetition(folder: Path) -> None:
    tracks = {"right": stored(folder / "right", 20, repetitions=2)}
    out = video(moving_square.settings(), BENCHMARK, "Alpha", tracks, folder / "out" / "seen.mp4", ROOT)
    capture = cv2.VideoCapture(str(out))
    frames = []
    while (got := capture.read())[0]:
        frames.append(got[1])
    assert len(frames) == moving_square.FRAMES
    assert frames[0].shape == (480, 640, 3)
    last = 40 + 2 * (moving_square.FRAMES - 1)
    right, bottom = 4 * (last + 20 + 24), 4 * (50 + moving_square.FRAMES - 1 + 12)
    assert has(frames[-1], right, bottom, COLORS[0], tolerance=90)
    assert not has(frames[-1], right + 20, bottom, COLORS[0], tolerance=90)
    assert [path.name for path in out.parent.iterdir()] == ["seen.mp4"]


def test_failures_and_polygons_of_vot_are_drawn(folder: Path) -> None:
    root = folder / "vot"
    root.mkdir()
    (root / "list.txt").write_text("ball\n")
    official.vot_sequence(root, "ball")
    for number in (1, 2, 3):
        cv2.imwrite(str(root / "ball" / "color" / f"{number:08d}.jpg"), np.full((480, 640, 3), 90, dtype=np.uint8))
    (folder / "mine" / "baseline" / "ball").mkdir(parents=True)
    (folder / "mine" / "baseline" / "ball" / "ball_001.txt").write_text("1\n300,200,60,40\n2\n")
    run = moving_square.settings()
    sheet = cv2.imread(str(video(run, "vot2018", "ball", {"mine": folder / "mine"}, folder / "ball.png", root)))
    tiles = [sheet[-300:, 400 * place : 400 * (place + 1)] for place in range(3)]
    marked = [(np.abs(tile.astype(int) - COLORS[0]).max(axis=2) < 60) for tile in tiles]
    text, box = slice(0, 45), slice(100, 300)
    assert [bool(mark[text].any()) for mark in marked] == [True, False, True]
    assert [bool(mark[box].any()) for mark in marked] == [False, True, False]


def test_the_command_writes_a_contact_sheet_with_every_tracker(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [stored(folder / parent / "mine", shift) for parent, shift in (("a", 0), ("b", 30))]
    (folder / "my.yaml").write_text("source: real\n")
    words = ["video", BENCHMARK, "Alpha", *map(str, places), "--configfile", "my.yaml", "--out", "sheet.png"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "sheet.png\n"
    sheet = cv2.imread("sheet.png")
    for color in COLORS[:2]:
        assert (np.abs(sheet.astype(int) - color).max(axis=2) < 40).sum() > 100


def test_mistakes_are_said_in_one_line_and_leave_nothing(folder: Path) -> None:
    run, mine = moving_square.settings(), stored(folder / "mine", 0)

    def refused(words: str, sequence: str = "Alpha", tracks: dict[str, Path] | None = None, out: str = "x.mp4") -> None:
        with pytest.raises(InputError, match=words):
            video(run, BENCHMARK, sequence, tracks or {"mine": mine}, folder / out, ROOT)
        assert not (folder / out).exists()

    refused("no sequence 'Alpho' among 2; did you mean 'Alpha'", sequence="Alpho")
    refused("no raw results of 1 of 1", sequence="Beta")
    refused(r"x\.gif: end the name in \.mp4", out="x.gif")
    (folder / "there.png").mkdir()
    with pytest.raises(InputError, match=r"there\.png: is a folder, not a file: name another"):
        video(run, BENCHMARK, "Alpha", {"mine": mine}, folder / "there.png", ROOT)
    refused("8 trackers: .* 7 colours", tracks={str(number): mine for number in range(8)})
    (ROOT / "Alpha/img/0005.png").write_bytes(b"broken")
    refused(r"0005\.png: not a readable image")
