"""The files of a result folder, described field by field: the text of docs/records.md."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from pydantic import BaseModel

from daa.evaluation.report import Verdict
from daa.reports import natural, tabular, tidy
from daa.reports.examples import Examples
from daa.reports.races import NAME, Point, Race
from daa.runs.records import EVALUATION, EXAMPLES, Record

_TEXT = f"""# The files of a result folder

Written by `python -m daa.reports.schema`, from the code that reads and writes the files.

A folder `results/NAME` holds the results of an experiment: one JSON file per run, its record, and
what is made of the records: `table.md`, `table.tex` and `table.csv`, and figures as PNG and SVG.
`RUN.npz` files are states of runs, with the worst images; they are not committed.

## Record: `RUN.json`

{{record_about}}

{{record}}

The fields up to `seed` are the identity of the run: two records that agree in them must agree in
their numbers, and a result is never overwritten by one of another identity. A field marked with *
is left out where it has nothing to say.

## Shown images: `{EXAMPLES}`

{{examples_about}}

{{examples}}

## Natural errors: `natural.json`, beside the result folders

{{natural_about}}

{{natural}}

## Verdict on one model: `{EVALUATION}`

{{verdict_about}} Written by `evaluate`, beside the record and the table of the same run.

{{verdict}}

## Beside AutoAttack: `{NAME}`

{{race_about}} The file is a list `races` of such objects, one for each number of cores;
`{NAME[:-5]}.md` has its numbers as a table.

{{race}}

An attack's run has a `seed` and `points`, which are in the order of time:

{{point}}

## Tidy table: `table.csv`

{{csv_about}}

Between the columns `seed` and `clean_accuracy`, each setting of the attack that some run reads has
a column.

{{csv}}
"""


def markdown() -> str:
    """The text of docs/records.md."""
    columns = (*tidy.RUN, *tidy.MEASURED)
    return _TEXT.format(
        record_about=_wrapped(Record.__doc__),
        record=_fields(Record),
        examples_about=_wrapped(Examples.__doc__),
        examples=_fields(Examples),
        natural_about=_wrapped(str(natural.__doc__).split("\n\n")[1]),
        natural=_fields(natural.Misclassified),
        verdict_about=_wrapped(Verdict.__doc__),
        verdict=_fields(Verdict),
        race_about=_wrapped(Race.__doc__),
        race=_fields(Race),
        point=_fields(Point),
        csv_about=_wrapped(str(tidy.__doc__).partition("\n\n")[2]),
        csv=_table(["column", "meaning"], [[f"`{c.name}`", c.meaning] for c in columns]),
    )


def _wrapped(text: str | None) -> str:
    return fill(" ".join(str(text).split()), 100)


def _fields(model: type[BaseModel]) -> str:
    """The fields of a JSON file."""
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
    names = {"integer": "whole number", "string": "text"}
    return names.get(field["type"], field["type"]) + plural


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(tabular.markdown(header, rows, ["left"] * len(header)))


if __name__ == "__main__":
    print(markdown(), end="")
