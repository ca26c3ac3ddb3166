import json

import pytest
from toys import write_weights

from daa import targets
from daa.errors import InputError
from daa.paper import claims, networks
from daa.paper.networks import Network
from daa.paper.plan import Options
from daa.runs import config
from daa.targets import fetch, files

pytestmark = pytest.mark.filterwarnings("ignore:.*not the official file")
IMAGES = 8


@pytest.fixture
def secret(tmp_path) -> str:
    """The network of Table 1 with random weights."""
    reference = claims.load("table1").target
    write_weights(reference, tmp_path)
    return reference


@pytest.fixture
def network(secret, tmp_path, datasets) -> Network:
    options = Options(tmp_path / "out", str(datasets), str(tmp_path))
    return Network(secret, options, IMAGES, IMAGES, "float32", IMAGES)


def test_the_published_file_is_recognised_by_its_hash(secret, tmp_path):
    folder = fetch.parcel(secret, model_dir=tmp_path).folder

    def pin(**changes):
        hashes = {path.name: files.sha256(path) for path in folder.glob("checkpoint-1.*")}
        content = {**targets.row(secret).source.hashes, **hashes, **changes}
        (folder / "pins.json").write_text(json.dumps(content))
        return networks.published_file(secret, str(tmp_path))

    text = networks.published_file(secret, str(tmp_path))
    assert "missing, so its published hash is not checked" in text
    assert pin() == "the published file"
    assert pin(**{"checkpoint-1.index": "0" * 64}).startswith("not the published secret.zip")
    assert pin(**{"secret.zip": "0" * 64}).startswith("not the published secret.zip")


def test_weights_that_fail_the_checks_are_not_called_original(network):
    messages = []
    check = network.check(messages.append)
    assert check.published == 98.53
    assert check.clean < 90
    assert any(miss.startswith("clean accuracy: expected 98.53") for miss in check.misses)
    assert any("NOT the paper's network: clean accuracy" in text for text in messages)
    assert network.target.provenance == network.provenance == check.weights == "third-party"
    # Too few images give no reason to doubt the weights.
    network.paper_images = 10_000
    network.path.unlink()
    check = network.check(messages.append)
    assert (check.weights, check.misses) == ("original", ())
    assert network.target.provenance == network.provenance == "original"


def test_the_checks_are_repeated_only_after_a_change(network, monkeypatch):
    first = network.check(lambda text: None)
    monkeypatch.setattr(Network, "examine", lambda self, now: None)
    assert network.check(lambda text: None) == first
    network.precision = "bfloat16"
    with pytest.raises(AttributeError):  # it calls `examine`
        network.check(lambda text: None)


def test_checks_of_committed_reports_are_read():
    paths = sorted((config.RESULTS / "paper_surrogates" / "networks").glob("*.json"))
    assert len(paths) == 5
    for path in paths:
        assert networks.load(path).target.replace("/", "-") == path.stem


def test_a_damaged_file_is_named(network):
    network.path.parent.mkdir(parents=True)
    network.path.write_text("{")
    with pytest.raises(InputError, match=r"secret.json: expected the checks of a network"):
        network.check()
