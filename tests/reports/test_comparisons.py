import csv
import io

import pytest

from daa import AttackConfig
from daa.reports import comparisons, notes, stats, tables, tidy
from daa.reports.comparisons import compare
from daa.reports.results import Collected, collect
from daa.runs.records import Record


@pytest.fixture
def pgd(committed) -> Record:
    found = {record.run: record for record in collect(committed).records}
    return found["pgd-xent"]


def run(pgd: Record, method: str = "blob", broken: int | set[int] = 0, **changes) -> Record:
    """A run like `pgd` of another method, which breaks these images, or `pgd`'s and some more."""
    if isinstance(broken, int):
        others = [i for i in range(pgd.images) if i not in set(pgd.broken)]
        broken = {*pgd.broken, *others[:broken]}
    settings = {name: changes.pop(name) for name in list(changes) if name in AttackConfig.names()}
    known = pgd.settings.items()
    same = {k: v for k, v in known if k in AttackConfig.readable(method, settings)}
    attack = AttackConfig(**{**same, "method": method, **settings})
    update = {"run": f"{method}-x", "attack": attack, "broken": tuple(sorted(broken)), **changes}
    return pgd.model_copy(update=update)


def test_only_the_method_and_the_minibatches_may_differ(pgd):
    for changes in ({}, {"c": 2.0}, {"batch_size": 100}, {"steps_per_shuffle": 5}):
        (found, _) = compare([run(pgd, **changes), pgd])
        assert found.pgd is pgd
    never = run(pgd, shuffle="never", formula="pytorch")
    assert compare([never, pgd])[0].pgd is pgd


@pytest.mark.parametrize(
    "changes",
    [
        {"eps": 0.2},
        {"loss": "cw"},
        {"steps": 100},
        {"step_size": 0.02},
        {"random_start": False},
        {"clip_start": True},
        {"clip_range": False},
        {"precision": "bfloat16"},
        {"targeted": "least_likely"},
        {"keep": "best"},
        {"momentum": 0.5},
        {"start": "signs"},
        {"images": 100},
        {"seed": 1},
        {"target": "tiny/cnn"},
        {"weights_sha256": "other"},
        {"data": "other"},
        {"data_sha256": "other"},
    ],
    ids=str,
)
def test_without_a_run_of_pgd_that_is_the_same_otherwise_there_is_no_comparison(pgd, changes):
    record = run(pgd, **dict(changes))
    assert compare([record, pgd]) == [None, None]
    other = run(pgd, "pgd", **dict(changes))
    assert compare([record, pgd, other])[0].pgd is other


def test_runs_of_other_numbers_of_restarts_are_not_compared(pgd):
    record = run(pgd).model_copy(update={"restarts": 3})
    assert compare([record, pgd]) == [None, None]


def test_only_methods_with_particles_are_compared(pgd):
    assert compare([run(pgd, "momentum"), pgd]) == [None, None]


def test_the_comparison_says_which_attack_breaks_more_and_by_how_many(pgd):
    more, equal = run(pgd, broken=5), run(pgd)
    fewer = run(pgd, broken=set(pgd.broken[3:]))
    better, same, worse, _ = compare([more, equal, fewer, pgd])
    assert (better.only_daa, better.only_pgd, better.more) == (5, 0, "DAA")
    assert (same.only_daa, same.only_pgd, same.more, same.p) == (0, 0, "equal", 1)
    assert (worse.only_daa, worse.only_pgd, worse.more) == (0, 3, "PGD")
    assert better.p == stats.mcnemar(5, 0)


def test_p_is_corrected_for_all_comparisons_together(pgd):
    runs = [run(pgd, broken=count) for count in (8, 6, 2)]
    found = compare([*runs, pgd])[:3]
    assert [one.p_holm for one in found] == stats.holm([one.p for one in found])
    # 6 images alone would have p = 0.031.
    assert [one.stronger for one in found] == ["DAA", None, None]
    assert compare([runs[1], pgd])[0].stronger == "DAA"


def test_the_verdict_counts_stronger_equal_and_weaker_runs(pgd):
    weaker = run(pgd, broken=set(pgd.broken[20:])).model_copy(update={"run": "blob-weak"})
    found = Collected("t", (pgd, run(pgd, broken=20), run(pgd, broken=1), weaker))
    assert notes.verdict(found) == (
        "DAA is stronger than PGD in 1 of 3 comparisons (p < 0.05 after Holm's correction), "
        "no difference found in 1, weaker in 1 (blob-weak)."
    )
    assert notes.verdict(Collected("t", (pgd, run(pgd, broken=9)))).startswith(
        "DAA is stronger than PGD in 1 of 1 comparison ("
    )
    assert notes.verdict(Collected("t", (pgd,))) == ""


def test_tables_show_the_images_and_both_p(pgd):
    found = Collected("t", (pgd, run(pgd, broken=8), run(pgd, broken=set(pgd.broken[3:]))))
    shown = tables.table(found)
    names = ["breaks more", "only DAA : only PGD", "p McNemar", "p Holm"]
    assert [[row[name] for name in names] for row in shown.rows] == [
        ["", "", "", ""],
        ["DAA", "8 : 0", "0.0078", "0.016"],
        ["PGD", "0 : 3", "0.25", "0.25"],
    ]
    row = list(csv.DictReader(io.StringIO(tidy.text(found))))[1]
    assert (row["only_daa"], row["only_pgd"], row["p_holm"]) == ("8", "0", "0.015625")


def test_t_is_positive_where_daa_is_stronger(pgd):
    lower = tuple(a - 0.01 * (1 + k / 10) for k, a in enumerate(pgd.accuracy_per_restart))
    (found, _) = compare([run(pgd, accuracy_per_restart=lower), pgd])
    for test, got in ((stats.unpaired, found.unpaired), (stats.paired, found.paired)):
        assert (got.t, got.p) == test(pgd.accuracy_per_restart, lower)
        assert got.t > 0


def test_restarts_that_leave_images_out_are_not_tested(pgd):
    standing = run(pgd, "pgd").attack.replace(restarts="standing")
    other = pgd.model_copy(update={"attack": standing})
    record = run(pgd).model_copy(update={"attack": run(pgd).attack.replace(restarts="standing")})
    (found, _) = compare([record, other])
    assert not found.repeated
    assert found.paired.t is found.unpaired.t is None
    assert tables.tests(Collected("t", (record, other))) is None


def test_a_single_restart_is_not_tested(pgd):
    one = {"restarts": 1, "accuracy_per_restart": pgd.accuracy_per_restart[:1]}
    records = [record.model_copy(update=one) for record in (run(pgd), pgd)]
    found = compare(records)[0]
    assert found.unpaired.t is None
    assert tables.tests(Collected("t", tuple(records))) is None


def test_the_papers_tests_stand_beside_ours(pgd):
    name = {"config": "table1", "experiment": "table1-somewhere"}
    runs = [pgd, run(pgd, "blob"), run(pgd, "dgf"), run(pgd, "attraction")]
    lower = tuple(a - 0.01 * (1 + k / 10) for k, a in enumerate(pgd.accuracy_per_restart))
    runs = [
        record.model_copy(update={**name, **({"accuracy_per_restart": lower} if k else {})})
        for k, record in enumerate(runs)
    ]
    found = Collected("t", tuple(runs))
    names = ["t unpaired, arXiv", "p unpaired, arXiv", "p paired, AAAI"]
    assert [[row[name] for name in names] for row in tables.tests(found).rows] == [
        ["76.94", "0.0 %", "0.0"],
        ["75.95", "0.0 %", "5e-43"],
        ["", "", ""],
    ]
    assert "over how many restarts" in notes.of_tests(found)
    cw = [record.attack.replace(loss="cw") for record in runs]
    others = [r.model_copy(update={"attack": a}) for r, a in zip(runs, cw, strict=True)]
    assert "t unpaired, arXiv" not in tables.tests(Collected("t", tuple(others))).header


def test_the_papers_tests_are_those_of_the_texts():
    assert comparisons.PAPERS["table_fmnist", "blob"].t_arxiv == "119.24"
    assert comparisons.PAPERS["table_fmnist", "dgf"].t_arxiv == "109.75"
    assert comparisons.PAPERS["table_fmnist", "dgf"].p_aaai == "3e-27"


def test_the_sentences_say_what_restarts_are_samples_of(committed):
    text = tables.markdown(collect(committed))
    assert "two-sided" in text
    assert "samples of the random numbers (starts and shuffles) alone" in text
    assert "McNemar's test over the images, in the table above, is the one that counts" in text


def test_a_table_of_several_commits_says_so(pgd):
    assert notes.commits([pgd, run(pgd)]) == ""
    other = run(pgd, git_commit="0123456789-dirty")
    both = run(pgd, git_commit=f"{pgd.git_commit} and 0123456789-dirty")
    assert notes.commits([pgd, pgd, other, both]) == (
        f"The runs come from several commits of the code: {pgd.git_commit[:7]} (3 runs), "
        "0123456-dirty (2 runs)."
    )
    found = Collected("t", (pgd, other))
    assert "several commits" in tables.markdown(found)
    assert "% The runs come from several commits" in tables.latex(found)
