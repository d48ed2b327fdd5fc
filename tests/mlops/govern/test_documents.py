"""Card, bill, page and PDF: what a reader's program takes, and nothing a person wrote as markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml

from peers.governed import HOLDOUT, NOW, ROOT, TRAIN, known
from twinhelm.core.json import dumps, loads
from twinhelm.mlops.govern import Sources, bill, card, gather
from twinhelm.mlops.govern.card import parts
from twinhelm.mlops.govern.charts import Range, curve, ranges
from twinhelm.mlops.govern.page import Section, html, markdown
from twinhelm.mlops.govern.pdf import latin, pdf

NASTY = (
    '<script>alert("x")</script> | [a](javascript:b) `c` *d*\n'
    '# e \u202e "q" \\ \x00 é 中 \U0001f600'
)


def front_of(text: str) -> dict[str, Any]:
    front = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(front, dict)
    return front


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.seen


def nasty() -> Sources:
    sources = known()
    assert sources.product
    assert sources.version
    spec = dict(sources.product.spec)
    spec["product"] = {**spec["product"], "use_case": NASTY, "affects": NASTY}
    return replace(
        sources,
        product=replace(sources.product, spec=spec, owner=NASTY),
        version=replace(sources.version, author=NASTY, facts={"license": NASTY}),
    )


def test_front_matter_says_what_hugging_face_reads() -> None:
    front = front_of(card(gather(known())))
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "sklearn"
    assert front["datasets"] == [f"s3://clinic/train.parquet@{TRAIN}", f"holdout.parquet@{HOLDOUT}"]
    assert front["metrics"] == ["recall"]
    (result,) = front["model-index"][0]["results"]
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"name": f"holdout.parquet@{HOLDOUT}", "type": "holdout"}
    assert result["metrics"] == [{"type": "recall", "value": 0.95}]


def test_a_card_of_nothing_is_valid_and_says_unknown_everywhere() -> None:
    text = card(gather(Sources()))
    front = front_of(text)
    assert "model-index" not in front
    assert (front["license"], front["datasets"], front["metrics"]) == (
        "unknown", ["unknown"], ["unknown"])  # fmt: skip
    rows = [line for line in text.splitlines() if "| unknown |" in line]
    assert len(rows) == len(gather(Sources()))
    assert not any(row.endswith("|  |") for row in rows)


def test_every_fact_stands_in_the_card_once() -> None:
    facts = gather(known())
    told = [row for section in parts(facts) for row in section.rows]
    assert len(told) == len(facts)


def test_nasty_text_stays_text_in_the_card() -> None:
    text = card(gather(nasty()))
    front = front_of(text)
    assert front["license"] == NASTY
    body = text.split("---\n", 2)[2]
    assert "<script" not in body
    assert "[a](" not in body
    tables = [line for line in body.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {4}


def test_a_page_has_no_address_no_script_and_no_text_as_markup() -> None:
    sections = [*parts(gather(nasty())), Section(NASTY, NASTY, ("a",), ((NASTY,),))]
    page = html(NASTY, sections)
    names = {tag for tag, _ in tags(page)}
    assert names <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "p", "table",
        "thead", "tbody", "tr", "th", "td", "svg", "text", "line", "circle", "polyline",
    }  # fmt: skip
    assert not any({"src", "href", "onclick", "style"} & attrs.keys() for _, attrs in tags(page))
    assert not re.search(r"url\(|@import|https?://", page.replace("s3://", ""))


def test_a_state_is_told_by_word_and_class() -> None:
    page = html("t", [Section("s", head=("a",), rows=(("missing",), ("missing link",)))])
    assert '<td class="missing">missing</td><' in page
    assert "<td>missing link</td>" in page


def test_markdown_of_no_sections_is_a_title() -> None:
    assert markdown("a_b", []) == "# a\\_b\n"


def test_charts_leave_out_what_is_no_number_and_escape_labels() -> None:
    nan = float("nan")
    drawn = ranges("<t>", [Range("<b>", 0.5, 0.4, 0.6), Range("gone", nan, 0, 1)], limit=0.2)
    assert {tag for tag, _ in tags(drawn)} == {"svg", "text", "line", "circle"}
    assert "gone" not in drawn
    assert ranges("t", []) == ranges("t", [Range("a", nan, nan, nan)]) == ""
    assert curve("t", [(nan, 0.5)]) == curve("t", []) == ""


def test_charts_stay_within_their_picture() -> None:
    rows = [Range("a", -5.0, -9.0, 1e9), Range("b", 0.0, 0.0, 0.0, good=False)]
    drawn = ranges("t", rows)
    wide = float(re.search(r'width="(\d+)"', drawn)[1])  # type: ignore[index]
    assert all(0 <= float(x) <= wide for x in re.findall(r'\b(?:x|cx|x1|x2)="([-\d.]+)"', drawn))
    assert "0 fails" in drawn


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("naïve café", ("naïve café", 0)),
        ("“5 ≥ 3” — so…", ('"5 >= 3" - so...', 0)),
        ("Łódź", ("[U+0141]ódz", 2)),
        ("中\x00\x85", ("[U+4E2D][U+0000][U+0085]", 3)),
        ("\U0001f600", ("[U+1F600]", 1)),
        ("", ("", 0)),
    ],
)
def test_text_becomes_latin_and_says_how_much_changed(text: str, written: tuple[str, int]) -> None:
    assert latin(text) == written
    assert len(latin(text)[0].encode("latin-1")) == len(written[0])


def test_a_pdf_takes_any_text_and_any_length() -> None:
    long = Section("s", NASTY, ("a", "b"), (("x" * 3000, NASTY * 200), ("", "")))
    made = pdf(NASTY, [long, Section("empty")], made_ms=NOW)
    assert made.startswith(b"%PDF-")
    assert made.count(b"/Type /Page\n") > 1


def test_equal_sections_give_equal_pdfs() -> None:
    sections = parts(gather(known()))
    assert pdf("t", sections, made_ms=NOW) == pdf("t", sections, made_ms=NOW)


def test_a_bill_names_the_model_its_files_data_and_libraries() -> None:
    made = bill(gather(known()), made_ms=NOW)
    model = made["metadata"]["component"]
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made["serialNumber"])
    assert (model["type"], model["name"], model["version"]) == (
        "machine-learning-model", "cancer", "3")  # fmt: skip
    assert model["hashes"] == [{"alg": "SHA-256", "content": ROOT}]
    names = [(each["type"], each["name"]) for each in made["components"]]
    assert names == [
        ("file", "MLmodel"), ("file", "model.skops"), ("data", "holdout"), ("data", "train"),
        ("library", "scikit-learn"), ("library", "numpy"),
    ]  # fmt: skip
    refs = {each["bom-ref"] for each in made["components"]} | {model["bom-ref"]}
    assert set(made["dependencies"][0]["dependsOn"]) < refs
    assert {each["ref"] for each in made["dependencies"]} == refs
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[1] == {
        "type": "recall", "value": "0.93", "slice": "older",
        "confidenceInterval": {"lowerBound": "0.8", "upperBound": "0.99"},
    }  # fmt: skip


def test_a_library_without_a_pinned_version_has_none() -> None:
    made = bill(gather(known()), made_ms=NOW)
    numpy = next(each for each in made["components"] if each["name"] == "numpy")
    assert (numpy["purl"], "version" in numpy) == ("pkg:pypi/numpy", False)


def test_a_bill_of_nothing_says_unknown_and_has_no_empty_hash() -> None:
    made = loads(dumps(bill(gather(Sources()), made_ms=NOW)))
    model = made["metadata"]["component"]
    assert (model["name"], model["hashes"], made["components"]) == ("unknown", [], [])
    assert "approach" not in model["modelCard"]["modelParameters"]
    assert model["licenses"] == [{"license": {"name": "unknown"}}]
    told = model["modelCard"]["considerations"]
    assert all(each for each in told.values())
