"""Settings of the documentation site: make docs.

The source folder is the repository, so links between the pages and to other files of the repository
are the same here and on a code hosting site.
"""

import os
import re
import shutil
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
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "*/README.md",
    "results/*.md",
    "results/**/table.md",
    "results/**/autoattack.md",
    "results/**/report.md",
]
exclude_patterns = ["docs/README.md", ".*", "benchmarks", "build", "tests"]
suppress_warnings = ["toc.not_included"]  # only links lead to the tables of results
highlight_language = "text"  # of blocks without a language

html_theme = "furo"
html_title = "DAA"
pygments_dark_style = "monokai"
html_show_copyright = False
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

myst_heading_anchors = 3
nb_execution_mode = "cache"  # `make clean` to run the notebook again
nb_execution_cache_path = str(ROOT / "build" / "notebooks")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"

default_role = "py:obj"  # `name` in a docstring is a link if the name is on a page
autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch"]
autodoc_preserve_defaults = True
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


def defaults(app: Sphinx, what, name, obj, options, signature, returns):
    """`<function gradient>` becomes `gradient`, so that Sphinx can read the signature."""
    if signature and "<" in signature:
        signature = signature.replace("<factory>", "...")
        return re.sub(r"<\w+ \'?(\w+)\'?>", r"\1", signature), returns
    return None


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
        file = (ROOT / docname).parent.joinpath(node["reftarget"]).resolve().relative_to(ROOT)
        page = file.with_suffix("").as_posix()
        if file.suffix == ".py" and file.parts[0] == "daa":
            page = f"_modules/{page}"
        elif file.suffix != ".html":
            continue
        uri = app.builder.get_relative_uri(docname, page)
        node.replace_self(nodes.reference("", "", *node.children, refuri=uri))


def other_pages(app: Sphinx, error: Exception | None) -> None:
    """The results page with its records, and a first page that leads to `docs/index.html`."""
    if error is None:
        ignore = shutil.ignore_patterns("*.npz", "quickstart")
        shutil.copytree(
            ROOT / "results", Path(app.outdir, "results"), ignore=ignore, dirs_exist_ok=True
        )
        text = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
        Path(app.outdir, "index.html").write_text(text)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", literal_blocks, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", defaults)
    app.connect("source-read", folders)
    app.connect("doctree-resolved", files)
    app.connect("build-finished", other_pages)
