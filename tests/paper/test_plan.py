"""What is there, what is missing, and what is attacked instead."""

from dataclasses import replace

import numpy as np
import pytest

from daa import targets
from daa.errors import InputError
from daa.paper import claims as numbers
from daa.paper import networks, plan
from daa.paper.plan import Options
from daa.targets import checkpoints, fetch, untrained
from daa.targets.fetch import NoDownload

pytestmark = pytest.mark.filterwarnings("ignore:.*not the official file")
IMAGES = 8


@pytest.fixture
def asked(monkeypatch):
    """The names that a download was tried for; none succeeds."""
    names = []

    def offline(parcel, *_):
        names.append(parcel.name)
        raise NoDownload(f"{parcel.name}: expected a download, got no connection")

    monkeypatch.setattr(fetch, "fetch", offline)
    return names


@pytest.fixture
def options(tmp_path, generated) -> Options:
    """Generated images, and no weights."""
    (tmp_path / "models").mkdir()
    folders = {"data_dir": str(generated), "model_dir": str(tmp_path / "models")}
    return Options(tmp_path / "out", **folders, only=("fmnist",), images=IMAGES)


def test_what_is_missing_is_asked_for_once_and_told(options, asked):
    told = []
    found = plan.tasks(options, told.append)
    original = numbers.load("table_fmnist").target
    assert [task.entry.config for task in found] == ["table_fmnist", "figure3", "table2_fmnist"]
    assert {task.missing for task in found} == {f"no weights of {original}"}
    assert asked == [original]
    assert told == [
        f"missing: weights of {original}: {original}: expected a download, got no connection"
    ]
    assert networks.of_tasks(found, options) == {}


def test_nothing_is_downloaded_in_a_rehearsal(options, asked):
    found = plan.tasks(Options(**{**vars(options), "fetch": False}), lambda text: None)
    assert all(task.missing for task in found)
    assert asked == []


def test_stand_ins_take_the_place_of_missing_weights_alone(options, asked, tmp_path):
    given = Options(**{**vars(options), "stand_ins": True, "restarts": 3})
    table, *_ = plan.tasks(given, lambda text: None)
    assert table.stand_in
    assert table.missing == ""
    assert table.experiment.target == table.entry.stand_in.target
    assert (table.experiment.images, table.experiment.restarts) == (IMAGES, 3)
    assert table.about == {"config": "table_fmnist", "instead_of": table.config.target}
    assert "not on the paper's weights" in table.experiment.title
    family, _, name = table.config.target.partition("/")
    untrained.write(targets.family(table.config.target), name, tmp_path / "models")
    table, *_ = plan.tasks(given, lambda text: None)
    assert not table.stand_in
    assert table.folder(given.out).name == "table_fmnist"
    assert family in str(table.config.target)


def test_a_second_start_tries_a_failed_download_again(options, asked):
    """The folder that the first one made for it is no network."""
    original = numbers.load("table_fmnist").target
    fetch.parcel(original, model_dir=options.model_dir).folder.mkdir(parents=True)
    for _ in range(2):
        table, *_ = plan.tasks(options, lambda text: None)
        assert table.missing == f"no weights of {original}"
    assert asked == [original] * 2


def test_weights_of_another_network_keep_nothing_else_from_being_run(options, asked, tmp_path):
    """They are named, left as they are, and stood in for like missing ones."""
    original = numbers.load("table_fmnist").target
    prefix = fetch.parcel(original, model_dir=options.model_dir).folder / "model"
    checkpoints.write(prefix, {"Variable": np.zeros((3, 3), np.float32)})
    before = checkpoints.sha256(prefix)
    told = []
    table, *_ = plan.tasks(options, told.append)
    assert table.missing == f"no usable weights of {original}"
    (text,) = told
    assert text.startswith(f"can't be used: weights of {original}: ")
    assert "Variable: expected shape [5, 5, 1, 32], got [3, 3]" in text
    assert (asked, checkpoints.sha256(prefix)) == ([], before)
    table, *_ = plan.tasks(replace(options, stand_ins=True), told.append)
    assert (table.stand_in, table.missing) == (True, "")


@pytest.mark.parametrize("name", ["data_dir", "model_dir"])
def test_a_mistyped_folder_is_no_folder_without_files(name, options, asked):
    with pytest.raises(InputError, match="folder: expected a folder, got 'typo'"):
        plan.tasks(replace(options, **{name: "typo"}))


def test_images_that_are_missing_are_told(options, asked, tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    given = Options(**{**vars(options), "stand_ins": True, "data_dir": str(tmp_path / "none")})
    plan.load_images.cache_clear()
    found = plan.tasks(given, lambda text: None)
    assert {task.missing for task in found} == {"no data set fashion_mnist"}
    assert asked == [found[0].config.target, "fashion_mnist"]


def test_an_unknown_part_is_refused(options):
    with pytest.raises(InputError, match=r"only: expected some of mnist,fmnist,.*, got 'x'"):
        plan.tasks(Options(**{**vars(options), "only": ("x",)}))
