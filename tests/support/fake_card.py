"""A GPU that is the host: NVIDIA's driver and binaries of kernels, built from `fake_cuda.cpp` and `cuda_on_host.cpp`.

    python fake_card.py CASES RESULTS

plays the pickled cases on it, in the environment that `variables` gives: all is real but the card.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path

from environments.walker2d import native
from environments.walker2d.device import driver, episodes, toolchain

SUPPORT = Path(__file__).parent
ARCHITECTURE = "sm_90"
FLAGS = ["-std=c++20", "-O1", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]


def build(folder, contacts):
    """Build the driver, and kernels whose worlds hold so many contacts, kept as if NVRTC had compiled them."""
    shared = ["g++", *FLAGS, "-fPIC", "-shared", "-pthread"]
    driver_line = [*shared, "-Wl,-soname,libcuda.so.1", SUPPORT / "fake_cuda.cpp", "-o", folder / "libcuda.so.1"]
    lines = [[*driver_line, "-ldl"]]
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        for number in contacts:
            macros = {**toolchain.ROWS, **episodes.macros(number)}
            defined = [f"-D{name}={value}" for name, value in macros.items()]
            library = folder / f"contacts_{number}.so"
            lines.append([*shared, f"-I{toolchain.SOURCE}", *defined, SUPPORT / "cuda_on_host.cpp", "-o", library])
            path = toolchain.kept_at(episodes.SOURCE, ARCHITECTURE, episodes.macros(number))
            toolchain.keep(path, f"HOST:{library}\0".encode())
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
    for builder in [subprocess.Popen(list(map(str, line))) for line in lines]:
        assert builder.wait() == 0


def variables(folder, **extra):
    """What a process needs to find this card, and what it writes into `folder / "log"`."""
    own = {
        "LD_LIBRARY_PATH": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "FAKE_CUDA_LOG": str(folder / "log"),
    }
    return {**own, "POET_CUDA_FEWEST": "1", **extra}


def play(folder, cases, **extra):
    """Play cases, of a batch, an episode limit and the contacts of the first kernel each, in another process."""
    (folder / "cases").write_bytes(pickle.dumps(cases))
    (folder / "log").write_text("")
    line = [sys.executable, __file__, str(folder / "cases"), str(folder / "results")]
    subprocess.run(line, env={**os.environ, **variables(folder, **extra)}, check=True)
    return pickle.loads((folder / "results").read_bytes()), (folder / "log").read_text().splitlines()


def main(cases, results):
    assert native.problem() is None
    card = driver.card(0)
    played = [episodes.play(card, *case) for case in pickle.loads(Path(cases).read_bytes())]
    Path(results).write_bytes(pickle.dumps(played))


if __name__ == "__main__":
    main(*sys.argv[1:])
