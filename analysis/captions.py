"""Figures that were drawn: their captions, which lie inside the files, and whether they are as they were written."""

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from siamrcr.errors import InputError

DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"
SEAL = re.compile(rb"<!-- (\S+) ([0-9a-f]{64}) -->\n\Z")
TITLE = "Title"  # the entry of a PNG that holds the figure's name


@dataclass(frozen=True)
class Captions:
    """The captions in a folder of figures, by the figures' names, read when they are asked for."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        """A figure's caption. Raises InputError, naming the command, where it is not drawn yet or is damaged."""
        return ElementTree.fromstring(vector(self.folder / f"{name}.svg")).findtext(DESCRIPTION) or ""

    def restructured(self, name: str) -> str:
        """The caption as reStructuredText, in which no character of it is markup."""
        return re.sub(r"([\\*`|_<>])", r"\\\1", self[name])


def seal(path: Path, name: str) -> None:
    """Put the figure's name and the checksum of the SVG into a last line of the file, a comment."""
    with path.open("a") as stream:
        stream.write(f"<!-- {name} {hashlib.sha256(path.read_bytes()).hexdigest()} -->\n")


def vector(path: Path) -> bytes:
    """Content of a figure's SVG. Raises InputError where it is not drawn yet, damaged, or another figure's.

    One that an editor wrote anew has no seal, and is taken as it is.
    """
    try:
        data = path.read_bytes()
        ElementTree.fromstring(data)
    except OSError:
        raise InputError(f"{path}: not drawn yet: run `siamrcr figure {path.stem}`") from None
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not a whole SVG file ({error}): {_again(path)}") from None
    if found := SEAL.search(data):
        if found[1].decode() != path.stem:
            raise InputError(f"{path}: is the figure {found[1].decode()}: {_again(path)}")
        if found[2].decode() != hashlib.sha256(data[: found.start()]).hexdigest():
            raise InputError(f"{path}: is damaged, or was edited without removing its last line: {_again(path)}")
    return data


def raster(path: Path) -> bytes:
    """Content of a figure's PNG. Raises InputError where it is not drawn yet, damaged, or another figure's."""
    try:
        with Image.open(path) as image:
            name = image.info.get(TITLE, path.stem)
            image.verify()
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: not drawn yet: run `siamrcr figure {path.stem}`") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: not a whole PNG file ({error}): {_again(path)}") from None
    if name != path.stem:
        raise InputError(f"{path}: is the figure {name}: {_again(path)}")
    return data


def _again(path: Path) -> str:
    return f"remove it and run `siamrcr figure {path.stem}`"
