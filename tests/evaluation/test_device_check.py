import numpy as np
import pytest

from daa import AttackConfig, Target, targets
from daa.attacks import directions, kernels
from daa.evaluation import device_check
from daa.evaluation.device_check import DeviceCheck
from daa.tensorflow import tf


@pytest.fixture(scope="module")
def network() -> Target:
    return targets.load_target("tiny/cnn")


@pytest.fixture
def minibatch():
    data = targets.load_dataset("tiny/cnn").first(20)
    return data.x, data.y


def test_a_cpu_passes(network, minibatch):
    checks = {check.title: check for check in device_check.check_device(network, *minibatch, 0.3)}
    assert [check for check in checks.values() if check.passed is False] == []
    assert checks["GPU"].result == "no GPU, so the CPU is checked"
    assert checks["operations that leave the GPU"].result == "none in the graph"
    assert checks["TF32"].result == "only GPUs have it"


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_on_a_gpu_fails(allowed, monkeypatch):
    name = "tensor_float_32_execution_enabled"
    monkeypatch.setattr(tf.config.experimental, name, lambda: allowed)
    assert device_check.check_tf32(on_gpu=True).passed is not allowed


def test_an_operation_of_the_cpu_fails(network, minibatch, monkeypatch):
    def nth_smallest(values, n):
        return tf.raw_ops.NthElement(input=values, n=n)

    monkeypatch.setattr(kernels, "_nth_smallest", nth_smallest)
    monkeypatch.setattr(kernels, "on_gpu", lambda: True)
    options = {"step_size": 0.01, "steps": 2, "steps_per_shuffle": 1, "batch_size": 20}
    config = AttackConfig("blob", eps=0.3, **options)
    # Without XLA, which cannot compile the operation.
    check = device_check.check_placement(network, config, *minibatch, "GPU:0")
    assert str(check) == "operations that leave the GPU: NthElement in the graph [FAILED]"


def test_another_direction_fails(minibatch, monkeypatch):
    x, _ = minibatch

    def turned(x, grad):
        for_gpu = kernels._FOR_XLA.get()
        return (1 + 1e-4 * for_gpu) * directions.dgf(x, grad, c=0.001)

    monkeypatch.setattr(device_check, "DIRECTIONS", {"DAA-DGF": turned})
    (check,) = device_check.check_directions(x, np.ones_like(x), "CPU:0")
    assert check.passed is False
    assert str(DeviceCheck("a", "b")) == "a: b [remark]"
