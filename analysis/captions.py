"""Captions of figures that were drawn: each lies inside its file."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from siamrcr.errors import InputError

DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"


@dataclass(frozen=True)
class Captions:
    """The captions in a folder of figures, by the figures' names, read when they are asked for."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        """A figure's caption. Raises InputError, naming the command, where the figure is not drawn yet."""
        svg = self.folder / f"{name}.svg"
        try:
            return ElementTree.parse(svg).findtext(DESCRIPTION) or ""
        except OSError:
            raise InputError(f"{svg}: not drawn yet: run siamrcr figure {name}") from None
        except ElementTree.ParseError as error:
            raise InputError(f"{svg}: not a whole SVG file ({error}): run siamrcr figure {name}") from None

    def restructured(self, name: str) -> str:
        """The caption as reStructuredText, in which no character of it is markup."""
        return re.sub(r"([\\*`|_<>])", r"\\\1", self[name])
