"""The device of TensorFlow."""

import os
import platform
import re
from pathlib import Path

from daa.errors import InputError
from daa.tensorflow import tf


def use(device: str) -> None:
    """Chooses the device: "cpu", "gpu", or "auto" for the first GPU if there is one."""
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise InputError("device: TensorFlow sees no GPU; use --device cpu, or check the driver")


def prepare() -> None:
    """Lets TensorFlow share the memory of GPUs with other processes, and turns TF32 off.

    By default, GPUs multiply float32 matrices with 10 bits of mantissa (TF32). Squared distances
    between particles are small differences of large products, and need more.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def name() -> str:
    """The name of the first GPU, or of the processor with the number of cores."""
    gpu = _gpu_details()
    if gpu is not None:
        return gpu.get("device_name", "GPU")
    model = re.search(r"model name\s*:\s*(.+)", _cpuinfo())
    processor = " ".join(model[1].split()) if model else platform.machine()
    return f"CPU {processor}, {os.cpu_count()} cores"


def fast_bfloat16() -> bool:
    """Whether the device has instructions for bfloat16; without them it is slower than float32."""
    gpu = _gpu_details()
    if gpu is not None:
        return gpu.get("compute_capability", (0, 0)) >= (8, 0)
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", _cpuinfo()) is not None


def _gpu_details() -> dict | None:
    gpus = tf.config.get_visible_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]) if gpus else None


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
