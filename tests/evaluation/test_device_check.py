import numpy as np
import pytest

from daa import AttackConfig, targets
from daa.attacks import directions, kernels
from daa.evaluation import device_check
from daa.evaluation.device_check import DeviceCheck
from daa.tensorflow import tf

NETWORK, DATA = targets.load_target("tiny/cnn"), targets.load_dataset("tiny/cnn", images=20)


def test_a_cpu_passes():
    found = device_check.check_device(NETWORK, DATA.x, DATA.y, 0.3)
    checks = {check.title: check for check in found}
    assert not [check for check in found if check.passed is False]
    assert checks["GPU"].result == "no GPU, so the CPU is checked"
    assert checks["operations that leave the GPU"].result == "none in the graph"
    assert checks["TF32"].result == "only GPUs have it"


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_on_a_gpu_fails(allowed, monkeypatch):
    name = "tensor_float_32_execution_enabled"
    monkeypatch.setattr(tf.config.experimental, name, lambda: allowed)
    assert device_check.check_tf32(on_gpu=True).passed is not allowed


def test_an_operation_of_the_cpu_fails(monkeypatch):
    def nth_smallest(values, n):
        return tf.raw_ops.NthElement(input=values, n=n)

    monkeypatch.setattr(kernels, "_nth_smallest", nth_smallest)
    monkeypatch.setattr(kernels, "on_gpu", lambda: True)
    options = {"step_size": 0.01, "steps": 2, "steps_per_shuffle": 1, "batch_size": 20}
    config = AttackConfig("blob", eps=0.3, **options)
    # Without XLA, which cannot compile the operation.
    check = device_check.check_placement(NETWORK, config, DATA.x, DATA.y, "GPU:0")
    assert str(check) == "operations that leave the GPU: NthElement in the graph [FAILED]"


def test_another_direction_fails(monkeypatch):
    def turned(x, grad):
        for_gpu = kernels._FOR_XLA.get()
        return (1 + 1e-4 * for_gpu) * directions.dgf(x, grad, c=0.001)

    monkeypatch.setattr(device_check, "DIRECTIONS", {"DAA-DGF": turned})
    (check,) = device_check.check_directions(DATA.x, np.ones_like(DATA.x), "CPU:0")
    assert check.passed is False
    assert str(DeviceCheck("a", "b")) == "a: b [remark]"
