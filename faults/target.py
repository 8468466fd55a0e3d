"""One parser under libFuzzer; its name and libFuzzer's own words are on the command line."""

import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    """Feed the parser until the runs are done, or an input breaks it."""
    # Before anything else imports them: what is not instrumented tells nothing.
    with atheris.instrument_imports(include=["siamrcr", "analysis"]):
        from faults.parsers import PARSERS

    parser = PARSERS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parser.prepare(folder)
        atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: parser.survives(folder, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
