"""`python -m siamrcr` is `siamrcr`."""

import sys

from siamrcr.cli import main

if __name__ == "__main__":
    sys.exit(main())
