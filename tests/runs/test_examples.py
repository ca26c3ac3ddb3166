"""Which images an experiment shows."""

import numpy as np
import pytest
from test_arrays import finished

from daa import AttackConfig, targets
from daa.reports import examples
from daa.runs.config import Experiment, Row


@pytest.mark.parametrize("most", [1, 10])
def test_examples_are_images_that_the_second_run_breaks_and_the_first_does_not(tmp_path, most):
    data = targets.load_dataset("tiny/cnn", images=4)
    finished(tmp_path, data, [1, -1, 1, 1], 0.05, name="a")
    finished(tmp_path, data, [-1, -1, 1, -1], 0.1, name="b")
    attack = AttackConfig("pgd", eps=0.15)
    rows = tuple(Row(name=name, attack=attack) for name in "ab")
    experiment = Experiment(name="t", title="T", target="tiny/cnn", rows=rows, examples=("a", "b"))
    examples.save(experiment, tmp_path, data, images=most)
    found = examples.load(tmp_path)
    chosen = [0, 3][:most]
    assert list(found.images) == chosen
    assert list(found.labels) == data.y[chosen].tolist()
    flat = data.x[chosen].reshape(len(chosen), -1)
    np.testing.assert_allclose(found.natural, flat, atol=1e-4)
    for adv, shift in zip(found.adversarial, (0.05, 0.1), strict=True):
        np.testing.assert_allclose(adv, np.clip(flat + shift, 0, 1), atol=1e-4)
