"""What can go wrong through no fault of the program; the command line turns these into one sentence.

Whoever uses Python catches `InputError` for what they can put right themselves:

>>> from poet import InputError, Run
>>> try:
...     Run.open("a folder that is not there")
... except InputError as error:
...     print(error)
a folder that is not there holds no run: there is no archive.sqlite in it
"""


class InputError(ValueError):
    """A user's option, argument, file or folder cannot be used: exit status 2."""


class ArchiveError(RuntimeError):
    """The archive could not be written or read on: exit status 1."""


class NoNicheError(InputError):
    """A run has no niche of a number that was asked for."""

    def __init__(self, number: int, niches: int) -> None:
        super().__init__(f"there is no niche {number}; this run has niches 0 to {niches - 1}")
