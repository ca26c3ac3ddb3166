"""What TensorFlow computes on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import tensorflow as tf

from daa.errors import InputError


def use(device: str) -> None:
    """What TensorFlow computes on: "auto" is the first GPU it sees, else the processor.

    Raises:
        InputError: "gpu" without one.
    """
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise InputError("--device: expected a GPU that TensorFlow sees, got none")


def name() -> str:
    """The first GPU's name, else the processor's with the number of its cores."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.search(r"model name\s*:\s*(.+)", info)
    except OSError:
        model = None
    processor = model[1].strip() if model else platform.machine()
    return f"CPU {processor}, {os.cpu_count()} cores"


def fast_bfloat16() -> bool:
    """Whether the device has instructions for bfloat16; without, it is slower than float32."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", flags) is not None
