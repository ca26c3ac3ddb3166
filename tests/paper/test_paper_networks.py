import json

import pytest
from toys import write_weights

from daa import targets
from daa.paper import claims, networks
from daa.paper.plan import Options, Task
from daa.runs import config
from daa.targets import fetch, files

pytestmark = pytest.mark.filterwarnings("ignore:.*not the official file")
IMAGES = 8


@pytest.fixture
def secret(tmp_path) -> str:
    """Table 1's network with random weights."""
    reference = claims.load("table1").target
    write_weights(reference, tmp_path)
    return reference


@pytest.fixture
def load(secret, tmp_path, datasets, monkeypatch):
    """Loads the network; takes the number of images in the paper, and the precision."""
    monkeypatch.setattr(networks, "seconds_per_step", lambda *_: 0.001)
    options = Options(tmp_path, str(datasets), str(tmp_path))

    def load(paper_images=IMAGES, precision="float32", log=lambda text: None):
        entry = claims.entries()[1].model_copy(update={"images": paper_images})
        original = claims.load("table1")
        rows = [
            row.model_copy(update={"attack": row.attack.replace(precision=precision)})
            for row in original.rows
        ]
        experiment = original.model_copy(update={"images": IMAGES, "rows": tuple(rows)})
        return networks.of_tasks([Task(entry, experiment, original)], options, log)[secret]

    return load


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


def test_weights_that_fail_the_checks_are_not_called_original(load, secret, tmp_path):
    messages = []
    for _ in range(2):  # new checks, saved checks
        network = load(log=messages.append)
        assert network.target.provenance == network.check.weights == "third-party"
    assert network.check.published == 98.53
    assert network.check.clean < 90
    assert any(miss.startswith("clean accuracy: expected 98.53") for miss in network.check.misses)
    assert any("NOT the paper's network: clean accuracy" in text for text in messages)
    # Too few images give no reason to doubt the weights.
    networks.path_of(tmp_path, secret).unlink()
    network = load(paper_images=10_000)
    assert network.target.provenance == network.check.weights == "original"
    assert network.check.misses == ()


def test_the_checks_are_repeated_only_after_a_change(load, monkeypatch):
    first = load().check
    monkeypatch.setattr(networks, "seconds_per_step", lambda *_: 0.002)
    assert load().check == first
    changed = load(precision="bfloat16").check
    assert (changed.precision, changed.ms_per_image) == ("bfloat16", 2 * first.ms_per_image)


def test_checks_of_committed_reports_are_read():
    paths = sorted((config.RESULTS / "paper_surrogates" / "networks").glob("*.json"))
    assert len(paths) == 5
    for path in paths:
        assert networks.load(path).target.replace("/", "-") == path.stem
