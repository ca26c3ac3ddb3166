"""Whether weights are the paper's, and what is kept of it."""

import json

import pytest

from daa import targets
from daa.errors import InputError
from daa.paper import claims as numbers
from daa.paper import networks
from daa.paper.networks import Network
from daa.paper.plan import Options
from daa.targets import fetch, untrained

pytestmark = pytest.mark.filterwarnings("ignore:.*not the official file")
IMAGES = 8


@pytest.fixture
def secret(tmp_path):
    """The reference of Table 1's network, for which there are some weights."""
    reference = numbers.load("table1").target
    untrained.write(targets.family(reference), reference.partition("/")[2], tmp_path)
    return reference


@pytest.fixture
def network(secret, tmp_path, generated) -> Network:
    options = Options(tmp_path / "out", str(generated), str(tmp_path))
    return Network(secret, IMAGES, IMAGES, options, (IMAGES, "float32"))


def pins(secret, tmp_path, **changes):
    folder = fetch.parcel(secret, model_dir=tmp_path).folder
    files = {path.name: networks.files.sha256(path) for path in folder.glob("checkpoint-1.*")}
    content = {**targets.row(secret).source.hashes, **files, **changes}
    (folder / "pins.json").write_text(json.dumps(content))


def test_the_published_file_is_known_by_its_hash(secret, tmp_path):
    folder = str(tmp_path)
    assert "not here, so its published hash is not checked" in networks.published_file(
        secret, folder
    )
    pins(secret, tmp_path)
    assert networks.published_file(secret, folder) == "the published file"
    pins(secret, tmp_path, **{"checkpoint-1.index": "0" * 64})
    assert networks.published_file(secret, folder).startswith("not the published secret.zip")
    pins(secret, tmp_path, **{"secret.zip": "0" * 64})
    assert networks.published_file(secret, folder).startswith("not the published secret.zip")


def test_strangers_weights_are_named_and_not_called_original(network):
    told = []
    known = networks.examined(network, told.append)
    assert known.published == 98.53
    assert known.clean < 90
    assert any(miss.startswith("clean accuracy: expected 98.53") for miss in known.misses)
    assert any("NOT the paper's network: clean accuracy" in text for text in told)
    assert network.target.provenance == network.provenance == known.weights == "third-party"
    again = Network(network.reference, IMAGES, IMAGES, network.options, network.batch)
    assert again.provenance == "third-party"
    # A second look that finds nothing amiss takes it back.
    again.paper_images = 10_000
    assert again.look().weights == again.provenance == "original"


def test_a_part_of_the_images_is_no_ground_to_doubt_the_weights(network):
    network.paper_images = 10_000
    known = networks.examined(network, lambda text: None)
    assert known.misses == ()
    assert network.target.provenance == "original"


def test_a_second_start_looks_again_only_where_something_changed(network, monkeypatch):
    first = networks.examined(network, lambda text: None)
    monkeypatch.setattr(Network, "look", lambda self: pytest.fail("it looks again"))
    assert network.known() == first
    network.batch = (IMAGES, "bfloat16")
    assert network.known() is None


def test_random_weights_of_a_rehearsal_are_nobodys(network):
    given = Options(**{**vars(network.options), "steps": 2})
    rehearsed = Network(network.reference, IMAGES, IMAGES, given, network.batch)
    known = networks.examined(rehearsed, lambda text: None)
    assert (known.weights, known.published, known.misses) == ("own", None, ())


def test_a_damaged_file_is_named(network):
    network.path.parent.mkdir(parents=True)
    network.path.write_text("{")
    with pytest.raises(InputError, match=r"secret.json: expected what is known of a network"):
        network.known()
