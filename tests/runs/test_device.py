"""The device that TensorFlow computes on; the GPUs are simulated."""

from pathlib import Path

import pytest
import tensorflow as tf

from daa.errors import InputError
from daa.runs import device


@pytest.fixture
def gpus(monkeypatch):
    """{GPU: details} that TensorFlow sees."""
    gpus = {}
    for name in ("list_physical_devices", "get_visible_devices"):
        monkeypatch.setattr(tf.config, name, lambda kind: list(gpus) if kind == "GPU" else ["cpu"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpus[gpu])
    return gpus


@pytest.fixture
def processor(monkeypatch):
    """Replaces the flags of the processor."""

    def processor(flags="sse"):
        text = f"model name\t: Some Processor 5000 \nflags\t\t: fpu {flags}\n"
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)

    return processor


def test_the_chosen_device(monkeypatch, gpus):
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *args: hidden.append(args))
    device.use("auto")
    with pytest.raises(InputError, match="device: TensorFlow sees no GPU; use --device cpu"):
        device.use("gpu")
    gpus["g"] = {}
    device.use("gpu")
    device.use("auto")
    assert hidden == []
    device.use("cpu")
    assert hidden == [([], "GPU")]


def test_gpus_are_shared_and_compute_in_float32(monkeypatch, gpus):
    growing, tf32 = [], []
    experimental = tf.config.experimental
    monkeypatch.setattr(experimental, "set_memory_growth", lambda *args: growing.append(args))
    monkeypatch.setattr(experimental, "enable_tensor_float_32_execution", tf32.append)
    device.prepare()
    assert growing == []
    gpus.update(g={}, h={})
    device.prepare()
    assert growing == [("g", True), ("h", True)]
    assert tf32 == [False, False]


def test_the_name_is_that_of_the_first_gpu_or_of_the_processor(monkeypatch, gpus, processor):
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    processor()
    assert device.name() == "CPU Some Processor 5000, 12 cores"
    gpus.update(g={"device_name": "GPU Nine"}, h={})
    assert device.name() == "GPU Nine"
    del gpus["g"]
    assert device.name() == "GPU"


def test_gpus_since_ampere_and_some_processors_have_bfloat16(gpus, processor):
    for flags, fast in (("avx512f", 0), ("amx_tile", 0), ("amx_bf16 x", 1), ("avx512_bf16", 1)):
        processor(flags)
        assert device.fast_bfloat16() == fast
    for capability, fast in (((7, 5), 0), ((8, 0), 1), ((8, 6), 1), ((9, 0), 1)):
        gpus["g"] = {"compute_capability": capability}
        assert device.fast_bfloat16() == fast
    gpus["g"] = {}
    assert not device.fast_bfloat16()


def test_a_machine_without_cpuinfo(monkeypatch, gpus):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert device.name().startswith("CPU arm64, ")
    assert not device.fast_bfloat16()
