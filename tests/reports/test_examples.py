"""The images of an experiment's figure."""

import json

import numpy as np
import pytest

from daa import InputError
from daa.reports import examples
from daa.reports.publish import publish
from daa.runs.prepare import prepare
from daa.runs.run import run

CONFIG = """
name: pictures
title: Pictures
target: tiny/cnn
images: 30
attack: {eps: EPS, step_size: EPS, steps: 2, batch_size: 10, steps_per_shuffle: 2}
examples: [blob-xent, pgd-xent]
rows:
  - {method: pgd}
  - {method: blob}
"""


@pytest.mark.parametrize("eps", ["0.15", "0.01"])
def test_examples_are_images_that_only_the_second_row_breaks(tmp_path, eps):
    config = tmp_path / "pictures.yaml"
    config.write_text(CONFIG.replace("EPS", eps), encoding="utf-8")
    ready = prepare(config, tmp_path)
    finished = list(run(ready.experiment, ready.target, ready.data, folder=ready.folder))
    publish(ready.folder, ready.data)
    figure = examples.load(ready.folder)
    images, (first, second) = [*figure.images], (finished[1], finished[0])
    assert images == sorted({*second.record.broken} - {*first.record.broken})[:10]
    pictures = (ready.data.x, first.report.adv, second.report.adv)
    for x, pixels in zip(pictures, (figure.natural, *figure.adversarial), strict=True):
        x = np.round(x[images].astype(float), 4).reshape(len(images), 64)
        np.testing.assert_array_equal(np.reshape(pixels, x.shape), x)
    assert (ready.folder / "examples.png").exists() == bool(images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": []}, "labels: expected 1 labels"),
        ({"natural": [[0, 1], [0, 1]]}, "natural and adversarial: expected 1 images of 2 pixels"),
        ({"adversarial": [[[0, 1]], [[0]]]}, "natural and adversarial: expected 1 images of 2"),
        ({"shape": [1, 2, 2]}, "shape: expected 1 or 3 channels"),
        ({"rows": ["a"]}, r"examples.json: rows"),
    ],
)
def test_damaged_images_of_a_figure_are_named(tmp_path, changes, message):
    assert examples.load(tmp_path) is None
    content = {"rows": ["a", "b"], "images": [1], "labels": [1], "shape": [1, 2, 1]}
    content |= {"natural": [[0, 1]], "adversarial": [[[0, 1]], [[0, 1]]]}
    path = tmp_path / "examples.json"
    path.write_text(json.dumps(content))
    assert examples.load(tmp_path).images == (1,)
    path.write_text(json.dumps({**content, **changes}))
    with pytest.raises(InputError, match=message):
        examples.load(tmp_path)
