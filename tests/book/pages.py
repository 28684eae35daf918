"""A real browser on the built book: what pages ask for, complain about and show."""

import contextlib
import functools
import http.server
import json
import threading
from urllib.parse import urlsplit


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder; give its address."""
    handler = functools.partial(_QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Visit:
    """A page in a browser for which there is no host but this one."""

    def __init__(self, browser, address, **context):
        self.context = browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, **context}
        )
        self.context.set_default_timeout(0)  # a slow machine is no failure
        self.outside, self.complaints = [], []
        self.context.route(lambda url: True, self._only_here)
        self.page = self.context.new_page()
        self.page.on("websocket", self._only_own_socket)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.goto(address, wait_until="load")

    def _only_here(self, route):
        address = urlsplit(route.request.url)
        if address.scheme in ("http", "https") and address.hostname != "127.0.0.1":
            self.outside.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    def _only_own_socket(self, socket):
        if urlsplit(socket.url).hostname != "127.0.0.1":
            self.outside.append(socket.url)

    def _listen(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()


class Panel:
    """The explorer on a page, moved and read as a person would."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".splitlib-explorer").first
        page.wait_for_selector(".splitlib-explorer[data-curve=done]")
        # Moving needs the sliders to be labelled, which is when they follow a drag as well.
        page.wait_for_selector(".splitlib-p_max_mw .noUi-handle[aria-label]", state="attached")

    def read(self, *names):
        """Return the numbers on the page, at full precision."""
        data = self.root.evaluate("root => ({...root.dataset})")
        found = {name: json.loads(value) if value != "NaN" else float("nan")
                 for name, value in data.items() if name != "curve"}  # fmt: skip
        return [found[name] for name in names] if names else found

    def handle(self, name):
        """Return the handle of a slider."""
        return self.page.locator(f".splitlib-{name} .noUi-handle").first

    def _changed_by(self, act):
        """Act, and wait until the page shows another setting than before."""
        before = self.root.get_attribute("data-setting")
        act()
        self.page.wait_for_function(
            "before => document.querySelector('.splitlib-explorer').dataset.setting !== before",
            arg=before,
        )
        self.page.wait_for_timeout(60)

    def press(self, name, key, times=1):
        """Press a key while a slider has the focus."""
        self.handle(name).focus()
        for _ in range(times):
            self._changed_by(lambda: self.page.keyboard.press(key))

    def drag(self, name, by):
        """Drag a slider by a share of its length; the page must follow on the way."""
        handle = self.handle(name).bounding_box()
        width = self.page.locator(f".splitlib-{name} .noUi-base").first.bounding_box()["width"]
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(1, 11):
            self._changed_by(lambda to=x + by * width * step / 10: self.page.mouse.move(to, y))
        self.page.mouse.up()
        self._rest()

    def _rest(self):
        """Wait until the setting on display changes no more."""
        before, setting = None, self.root.get_attribute("data-setting")
        while setting != before:
            self.page.wait_for_timeout(200)
            before, setting = setting, self.root.get_attribute("data-setting")

    def type(self, name, value):
        """Type a number beside a slider."""
        readout = self.page.locator(f".splitlib-{name} .widget-readout").first
        readout.evaluate("(readout, text) => { readout.textContent = text; }", repr(value))
        readout.focus()
        self.page.keyboard.press("Enter")

    def click(self, name):
        """Click a button of the panel."""
        self._changed_by(lambda: self.root.get_by_role("button", name=name, exact=True).click())

    def settle(self):
        """Wait until everything belongs to the setting on display."""
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector(".splitlib-explorer[data-curve=done]")
        self.page.wait_for_function(
            "() => !Object.values(JSON.parse(document.querySelector('.splitlib-explorer')"
            ".dataset.rivals)).includes(null)"
        )
