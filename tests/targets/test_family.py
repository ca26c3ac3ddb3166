"""Rows of targets, and loading of their weights."""

import numpy as np
import pytest
import tiny

import locuslab
import madry_cifar10
import madry_mnist
from daa import InputError, targets
from daa.target import in_precision
from daa.targets import checkpoints

# Radii of the challenges and papers, and published accuracies.
EPS = {
    "tiny/cnn": 0.15,
    "locuslab/own_mnist": 0.3,
    "locuslab/fast_pgd_mnist": 0.3,
    "locuslab/wk_mnist": 0.1,
    "locuslab/wk17a_mnist": 0.1,
    "madry_mnist/secret": 0.3,
    "madry_mnist/surrogate": 0.3,
    "madry_cifar10/secret": 8 / 255,
    "fmnist/authors": 0.2,
    "imagenet_ens/ens_adv": 2 / 255,
}
CLEAN = {
    "madry_mnist/secret": 0.9853,
    "madry_cifar10/secret": 0.8714,
    "locuslab/wk_mnist": 0.982,
    "locuslab/wk17a_mnist": 0.9811,
}


def test_a_loaded_target_has_the_fields_of_its_row_and_model(tmp_path):
    row = madry_cifar10.FAMILY.row("surrogate")
    arrays = row.model.initialize(np.random.default_rng(0))
    np.savez(tmp_path / "w.npz", **arrays, more=np.zeros(3))
    found = madry_cifar10.load_target("surrogate", path=tmp_path / "w.npz")
    assert (found.name, found.provenance) == ("madry_cifar10/surrogate", "surrogate")
    assert (found.image_shape, found.classes) == ((32, 32, 3), 10)
    assert found.bounds == row.model.bounds
    assert found.weights_sha256 == checkpoints.sha256(tmp_path / "w.npz")
    assert row.model.training_network is madry_cifar10.model.training_network
    x = np.random.default_rng(1).random((2, 32, 32, 3), dtype=np.float32)
    exact, half = found(x).numpy(), in_precision(found, "bfloat16")(x).numpy()
    assert 1e-5 < np.abs(half - exact).max() / np.abs(exact).max() < 0.1


def test_every_row_is_complete():
    for reference in targets.every_target():
        row = targets.row(reference)
        assert row.description
        assert 0 < row.eps < 1
        assert row.source or row.weights, reference
        trained_here = row.provenance in ("own", "surrogate")
        assert trained_here == (row.weights is not None)
        assert row.model.initialize or not trained_here


def test_radii_and_published_accuracies():
    assert {k: targets.row(k).eps for k in EPS} == EPS
    rows = {k: targets.row(k) for k in targets.every_target()}
    assert {k: row.clean.accuracy for k, row in rows.items() if row.clean} == CLEAN
    assert {k: row.robust.accuracy for k, row in rows.items() if row.robust} == {
        "locuslab/wk17a_mnist": 0.9562
    }
    for row in rows.values():
        for published in (row.clean, row.robust):
            assert published is None or published.source


@pytest.mark.parametrize("reference", ["x/cnn", "tiny", "tiny/", ""])
def test_an_unknown_folder_is_named(reference):
    with pytest.raises(InputError, match=f"target: expected FOLDER/NAME .* got '{reference}'"):
        targets.load_target(reference)


def test_an_unknown_name_is_named():
    with pytest.raises(InputError, match="tiny: expected one of cnn, got 'x'"):
        targets.loader("tiny/x")


def test_a_loader_travels_to_another_process():
    import pickle

    load = pickle.loads(pickle.dumps(targets.loader("tiny/cnn")))
    x = targets.load_dataset("tiny/cnn", images=2).x
    np.testing.assert_array_equal(load()(x), tiny.load_target("cnn")(x))


def test_the_weights_of_an_installed_package_are_in_the_folder_of_all_weights(
    tmp_path, monkeypatch
):
    """A wheel does not include the surrogates."""
    family = madry_mnist.FAMILY
    arrays = family.row("surrogate").model.initialize(np.random.default_rng(0))
    installed = type(family)(tmp_path / "madry_mnist", family.dataset, family.targets)
    with pytest.raises(InputError, match="expected the weights of madry_mnist/surrogate"):
        installed.load_target("surrogate", model_dir=tmp_path)
    prefix = tmp_path / "madry_mnist" / "surrogate" / "model"
    checkpoints.write(prefix, arrays)
    found = installed.load_target("surrogate", model_dir=tmp_path)
    assert found.provenance == "surrogate"
    assert found.weights_sha256 == checkpoints.sha256(prefix)


def test_paths_for_the_weights_of_a_training():
    assert targets.own_weights("tiny/cnn").name == "cnn.npz"
    assert targets.own_weights("fmnist/surrogate").parts[-3:] == ("weights", "surrogate", "model")
    message = "locuslab: expected a target that this project trains, own_mnist.*, got 'wk_mnist'"
    with pytest.raises(InputError, match=message):
        targets.own_weights("locuslab/wk_mnist")


def test_weights_may_be_a_folder_an_npz_or_a_pth_file(tmp_path):
    family = locuslab.FAMILY
    (tmp_path / "locuslab").mkdir()
    for suffix in (".pth", ".npz", ""):
        path = tmp_path / "locuslab" / f"wk_mnist{suffix}"
        file = path / "model.index" if suffix == "" else path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
        assert family.find_weights("wk_mnist", tmp_path) == path


def test_the_folder_of_a_failed_download_holds_no_weights(tmp_path):
    place = tmp_path / "locuslab" / "wk_mnist"
    place.mkdir(parents=True)
    (place / "weights.zip.partial").write_bytes(b"some")
    with pytest.raises(InputError, match="expected the weights of locuslab/wk_mnist, got none"):
        locuslab.FAMILY.find_weights("wk_mnist", tmp_path)
    checkpoints.write(place / "model", {"v": np.zeros(2, "f4")})
    assert locuslab.FAMILY.find_weights("wk_mnist", tmp_path) == place
