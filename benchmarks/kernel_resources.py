"""What a thread of the walker's GPU kernel takes, by NVRTC's word.

    python -m benchmarks.kernel_resources

Needs no GPU. Compiles for each architecture, with the small list of contacts and the whole one, which takes minutes.
"""

import argparse
import json

from environments.walker2d.device import episodes, toolchain

ARCHITECTURES = ("sm_80", "sm_90", "sm_120")


def main():
    """Compile, and print what each kernel takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--architecture", action="append", help=f"such as sm_90; may be repeated: {ARCHITECTURES}")
    options = parser.parse_args()
    found = []
    for architecture in options.architecture or ARCHITECTURES:
        for contacts in (episodes.CONTACTS, episodes.MOST_CONTACTS):
            _, takes = toolchain.compiled(episodes.SOURCE, architecture, episodes.macros(contacts))
            row = {
                "architecture": architecture,
                "contacts": contacts,
                "registers": takes.registers,
                "stack_bytes": takes.stack,
                "spill_store_bytes": takes.spill_stores,
                "spill_load_bytes": takes.spill_loads,
            }
            found.append(row)
            if not options.json:
                print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if options.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
