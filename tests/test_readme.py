"""What a reader sees first: the README's length, its numbers and the links of all documents."""

import re
from pathlib import Path

import numpy as np
import pytest

from daa.reports import autoattack, figures
from daa.reports.results import load
from daa.runs.config import RESULTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = " ".join(README.read_text().split())
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        file, _, place = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if place:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert place in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads]


def records(folder):
    """{name of the attack: records of its best number of steps, one for each seed}."""
    found = {}
    for record in load(RESULTS / folder).records:
        name = "-".join(filter(None, (record.attack.method, record.attack.loss)))
        found.setdefault(name, {}).setdefault(record.attack.steps, []).append(record)
    return {name: min(settings.values(), key=worst) for name, settings in found.items()}


def worst(of):
    return 100 * float(np.mean([record.worst for record in of]))


def test_the_numbers_of_equal_budgets_are_those_of_the_records():
    of = records("equal_budget")
    dgf, blob, apgd, pgd = (of[f"{name}-xent"] for name in ("dgf", "blob", "apgd", "pgd"))
    assert (
        f"With up to 150 gradients it stands at {worst(of['adaptive']):.1f} %, DAA-DGF "
        f"at {worst(dgf):.1f} %, DAA-BLOB at {worst(blob):.1f} %, Auto-PGD at "
        f"{worst(apgd):.1f} % and PGD at {worst(pgd):.1f} %"
    ) in TEXT
    spent = [r.gradients_per_image for name in (dgf, blob, apgd, pgd) for r in name]
    assert all(138 < gradients < 150 for gradients in spent)
    (gradients,) = re.findall(
        r"more images in (\d+) gradients per image than 200-step PGD with ten restarts in 2,000 ",
        TEXT,
    )
    (strong,) = records("robust_mnist")["pgd-xent"]
    assert (strong.attack.steps, strong.restarts, strong.gradients_per_image) == (200, 10, 2000)
    for record in of["adaptive"]:
        assert figures.accuracy_after(record, np.array([float(gradients)]))[0] < 100 * strong.worst


def test_the_numbers_beside_autoattack_are_those_of_the_race():
    for race in autoattack.load(RESULTS / "equal_budget"):
        rows = autoattack.rows(race)
        (end,) = [row for row in rows if row[0] == "AutoAttack: square"]
        goal = race.autoattack.last.accuracy
        there = [course.first_below(goal).gradients for course in race.adaptive]
        ends = [float(row[2]) for row in rows if row[0] == "Adaptive DAA, end"]
        assert (
            f"On the first {race.images:,} of these images AutoAttack ends at "
            f"{float(end[2]):.1f} % after {end[3].split('.')[0]} gradients; Adaptive DAA is there "
            f"after {min(there):.0f} to {max(there):.0f}, and ends at {min(ends):.1f} to "
            f"{max(ends):.1f} %"
        ) in TEXT


def test_the_numbers_of_the_first_run_are_those_of_the_records():
    of = records("own_mnist")
    (pgd,), (adaptive,) = of["pgd-xent"], of["adaptive"]
    assert adaptive.gradients_per_image < pgd.gradients_per_image == pgd.attack.steps == 200
    assert (
        f"On all 10,000 test images the network has a robust accuracy of {worst([pgd]):.1f} % "
        f"under PGD with 200 steps and of {worst([adaptive]):.1f} % under Adaptive DAA with fewer "
        "gradients"
    ) in TEXT
