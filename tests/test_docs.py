"""The documentation site: it builds without warnings and documents the public names."""

import re
from urllib.parse import unquote

import pytest
from processes import ROOT, python

import daa

API = sorted(ROOT.glob("docs/api/*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for package in ("sphinx", "myst_nb", "furo", "sphinx_copybutton"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    options = ("-q", "-W", "--keep-going", "-c", "docs", ".", out)
    done = python("-m", "sphinx", *options, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_the_site(site):
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    documented = {name for kind in inventory.data.values() for name in kind}
    for name in daa.__all__:
        module = getattr(getattr(daa, name), "__name__", "")
        assert f"daa.{name}" in documented or module in documented, name
    pages = {path: path.read_text(encoding="utf-8") for path in site.glob("*/**/*.html")}
    assert site / "examples" / "own_model.html" in pages
    for path, text in pages.items():
        if path.is_relative_to(site / "_downloads"):
            continue
        assert not re.search(r'<(script|link|img)[^>]*(src|href)="https?:', text), path
        for link in re.findall(r'<a [^>]*href="([^"#]+)', text):
            if not re.match(r"\w+:", link):
                assert (path.parent / unquote(link)).exists(), (path, link)


@pytest.mark.slow
@pytest.mark.parametrize("page", API, ids=lambda page: page.stem)
def test_the_examples_of_the_api(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec("\n".join(code), {})
    assert capsys.readouterr().out
