"""Several radii in one command, and several models side by side."""

import json
import re
from pathlib import Path

import pytest

from daa import InputError
from daa.cli import compare, evaluate
from daa.evaluation import several
from daa.evaluation.report import folder_of
from daa.reports.results import load
from daa.reports.stats import mcnemar

OPTIONS = ["--data", "d.npz", "--method", "pgd", "--budget", "6", "--bounds", "0", "255"]


@pytest.fixture(autouse=True)
def models(user_model, no_checks):
    """Two models in the working directory, and no small attacks after the attack."""
    weights = user_model.get_weights()
    user_model.set_weights([weights[0][::-1], weights[1]])
    user_model.save("b.keras")


def test_several_radii_make_a_curve(capsys):
    radii = ["--eps", "0.01", "--eps", "2/255", "--out", "out"]
    more = ["--restarts", "2", "-o", "step_size=1/500", "--targeted", "least_likely", "--quiet"]
    assert evaluate.main(["net.keras", *OPTIONS, *radii, *more]) == 0
    loaded = load("out")
    assert [(r.attack.eps, r.restarts) for r in loaded.records] == [(0.01, 2), (2 / 255, 2)]
    settings = {(r.attack.step_size, r.attack.targeted) for r in loaded.records}
    assert settings == {(0.002, "least_likely")}
    assert {"index.html", "eps.png", "table.md"} <= {path.name for path in Path("out").iterdir()}
    assert capsys.readouterr().out.count("PGD (targeted: least likely), 2 restarts, seed 0") == 2
    assert evaluate.main(["net.keras", *OPTIONS, *radii, "--seed", "1"]) == 2
    assert "out: contains another experiment; choose another folder" in capsys.readouterr().err
    assert not list(Path("out").glob("*seed1*"))  # no attack has run


def test_more_restarts_extend_a_run(capsys):
    for restarts in ("1", "3"):
        start = ["net.keras", *OPTIONS, "--eps", "0.01", "--restarts", restarts]
        assert evaluate.main(start) == 0
    (folder,) = Path("evaluations").iterdir()
    assert json.loads((folder / "pgd.json").read_text())["restarts"] == 3


def test_a_run_with_more_images_says_that_it_starts_anew(capsys):
    said = []
    for more in (["--images", "30"], ["--seed", "1"], [], []):
        assert evaluate.main(["net.keras", *OPTIONS, "--eps", "0.01", *more]) == 0
        said.append("so this run starts anew" in capsys.readouterr().out)
    assert said == [False, False, True, False]


def test_models_are_compared_by_a_paired_test(capsys):
    assert compare.main(["net.keras", "b.keras", *OPTIONS, "--eps", "0.01", "--out", "out"]) == 0
    text = capsys.readouterr().out
    runs = [load(next(Path("out").glob(f"{name}*"))).records[0] for name in ("net", "b.k")]
    a, b = ({*run.broken} for run in sorted(runs, key=lambda run: -run.worst))
    more, less = len(b - a), len(a - b)
    assert re.search(f"on {more} images? .* on {less} .*p = {mcnemar(more, less):.2g} ", text)
    assert compare.main(["net.keras", "b.keras", *OPTIONS, "--eps", "0.01", "--seed", "1"]) == 0
    (folder,) = Path("evaluations").glob("compare*")
    assert folder.name.startswith("compare-net.keras-b.keras-d.npz-pgd-eps0.01-budget6.0-seed1-")
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert "Your model: b, net." in page
    assert "Models side by side" in page and "1: net" in page and "2: b" in page
    for run in runs:
        assert f"{100 * run.worst:.2f}" in page


def test_all_models_and_images_are_checked_before_the_first_attack(refused):
    assert "no.keras" in refused("compare", "net.keras", "no.keras", *OPTIONS, "--eps", "0.01")
    calls = [{"model": "tiny/cnn", "eps": 0.1, "images": images} for images in (10, 20)]
    with pytest.raises(InputError, match="compare: the models have different images"):
        several.require_same_images(calls, Path("out"))
    assert not Path("evaluations").exists()


def test_a_folder_has_all_options_in_its_name():
    whole = ["net", *(("a" * 300) + end for end in ("b", "c"))]
    names = {folder_of(*whole[: 2 + k], f"eps{eps}").name for k in (0, 1) for eps in (1, 2)}
    assert len(names) == 4 and max(map(len, names)) < 255
    assert folder_of("a/B.keras", None, "eps8/255").name == "a-b.keras-eps8of255"
    assert folder_of("a" * 81) != folder_of("b" + "a" * 80)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("1e-3", 0.001), ("8/255", 8 / 255), ("true", True), ("best", "best"), ("", "")],
)
def test_the_value_of_an_option_has_the_type_of_its_text(text, value):
    name, read = evaluate._option(f"c={text}")
    assert (name, read, type(read)) == ("c", value, type(value))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("evaluate net.keras -o c", "-o c: must be NAME=VALUE"),
        ("evaluate net.keras -o budget=5", "-o budget: is no option of a method; --help"),
        ("evaluate net.keras --method=", "argument --method: invalid choice: ''"),
        ("evaluate net.keras -o c=2", "c: expected no such option for pgd, got 2"),
        ("evaluate net.keras --restarts 2 --method adaptive", "restarts: adaptive"),
        ("compare net.keras net.keras", "compare: needs at least two different models"),
        ("compare net.keras b.keras --eps 0.1", "--eps: compare needs one radius"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, refused):
    name, *rest = arguments.split()
    assert message in refused(name, *OPTIONS, "--eps", "0.1", *rest)
    assert not Path("evaluations").exists()
