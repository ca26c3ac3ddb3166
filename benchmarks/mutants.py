"""Mutation testing: plants faults in the source and lists those that no test detects.

    python -m benchmarks.mutants --mutants 200 --seed 0

A mutant is one random change by an operator of Cosmic Ray: another comparison, sign, number or
constant. Changes that no test can detect are not drawn:

- imports for a type checker only (`if TYPE_CHECKING`);
- the markers `*` and `/` in a list of parameters, which are no operators;
- `strict` of `zip`, an assertion that both lengths are equal.

The tests of a mutant are the files in the mirrored test folder: first those with the name of its
module, then those that import it, the fastest first, up to a minute; slow tests are left out. They
run in one process. All times are processor times, so other programs don't change a verdict. The run
uses clones of the last commit, keeps its results in build/mutants.json, and continues there.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import queue
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from tqdm import tqdm

from daa.cli.options import positive
from daa.runs import provenance
from daa.runs.records import write_json

ROOT = Path(__file__).parents[1]
PACKAGES = ("attacks", "runs", "reports", "leaderboard")
KINDS = [
    "ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_Lt_Gt",
    "ReplaceComparisonOperator_Gt_Lt", "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is", "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
    "AddNot", "NumberReplacer", "ZeroIterationForLoop",
]  # fmt: skip
# Seconds of test files for one mutant; the limits of processor time over the time without a mutant,
# and of time over processor time, for mutants that wait.
SECONDS, SLOWER, WAITING = 60.0, 4.0, 10.0
# Runs pytest and prints its processor time.
PYTEST = """import os, pytest, sys
code = pytest.main(sys.argv[1:])
print("processor time", sum(os.times()[:4]))
sys.exit(code)"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=positive, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    parser.add_argument("--jobs", type=positive, default=2, help="mutants at the same time")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.json")
    args = parser.parse_args(arguments)
    commit = provenance.git_commit()
    content: dict[str, Any] = {"commit": commit, "seed": args.seed, "seconds": {}, "mutants": []}
    if args.out.exists():
        old = json.loads(args.out.read_text(encoding="utf-8"))
        same = (old["commit"], old["seed"]) == (commit, args.seed)
        content = old if same else content
    chosen = choose(args.mutants, args.seed, args.packages)
    finished = {mutant["name"] for mutant in content["mutants"]}
    left = [mutant for mutant in chosen if mutant["name"] not in finished]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        clones: queue.Queue[Path] = queue.Queue()
        for k in range(args.jobs):
            subprocess.run(["git", "clone", "-q", ROOT, f"{folder}/{k}"], check=True)
            clones.put(Path(folder, str(k)))
        files = sorted({file for mutant in left for file in tests_of(mutant["module"])})
        unknown = [file for file in files if file not in content["seconds"]]
        times = pool.map(lambda file: (file, *_run(clones, [file], 600)), unknown)
        for file, failure, seconds in tqdm(times, total=len(unknown), desc="tests without mutants"):
            content["seconds"][file] = None if failure else seconds
            write_json(args.out, content)
        seconds_of = content["seconds"]
        results = pool.map(lambda mutant: judge(mutant, seconds_of, clones), left)
        for mutant in tqdm(results, total=len(left), desc="mutants"):
            content["mutants"].append(mutant)
            write_json(args.out, content)
    print(report(content))


def choose(count: int, seed: int, packages: Sequence[str] = PACKAGES) -> list[dict[str, Any]]:
    """Random mutants of all packages and operators."""
    operators = {name: get_operator(f"core/{name}")() for name in KINDS}
    places = []
    for package in packages:
        for path in sorted((ROOT / "daa" / package).glob("*.py")):
            nodes = list(ast_nodes(get_ast(path.read_text(encoding="utf-8"))))
            for name, operator in operators.items():
                found = sum(len(list(operator.mutation_positions(node))) for node in nodes)
                places += [(path, name, occurrence) for occurrence in range(found)]
    random.Random(seed).shuffle(places)
    chosen: list[dict[str, Any]] = []
    for path, name, occurrence in places:
        if len(chosen) == count:
            break
        source = path.read_text(encoding="utf-8")
        mutated = mutate_code(source, operators[name], occurrence)
        try:
            if _observable(mutated) == _observable(source):
                continue
        except SyntaxError:
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        lines = difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0, lineterm="")
        chosen.append(
            {
                "name": f"{module} {name} {occurrence}",
                "module": module,
                "diff": "\n".join(list(lines)[2:]),
                "source": mutated,
            }
        )
    return chosen


def _observable(source: str) -> str:
    """The syntax tree without the parts that no test can observe."""
    return ast.dump(_Observable().visit(ast.parse(source)))


class _Observable(ast.NodeTransformer):
    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults += [value for value in node.kw_defaults if value]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        names = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
        return None if names == {"TYPE_CHECKING"} else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = []
        return self.generic_visit(node)


def tests_of(module: str) -> dict[str, int]:
    """Ranks of the test files of a module's package: with its name, with an import, others."""
    _, package, name = module.split(".")
    imported = re.compile(rf"daa\.{package}(\.| import (\([^)]*|.*))\b{name}\b")
    ranks = {}
    for file in sorted((ROOT / "tests" / package).glob("test_*.py")):
        near = imported.search(file.read_text(encoding="utf-8"))
        ranks[str(file.relative_to(ROOT))] = 0 if name in file.stem else 1 if near else 2
    return ranks


def judge(
    mutant: dict[str, Any], seconds: dict[str, float | None], clones: queue.Queue[Path]
) -> dict[str, Any]:
    """Runs the tests of a mutant."""
    ranks = tests_of(mutant["module"])
    usable = {file: taken for file in ranks if (taken := seconds[file]) is not None}
    files: list[str] = []
    total = 0.0
    for file in sorted(usable, key=lambda file: (ranks[file], usable[file])):
        if not files or total + usable[file] <= SECONDS:
            files, total = [*files, file], total + usable[file]
    begin = time.perf_counter()
    killed = _run(clones, files, SLOWER * total + 10, mutant)[0] if files else None
    result = {key: mutant[key] for key in ("name", "module", "diff")}
    taken = round(time.perf_counter() - begin, 1)
    return {**result, "tested": bool(files), "killed_by": killed, "seconds": taken}


def _run(
    clones: queue.Queue[Path],
    files: Sequence[str],
    limit: float,
    mutant: dict[str, Any] | None = None,
) -> tuple[str | None, float | None]:
    """The first failed fast test of some files in a clone, or another failure; processor time."""
    clone, folder = clones.get(), tempfile.mkdtemp()
    command = [sys.executable, "-c", PYTEST, "-x", "-q", "-m", "not slow and not real"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", *files]
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    environment = {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": str(clone)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # mutants of one second share a time stamp
    try:
        if mutant is not None:
            path = clone / Path(*mutant["module"].split(".")).with_suffix(".py")
            path.write_text(mutant["source"], encoding="utf-8")
        done = subprocess.run(
            [*command, "--basetemp", f"{folder}/tests"],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAITING * limit,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (round(limit),) * 2),
        )
    except subprocess.TimeoutExpired:
        return "time limit", None
    finally:
        subprocess.run(["git", "checkout", "-q", "."], cwd=clone, check=False)
        clones.put(clone)
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode in (0, 5):  # 5: all tests of the files are slow
        return None, round(float(done.stdout.split()[-1]), 1)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed else f"exit status {done.returncode}", None


def report(content: dict[str, Any]) -> str:
    """The kill rate, and the survivors."""
    tested = [mutant for mutant in content["mutants"] if mutant["tested"]]
    survivors = [mutant for mutant in tested if mutant["killed_by"] is None]
    lines = [f"{m['module']}: {m['name'].split()[1]}\n{m['diff']}\n" for m in survivors]
    rate = 100 * (1 - len(survivors) / max(len(tested), 1))
    untested = len(content["mutants"]) - len(tested)
    skipped = [file for file, taken in content["seconds"].items() if taken is None]
    lines += [f"skipped, because they fail or are slow without a mutant: {', '.join(skipped)}"]
    lines += [f"{len(tested)} mutants, {rate:.0f} % killed; {untested} without usable tests"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
