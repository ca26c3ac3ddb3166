"""The device that TensorFlow computes on; the GPUs are simulated."""

from pathlib import Path
from unittest.mock import Mock, call

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
def cpuinfo(monkeypatch):
    """The text of /proc/cpuinfo."""
    cpuinfo = Mock(return_value="model name\t: Some Processor 5000 \nflags\t\t: fpu sse\n")
    monkeypatch.setattr(Path, "read_text", cpuinfo)
    return cpuinfo


def test_the_chosen_device(monkeypatch, gpus):
    hide = Mock()
    monkeypatch.setattr(tf.config, "set_visible_devices", hide)
    device.use("auto")
    with pytest.raises(InputError, match="device: TensorFlow sees no GPU; use --device cpu"):
        device.use("gpu")
    gpus["g"] = {}
    device.use("gpu")
    device.use("auto")
    hide.assert_not_called()
    device.use("cpu")
    hide.assert_called_once_with([], "GPU")


def test_gpus_are_shared_and_compute_in_float32(monkeypatch, gpus):
    growing, tf32, experimental = Mock(), Mock(), tf.config.experimental
    monkeypatch.setattr(experimental, "set_memory_growth", growing)
    monkeypatch.setattr(experimental, "enable_tensor_float_32_execution", tf32)
    gpus.update(g={}, h={})
    device.prepare()
    assert growing.mock_calls == [call("g", True), call("h", True)]
    tf32.assert_called_once_with(False)


def test_the_name_is_that_of_the_first_gpu_or_of_the_processor(monkeypatch, gpus, cpuinfo):
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert device.name() == "CPU Some Processor 5000, 12 cores"
    gpus.update(g={"device_name": "GPU Nine"}, h={})
    assert device.name() == "GPU Nine"
    del gpus["g"]
    assert device.name() == "GPU"


def test_gpus_since_ampere_and_some_processors_have_bfloat16(gpus, cpuinfo):
    for flags, fast in (("avx512f", 0), ("amx_tile", 0), ("amx_bf16 x", 1), ("avx512_bf16", 1)):
        cpuinfo.return_value = f"flags\t\t: fpu {flags}\n"
        assert device.fast_bfloat16() == fast
    for capability, fast in (((7, 5), 0), ((8, 0), 1), ((8, 6), 1), ((9, 0), 1)):
        gpus["g"] = {"compute_capability": capability}
        assert device.fast_bfloat16() == fast
    gpus["g"] = {}
    assert not device.fast_bfloat16()


def test_a_machine_without_cpuinfo(monkeypatch, gpus, cpuinfo):
    cpuinfo.side_effect = FileNotFoundError
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert device.name().startswith("CPU arm64, ")
    assert not device.fast_bfloat16()
