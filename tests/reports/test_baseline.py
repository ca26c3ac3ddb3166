"""The run of PGD that a run of DAA is compared with has everything but the method in common."""

import pytest

from daa import AttackConfig
from daa.reports.comparisons import compare
from daa.runs import records


def runs(committed, **changes):
    """A run of DAA and one of PGD that differs from it in the method, and in `changes`."""
    daa, pgd = (records.load(committed / f"{name}.json") for name in ("dgf-xent", "pgd-xent"))
    options = {"eps": 0.3, "steps": 100, "step_size": 0.01}
    attack = {name: changes.pop(name) for name in list(changes) if name in AttackConfig.names()}
    daa = daa.model_copy(update={"attack": AttackConfig("dgf", **options)})
    pgd = pgd.model_copy(update={"attack": AttackConfig("pgd", **{**options, **attack}), **changes})
    return daa, pgd


def test_the_baseline_differs_in_the_method_alone(committed):
    daa, pgd = runs(committed)
    found = compare([daa, pgd])
    assert found[0].pgd is pgd
    assert found[1] is None


@pytest.mark.parametrize("changes", [{"batch_size": 50}])
def test_minibatches_make_no_other_baseline(committed, changes):
    """PGD attacks each image for itself."""
    assert compare(list(runs(committed, **changes)))[0] is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"eps": 0.2},
        {"steps": 50},
        {"step_size": 0.02},
        {"loss": "cw"},
        {"random_start": False},
        {"clip_start": True},
        {"clip_range": False},
        {"precision": "bfloat16"},
        {"targeted": "least_likely"},
        {"momentum": 0.5},
        {"keep": "best"},
        {"restarts": 7},
        {"seed": 5},
        {"images": 99},
        {"target": "tiny/cnn"},
        {"weights_sha256": "other"},
        {"data_sha256": "other"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_there_is_none_where_anything_else_differs(committed, changes):
    if "restarts" in changes:
        daa, pgd = runs(committed)
        pair = [daa, pgd.model_copy(update=changes)]
    else:
        pair = list(runs(committed, **changes))
    assert compare(pair)[0] is None
