from dataclasses import replace

import numpy as np
import pytest
from toys import write_weights

from daa.paper import claims, networks, plan
from daa.paper.plan import Options
from daa.targets import checkpoints, fetch

pytestmark = pytest.mark.filterwarnings("ignore:.*not the official file")


@pytest.fixture
def options(tmp_path, datasets, downloads) -> Options:
    """Random images and no weights."""
    (tmp_path / "models").mkdir()
    folders = {"data_dir": str(datasets), "model_dir": str(tmp_path / "models")}
    return Options(tmp_path / "out", **folders, only=("fmnist",), images=8)


@pytest.fixture
def original() -> str:
    return claims.load("table_fmnist").target


def test_a_missing_network_is_reported_once_with_the_command_that_gets_it(
    options, downloads, original
):
    for attempt in (1, 2):  # a second start tries the download again
        messages = []
        tasks = plan.tasks(options, messages.append)
        configs = [task.entry.config for task in tasks]
        assert configs == ["table_fmnist", "figure3", "table2_fmnist"]
        assert {task.missing for task in tasks} == {f"no weights of {original}"}
        assert downloads == [original] * attempt
        (message,) = messages
        assert message.endswith(f"no connection; get it with `daa fetch {original}`")
        assert networks.of_tasks(tasks, options) == {}
        # The folder that a failed download leaves is no network.
        folder = fetch.parcel(original, model_dir=options.model_dir).folder
        folder.mkdir(parents=True, exist_ok=True)


def test_a_substitute_replaces_missing_weights(options, original, tmp_path):
    options = replace(options, substitutes=True, restarts=3)
    table, *_ = plan.tasks(options, lambda text: None)
    assert table.substituted
    assert table.missing == ""
    assert table.experiment.target == table.entry.substitute.target
    assert (table.experiment.images, table.experiment.restarts) == (8, 3)
    assert table.experiment.name == "table_fmnist-fmnist-surrogate"
    write_weights(original, tmp_path / "models")
    table, *_ = plan.tasks(options, lambda text: None)
    assert not table.substituted
    assert table.experiment.name == "table_fmnist"


def test_unusable_weights_are_named_and_left_unchanged(options, downloads, original):
    prefix = fetch.parcel(original, model_dir=options.model_dir).folder / "model"
    checkpoints.write(prefix, {"Variable": np.zeros((3, 3), np.float32)})
    before = checkpoints.sha256(prefix)
    messages = []
    table, *_ = plan.tasks(options, messages.append)
    assert table.missing == f"no usable weights of {original}"
    assert messages[0].startswith(f"unusable: weights of {original}: ")
    assert "Variable: expected shape [5, 5, 1, 32], got [3, 3]" in messages[0]
    assert (downloads, checkpoints.sha256(prefix)) == ([], before)
    table, *_ = plan.tasks(replace(options, substitutes=True), messages.append)
    assert (table.substituted, table.missing) == (True, "")


def test_missing_images_are_reported(options, downloads, original, tmp_path):
    (tmp_path / "empty").mkdir()
    plan.load_images.cache_clear()
    options = replace(options, substitutes=True, data_dir=str(tmp_path / "empty"))
    tasks = plan.tasks(options, lambda text: None)
    assert {task.missing_data for task in tasks} == {"no data set fashion_mnist"}
    assert downloads == [original, "fashion_mnist"]
