"""How DAA stands to other attacks, by tests on pairs of images and by the papers' t-tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from daa.attacks.methods import METHODS
from daa.paper.accuracies import Word
from daa.paper.claims import Kind
from daa.reports.comparisons import LEVEL, Comparison, corrected
from daa.runs.records import Record


class Finding(NamedTuple):
    """What a test says to something that the paper prints.

    Args:
        word: the verdict, if all restarts are done.
        here: what was found here, as text.
        why: what decided it.
    """

    word: Word
    here: str
    why: str


def tested(found: Comparison) -> str:
    """McNemar's test in words."""
    return f"only DAA {found.only_daa}, only PGD {found.only_pgd} images, p {found.p_holm:.2g}"


def of_pgd(found: Comparison, printed: float | None) -> Finding:
    """Whether DAA stands to PGD as in the paper.

    Args:
        found: both runs.
        printed: -1 where DAA's printed accuracy is the lower one, 1 where PGD's is, 0 where they
            are equal.
    """
    side = {"DAA": -1, "PGD": 1, None: 0}[found.stronger]
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[found.more]
    word: Word = "opposite here"
    if side == 0:  # no test shows that two attacks are equally strong
        word = "no difference found"
    elif side == printed:
        word = "reproduced"
    elif printed == 0:
        word = "stronger here" if side < 0 else "weaker here"
    return Finding(word, here, tested(found))


def of_test(found: Comparison, kind: Kind) -> Finding | None:
    """The papers' t-tests. What is judged is what they are meant to show: DAA below PGD.

    Args:
        found: both runs.
        kind: "t" or "p" of the unpaired test, or "p paired".

    Returns:
        None where there are no two restarts that differ.
    """
    test = found.paired if kind == "p paired" else found.unpaired
    if test.t is None or test.p is None:
        return None
    # The unpaired p is printed in percent.
    here = {"t": f"{test.t:.2f}", "p": f"{100 * test.p:.1e} %"}.get(kind, f"{test.p:.1e}")
    word: Word = "no difference found"
    if test.p < LEVEL:
        word = "same sign" if test.t > 0 else "opposite here"
    why = f"t {test.t:.1f}, p {test.p:.1e}; judged by the sign, as t grows with the restarts"
    return Finding(word, here, why)


def of_all(records: Sequence[Record]) -> Finding:
    """Whether BLOB or DGF lies lowest at all points of an experiment.

    At every point, a radius with a loss, clipped to [0, 1] or not, the DAA with the lowest mean of
    its single runs is compared with the other attack with the lowest one, by McNemar's test on the
    worst cases.

    Args:
        records: of all its runs, on the same images and with equally many restarts.
    """
    points: dict[tuple, dict[bool, list[Record]]] = {}
    for record in records:
        attack = record.attack
        point = points.setdefault((attack.loss, attack.eps, attack.clip_range), {})
        point.setdefault(METHODS[attack.method].particles, []).append(record)
    pairs = corrected(
        [
            Comparison(min(point[True], key=_right), min(point[False], key=_right))
            for point in points.values()
            if len(point) == 2
        ]
    )
    sides = Counter(pair.stronger for pair in pairs)
    lower = sum(_right(pair.daa) < _right(pair.pgd) for pair in pairs)
    higher = sum(_right(pair.daa) > _right(pair.pgd) for pair in pairs)
    if sides["PGD"]:
        word: Word = "weaker here" if sides["DAA"] else "opposite here"
    elif not sides["DAA"]:
        word = "no difference found"
    else:
        word = "reproduced in part" if higher else "reproduced"
    means = f"lower at {lower}, equal at {len(pairs) - lower - higher}, higher at {higher}"
    found = f"DAA is stronger at {sides['DAA']}, weaker at {sides['PGD']}"
    why = f"means of single runs: {means} points; tests on the worst cases: {found}"
    return Finding(word, f"at {lower} of {len(pairs)}", why)


def _right(record: Record) -> int:
    """Images that single runs leave right, all together; means of shares would be rounded."""
    return sum(round(share * record.images) for share in record.accuracy_per_restart)
