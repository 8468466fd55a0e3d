"""The errors that users are meant to see."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the file, key or frame and the remedy; the command line prints it alone and exits
    with status 2. Strangers' words in it stay in that line: what does not print is escaped.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class TrackerError(InputError):
    """A tracker raised, hung, ended or gave no box on one sequence; the others can go on."""


class DiskError(InputError):
    """Nothing can be written, so that going on with other files is no use."""
