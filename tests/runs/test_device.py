"""What TensorFlow computes on; GPUs are played."""

from pathlib import Path

import pytest
import tensorflow as tf

from daa.errors import InputError
from daa.runs import device

CPUINFO = "model name\t: Some Processor 5000 \nflags\t\t: fpu {}\n"


@pytest.fixture
def gpus(monkeypatch):
    """The GPUs that TensorFlow sees, which a test may change."""
    found = []
    for name in ("list_physical_devices", "get_visible_devices"):
        monkeypatch.setattr(tf.config, name, lambda kind: list(found) if kind == "GPU" else ["c"])
    return found


@pytest.fixture
def details(monkeypatch):
    """What TensorFlow says of a GPU."""
    found = {}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: found[gpu])
    return found


def processor(monkeypatch, flags="sse"):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: CPUINFO.format(flags))


def test_the_processor_hides_the_gpus(monkeypatch, gpus):
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *given: hidden.append(given))
    gpus.append("g")
    device.use("gpu")
    device.use("auto")
    assert hidden == []
    device.use("cpu")
    assert hidden == [([], "GPU")]


def test_a_gpu_that_is_not_there_is_refused(gpus):
    device.use("auto")
    with pytest.raises(InputError, match="device: expected a GPU that TensorFlow sees, got none"):
        device.use("gpu")


def test_gpus_are_shared_with_others(monkeypatch, gpus):
    growing = []
    config = tf.config.experimental
    monkeypatch.setattr(config, "set_memory_growth", lambda *given: growing.append(given))
    exact = []
    monkeypatch.setattr(config, "enable_tensor_float_32_execution", exact.append)
    device.prepare()
    assert growing == []
    gpus += ["g", "h"]
    device.prepare()
    assert growing == [("g", True), ("h", True)]
    assert exact == [False, False]  # no TF32


def test_the_first_gpu_gives_the_name_else_the_processor(monkeypatch, gpus, details):
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    processor(monkeypatch)
    assert device.name() == "CPU Some Processor 5000, 12 cores"
    gpus += ["g", "h"]
    details.update(g={"device_name": "GPU Nine"}, h={})
    assert device.name() == "GPU Nine"
    gpus.remove("g")
    assert device.name() == "GPU"


@pytest.mark.parametrize(
    ("capability", "fast"), [((7, 5), False), ((8, 0), True), ((8, 6), True), ((9, 0), True)]
)
def test_gpus_from_ampere_on_have_bfloat16(capability, fast, monkeypatch, gpus, details):
    processor(monkeypatch, flags="avx512_bf16")
    gpus.append("g")
    details["g"] = {"compute_capability": capability}
    assert device.fast_bfloat16() is fast


def test_a_gpu_that_does_not_say_what_it_can_has_none(monkeypatch, gpus, details):
    gpus.append("g")
    details["g"] = {}
    assert not device.fast_bfloat16()


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("avx512f", False), ("avx512_bf16", True), ("amx_bf16 amx_tile", True), ("amx_tile", False)],
)
def test_processors_say_whether_they_have_bfloat16(flags, fast, monkeypatch, gpus):
    processor(monkeypatch, flags)
    assert device.fast_bfloat16() is fast


def test_a_machine_without_cpuinfo(monkeypatch, gpus):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert device.name().startswith("CPU arm64, ")
    assert not device.fast_bfloat16()
