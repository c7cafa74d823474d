"""Where the program starts: `poet`, and `python -m poet`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it like any other."""
    try:
        try:
            _refuse_strangers()
            from poet.cli import main as run  # noqa: PLC0415 - loading takes long enough to be interrupted
        except (ImportError, MemoryError) as error:
            lines = str(error).strip().splitlines() or ["there is not enough memory"]
            sys.exit(f"error: the program cannot be loaded: {lines[-1]}")  # status 1
        run()
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse_strangers() -> None:
    """End with one sentence where a user's own package stands in the place of ours, or ours in the place of theirs."""
    from poet.packages import stranger  # noqa: PLC0415

    complaint = stranger()
    if complaint is None:
        try:
            import environments  # noqa: F401, PLC0415
        except ImportError as error:
            if error.name != "environments":
                raise
            complaint = str(error)
    if complaint is not None:
        sys.stderr.write(f"error: {complaint}\n")
        sys.exit(2)


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working folder: whoever wrote what lies there has not been asked for
    main()
