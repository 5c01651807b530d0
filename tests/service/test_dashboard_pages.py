"""The pages as a browser without scripts gets them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient

from optimizer.problem import Answer
from service.context import Optimize
from service.dashboard import assets

ATTACK = "<script>alert('x')</script>"
LIMITS = {"latency_ms": 1e6, "min_accuracy": 0.01, "risk": 0.2}
VOID = {"meta", "link", "input", "br", "line", "rect", "circle"}


class Page(HTMLParser):
    """Parses a page strictly: every element that is opened is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def pages(serve: Callable[..., TestClient], sqlite_url: str, quick: Optimize) -> TestClient:
    return serve(sqlite_url, quick)


def store(client: TestClient, **request: Any) -> str:
    body = {"device": "raspberry-pi-4", "task": "cifar10", "limits": LIMITS} | request
    answer = client.post("/v1/designs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def read(client: TestClient, address: str, status: int = 200) -> Page:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


def listed(page: Page) -> list[str]:
    """Ids of the designs that the page links, in order."""
    links = [str(link["href"]) for link in page.all("a")]
    return [link.removeprefix("/designs/") for link in links if link.startswith("/designs/")]


def test_every_page_is_accessible_and_loads_nothing_from_elsewhere(pages: TestClient) -> None:
    own = pages.post("/v1/devices", json={"name": "Mine", "kind": "mcu", "ram_kb": 256}).json()["id"]
    design = store(pages)
    for address in ("/", f"/designs/{design}", "/devices", "/devices/raspberry-pi-4", f"/devices/{own}"):
        page = read(pages, address)
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert len(page.all("caption")) == len(page.all("table")) > 0
        assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
        sources = [element.get("src") or element.get("href") for _, element in page.elements]
        assert all(source.startswith(("/", "#")) for source in sources if source)
        assert not any(name.startswith("on") for _, element in page.elements for name in element)
        policy = pages.get(address).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "script-src 'self';" in policy
        assert "connect-src 'self'" in policy


def test_every_link_of_the_pages_leads_somewhere(pages: TestClient) -> None:
    design = store(pages)
    for address in ("/", f"/designs/{design}", "/devices/raspberry-pi-4"):
        for link in read(pages, address).all("a"):
            if not str(link["href"]).startswith("#"):
                assert pages.get(str(link["href"])).status_code == 200, link


def test_the_empty_list_says_what_to_do_next(pages: TestClient) -> None:
    page = read(pages, "/")
    assert "Nothing is stored yet" in page.text
    command = page.text[page.text.index("curl") :].split("or, without HTTP")[0]
    assert "http://127.0.0.1/v1/designs" in command
    body = json.loads(command[command.index("{") : command.rindex("}") + 1])
    assert pages.post("/v1/designs", json=body).status_code == 201
    assert "Nothing is stored yet" not in read(pages, "/").text


def test_the_list_sorts_by_links_and_says_so(pages: TestClient) -> None:
    slow, fast, middle = store(pages, seed=2), store(pages, seed=0), store(pages, seed=1)
    assert listed(read(pages, "/")) == [middle, fast, slow]
    page = read(pages, "/?sort=latency_ms")
    assert listed(page) == [fast, middle, slow]
    sorted_heads = [head for head in page.all("th") if "aria-sort" in head]
    assert [head["aria-sort"] for head in sorted_heads] == ["ascending"]
    turned = next(str(a["href"]) for a in page.all("a") if a["href"] == "/?sort=-latency_ms")
    again = read(pages, turned)
    assert listed(again) == [slow, middle, fast]
    assert [head["aria-sort"] for head in again.all("th") if "aria-sort" in head] == ["descending"]


def test_the_list_filters_and_keeps_what_was_typed(pages: TestClient, known_answer: Answer) -> None:
    fast, slow = store(pages), store(pages, seed=3)
    jetson = store(pages, device="jetson-nano")
    bound = 2 * known_answer.prediction.latency_ms.value
    page = read(pages, f"/?latency_ms={bound}&task=cifar10&device=&space=&accuracy_percent=")
    assert set(listed(page)) == {fast, jetson}
    assert any(field.get("value") == f"{bound:.12g}" for field in page.all("input"))
    assert listed(read(pages, "/?device=jetson")) == [jetson]
    assert set(listed(read(pages, "/?accuracy_percent=1"))) == {fast, slow, jetson}
    none = read(pages, "/?task=mnist")
    assert listed(none) == []
    assert "0 of 3 stored designs" in none.text


@pytest.mark.parametrize("query", ["latency_ms=fast", "model_kb=-1", "energy_mj=nan", "sort=name%20drop", "task=%00"])
def test_a_bad_filter_is_named_and_left_out(pages: TestClient, query: str) -> None:
    design = store(pages)
    page = read(pages, f"/?{query}", status=422)
    assert f"{query.split('=')[0]} must be" in page.text
    assert listed(page) == [design]


def test_pages_of_the_list_hold_every_design_once(pages: TestClient) -> None:
    stored = {store(pages, seed=seed % 3) for seed in range(30)}
    found: list[str] = []
    address = "/?sort=-accuracy"
    for _ in range(3):
        page = read(pages, address)
        found += listed(page)
        following = [str(link["href"]) for link in page.all("a") if link.get("rel") == "next"]
        if not following:
            break
        address = following[0]
    assert len(found) == 30
    assert set(found) == stored
    assert listed(read(pages, "/?cursor=nonsense")) == listed(read(pages, "/"))


def test_a_design_shows_its_predictions_layers_and_origin(pages: TestClient, known_answer: Answer) -> None:
    design = store(pages)
    page = read(pages, f"/designs/{design}")
    prediction = known_answer.prediction
    assert "predicted, not measured" in page.text
    assert f"{100 * prediction.known_accuracy.value:.1f}" in page.text
    assert "90 % interval" in page.text
    assert "limit at most 1,000,000 ms" in page.text
    assert "kept" in page.text
    for layer in prediction.layers:
        assert layer.name in page.text
    for item in prediction.assumed:
        assert item.field in page.text
        assert item.reason in page.text
    for source in prediction.sources.values():
        assert source in page.text
    assert known_answer.approach in page.text
    assert known_answer.design.digest in page.text
    links = [link["href"] for link in page.all("a")]
    assert {f"/v1/designs/{design}", f"/v1/designs/{design}/front", "/devices/raspberry-pi-4"} <= set(links)
    shown = pages.get(f"/designs/{design}").text
    block = re.search(r'<script type="application/json" id="front-data">(.*?)</script>', shown, re.DOTALL)
    assert block is not None
    points = json.loads(block[1])["series"][0]["points"]
    assert len(points) == len(known_answer.front or ())
    assert sum(point["chosen"] for point in points) == 1


def test_a_profile_sent_whole_links_its_catalogue_device(pages: TestClient) -> None:
    profile = pages.get("/v1/devices/raspberry-pi-4").json()["profile"]
    page = read(pages, f"/designs/{store(pages, device=profile)}")
    assert "/devices/raspberry-pi-4" in [link["href"] for link in page.all("a")]
    changed = profile | {"clock_ghz": 1.0}
    other = read(pages, f"/designs/{store(pages, device=changed)}")
    assert "/devices/raspberry-pi-4" not in [link["href"] for link in other.all("a")]


def test_names_from_requests_are_text_and_nothing_else(pages: TestClient) -> None:
    profile = {"name": ATTACK, "kind": "cpu", "chip": ATTACK}
    own = pages.post("/v1/devices", json=profile).json()["id"]
    design = store(pages, device=profile)
    addresses = ("/", f"/designs/{design}", "/devices", f"/devices/{own}")
    for address in (*addresses, f"/?device={ATTACK}", f"/devices?search={ATTACK}", f"/designs/{ATTACK[:8]}"):
        text = pages.get(address).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
    chart = pages.get("/charts/designs")
    assert chart.headers["content-type"] == "application/json"
    assert ATTACK in chart.json()["series"][0]["name"]


def test_the_chart_holds_the_designs_of_the_list(pages: TestClient) -> None:
    fast, slow = store(pages, seed=0), store(pages, seed=1)
    store(pages, device="jetson-nano")
    chart = pages.get("/charts/designs", params={"device": "raspberry"}).json()
    points = [point for series in chart["series"] for point in series["points"]]
    assert [point["href"] for point in points] == [f"/designs/{fast}", f"/designs/{slow}"]
    assert [point["hollow"] for point in points] == [False, True]


def test_what_is_not_there_is_a_page_too(pages: TestClient) -> None:
    assert "No such design" in read(pages, "/designs/dsn_none", status=404).text
    assert "No such design" in read(pages, "/designs/%00", status=404).text
    assert "No such device" in read(pages, "/devices/none", status=404).text
    assert pages.get("/static/x/..%2fpages.py").status_code == 404


def test_devices_are_found_by_kind_and_words(pages: TestClient) -> None:
    page = read(pages, "/devices?kind=mcu")
    links = {str(link["href"]) for link in page.all("a")}
    assert "/devices/esp32-s3" in links
    assert "/devices/raspberry-pi-4" not in links
    found = {str(link["href"]) for link in read(pages, "/devices?search=pi+4+raspberry").all("a")}
    assert "/devices/raspberry-pi-4" in found
    assert "No device matches" in read(pages, "/devices?search=abacus").text


def test_a_device_shows_each_figure_with_its_source(pages: TestClient) -> None:
    document = pages.get("/v1/devices/raspberry-pi-4").json()
    page = read(pages, "/devices/raspberry-pi-4")
    for name, fact in document["figures"].items():
        assert name in page.text
        assert (fact["source"] or f"derived: {fact['derived']}") in page.text


@pytest.mark.parametrize("name", assets.names())
def test_assets_are_kept_for_good_under_their_digest(pages: TestClient, name: str) -> None:
    address = assets.address(name)
    plain = pages.get(address, headers={"Accept-Encoding": "identity"})
    packed = pages.get(address, headers={"Accept-Encoding": "gzip"})
    assert plain.headers["cache-control"] == assets.IMMUTABLE
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.content == plain.content == gzip.decompress(assets.asset(name).compressed)
    assert plain.headers["content-type"] == assets.asset(name).media_type
    assert pages.get(f"/static/0000000000000000/{name}").headers["cache-control"] == assets.OUTDATED
    assert pages.get(address, headers={"If-None-Match": plain.headers["etag"]}).status_code == 304


def test_charts_never_offer_to_send_data_elsewhere(pages: TestClient) -> None:
    script = pages.get(assets.address("chart.js")).text
    assert "showSendToCloud: false" in script
    assert "displaylogo: false" in script
    calls = re.findall(r"plotly\.(?:newPlot|react)\((.*)\);", script)
    assert len(calls) == 2
    assert all(call.endswith(", CONFIG") for call in calls)
    assert not re.findall(r"https?://", script)
