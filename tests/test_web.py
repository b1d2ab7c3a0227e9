"""The web pages: what they say and never say over plain HTTP; then in a real Chromium live news, phone, dark and light,
keyboard, what screen readers need, no script. One file, so that one server and one browser serve all tests."""

import hashlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from hosts import SLUG
from playwright.sync_api import Browser, Page, expect, sync_playwright
from web_server import (
    EVIL_RUN,
    KILLED,
    LARGE,
    LIVE,
    MANY,
    OVER,
    OWN,
    PATIENCE_SECONDS,
    PRIVATE,
    Site,
    blend,
    entry,
    process,
    serving,
    start,
)

from leaderboard.alive import FILE
from leaderboard.locks import is_held
from leaderboard.record import Record
from leaderboard.web import run_facts
from leaderboard.web.code import difference
from leaderboard.web.figures import histogram
from leaderboard.web.rendering import HERE

MOST_PAGES = 60
PAGES = {
    "overview": "/", "competitions": "/competitions", "open": f"/competitions/{SLUG}", "over": f"/competitions/{OVER}",
    "runs": "/runs", "history": "/runs?task=many-entries", "large": f"/runs/{LARGE}", "odd": f"/runs/{EVIL_RUN}",
    "entry": f"/runs/{EVIL_RUN}/entries/1", "improvement": "/improvement", "proposal": "/improvement/proposals/1",
    "missing": "/runs/nobody",
}
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


class Elements(HTMLParser):
    """The elements of a page with their attributes, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def links(self) -> list[str]:
        return [value.partition("#")[0] for _, attributes in self.found for name, value in attributes.items()
                if name in ("href", "src", "action") and not value.startswith("#")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("web")) as found:
        yield found


def get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=120)


def text_of(site: Site, path: str) -> str:
    answer = get(site.url + path)
    assert answer.status == 200, path
    return answer.data.decode()


@pytest.fixture(scope="module")
def every(site: Site) -> dict[str, urllib3.BaseHTTPResponse]:
    """Pages that links lead to from the first one, and from an odd entry: MOST_PAGES of them."""
    found: dict[str, urllib3.BaseHTTPResponse] = {}
    waiting = ["/", f"/runs/{EVIL_RUN}/entries/0"]
    while waiting and len(found) < MOST_PAGES:
        path = waiting.pop(0)
        found[path] = answer = get(site.url + path)
        if answer.headers["Content-Type"].startswith("text/html"):
            here = path.partition("?")[0]
            links = [here + link if link.startswith("?") else link for link in Elements(answer.data.decode()).links]
            waiting += dict.fromkeys(link for link in links if link not in {*found, *waiting})
    return found


def pages(every: dict[str, urllib3.BaseHTTPResponse]) -> dict[str, str]:
    return {path: answer.data.decode() for path, answer in every.items() if "text/html" in answer.headers["Content-Type"]}


def test_every_link_leads_somewhere_and_nowhere_else(every: dict[str, urllib3.BaseHTTPResponse]) -> None:
    assert {answer.status for answer in every.values()} == {200}, [at for at, answer in every.items() if answer.status != 200]
    assert all(path.startswith("/") for path in every)
    for wanted in ("/competitions/over", f"/runs/{LARGE}", "/improvement/proposals/1", "/static/page.js"):
        assert wanted in every


def test_a_browser_is_told_to_trust_nothing(every: dict[str, urllib3.BaseHTTPResponse]) -> None:
    assert all(answer.headers["X-Content-Type-Options"] == "nosniff" for answer in every.values())
    for path, page in pages(every).items():
        policy = every[path].headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        for tag, attributes in Elements(page).found:
            assert tag != "style" and "style" not in attributes, path
            assert not any(name.startswith("on") for name in attributes), path


def test_script_from_a_competition_or_a_model_is_text(every: dict[str, urllib3.BaseHTTPResponse]) -> None:
    seen = {path for path, page in pages(every).items() if "&lt;script&gt;" in page or "\\u003cscript" in page}
    assert {"/runs", f"/runs/{EVIL_RUN}", f"/runs/{EVIL_RUN}/entries/0", f"/competitions/{SLUG}", "/improvement"} <= seen
    for path, page in pages(every).items():
        found = Elements(page).found
        assert [about.get("src") for tag, about in found if tag == "script" and about.get("type") != "application/json"] == [
            "/static/chart.umd.min.js", "/static/page.js"], path
        assert {about["src"] for tag, about in found if tag == "img"} == {"/static/icon.svg"}, path
        assert "\x1b" not in page, path


def test_each_page_has_one_title_and_its_landmarks(every: dict[str, urllib3.BaseHTTPResponse]) -> None:
    for path, page in pages(every).items():
        for part in ("<h1", "<main", "<header", "<footer", '<html lang="en">', 'class="skip"'):
            assert page.count(part) == 1, (path, part)
        identifiers = re.findall(r'\sid="([^"]*)"', page)
        assert len(identifiers) == len(set(identifiers)), path


def test_private_scores_of_an_open_competition_are_on_no_page(every: dict[str, urllib3.BaseHTTPResponse]) -> None:
    with_it = {path for path, page in pages(every).items() if f"{PRIVATE:.3f}" in page}
    assert with_it == {f"/competitions/{OVER}"}
    assert {path for path, page in pages(every).items() if f"{OWN:.5f}" in page} >= {f"/runs/{LARGE}"}, "our own run's shows"


@pytest.mark.parametrize(("path", "line"), [
    ("/runs/nobody", "There is no run nobody."), ("/runs/%3Cscript%3E", "There is no run &lt;script&gt;."),
    (f"/runs/{LARGE}/entries/9999", f"Run {LARGE} has no entry 9999; it has {MANY}."),
    (f"/runs/{LARGE}/entries/x", f"There is no page /runs/{LARGE}/entries/x."),
    ("/runs/nobody/live", "There is no run nobody."), ("/competitions/none", "There is no competition none."),
    ("/improvement/proposals/7", "The ledger has no proposal 7; it has 2 proposals."), ("/nothing", "There is no page /nothing."),
])
def test_what_is_not_there_is_said_in_one_line(site: Site, path: str, line: str) -> None:
    answer = get(site.url + path)
    assert answer.status == 404 and f"<p>{line}</p>" in answer.data.decode()


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=99999999999", "page=%00", "order=%27", "order=score&page=2"])
def test_odd_addresses_show_a_page(site: Site, query: str) -> None:
    assert "Entries" in text_of(site, f"/runs/{LARGE}?{query}")


def test_a_strangers_name_for_this_machine_is_refused(site: Site) -> None:
    assert get(site.url + "/runs", Host="attacker.example").status == 403
    assert get(site.url + "/runs", Host="127.0.0.1:1").status == 200


def test_a_large_run_is_shown_in_pages_without_its_sources(site: Site) -> None:
    page = text_of(site, f"/runs/{LARGE}")
    assert f"1 to 50 of {MANY} entries" in page and "fit_predict" not in page
    assert len(page) < 200_000
    assert f"501 to {MANY} of {MANY}" in text_of(site, f"/runs/{LARGE}?page=11")
    best = re.findall(r"/entries/(\d+)\"", text_of(site, f"/runs/{LARGE}?order=score"))
    assert best[0] == str(MANY - 1), "the smallest error first"


def test_an_entry_is_compared_with_the_one_it_came_from(site: Site) -> None:
    page = text_of(site, f"/runs/{LARGE}/entries/7")
    assert 'from entry 3' in page and "<ins>+    return boosters.lightgbm(train, target, predict, task, rounds=7)</ins>" in page
    assert "<del>-    return boosters.lightgbm(train, target, predict, task, rounds=3)</del>" in page
    assert 'from entry 5' in text_of(site, f"/runs/{LARGE}/entries/7?against=5")


def test_runs_are_filtered_by_task(site: Site) -> None:
    page = text_of(site, "/runs?task=many-entries")
    assert f"/runs/{LARGE}" in page and f"/runs/{LIVE}" in page and f"/runs/{EVIL_RUN}" not in page
    assert "No run of that task and status." in text_of(site, "/runs?task=other")


def test_the_improvement_page_has_lineage_curve_and_placebo_rate(site: Site) -> None:
    page = text_of(site, "/improvement")
    assert "0 of 1" in page and "version 0" in page and "in use" in page
    assert "7.4% lower loss than version 0, 95% interval +2.0% to +12.0%" in page


@pytest.mark.parametrize("damage", [b'{"id":4}\n', b"[1]\n", b"\xff\n", b'{"id":4,"kind":"use","previous":NaN,"hash":""}\n'])
def test_a_damaged_ledger_is_said_in_one_line_and_the_rest_of_the_site_stands(site: Site, damage: bytes) -> None:
    whole = site.ledger.read_bytes()
    site.ledger.write_bytes(whole + damage)
    try:
        for path in ("/", "/improvement", "/improvement/proposals/1"):
            page = text_of(site, path)
            assert page.count(f"The improvement loop cannot be read: line 4 of {site.ledger}") == 1, path
    finally:
        site.ledger.write_bytes(whole)
    assert f"/runs/{LARGE}" in text_of(site, "/")


def test_where_there_is_nothing_the_pages_say_what_to_run(tmp_path: Path) -> None:
    folders = ("--runs", tmp_path / "runs", "--data", tmp_path / "data", "--playbooks", tmp_path / "empty")
    with process(*folders) as (line, server):
        url = line.split()[2]
        assert b"medalist compete" in get(url + "/runs").data
        assert b"medalist improve" in get(url + "/improvement").data
        assert b"medalist host create" in get(url + "/").data
        assert list(tmp_path.iterdir()) == [], "looking makes nothing"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=PATIENCE_SECONDS) == 0, "Ctrl-C is how it is ended"


def test_vendored_files_are_what_their_list_says() -> None:
    said = re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (HERE / "static" / "VENDORED.md").read_text(), re.MULTILINE)
    assert said
    for name, checksum in said:
        assert hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest() == checksum


def test_a_family_has_one_colour_in_all_charts(tmp_path: Path) -> None:
    entries = [entry(LARGE, 0, family="prior"), entry(LARGE, 1, family="mlp", score=None, status="time", cost_cpu_seconds=9.0),
               *(entry(LARGE, number, family="catboost") for number in (2, 3)), entry(LARGE, 4, family="lightgbm")]
    told = {"prior": "c8", "mlp": "c0", "catboost": "c1", "lightgbm": "c2"}  # by when they first came, whatever came of them
    assert run_facts.colours(entries) == run_facts.colours(entries[::-1]) == told
    with Record(tmp_path / "record.db") as record:
        start(record, LARGE, tmp_path)
        over_time = run_facts.progress(record.run(LARGE), entries, [])
    by_family, blended = run_facts.costs(entries), run_facts.blend({4: 0.6, 2: 0.4}, entries)
    assert over_time is not None and by_family is not None and blended is not None
    assert {one.name: one.colour for one in over_time.series if one.kind == "dots"} == {
        name: colour for name, colour in told.items() if name != "mlp"}
    for figure in (by_family, blended):
        for one in figure.series:
            assert {told[figure.names[int(point.x)].split()[-1]] for point in one.points} == {one.colour}


def test_what_is_invisible_in_code_is_written_out() -> None:
    changed = difference("a = 1\n", "a = '\u202e'\n")
    assert changed is not None and "\\u202e" in changed and "\u202e" not in changed
    assert difference("a\n", "a\n") is None


def test_a_distribution_needs_two_scores() -> None:
    assert histogram("x", "X", [1.0, float("nan")], "y") is None
    figure = histogram("x", "X", [1.0, 2.0, 2.5], "y")
    assert figure is not None and sum(point.y for point in figure.series[0].points) == 3


# --- in a browser

@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A phone's page, unless a test says otherwise; whatever the console complains of fails the test."""
    asked: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, **getattr(request, "param", {})}
    context = browser.new_context(**asked)
    context.set_default_timeout(PATIENCE_MS)
    made, complaints = context.new_page(), []
    made.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield made
    context.close()
    assert [line for line in complaints if "status of 404" not in line] == []


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds on the page: by all its rules, or by these."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})})
    return [found.generate_report()] if found.violations_count else []


def test_every_page_fits_a_phone_and_passes_axe(site: Site, page: Page) -> None:
    for name, path in PAGES.items():
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wide"
        assert page.title().endswith("· medalist"), "no script of a team or a model ran"
        assert name == "large" or violations(page) == [], name  # the odd run's page is the same, with fewer numbers


def test_a_phone_shows_a_whole_leaderboard(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/competitions/{OVER}")
    board = page.get_by_role("region", name="Leaderboard")
    assert board.evaluate("box => box.scrollWidth <= box.clientWidth"), "nothing lies beside what is seen"
    expect(board.get_by_role("row", name="7.65432")).to_contain_text("1 submitted")


@pytest.mark.parametrize("page", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_the_dark_can_be_read(site: Site, page: Page) -> None:
    for name in ("overview", "open", "odd", "entry", "improvement"):
        page.goto(site.url + PAGES[name])
        assert violations(page, "color-contrast") == [], name


def test_figures_are_drawn_and_their_numbers_are_a_table(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/runs/{LARGE}")
    canvases = page.get_by_role("img", name="the best has")
    expect(canvases).to_have_count(1)
    box = canvases.bounding_box()
    assert box is not None and box["width"] > 300 and box["height"] > 200
    numbers = page.get_by_role("region", name="Weights of the blend: numbers")
    expect(numbers).to_be_hidden()
    page.locator("#figure-blend summary").click()
    expect(numbers).to_be_visible()
    expect(numbers.get_by_role("row", name="3 lightgbm")).to_contain_text("0.70000")


def test_colours_follow_the_reader(site: Site, page: Page) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{site.url}/runs/{LARGE}")
        shades[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert shades["light"] != shades["dark"]


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True, ids=["no script"])
def test_without_scripts_the_numbers_stand_there(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/competitions/{SLUG}")
    expect(page.get_by_role("row", name="1.25000")).to_be_visible()
    page.goto(f"{site.url}/runs/{LARGE}")
    expect(page.get_by_role("region", name="Weights of the blend: numbers")).to_be_visible()
    page.get_by_role("link", name="score", exact=True).click()
    expect(page.get_by_role("columnheader", name="score").last).to_have_attribute("aria-sort", "ascending")


def test_the_keyboard_comes_to_the_content_at_once(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/runs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Task")).to_be_focused()
    page.get_by_label("Task").select_option("many-entries")
    page.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**/runs?task=many-entries*")


def test_a_run_is_shown_as_it_goes_on(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/runs/{LIVE}")
    expect(page.locator("#now")).to_contain_text("going on")
    page.get_by_role("link", name="0", exact=True).focus()
    page.locator("#figure-progress summary").click()
    with Record(site.record) as record:
        record.add_entry(entry(LIVE, 1, parents=(0,), hypothesis="News from another process"))
        record.event(LIVE, "ensemble", blend(0.3, {0: 0.5, 1: 0.5}))
    expect(page.locator("#entries")).to_contain_text("News from another process")
    expect(page.get_by_role("status")).to_contain_text("2 entries, the best has 0.33333, honest estimate 0.31000")
    expect(page.get_by_role("region", name="Score over time: numbers")).to_be_visible()
    with Record(site.record) as record:
        record.finish_run(LIVE, status="finished", summary={"honest": 0.31, "seconds": 12.0})
    expect(page.locator("#now")).to_contain_text("finished")
    expect(page.locator("main[data-live]")).to_have_count(0)


def test_a_run_whose_process_is_killed_is_shown_as_stopped(site: Site, page: Page) -> None:
    lives = f"from leaderboard.alive import alive\nwith alive({KILLED!r}, Path({str(site.runs / KILLED)!r})): print(input())"
    with subprocess.Popen([sys.executable, "-c", f"from pathlib import Path\n{lives}"], stdin=subprocess.PIPE) as run:
        while not is_held(site.runs / KILLED / FILE):
            assert run.poll() is None
        page.goto(f"{site.url}/runs/{KILLED}")
        expect(page.locator("#now")).to_contain_text("going on")
        run.kill()
    expect(page.locator("#now")).to_contain_text("stopped")
    expect(page.locator("#now")).to_contain_text(f"medalist resume {KILLED}")
    for path in ("/", "/runs?status=stopped"):
        page.goto(site.url + path)
        expect(page.get_by_role("row").filter(has=page.locator(f"[href='/runs/{KILLED}']"))).to_contain_text("stopped")
