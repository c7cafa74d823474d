"""Where the program starts: `poet`, and `python -m poet`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it like any other."""
    try:
        from poet.cli import main as run  # noqa: PLC0415 - loading takes long enough to be interrupted

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working folder: whoever wrote what lies there has not been asked for
    main()
