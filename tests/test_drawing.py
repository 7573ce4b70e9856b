"""What a picture of a cluster shows, and that every format says it without a fault, whatever names are in it."""

import re
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HOSTILE, definitions

from generator.cli.plan_view import SYMBOLS
from generator.definition import Masters, Pool
from generator.drawing import dot, mermaid, svg
from generator.drawing.diagram import MARKED, Legend, describe
from generator.drawing.layout import lay_out
from generator.site import Entry, Site
from generator.topology import blocks
from generator.topology import lay_out as topology
from tests import pictures
from tests.pictures import CASES
from tests.test_topology import STAR_WARS

few = settings(max_examples=25)  # each draws a whole cluster
ENTRY = Entry("Load balancer", "port 6443, for 203.0.113.0/24", balanced=True)
SITE = Site("eu-west-1", ENTRY, zones=("eu-west-1a", "eu-west-1b"), pool_zones={"general": ("eu-west-1b",)})


def drawn(definition, site=SITE, driver="weave", *, grouped=True):
    wanted = topology(definition, blocks(definition, {}))
    return describe(definition, wanted, site, "aws", driver, grouped=grouped)


def titles(diagram):
    return {area.title: [card.heading for card in area.cards] for area in diagram.areas}


def everything(diagram):
    """A picture with every mark, and a legend."""
    marks = [*MARKED, ""]
    areas = tuple(
        replace(area, cards=tuple(replace(card, mark=marks[i % 5]) for i, card in enumerate(area.cards)))
        for area in diagram.areas
    )
    meanings = {mark: f"is {word}" for mark, word in MARKED.items()}
    return replace(diagram, areas=areas, legend=Legend(meanings, "3 other changes"))


texts = st.text(max_size=24) | st.sampled_from((*HOSTILE, "end", "\x00\x1b", "]]>", "<b>", "&amp;", "`**x**`", "\\N"))
sites = st.builds(
    Site,
    texts,
    st.builds(Entry, texts, texts, st.booleans()),
    network=texts,
    zones=st.lists(texts, max_size=4, unique=True).map(tuple),
    addressed=st.booleans(),
)


@st.composite
def diagrams(draw):
    """Of definitions whose names are anything at all."""
    definition = draw(definitions())
    pools = tuple(replace(pool, name=f"{index}{draw(texts)}") for index, pool in enumerate(definition.workers))
    named = replace(definition, name=draw(texts), workers=pools, addons=tuple(draw(st.lists(texts, max_size=2))))
    site = draw(sites)
    if site.zones:
        site = replace(site, pool_zones={pool.name: site.zones[:1] for pool in pools})
    found = drawn(named, site, draw(texts), grouped=draw(st.booleans()))
    return everything(found) if draw(st.booleans()) else found


@pytest.mark.parametrize("path", pictures.wanted(), ids=lambda path: path.name)
def test_pictures_of_the_examples_are_as_committed(path):
    assert path.read_text(encoding="utf-8") == pictures.wanted()[path], "look at what `python -m tests.pictures` draws"


def test_the_docs_show_the_flowchart_of_the_quickstart():
    shown = (pictures.ROOT / "docs" / "operations.md").read_text()
    assert f"```mermaid\n{(pictures.HERE / 'quickstart-local.mermaid').read_text()}```\n" in shown


def test_machines_are_in_the_zones_that_they_take_turns_in():
    assert titles(drawn(STAR_WARS)) == {
        "eu-west-1a": ["master1", "etcd1", "etcd3"],
        "eu-west-1b": ["etcd2"],
        "Groups of workers": ["worker-general x 2", "worker-batch x 1"],
    }


def test_a_target_without_zones_has_roles_and_pools():
    assert titles(drawn(STAR_WARS, Site("this computer", ENTRY), grouped=False)) == {
        "Masters": ["master1"],
        "etcd": ["etcd1", "etcd2", "etcd3"],
        "Pool general": ["worker-general-1", "worker-general-2"],
        "Pool batch": ["worker-batch-1"],
    }


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [(None, None, "2"), (2, 2, "2"), (None, 5, "2 (to 5)"), (1, 5, "2 (1 to 5)"), (0, None, "2 (0 to 2)")],
)
def test_a_group_says_how_many_workers_it_may_have(least, most, said):
    pool = Pool("general", 2, "medium", min=least, max=most)
    cards = drawn(replace(STAR_WARS, workers=(pool,))).cards
    assert [card.heading for card in cards if card.role == "worker"] == [f"worker-general x {said}"]


def test_a_group_says_where_it_is_and_what_it_is_made_of():
    pools = (Pool("general", 2, "medium"), Pool("gpu", 1, "large", arch="arm64", spot=True))
    site = replace(SITE, pool_zones={"general": SITE.zones, "gpu": SITE.zones[:1]}, types={"worker-gpu": "t4g.xlarge"})
    general, gpu = drawn(replace(STAR_WARS, workers=pools), site).cards[-2:]
    assert general.lines == ("worker, medium", "2 vCPU, 4 GiB", "in all zones")
    assert gpu.lines == ("worker, large, spot", "t4g.xlarge, arm64", "in eu-west-1a")


@pytest.mark.parametrize(("balanced", "entered"), [(True, {"master1", "master2", "master3"}), (False, {"master1"})])
def test_clients_are_led_to_the_masters_that_their_way_in_leads_to(balanced, entered):
    several = replace(STAR_WARS, masters=Masters(3, "medium", False))
    found = drawn(several, replace(SITE, entry=replace(ENTRY, balanced=balanced)))
    assert {card.key for card in found.cards if card.entered} == entered


def test_what_runs_where():
    runs = {card.key: card.runs for card in drawn(STAR_WARS).cards}
    assert (runs["master1"], runs["etcd1"], runs["worker-general"]) == (("API server",), ("etcd",), ("pods",))
    alone = replace(STAR_WARS, etcd=replace(STAR_WARS.etcd, count=0), masters=Masters(1, "medium", True))
    assert drawn(alone).cards[0].runs == ("API server", "etcd", "pods")


def test_what_nobody_has_decided_yet_is_said():
    found = drawn(STAR_WARS, replace(SITE, addressed=False), "")
    assert found.pods == "Pod network: weave or flannel, as the lock will say, encrypted"
    assert found.cards[0].lines == ("master, medium", "2 vCPU, 4 GiB")


def test_a_pool_without_machines_and_a_zone_without_fixed_ones_say_so():
    empty = replace(STAR_WARS, etcd=replace(STAR_WARS.etcd, count=0), workers=(Pool("later", 0, "small", max=5),))
    assert [area.note for area in drawn(empty, Site("here", ENTRY), grouped=False).areas] == ["", "no worker yet"]
    assert [area.note for area in drawn(empty, replace(SITE, pool_zones={})).areas] == ["", "workers only", ""]


def test_marks_are_those_of_a_plan():
    assert [*MARKED] == [SYMBOLS["create"], "~", SYMBOLS["replace"], SYMBOLS["delete"]]


@pytest.mark.parametrize(("example", "target"), CASES)
def test_every_machine_is_named_once_in_an_svg(example, target):
    diagram = pictures.diagram(example, target)
    root = ElementTree.fromstring(svg.write(diagram))
    said = Counter(text.text for text in root.iter(f"{{{svg.NAMESPACE}}}text"))
    assert {card.heading: said[card.heading] for card in diagram.cards} == {c.heading: 1 for c in diagram.cards}


@few
@given(diagrams())
def test_an_svg_is_xml_that_loads_nothing_and_has_words_for_those_who_cannot_see_it(diagram):
    text = svg.write(diagram)
    root = ElementTree.fromstring(text)
    tags = Counter(each.tag.removeprefix(f"{{{svg.NAMESPACE}}}") for each in root.iter())
    assert tags.keys() == {"svg", "title", "desc", "style", "rect", "polyline", "polygon", "text"}
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title desc"
    assert not [key for each in root.iter() for key in each.keys() if "href" in key or key.startswith("on")]  # noqa: SIM118
    style = root.find(f"{{{svg.NAMESPACE}}}style").text
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    assert tags["text"] == len(lay_out(diagram).labels)


def apart(one, other):
    return one.right <= other.x or other.right <= one.x or one.bottom <= other.y + 0.01 or other.bottom <= one.y + 0.01


def inside(one, other):
    slack = 0.01  # what adding fractions of pixels may be off
    return (
        one.x >= other.x - slack
        and one.y >= other.y - slack
        and one.right <= other.right + slack
        and one.bottom <= other.bottom + slack
    )


@few
@given(diagrams())
def test_texts_stay_in_their_boxes_and_nothing_overlaps(diagram):
    layout = lay_out(diagram)
    boxes = [box for box in layout.boxes if not box.style.startswith("stripe")]
    assert all(apart(one, other) or inside(other, one) for one, other in combinations(boxes, 2))
    places = [label.box for label in layout.labels if label.text]
    assert all(apart(one, other) for one, other in combinations(places, 2))
    for place in places:
        around = [box for box in boxes if not apart(box, place)]
        assert around and all(inside(place, box) or inside(box, place) for box in around)


@few
@given(diagrams())
def test_ways_of_clients_cross_no_text(diagram):
    layout = lay_out(diagram)
    lines = [(*sorted((x, x1)), *sorted((y, y1))) for way in layout.ways for (x, y), (x1, y1) in pairwise(way.points)]
    for label in layout.labels:
        box = label.box
        assert all(x1 < box.x or x > box.right or y1 < box.y or y > box.bottom for x, x1, y, y1 in lines)


LABEL = r'"[^"`<>]*(?:<br/>[^"`<>]*)*"'
STATEMENTS = [
    r"flowchart TB",
    r"  accTitle: [^#;{}]*",
    r"  accDescr: [^#;{}]*",
    rf"  +subgraph (?P<area>\w+)\[{LABEL}\]",
    r"  +end",
    rf"  +(?P<id>\w+)(\(\[|\[){LABEL}(\]\)|\])(:::\w+)?",
    r"  (?P<from>\w+) --[->] (?P<to>\w+)",
    r"  classDef (?P<style>\w+) [\w#:, -]+",
]


@few
@given(diagrams())
def test_mermaid_has_statements_of_its_grammar_and_each_id_once(diagram):
    found = []
    for line in mermaid.write(diagram).splitlines():
        matched = [match for each in STATEMENTS if (match := re.fullmatch(each, line))]
        assert matched, line
        found.append(matched[0].groupdict())
    ids = [line["id"] for line in found if line.get("id")] + [line["area"] for line in found if line.get("area")]
    assert len(ids) == len(set(ids)) and "end" not in ids
    assert {end for line in found if line.get("to") for end in (line["from"], line["to"])} <= set(ids)


def unescaped(text):
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


@few
@given(texts)
def test_mermaid_and_dot_say_what_is_meant(text):
    diagram = drawn(replace(STAR_WARS, addons=(f"_{text}",)))
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", f"Add-ons: _{text}")
    assert plain in [unescaped(part) for part in mermaid.write(diagram).split("<br/>")]
    controls = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", f"Add-ons: _{text}")
    said = controls.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    assert f"\\n{said}\\n" in dot.write(diagram)


TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|->|[\w.]+|[{}\[\];=,]')


@few
@given(diagrams())
def test_dot_has_tokens_of_its_grammar_and_closes_what_it_opens(diagram):
    text, at, opened, strict = dot.write(diagram), 0, [], []
    while at < len(text):
        token = TOKEN.match(text, at)
        assert token, text[at : at + 40]
        strict.append(token[0])
        if token[0] in "{[":
            opened.append(token[0])
        elif token[0] in "}]":
            assert opened.pop() == {"}": "{", "]": "["}[token[0]]
        at = token.end()
    assert opened == [] and strict[0] == "digraph"
