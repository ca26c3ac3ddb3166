"""Settings of the documentation site: make docs.

The source folder is the repository, so links between the pages and to other files of the repository
are the same here and on a code hosting site.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before autodoc imports TensorFlow
ROOT = Path(__file__).parents[1]

project = "Distributionally Adversarial Attack"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "examples/*.ipynb",
    "CHANGELOG.md",
    "*/README.md",
    "results/*.md",
    "results/**/table.md",
    "results/**/autoattack.md",
    "results/**/report.md",
]
exclude_patterns = ["docs/README.md", ".*", "benchmarks", "build", "tests"]
suppress_warnings = ["toc.not_included"]  # only links lead to the tables of results
highlight_language = "none"

html_theme = "furo"
html_title = "DAA"
html_show_copyright = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "notebooks")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"

default_role = "py:obj"  # `name` in a docstring is a link if the name is on a page
autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch"]
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True


def literal_blocks(app: Sphinx, what, name, obj, options, lines: list[str]) -> None:
    """Formulas and examples in docstrings are indented after an empty line, without `::`."""
    result, literal = [], False
    for before, line in zip(["", *lines], lines, strict=False):
        indented = line.startswith("    ")
        if indented and not before.strip() and not literal:
            result += ["::", ""]
            literal = True
        literal = literal and (indented or not line.strip())
        result.append(line)
    lines[:] = result


def folders(app: Sphinx, docname: str, source: list[str]) -> None:
    """A link to a folder leads to the page of this folder."""
    here = (ROOT / docname).parent

    def page(match: re.Match[str]) -> str:
        for name in ("README.md", "table.md"):
            if (here / match[1] / name).is_file():
                return f"]({match[1]}/{name})"
        return match[0]

    source[0] = re.sub(r"\]\(([\w./-]+)\)", page, source[0])


def files(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """A link to a documented module leads to its source page; a web page opens in the browser."""
    for node in list(doctree.findall(addnodes.download_reference)):
        file = (ROOT / docname).parent / node["reftarget"]
        module = file.resolve().relative_to(ROOT).with_suffix("")
        if file.suffix == ".py" and module.parts[0] == "daa":
            uri = app.builder.get_relative_uri(docname, f"_modules/{module.as_posix()}")
        elif file.suffix == ".html":
            uri = app.builder.get_relative_uri(docname, "x").removesuffix("x.html")
            uri += f"_downloads/{node['filename']}"
        else:
            continue
        node.replace_self(nodes.reference("", "", *node.children, refuri=uri))


def front_page(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        text = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
        Path(app.outdir, "index.html").write_text(text)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", literal_blocks, priority=400)  # before napoleon
    app.connect("source-read", folders)
    app.connect("doctree-resolved", files)
    app.connect("build-finished", front_page)
