"""Talk to a GPU through NVIDIA's driver: which there are, their memory, their kernels, and what went wrong.

The driver's plain functions, by `cuda-bindings`, in the context that PyTorch
uses too. Whether there is a GPU at all is asked of the driver's own library,
so that a machine without one loads nothing.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.walker2d.device import toolchain

LIBRARY = "libcuda.so.1"
NEEDED = (13, 0)  # the CUDA that a driver must support
DRIVER = "580"  # the first that does
OLDEST = (7, 5)  # architecture
MAJOR, MINOR = 75, 76  # attributes of a device: its compute capability
NOTHING_THERE = 100  # the driver's word for no GPU
FULL = 2  # and for no memory left
LOOK_SECONDS = 0.0005  # between two looks whether a kernel has ended; so Ctrl-C is heard meanwhile
CREW = "POET_CREW"  # names the workers of this machine that a process is one of, as `cluster` tells it


class CardError(RuntimeError):
    """The GPU, or its driver, failed at what it was asked."""

    ends_run = True  # nothing is wrong with what was to be computed


class CardMemoryError(CardError):
    """The GPU has not the memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the driver says of one GPU."""

    name: str
    capability: tuple[int, int]
    uuid: str  # the card's own, by whatever number a process knows it

    @property
    def architecture(self) -> str:
        """What compilers call it."""
        return "sm_{}{}".format(*self.capability)


@cache
def found() -> tuple[Found, ...] | str:
    """Ask the driver for the GPUs that this process may use, or say in a sentence why there are none."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return f"there is no NVIDIA driver: {LIBRARY} is not found"
    number = ctypes.c_int()
    # Before the start, which an old driver may refuse for another reason.
    if library.cuDriverGetVersion(ctypes.byref(number)) == 0 and number.value < 1000 * NEEDED[0] + 10 * NEEDED[1]:
        supports = f"{number.value // 1000}.{number.value % 1000 // 10}"
        needs = "{}.{}".format(*NEEDED)
        return (
            f"the NVIDIA driver supports CUDA {supports}, and CUDA {needs} is needed: install driver {DRIVER} or newer"
        )
    status = library.cuInit(0)
    if status not in (0, NOTHING_THERE):
        return f"the NVIDIA driver does not start: its cuInit returns error {status}"
    if status or library.cuDeviceGetCount(ctypes.byref(number)) or number.value == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "the NVIDIA driver sees no GPU" + ("" if hidden is None else f"; CUDA_VISIBLE_DEVICES is {hidden!r}")
    return tuple(_describe(library, place) for place in range(number.value))


def _describe(library: Any, place: int) -> Found:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    library.cuDeviceGet(ctypes.byref(device), place)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, device)
    library.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, device)
    uuid = (ctypes.c_ubyte * 16)()
    library.cuDeviceGetUuid_v2(uuid, device)
    return Found(name.value.decode(errors="replace"), (major.value, minor.value), bytes(uuid).hex())


def describe() -> str:
    """Name the GPUs that this process may use."""
    cards = found()
    return cards if isinstance(cards, str) else ", ".join(f"{card.name} ({card.architecture})" for card in cards)


@cache
def problem() -> str | None:
    """Say in a sentence why no kernel can run on a GPU here; None when one can."""
    cards = found()
    if isinstance(cards, str):
        return cards
    for card in cards:
        if card.capability < OLDEST:
            oldest = "sm_{}{}".format(*OLDEST)
            return f"the GPU {card.name} is of architecture {card.architecture}, and {oldest} or newer is needed"
    if reason := toolchain.problem():
        return reason
    for card in cards:
        if card.architecture not in toolchain.architectures():
            newest = toolchain.architectures()[-1]
            return (
                f"the GPU {card.name} is of architecture {card.architecture}, which this NVRTC, up to {newest}, does "
                "not know; install a newer nvidia-cuda-nvrtc"
            )
    return None


@cache
def mine() -> int | None:
    """Say which GPU is this process's own: the first that no other worker of its crew has; the first of all if alone.

    A worker keeps it until it ends, however it ends.
    """
    cards = found()
    if isinstance(cards, str):
        return None
    crew = os.environ.get(CREW)
    return 0 if crew is None else next((place for place, each in enumerate(cards) if _taken(crew, each.uuid)), None)


_kept: list[socket.socket] = []


def _taken(crew: str, uuid: str) -> bool:
    """Take a GPU among the workers of a crew; False where another has it."""
    # A name of the kernel's own, which is free again when whoever has it ends. By the card's own number, not its place:
    # a scheduler may show each rank another card as its first.
    name = f"\0poet-{os.getuid()}-{crew}-gpu-{uuid}"
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(name)
    except OSError:
        claim.close()
        return False
    _kept.append(claim)
    return True


class Memory:
    """Some of a card's memory; free again at the end of a `with` block."""

    def __init__(self, card: Card, size: int, address: int) -> None:
        self._card, self.size, self.address = card, size, address

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self._card.free(self)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel on a card, and what a thread of it takes."""

    name: str
    function: Any
    registers: int
    local: int  # bytes


class Card:
    """One GPU. Its methods may be called from any thread, one at a time."""

    def __init__(self, place: int) -> None:
        """Take the GPU by its number among those that this process may use.

        Raises:
            CardError: it cannot be used; the message says why.
        """
        if reason := problem():
            raise CardError(reason)
        from cuda.bindings import driver  # noqa: PLC0415 - only where there is a GPU

        self._driver = driver
        cards = found()
        if isinstance(cards, str) or not 0 <= place < len(cards):
            raise CardError(f"there is no GPU number {place}; this process may use {len(cards)}")
        self.description = cards[place]
        self._do("starting", driver.cuInit(0))
        self._device = self._do("being opened", driver.cuDeviceGet(place))
        self._context = self._do("being opened", driver.cuDevicePrimaryCtxRetain(self._device))
        self._enter()
        nonblocking = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        self._stream = self._do("being opened", driver.cuStreamCreate(nonblocking))
        self._modules: dict[bytes, Any] = {}
        self._stacks = 0  # bytes that it has set aside for them, and keeps
        attribute = driver.CUdevice_attribute
        self.multiprocessors = self._attribute(attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
        self.most_threads = self.multiprocessors * self._attribute(
            attribute.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR
        )
        self.impatient = bool(self._attribute(attribute.CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT))  # it drives a screen

    @property
    def architecture(self) -> str:
        """What compilers call it."""
        return self.description.architecture

    def load(self, binary: bytes, name: str) -> Kernel:
        """Put a binary on the card, if it is not there yet, and give its kernel of this name."""
        self._enter()
        driver = self._driver
        if binary not in self._modules:
            self._modules[binary] = self._do("loading a kernel", driver.cuModuleLoadData(binary))
        function = self._do("loading a kernel", driver.cuModuleGetFunction(self._modules[binary], name.encode()))
        attribute = driver.CUfunction_attribute

        def of(which: Any) -> int:
            return int(self._do("loading a kernel", driver.cuFuncGetAttribute(which, function)))

        registers, local = attribute.CU_FUNC_ATTRIBUTE_NUM_REGS, attribute.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES
        return Kernel(name, function, of(registers), of(local))

    def resident(self, kernel: Kernel, block: int) -> int:
        """Say how many blocks of so many threads run at once on the whole card."""
        self._enter()
        ask = self._driver.cuOccupancyMaxActiveBlocksPerMultiprocessor
        return self.multiprocessors * int(self._do("planning", ask(kernel.function, block, 0)))

    def local_memory(self, kernel: Kernel) -> int:
        """Say how many bytes more the driver will set aside for the threads' stacks: for all that could run at once."""
        return max(kernel.local * self.most_threads - self._stacks, 0)

    def free_bytes(self) -> int:
        """Say how much memory nobody uses."""
        self._enter()
        free, _ = self._do("being asked for its memory", self._driver.cuMemGetInfo())
        return int(free)

    def room(self, size: int) -> Memory:
        """Take memory, which is not cleared.

        Raises:
            CardMemoryError: there is too little left.
        """
        self._enter()
        size = max(size, 1)
        return Memory(self, size, int(self._do(f"giving {size:,} bytes", self._driver.cuMemAlloc(size))))

    def store(self, array: NDArray[Any]) -> Memory:
        """Take memory for an array's bytes and copy them there; errors as `room`."""
        memory = self.room(array.nbytes)
        self.write(memory, array)
        return memory

    def write(self, memory: Memory, array: NDArray[Any]) -> None:
        """Copy an array's bytes to the beginning of some memory, after what was launched before."""
        array = np.ascontiguousarray(array)
        if array.nbytes > memory.size:
            raise ValueError(f"{array.nbytes} bytes do not fit into {memory.size}")
        if array.nbytes:
            self._enter()
            # On our stream: a plain copy may return before it has arrived, and this stream waits for no other.
            copy = self._driver.cuMemcpyHtoDAsync
            self._do("taking data", copy(memory.address, array.ctypes.data, array.nbytes, self._stream))
            self.wait()

    def read(self, memory: Memory, array: NDArray[Any]) -> None:
        """Fill an array from the beginning of some memory, after what was launched before."""
        if array.nbytes > memory.size or not array.flags.c_contiguous:
            raise ValueError(f"{memory.size} bytes do not fill an array of {array.nbytes}")
        if array.nbytes:
            self._enter()
            copy = self._driver.cuMemcpyDtoHAsync
            self._do("giving data", copy(array.ctypes.data, memory.address, array.nbytes, self._stream))
            self.wait()

    def free(self, memory: Memory) -> None:
        """Give memory back."""
        if memory.address:
            # A card that is lost has said so already, and frees nothing: what these return is not asked.
            self._driver.cuCtxSetCurrent(self._context)
            self._driver.cuMemFree(memory.address)
            memory.address = 0

    def launch(
        self, kernel: Kernel, blocks: int, block: int, parameters: Sequence[Any], stream: int | None = None
    ) -> None:
        """Start a kernel, and do not wait for it.

        Args:
            kernel: of this card.
            blocks: how many blocks.
            block: threads of each.
            parameters: the kernel's, as values of `ctypes` types.
            stream: a stream's address, such as PyTorch's; the card's own when None.
        """
        self._enter()
        addresses = (ctypes.c_void_p * len(parameters))(*(ctypes.addressof(each) for each in parameters))
        on = self._stream if stream is None else self._driver.CUstream(stream)
        at = ctypes.addressof(addresses)
        shape = (blocks, 1, 1, block, 1, 1)
        # The driver copies the parameters before it returns.
        self._do(f"starting {kernel.name}", self._driver.cuLaunchKernel(kernel.function, *shape, 0, on, at, 0))
        self._stacks = max(self._stacks, kernel.local * self.most_threads)

    def wait(self) -> None:
        """Wait until the card's own stream is empty.

        Raises:
            CardError: a kernel failed, or the card is lost.
        """
        self._enter()
        busy = self._driver.CUresult.CUDA_ERROR_NOT_READY
        while (status := self._driver.cuStreamQuery(self._stream))[0] == busy:
            time.sleep(LOOK_SECONDS)
        self._do("computing", status)

    def _attribute(self, which: Any) -> int:
        return int(self._do("being opened", self._driver.cuDeviceGetAttribute(which, self._device)))

    def _enter(self) -> None:
        """Make its context this thread's."""
        self._do("being opened", self._driver.cuCtxSetCurrent(self._context))

    def _do(self, at: str, result: tuple[Any, ...]) -> Any:
        """Take a driver call's values, or say what it failed at."""
        status, *values = result
        if int(status):
            _, name = self._driver.cuGetErrorName(status)
            _, text = self._driver.cuGetErrorString(status)
            said = f"{(name or b'').decode()}: {(text or b'').decode()}"
            kind = CardMemoryError if int(status) == FULL else CardError
            raise kind(f"the GPU {self.description.name} failed at {at} ({said})")
        return values[0] if len(values) == 1 else values


@cache
def card(place: int) -> Card:
    """Give one of the GPUs, opened once in a process; errors as `Card`."""
    return Card(place)
