"""Rows of targets, and loading of their weights."""

import pickle

import numpy as np
import pytest
import tiny

import locuslab
import madry_cifar10
import madry_mnist
from daa import InputError, targets
from daa.attacks.balls import BALLS
from daa.targets import checkpoints

# Radii and clean accuracies of the challenges and papers.
RADII = {"madry_mnist": 0.3, "madry_cifar10": 8 / 255, "fmnist": 0.2, "imagenet_ens": 2 / 255}
CLEAN = {
    "locuslab/wk_mnist": 0.982,
    "locuslab/wk17a_mnist": 0.9811,
    "madry_mnist/secret": 0.9853,
    "madry_cifar10/secret": 0.8714,
}


def test_a_loaded_target_has_the_fields_of_its_row_and_model(tmp_path):
    row = madry_cifar10.FAMILY.row("surrogate")
    arrays = row.model.initialize(np.random.default_rng(0))
    np.savez(tmp_path / "w.npz", **arrays, more=np.zeros(3))
    loaded = madry_cifar10.load_target("surrogate", path=tmp_path / "w.npz")
    assert (loaded.name, loaded.provenance) == ("madry_cifar10/surrogate", "surrogate")
    assert (loaded.image_shape, loaded.classes) == ((32, 32, 3), 10)
    assert loaded.bounds == row.model.bounds
    assert loaded.weights_sha256 == checkpoints.sha256(tmp_path / "w.npz")
    assert row.model.training_network is madry_cifar10.model.training_network


def test_every_row_is_complete():
    for reference in targets.every_target():
        row = targets.row(reference)
        assert row.description
        assert 0 < row.eps < BALLS[row.norm].largest(row.model.image_shape)
        assert row.source or row.weights, reference
        assert (row.provenance in ("own", "surrogate")) == (row.weights is not None)
        assert row.model.initialize or row.weights is None
        for published in (row.clean, row.robust):
            assert published is None or published.source


def test_radii_and_published_accuracies():
    rows = {reference: targets.row(reference) for reference in targets.every_target()}
    for reference in targets.every_target(RADII):
        if rows[reference].norm == "linf":
            assert rows[reference].eps == RADII[reference.partition("/")[0]]
    assert {name: row.clean.accuracy for name, row in rows.items() if row.clean} == CLEAN
    robust = {name: row.robust.accuracy for name, row in rows.items() if row.robust}
    assert robust == {"locuslab/wk17a_mnist": 0.9562}


@pytest.mark.parametrize("reference", ["x/cnn", "tiny", "tiny/", ""])
def test_an_unknown_folder_is_named(reference):
    with pytest.raises(InputError, match=f"target: expected FOLDER/NAME .* got '{reference}'"):
        targets.load_target(reference)


def test_a_loader_travels_to_another_process():
    with pytest.raises(InputError, match="tiny: expected one of cnn, got 'x'"):
        targets.loader("tiny/x")
    load = pickle.loads(pickle.dumps(targets.loader("tiny/cnn")))
    x = targets.load_dataset("tiny/cnn", images=2).x
    np.testing.assert_array_equal(load()(x), tiny.load_target("cnn")(x))


def test_a_wheel_finds_the_surrogates_in_the_folder_of_all_weights(tmp_path):
    family = madry_mnist.FAMILY
    arrays = family.row("surrogate").model.initialize(np.random.default_rng(0))
    installed = type(family)(tmp_path / "madry_mnist", family.dataset, family.targets)
    message = "expected the weights of madry_mnist/surrogate, got none; set DAA_MODELS .* daa fetch"
    with pytest.raises(InputError, match=message):
        installed.load_target("surrogate", model_dir=tmp_path)
    prefix = tmp_path / "madry_mnist" / "surrogate" / "model"
    checkpoints.write(prefix, arrays)
    loaded = installed.load_target("surrogate", model_dir=tmp_path)
    assert loaded.weights_sha256 == checkpoints.sha256(prefix)


def test_paths_for_the_weights_of_a_training():
    assert targets.own_weights("tiny/cnn").name == "cnn.npz"
    assert targets.own_weights("fmnist/surrogate").parts[-3:] == ("weights", "surrogate", "model")
    message = "locuslab: expected a target that this project trains, own_mnist.*, got 'wk_mnist'"
    with pytest.raises(InputError, match=message):
        targets.own_weights("locuslab/wk_mnist")


def test_weights_may_be_a_file_or_a_folder_but_not_that_of_a_failed_download(tmp_path):
    folder = tmp_path / "locuslab" / "wk_mnist"
    folder.mkdir(parents=True)
    (folder / "weights.zip.partial").write_bytes(b"some")
    with pytest.raises(InputError, match="expected the weights of locuslab/wk_mnist, got none"):
        locuslab.FAMILY.find_weights("wk_mnist", tmp_path)
    for path in (folder.with_suffix(".pth"), folder.with_suffix(".npz")):
        path.write_bytes(b"")
        assert locuslab.FAMILY.find_weights("wk_mnist", tmp_path) == path
    checkpoints.write(folder / "model", {"v": np.zeros(2, "f4")})
    assert locuslab.FAMILY.find_weights("wk_mnist", tmp_path) == folder
