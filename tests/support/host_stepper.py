"""The kernel that steps worlds on a GPU, compiled for the host: the same text, the same two builds."""

import ctypes
import fcntl
import subprocess
from functools import cache
from pathlib import Path

from environments.walker2d import native

SOURCE = Path(native.__file__).parent
HOST = Path(__file__).parent / "worlds_on_host.cpp"
FLAGS = ["-std=c++20", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]


class OnHost:
    """Steps worlds on the host; meets `environments.walker2d.device.stepper.Stepper`.

    Attributes:
        launches: so many calls of either build so far.
    """

    def __init__(self, folder, few):
        self._builds = [_built(folder, contacts) for contacts in (few, 256)]
        self.launches = [0, 0]

    def launch(self, roomy, threads, arguments):
        self.launches[roomy] += 1
        self._builds[roomy](ctypes.c_int64(threads), *(ctypes.c_void_p(each) for each in arguments))


@cache
def _built(folder, contacts):
    library, making = folder / f"worlds_{contacts}.so", folder / f"worlds_{contacts}.part"
    macros = {"KERNEL": "device", "NATIVE": 1, "LANES": 1, "CONTACTS": contacts, "BLOCK": 64}
    defined = [f"-DWALKER_{name}={value}" for name, value in macros.items()]
    command = ["g++", *FLAGS, "-fPIC", "-shared", f"-I{SOURCE}", *defined, str(HOST), "-o", str(making)]
    with (folder / f"worlds_{contacts}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the processes of one run of tests share a build
        if not library.exists():
            subprocess.run(command, check=True)
            making.rename(library)
    return ctypes.CDLL(str(library)).launch_step
