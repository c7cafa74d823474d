"""Compile a kernel's text for a GPU's architecture, and keep the binary until the text changes.

NVRTC compiles, which needs neither a GPU nor a toolkit. Arithmetic is the
host's: no fused operations, no flush of denormals, exact division and square
root. A binary is kept in the user's cache folder under a hash of all that made
it; one that is damaged is made again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from environments.files import DiskError, PlaceError, write_aside

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).parents[1] / "native"
EXACT = ("-std=c++20", "-default-device", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")
ROWS = {"WALKER_KERNEL": "device", "WALKER_NATIVE": "1", "WALKER_LANES": "1"}  # a world a thread
PACKAGES = "pip install 'poet-trailblazer[cuda]'"


class CompilerError(RuntimeError):
    """NVRTC is not there, or would not compile a kernel."""

    ends_run = True  # nothing is wrong with what was to be computed


@dataclass(frozen=True, slots=True)
class Resources:
    """What a thread of a kernel takes, by the compiler's word."""

    registers: int
    stack: int  # bytes
    spill_stores: int  # bytes
    spill_loads: int  # bytes


@cache
def problem() -> str | None:
    """Say in a sentence why nothing can be compiled; None when it can. The first time loads NVRTC."""
    try:
        found = find_spec("cuda.bindings")
    except ModuleNotFoundError:
        found = None
    if found is None:
        return f"the package cuda-bindings is not installed: {PACKAGES}"
    try:
        version()
    except Exception as error:
        return f"NVRTC cannot be loaded ({str(error).splitlines()[0]}): {PACKAGES}"
    return None


@cache
def version() -> tuple[int, int]:
    """Give NVRTC's version, which is that of the CUDA whose driver its binaries need."""
    from cuda.bindings import nvrtc  # noqa: PLC0415 - only where a GPU is meant

    _, major, minor = nvrtc.nvrtcVersion()
    return major, minor


@cache
def architectures() -> tuple[str, ...]:
    """List the architectures that NVRTC compiles for, oldest first."""
    from cuda.bindings import nvrtc  # noqa: PLC0415

    _, found = nvrtc.nvrtcGetSupportedArchs()
    return tuple(f"sm_{each}" for each in found)


def binary(source: str, architecture: str, macros: Mapping[str, str]) -> bytes:
    """Give a kernel's binary, of this user's cache if it is there.

    Args:
        source: a file of `native/`, such as "walker.cu".
        architecture: such as "sm_90".
        macros: defined for the source besides `ROWS`.

    Raises:
        CompilerError: it cannot be compiled.
    """
    path = kept_at(source, architecture, macros)
    code = _kept(path)
    if code is None:
        logger.info("compiling %s for %s, once; this takes a minute", source, architecture)
        code, _ = compiled(source, architecture, macros)
        keep(path, code)
    return code


def compiled(source: str, architecture: str, macros: Mapping[str, str]) -> tuple[bytes, Resources]:
    """Compile a kernel; for arguments and errors see `binary`."""
    if reason := problem():
        raise CompilerError(reason)
    if architecture not in architectures():
        known = f"from {architectures()[0]} to {architectures()[-1]}"
        raise CompilerError(f"NVRTC {_dotted(version())} compiles for architectures {known}, not for {architecture}")
    from cuda.bindings import nvrtc  # noqa: PLC0415

    text = (SOURCE / source).read_bytes()
    options = [f"-arch={architecture}", *_options(macros), f"-I{SOURCE}", "--ptxas-options=-v"]
    _, program = nvrtc.nvrtcCreateProgram(text, source.encode(), 0, None, None)
    try:
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        log = _filled(nvrtc.nvrtcGetProgramLog, program, size).rstrip(b"\0").decode(errors="replace")
        if int(status):
            first = next((line for line in log.splitlines() if "error" in line), log.strip() or str(status))
            raise CompilerError(f"NVRTC {_dotted(version())} refused {source} for {architecture}: {first}")
        _, size = nvrtc.nvrtcGetCUBINSize(program)
        return _filled(nvrtc.nvrtcGetCUBIN, program, size), resources(log)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def resources(log: str) -> Resources:
    """Read a compiler's log of one kernel."""
    frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    used = re.search(r"Used (\d+) registers", log)
    if frame is None or used is None:
        raise CompilerError(f"NVRTC {_dotted(version())} does not say what the kernel takes: {log.strip()!r}")
    return Resources(int(used[1]), *(int(number) for number in frame.groups()))


def kept_at(source: str, architecture: str, macros: Mapping[str, str]) -> Path:
    """Name the file in which a kernel's binary is kept: by all that makes it what it is."""
    made_of = hashlib.sha256()
    for part in (str(version()), architecture, *_options(macros)):
        made_of.update(part.encode() + b"\0")
    for path in (SOURCE / source, *sorted(SOURCE.glob("*.hpp"))):
        made_of.update(path.name.encode() + b"\0" + path.read_bytes())
    return _folder() / f"{Path(source).stem}-{architecture}-{made_of.hexdigest()[:32]}.cubin"


def keep(path: Path, code: bytes) -> None:
    """Put a binary into the cache, with its checksum; where that cannot be written, it is made again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, hashlib.sha256(code).digest() + code)
    except (OSError, PlaceError, DiskError) as error:
        logger.warning("the compiled kernel is not kept: %s", error)


def _kept(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    code = content[size:]
    return code if code and hashlib.sha256(code).digest() == content[:size] else None


def _folder() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # By its specification, a path that is not absolute is to be ignored.
    return (given if given.is_absolute() else Path.home() / ".cache") / "poet" / "cuda"


def _options(macros: Mapping[str, str]) -> list[str]:
    return [*EXACT, *(f"-D{name}={value}" for name, value in sorted({**ROWS, **macros}.items()))]


def _filled(fill: Any, program: Any, size: int) -> bytes:
    """Take what NVRTC writes into a caller's memory."""
    memory = bytes(size)
    fill(program, memory)
    return memory


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
