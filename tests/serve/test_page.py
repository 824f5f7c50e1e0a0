"""The page in a real browser, over a real index of real files, with every request to elsewhere refused and counted."""

import asyncio
import colorsys
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from serving import EVIL, TOKEN, TURNED

import samespace.serve
from samespace.encode.hashing import Hashing

STYLE = (Path(samespace.serve.__file__).parent / "page" / "style.css").read_text()
LIBRARY = Path(__file__).resolve().parents[2] / "examples" / "library"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


# Colours, without a browser


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _palettes() -> list[dict[str, str]]:
    found = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))
        for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    ]
    return [f for f in found if f]


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("ink", "paper"), ("ink", "card"), ("ink", "sunk"), ("soft", "paper"), ("soft", "card"), ("soft", "sunk"),
        ("accent", "paper"), ("accent", "card"), ("accent", "tint"), ("accent-ink", "accent"), ("minus", "paper"),
        ("minus", "minus-tint"), ("ink", "minus-tint"), ("mark-ink", "mark"), ("paper", "ink"),
    ],
)  # fmt: skip
def test_words_can_be_read_in_both_palettes(palette: dict[str, str], front: str, back: str) -> None:
    bright, dim = sorted((_luminance(palette[front]), _luminance(palette[back])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_the_borders_of_fields_can_be_seen() -> None:
    for palette in _palettes():
        bright, dim = sorted((_luminance(palette["line-strong"]), _luminance(palette["card"])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 3


def test_motion_can_be_switched_off_and_dark_is_not_only_inverted() -> None:
    assert "prefers-reduced-motion" in STYLE
    light, dark = _palettes()
    lightness = [
        colorsys.rgb_to_hls(*(int(p["paper"][i : i + 2], 16) / 255 for i in (1, 3, 5)))[1] for p in (light, dark)
    ]
    assert lightness[0] > 0.9
    assert lightness[1] < 0.15
    assert set(light) == set(dark)


# In the browser


@dataclass
class Visit:
    """A page in the browser, and everything that went wrong in it."""

    page: Any
    base: str
    outside: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def ask(self, words: str) -> None:
        self.page.fill("#words", words)
        self.page.press("#words", "Enter")
        self.settled()

    def settled(self) -> None:
        self.page.wait_for_selector("#results .found")
        self.until("!document.querySelector('#results[aria-busy=true]')")

    def until(self, script: str, argument: Any = None) -> None:
        """Wait until a script says yes. The browser's own way of waiting is refused by the page's CSP."""
        for _ in range(150):
            if self.page.evaluate(script, argument):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never true: {script}")

    def unfold(self) -> None:
        """Show the weak matches, too."""
        for fold in self.page.locator("details.weak:not([open]) summary").all():
            fold.click()

    def names(self) -> list[str]:
        found: list[str] = self.page.locator("#results .cards .open").all_text_contents()
        return found

    def focused(self) -> str:
        found: str = self.page.evaluate(
            "document.activeElement.closest('.card')?.querySelector('.open')?.innerText ?? document.activeElement.id"
        )
        return found


@pytest.fixture(scope="module")
def site(encoder: Hashing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Index real files, serve them on a free port."""
    import uvicorn

    from samespace.index.ingest import ingest
    from samespace.index.lance import LanceIndex
    from samespace.read.pool import ReaderPool
    from samespace.read.protocol import Options
    from samespace.serve.http import create_app
    from samespace.serve.security import allowed_hosts

    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    root = tmp_path_factory.mktemp("collection")
    for name in ("documents/tide-pools.pdf", "screenshots/guest-wifi.png", "films/walk.mp4", "recordings/memo-2.wav"):
        if not (LIBRARY / name).exists():
            pytest.skip(f"examples/library/{name} is not here")
        shutil.copy(LIBRARY / name, root)
    (root / EVIL).write_text("herring and chips at the counter <b>bold</b> <img src=x onerror=alert(3)>")
    (root / TURNED).write_text("the invoice of the crane at the harbour")
    (root / "keeper.txt").write_text(
        "\n\n".join(
            f"Year {n}. The keeper of the lighthouse wound up the clock. " + "The sea was calm. " * 30 for n in range(6)
        )
    )
    (root / "bread.txt").write_text("Sourdough needs flour, water, salt and patience.")
    index = LanceIndex.create(tmp_path_factory.mktemp("index"), encoder.space, "hashing:256")
    ingest(index, encoder, [root], options=Options(speech=False))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with ReaderPool(Options(speech=False), workers=2) as pool:
        app = create_app(index, encoder, pool, token=TOKEN, hosts=allowed_hosts("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)
    listener.close()


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Visit]:
    """A fresh visitor; at the end nothing was asked of anybody else and nothing went wrong."""
    yield from _visit(browser, site)


def _visit(browser: Any, site: str, **looks: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport=looks.pop("viewport", {"width": 1280, "height": 800}), **looks)
    made = Visit(context.new_page(), site)

    def route(route: Any) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost") or route.request.url.startswith("blob:"):
            route.continue_()
        else:
            made.outside.append(route.request.url)
            route.abort()

    context.route("**/*", route)
    made.page.set_default_timeout(15_000)
    made.page.on("pageerror", lambda e: made.faults.append(str(e)))
    made.page.on("dialog", lambda d: (made.faults.append(f"dialog {d.message}"), d.dismiss()))
    made.page.on("console", lambda m: made.faults.append(m.text) if m.type in ("error", "warning") else None)
    made.page.goto(f"{site}/?token={TOKEN}")
    made.page.wait_for_selector(".blank")
    yield made
    context.close()
    assert made.outside == []
    assert made.faults == []


@pytest.mark.slow
def test_the_token_leaves_the_address_and_a_stranger_sees_nothing(visit: Visit, browser: Any) -> None:
    assert visit.page.url == f"{visit.base}/"
    assert visit.page.evaluate("document.cookie") == "", "scripts cannot read the cookie"
    stranger = browser.new_context().new_page()
    answer = stranger.goto(visit.base)
    assert answer.status == 401
    assert "needs its token" in stranger.inner_text("h1")
    stranger.context.close()


@pytest.mark.slow
def test_words_find_a_page_that_opens_in_place(visit: Visit) -> None:
    page = visit.page
    visit.ask("limpets pull their shells onto the rock")
    assert visit.names()[0] == "tide-pools.pdf"
    assert "p.2" in page.locator(".card").first.inner_text()
    assert re.search(r"(Strong|Likely) match", page.locator(".card .match").first.inner_text())
    assert re.fullmatch(r"\d+ results?, \d+ confident\.", page.inner_text("#live"))
    page.keyboard.press("ArrowDown")
    assert visit.focused() == "tide-pools.pdf"
    page.keyboard.press("Enter")
    picture = page.locator("#detail .frame img")
    picture.wait_for()
    assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300
    assert "limpets" in page.inner_text("#detail .passage")
    assert page.locator("#detail mark").count() > 0
    assert "open=" in page.url
    assert page.evaluate("document.activeElement.id") == "detail"
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()
    assert visit.focused() == "tide-pools.pdf", "the focus is back where it came from"


@pytest.mark.slow
def test_a_film_is_opened_at_its_second(visit: Visit) -> None:
    page = visit.page
    body = json.dumps({"parts": [{"text": "walk"}], "kinds": ["video"]})
    found = page.evaluate("body => fetch('/v1/search', {method: 'POST', body}).then(r => r.json())", body)
    hit = found["hits"][0]
    assert hit["player"] == "video"
    page.goto(f"{visit.base}/?q=walk&kind=video&open={hit['id']}")
    player = page.locator("#detail video")
    player.wait_for()
    visit.until("document.querySelector('#detail video').readyState >= 1")
    start = (hit["locator"].get("seconds") or [0])[0]
    assert abs(player.evaluate("v => v.currentTime") - start) < 0.5
    assert player.evaluate("v => v.duration") > 5


@pytest.mark.slow
def test_a_recording_has_its_player(visit: Visit) -> None:
    page = visit.page
    page.click(".pill:has-text('Recordings')")
    visit.ask("memo")
    visit.unfold()
    page.locator(".card .open").first.click()
    visit.until("document.querySelector('#detail audio')?.readyState >= 1")
    assert page.locator("#detail audio").evaluate("a => a.duration") > 1


@pytest.mark.slow
def test_names_and_text_are_shown_as_they_are(visit: Visit) -> None:
    page = visit.page
    visit.ask("herring chips counter")
    assert EVIL in visit.names()
    page.locator(".card .open", has_text="onerror").first.click()
    page.locator("#detail .passage").wait_for()
    assert "<img src=x onerror=alert(3)>" in page.inner_text("#detail .passage")
    assert page.locator("img[src=x], b:text-is('bold')").count() == 0
    page.keyboard.press("Escape")
    visit.ask("invoice of the crane")
    assert "invoice⟨U+202E⟩gpj.exe" in visit.names()
    page.locator(".card .open", has_text="gpj").first.hover()
    page.locator(".card .act").first.click()
    page.locator(".chip .name").wait_for()
    assert "⟨U+202E⟩" in page.inner_text(".chip")


@pytest.mark.slow
def test_no_confident_match_is_said_and_the_rest_is_folded(visit: Visit) -> None:
    visit.ask("zzyzx qwrtp vbnmk")
    assert visit.page.inner_text(".found h2") == "No confident match"
    assert visit.page.inner_text("#live").startswith("No confident match")
    fold = visit.page.locator("details.weak")
    assert not fold.locator(".card").first.is_visible()
    fold.locator("summary").click()
    assert fold.locator(".card").first.is_visible()
    assert set(fold.locator(".match").all_inner_texts()) == {"Weak match"}


@pytest.mark.slow
def test_kinds_and_the_address_and_back(visit: Visit) -> None:
    page = visit.page
    visit.ask("the lighthouse keeper")
    page.click(".pill:has-text('Pages')")
    page.wait_for_url("**kind=page**")
    visit.settled()
    visit.until("[...document.querySelectorAll('.card')].every(c => c.dataset.kind === 'page')")
    assert page.get_attribute(".pill:has-text('Pages')", "aria-pressed") == "true"
    page.reload()
    visit.settled()
    assert page.input_value("#words") == "the lighthouse keeper"
    assert page.get_attribute(".pill:has-text('Pages')", "aria-pressed") == "true"
    page.go_back()
    visit.until("!location.search.includes('kind')")
    visit.settled()
    assert "keeper.txt" in visit.names()
    visit.unfold()
    page.locator(".card .open").first.click()
    page.locator("#detail .passage").wait_for()
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    page.go_back()
    page.wait_for_selector(".blank")
    assert page.input_value("#words") == ""


@pytest.mark.slow
def test_more_less_and_weights(visit: Visit) -> None:
    page = visit.page
    visit.ask("lighthouse sea harbour")
    page.keyboard.press("ArrowDown")
    first = visit.focused()
    page.keyboard.press("m")
    page.locator(".chip").wait_for()
    visit.settled()
    assert first in page.inner_text(".chip")
    assert page.inner_text("#said").startswith("Find what is like “lighthouse sea harbour” and ")
    page.click(".chip .sign")
    page.locator(".chip.minus").wait_for()
    assert "less like" in page.inner_text("#said")
    visit.until("new URLSearchParams(location.search).get('p').startsWith('-1:item:')")
    page.fill(".chip .weight", "0.4")
    page.press(".chip .weight", "Tab")
    visit.until("new URLSearchParams(location.search).get('p').startsWith('-0.4:item:')")
    page.click("#add-less")
    page.keyboard.type("flour and salt")
    page.keyboard.press("Enter")
    visit.until("new URLSearchParams(location.search).getAll('p').length === 2")
    visit.settled()
    assert "adding their vectors" in page.inner_text(".found")
    page.locator(".chip .gone").first.click()
    page.locator(".chip .gone").first.click()
    visit.until("!location.search.includes('p=')")


DROP = """([name, text, how]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: 'text/plain'}));
  const event = how === 'drop' ? new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})
                               : new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drop", "paste", "choose"])
def test_a_file_is_a_query(visit: Visit, tmp_path: Path, how: str) -> None:
    text = "Sourdough wants flour and water and salt, and a great deal of patience."
    if how == "choose":
        (tmp_path / "dough.txt").write_text(text)
        visit.page.set_input_files("#file", tmp_path / "dough.txt")
    else:
        visit.page.evaluate(DROP, ["dough.txt", text, how])
    visit.page.locator(".chip", has_text="dough.txt").wait_for()
    visit.settled()
    assert visit.names()[0] == "bread.txt"


@pytest.mark.slow
def test_a_file_that_has_gone_says_what_to_do(visit: Visit) -> None:
    visit.page.goto(f"{visit.base}/?p=1:file:{'0' * 32}:photo.jpg")
    visit.page.locator("#notice .notice").wait_for()
    assert "Drop it on the page again" in visit.page.inner_text("#notice")
    visit.faults.clear()  # the browser itself notes the 422


@pytest.mark.slow
def test_the_keys(visit: Visit) -> None:
    page = visit.page
    assert visit.focused() == "words"
    visit.ask("keeper lighthouse harbour chips flour")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert visit.focused() == "words"
    page.keyboard.press("m")
    page.keyboard.press("?")
    assert page.input_value("#words") == "m?", "letters typed are letters; the words were selected and went"
    assert page.locator("#help").is_hidden()
    page.keyboard.press("ArrowDown")
    first = visit.focused()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("ArrowUp")
    assert visit.focused() == "words"
    page.keyboard.press("ArrowDown")
    assert visit.focused() == first
    if len(page.locator(".cards .open:visible").all()) > 1:
        page.keyboard.press("ArrowRight")
        assert visit.focused() != first
        page.keyboard.press("ArrowLeft")
        assert visit.focused() == first
    assert page.locator(".open[tabindex='0']").count() == 1, "one stop of the Tab key among all cards"


@pytest.mark.slow
def test_places_of_a_file_one_after_another(visit: Visit) -> None:
    page = visit.page
    visit.ask("keeper of the lighthouse year clock")
    visit.unfold()
    page.locator(".card .open", has_text="keeper.txt").first.click()
    page.locator("#detail .passage .here").wait_for()
    here = page.inner_text("#detail .here")
    to = "]" if page.locator("#detail button", has_text="Later").count() else "["
    page.keyboard.press(to)
    visit.until("t => document.querySelector('#detail .here')?.innerText !== t", here)
    page.keyboard.press("[" if to == "]" else "]")
    visit.until("t => document.querySelector('#detail .here')?.innerText === t", here)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme"), [(375, "light"), (375, "dark"), (768, "dark"), (1280, "light"), (2560, "dark")]
)
def test_it_fits(browser: Any, site: str, width: int, scheme: str) -> None:
    visits = _visit(
        browser, site, viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit = next(visits)
    visit.ask("the lighthouse keeper at the harbour, an unbreakable" + "x" * 90)
    page = visit.page
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    visit.unfold()
    page.locator(".card .open").first.click()
    page.locator("#detail h2").wait_for()
    assert page.evaluate(wide) <= 0
    box = page.locator("#detail").bounding_box()
    assert (box["width"] == width) is (width < 1000)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 60) is (scheme == "dark")
    for _ in visits:
        pass


@pytest.mark.slow
def test_everything_has_a_name_and_a_place(visit: Visit) -> None:
    page = visit.page
    visit.ask("lighthouse harbour")
    page.click("#add-more")
    page.locator(".card .open").first.click()
    page.locator("#detail .facts").wait_for()
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, a, input:not([type=file]), video, audio')]
             .filter(e => !e.getAttribute('aria-label') && !e.innerText?.trim() && !e.querySelector('img[alt]'))
             .map(e => e.outerHTML.slice(0, 90))"""
    )
    assert nameless == []
    assert page.evaluate("[...document.images].filter(i => !i.hasAttribute('alt')).length") == 0
    twice = "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))"
    assert page.evaluate(twice) == 0
    for place in (
        "main",
        "header",
        "[role=search]",
        "aside[aria-label]",
        "section[aria-label]",
        "[aria-live=polite]",
        "[role=alert]",
    ):
        assert page.locator(place).count() >= 1, place
    small = page.evaluate(
        """[...document.querySelectorAll('button, .weight')].filter(e => e.offsetParent && !e.matches('.open'))
             .filter(e => e.offsetHeight < 24 || e.offsetWidth < 24).map(e => e.outerHTML.slice(0, 90))"""
    )
    assert small == []


@pytest.mark.slow
def test_a_server_that_is_gone_is_said(visit: Visit) -> None:
    visit.page.context.route("**/v1/search", lambda route: route.abort())
    visit.page.fill("#words", "anything")
    visit.page.press("#words", "Enter")
    visit.page.locator("#notice .notice").wait_for()
    assert "does not answer" in visit.page.inner_text("#notice")
    visit.faults.clear()  # the browser itself notes the broken request
