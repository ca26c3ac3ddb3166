"""What TensorFlow computes on."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from daa.errors import InputError
from daa.tensorflow import tf


def use(device: str) -> None:
    """Chooses the device: "cpu", "gpu", or "auto" for the first GPU, else the processor.

    Raises:
        InputError: "gpu" was asked for and TensorFlow sees none.
    """
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise InputError("device: expected a GPU that TensorFlow sees, got none")


def prepare() -> None:
    """Takes as much memory of each GPU as is needed, as others may use it; float32 is float32.

    TensorFlow lets GPUs multiply float32 matrices with 10 bits of mantissa (TF32). The squared
    distances between particles are small differences of large products, which that would drown.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def name() -> str:
    """The name of the first GPU, else of the processor with the number of its cores."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.search(r"model name\s*:\s*(.+)", info)
    except OSError:
        model = None
    processor = " ".join(model[1].split()) if model else platform.machine()
    return f"CPU {processor}, {os.cpu_count()} cores"


def fast_bfloat16() -> bool:
    """Whether the device has instructions for bfloat16; without them it is slower than float32."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", flags) is not None


def peak_memory() -> int:
    """Peak memory of this process in bytes.

    Linux starts ru_maxrss at the memory of the parent process, and VmHWM at 0.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        return 1024 * int(peak)
    import resource  # missing on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
