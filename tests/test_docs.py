"""The pages: every link leads somewhere, in a checkout and on the site, and the site loads nothing from elsewhere."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
# What a browser fetches by itself: scripts, styles, images and fonts. A link is followed by a person.
FETCHED = re.compile(
    r"""(?:<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc|<link\b(?![^>]*rel="canonical")[^>]*?\bhref)="([^"]+)"|"""
    r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def site():
    """setup/pages.py, which is a script."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "setup" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pages"] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pages"]


def tracked():
    """The files that git has, or would take."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return set(subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")) - {""}


def anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    found, taken = set(), {}
    for title in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = taken[slug] = taken.get(slug, -1) + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def headings(site, path):
    """A page without its fenced blocks, in which # begins a comment."""
    text = (ROOT / path).read_text()
    return anchors(re.sub(r"^ *(```+|~~~+).*?^ *\1", "", text, flags=re.MULTILINE | re.DOTALL))


def broken(site, page, text, files):
    for link in site.links(page, text):
        if not link.path:
            parts = urlsplit(link.target)
            if parts.scheme not in ("https", "http") or ("." not in parts.netloc and parts.hostname != "localhost"):
                yield f"{page}: {link.target} is no URL"
        elif link.path not in files:
            yield f"{page}: {link.target} leads to no file"
        elif link.anchor and link.anchor not in headings(site, link.path):
            yield f"{page}: {link.target} leads to no heading"


def test_every_link_and_anchor_leads_somewhere(site):
    files = tracked()
    pages = sorted(path for path in files if path.endswith(".md") and (ROOT / path).is_file())
    assert {"README.md", "docs/operations.md", "examples/pipelines/README.md"} <= set(pages)
    assert [wrong for page in pages for wrong in broken(site, page, (ROOT / page).read_text(), files)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](absent.md)", "no file"),
        ("![a](absent.svg)", "no file"),
        ("[a](docs)", "no file"),
        ("[a](../../outside.md)", "no file"),
        ("[a](aws.md#absent)", "no heading"),
        ("[two\nlines](#absent)", "no heading"),
        ("[a](http:/nowhere)", "no URL"),
        ("[a](ftp://example.com)", "no URL"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(site, text, said):
    found = list(broken(site, "docs/local.md", text, {"docs/aws.md", "docs/local.md"}))
    assert len(found) == 1 and said in found[0]


def test_code_has_no_links(site):
    text = "`[a](b.md)` ``[`a`](b.md)``\n\n```yaml\n[a](b.md)\n```\n\n- x\n\n  ```\n  [a](b.md)\n  ```\n[c](d.md)\n"
    assert [link.target for link in site.links("README.md", text)] == ["d.md"]


def test_links_are_those_of_the_site(site, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "README.md").write_text("[d](docs/d.md#x) [c](CHANGELOG.md) [h](#here) [o](https://example.com)")
    (tmp_path / "CHANGELOG.md").write_text("[d](docs/d.md)")
    (tmp_path / "CONTRIBUTING.md").write_text("")
    (tmp_path / "docs" / "d.md").write_text("[r](../README.md) [l](../lib/l.md) `[r](../README.md)`")
    (tmp_path / "lib" / "l.md").write_text("[d](../docs/d.md)\n[b](b.py)")
    (tmp_path / "lib" / "b.py").write_text("pass")
    (tmp_path / "lib" / "unlinked.py").write_text("pass")
    assert {name: content.decode() for name, content in site.pages(tmp_path).items()} == {
        "index.md": "[d](d.md#x) [c](CHANGELOG.md) [h](#here) [o](https://example.com)",
        "CHANGELOG.md": "[d](d.md)",
        "CONTRIBUTING.md": "",
        "d.md": "[r](index.md) [l](lib/l.md) `[r](../README.md)`",
        "lib/l.md": "[d](../d.md)\n[b](b.py)",
        "lib/b.py": "pass",
    }


def listed(nav):
    for entry in nav:
        for value in entry.values():
            yield from listed(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once(site):
    settings = YAML(typ="safe").load((ROOT / "properdocs.yml").read_text())
    assert sorted(listed(settings["nav"])) == sorted(name for name in site.pages() if name.endswith(".md"))
    assert settings["strict"] is True


def test_the_site_builds_and_loads_nothing_from_elsewhere(site, tmp_path):
    beside = Path(sys.prefix, "docs", "bin", "properdocs")
    program = beside if beside.exists() else shutil.which("properdocs")
    if program is None:
        pytest.skip("the site's generator is not there: run `make setup-test`")
    for name, content in site.pages().items():
        path = tmp_path / "site" / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.copy(ROOT / "properdocs.yml", tmp_path)
    done = subprocess.run([program, "build"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = tmp_path / "site" / "html"
    assert (built / "index.html").exists() and (built / "search" / "search_index.json").exists()
    fetched = {
        next(filter(None, groups))
        for path in built.rglob("*")
        if path.suffix in (".html", ".css", ".svg")
        for groups in FETCHED.findall(path.read_text())
    }
    assert "css/base.css" in fetched
    prose = {page: re.sub(r"<pre.*?</pre>", "", page.read_text(), flags=re.DOTALL) for page in built.rglob("*.html")}
    raw = re.compile(r"^(?:- |\d+\. |\||```)", re.MULTILINE)  # Markdown that the site reads otherwise than GitHub does
    assert [page.name for page, text in prose.items() if raw.search(text)] == []
    assert [each for each in sorted(fetched) if each.startswith(("http:", "https:", "//"))] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_is_described_and_fits_light_and_dark_screens(path):
    text = path.read_text()
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title desc"
    assert {child.get("id") for child in root if child.text} >= {"title", "desc"}
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    used = {name for element in root.iter() for name in element.get("class", "").split()}
    for name in used & set(re.findall(r"\.([\w-]+) \{ (?:fill|stroke): #", light)):
        assert re.search(rf"\.{name} \{{ (?:fill|stroke): #", dark), name
    assert FETCHED.findall(text) == [] and "href" not in text
