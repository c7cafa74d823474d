"""`python -m poet` is the same as `poet`."""

from poet.cli import main

main()
