"""Records and what else lies in result folders, as tables, figures, page and build read it."""

import json

from hypothesis import given
from hypothesis import strategies as st
from world import changed, command, mutated, place, share

from daa.runs import config

RECORDS = {
    p.name: json.loads(p.read_text()) for p in (config.RESULTS / "robust_mnist").glob("*.json")
}
PGD, BLOB = RECORDS["pgd-xent.json"], RECORDS["blob-xent.json"]
EXAMPLES = {
    "rows": ["pgd-xent", "blob-xent"],
    "images": [3],
    "labels": [1],
    "shape": [2, 2, 1],
    "natural": [[0.0, 0.5, 1.0, 0.2]],
    "adversarial": [[[0.0, 0.5, 1.0, 0.2]], [[0.3, 0.5, 1.0, 0.2]]],
}
NATURAL = {
    "networks": [
        {
            "target": PGD["target"],
            "weights_sha256": PGD["weights_sha256"],
            "data": PGD["data"],
            "data_sha256": PGD["data_sha256"],
            "images": [1],
        }
    ]
}


@st.composite
def folders(draw):
    """A result folder in which one file is not as it should be."""
    files = {"r/pgd-xent.json": PGD, "r/blob-xent.json": BLOB, "r/examples.json": EXAMPLES}
    files["natural.json"] = NATURAL
    hit = draw(st.sampled_from(sorted(files)))
    found = {name: json.dumps(content).encode() for name, content in files.items()}
    if draw(st.booleans()):
        found[hit] = json.dumps(draw(changed(files[hit]))).encode()
    else:
        found[hit] = draw(mutated(found[hit]))
    if draw(st.booleans()):
        found.pop(draw(st.sampled_from(sorted(found))))
    return found


@share(3)
@given(
    folders(),
    st.sampled_from(
        [
            ["tables", "r"],
            ["tables", "r"],
            ["page", "r"],
            ["submit", "build", "r", "-o", "a.npy"],
            ["tables", "none"],
            ["tables", "r/pgd-xent.json"],
        ]
    ),
)
def test_reports(files, arguments):
    with place("records") as folder:
        (folder / "r").mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        command(folder, arguments)


@share(0.5)
@given(folders())
def test_figures(files):
    with place("records") as folder:
        (folder / "r").mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        command(folder, ["figures", "r"])
