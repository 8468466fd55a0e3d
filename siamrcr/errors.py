"""The errors that users are meant to see."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the file, key or frame and the remedy; the command line prints it alone and exits
    with status 2.
    """


class TrackerError(InputError):
    """A tracker raised, hung, ended or gave no box on one sequence; the others can go on."""


class DiskError(InputError):
    """Nothing can be written, so that going on with other files is no use."""
