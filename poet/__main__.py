"""Where the program starts: `poet`, and `python -m poet`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it like any other."""
    try:
        try:
            from poet.cli import main as run  # noqa: PLC0415 - loading takes long enough to be interrupted
        except (ImportError, MemoryError) as error:
            lines = str(error).strip().splitlines() or ["there is not enough memory"]
            sys.exit(f"error: the program cannot be loaded: {lines[-1]}")  # status 1
        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
