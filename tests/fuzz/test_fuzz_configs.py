"""Configs of experiments and of trainings: odd values in good files, and damaged files."""

import yaml
from hypothesis import given
from hypothesis import strategies as st
from world import changed, command, mutated, place, refused_or, share

from daa.runs import config, documents
from daa.training import recipe

GOOD = {
    "name": "small",
    "title": "A test",
    "target": "tiny/cnn",
    "images": 8,
    "attack": {"eps": 0.15, "step_size": 0.05, "steps": 2, "batch_size": 4, "steps_per_shuffle": 1},
    "sweep": {"eps": [0.1, "8/255"]},
    "seeds": [0, 1],
    "rows": [{"method": "pgd", "loss": "xent"}, {"method": "blob", "c": 0.5, "paper": 45.0}],
    "examples": ["pgd-xent-eps0.1-seed0", "blob-xent-eps0.1-seed0"],
    "bounds": None,
}
SMALL = {**GOOD, "seeds": [0], "sweep": {"eps": [0.1]}, "examples": None}
TRAINING = {
    "target": "tiny/cnn",
    "eps": 0.1,
    "step_size": 0.02,
    "steps": 2,
    "epochs": 1,
    "batch_size": 50,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "cosine",
    "holdout": 100,
    "patience": 2,
    "seed": 3,
}


def text_of(content):
    # Half of a surrogate pair can be escaped in YAML, but not be written.
    return yaml.dump(content, allow_unicode=False).encode("utf-8", "backslashreplace")


YAML_PARTS = st.sampled_from(
    [
        *[
            "&a",
            "*a",
            "<<:*a",
            "!!int",
            "!!float",
            "!!binary",
            "!!timestamp",
            "!!set{",
            "?",
            "[",
            "{",
            "}",
            "]",
            "...",
            "2026-02-30",
            "0x1f",
        ],
        *[
            "1:59:59",
            "1e5",
            ".inf",
            ".nan",
            "~",
            "'",
            "#",
            "!!python/name:os.system",
            "a:",
            "rows:",
            "attack:",
            "=",
            "@",
            "`",
            "\\0",
        ],
        *(" ", "\n", "  ", "|\n", ">\n", "---\n", "%YAML 9.9\n", "\t", '"', "- ", ": ", "9" * 100),
    ]
)


@share(6)
@given(changed(GOOD))
def test_odd_values(content):
    with place("configs") as folder:
        path = folder / "small.yaml"
        path.write_bytes(text_of(content))
        found = refused_or(config.load, path)
        assert found is None or found.rows


@share(4)
@given(st.one_of(mutated(text_of(GOOD)), st.lists(YAML_PARTS, max_size=25).map("".join)))
def test_damaged_files(content):
    with place("configs") as folder:
        path = folder / "small.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        refused_or(documents.read, path)
        refused_or(config.load, path)
        refused_or(recipe.load, path)


@share(3)
@given(changed(TRAINING))
def test_recipes(content):
    with place("configs") as folder:
        path = folder / "train.yaml"
        path.write_bytes(text_of(content))
        refused_or(recipe.load, path)


@share(0.4)
@given(changed(SMALL), st.sampled_from([[], ["--restarts", "2"], ["--target", "tiny/cnn"]]))
def test_whole_runs(content, more):
    """From the file to the table; what is read as a config must run to its end."""
    with place("runs") as folder:
        path = folder / "small.yaml"
        path.write_bytes(text_of(content))
        found = refused_or(config.load, path)
        if found is not None:
            few = sum(row.attack.gradients_per_image for row in found.rows) * found.restarts < 200
            if not few or len(found.rows) > 8:
                return  # it would run, for longer than a case may
        status, _, error = command(folder, ["reproduce", str(path), "--images", "8", *more])
        assert status == 2 or not error.count("Traceback")
