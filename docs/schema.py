"""Writes docs/records.md: the files of a result folder, described field by field.

python docs/schema.py > docs/records.md
"""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from pydantic import BaseModel

from daa.evaluation.report import Verdict
from daa.reports import autoattack, results, tabular
from daa.reports.examples import Examples
from daa.runs.records import EVALUATION, EXAMPLES, Record

_TEXT = f"""# The files of a result folder

Written by `python docs/schema.py`, from the code that reads and writes the files.

A folder `results/NAME` holds the results of an experiment: `experiment.json`, one JSON file per run
(called a record), and the reports on the records: `table.md`, `table.tex`, `table.csv`, and figures
as PNG and SVG. `RUN.npz` files are states of runs with the adversarial images; they are not
committed.

## Experiment: `experiment.json`

The config that was run, with all rows in their order and the complete settings of each attack.
Reports read the experiment here, so a result folder needs no other file.

## Record: `RUN.json`

{{record_about}}

{{record}}

The fields up to `seed` are the identity of the run: two records with the same identity have the
same numbers, and a result is never overwritten by a result of another identity. A field marked
with * is optional.

## Data frame and CSV: `daa.load_results(folder)` and `table.csv`

One row per record. Numbers are not rounded, accuracies are in [0, 1], and a value that a record
does not have is missing. Columns:

{{columns}}

Between `seed` and `clean_accuracy`, each setting of the attack that some run reads has a column of
its name. The column of the setting `restarts` is `restarts_setting`.

## Images of a figure: `{EXAMPLES}`

{{examples_about}}

{{examples}}

## Evaluation of one model: `{EVALUATION}`

{{verdict_about}} The command `evaluate` writes it next to the record and the table of the run.

{{verdict}}

## Comparison with AutoAttack: `{autoattack.NAME}`

{{race_about}} The field `races` of the file is a list of such objects, one for each number of
cores. `{autoattack.NAME[:-5]}.md` has the numbers as a table.

{{race}}

A run of an attack has a `seed` and `points`, in the order of time:

{{point}}
"""


def markdown() -> str:
    """The text of docs/records.md."""
    columns = []
    for name in (*results.IDENTITY, *results.MEASURED):
        meaning = results.COMPUTED.get(name) or Record.model_fields[name].description
        columns.append([f"`{name}`", str(meaning)])
    models = {"record": Record, "examples": Examples, "verdict": Verdict}
    models |= {"race": autoattack.Race, "point": autoattack.Point}
    texts = {f"{name}_about": _paragraph(model) for name, model in models.items()}
    texts |= {name: _fields(model) for name, model in models.items()}
    return _TEXT.format(columns=_table(["column", "meaning"], columns), **texts)


def _paragraph(model: type[BaseModel]) -> str:
    return fill(" ".join(str(model.__doc__).split()), 100)


def _fields(model: type[BaseModel]) -> str:
    """A table of the fields of a JSON file."""
    schema = model.model_json_schema(mode="serialization")
    rows = []
    for name, field in schema["properties"].items():
        optional = "" if name in schema["required"] else "*"
        rows.append([f"`{name}`{optional}", _type(field), field["description"]])
    return _table(["field", "type", "meaning"], rows)


def _type(field: Mapping[str, Any], plural: str = "") -> str:
    """A JSON type in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "const" in field:
        return str(field["const"])
    if "$ref" in field:
        return f"object{plural}"
    if field["type"] == "array":
        items = field.get("items") or field["prefixItems"][0]
        return f"list{plural} of {_type(items, 's')}"
    return {"string": "text"}.get(field["type"], field["type"]) + plural


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(tabular.markdown(header, rows, ["left"] * len(header)))


if __name__ == "__main__":
    print(markdown(), end="")
