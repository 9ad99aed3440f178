#!/usr/bin/env python3
"""Looks at a report page in a real browser: headless Chromium, from a file, with networking off.

    scripts/report-browser.py PAGE.html [--shots DIR] [--browser PATH]

At phone, laptop and paper width, light and dark, it fails on any console error, any request, and anything that is wider than the
window; it sorts, filters and hovers; it reads the page with scripts disabled. With --shots it writes a picture of every section.
Needs nothing but Python and Chromium or Chrome; where none is installed it says so and ends with 0.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
# Name, width and height in CSS pixels: a small phone, a laptop, A4 at 96 dpi.
WINDOWS = [("phone", 390, 844), ("laptop", 1280, 800), ("paper", 794, 1123)]


class Browser:
    """Chromium, spoken to over two pipes: its protocol without a socket."""

    def __init__(self, path):
        self.profile = tempfile.TemporaryDirectory()
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()

        def hand_over():
            os.dup2(to_read, 3)
            os.dup2(from_write, 4)

        # The pipes must not lie on the numbers that they are handed over on.
        assert min(to_read, to_write, from_read, from_write) > 2
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--force-color-profile=srgb", "--font-render-hinting=none", "--remote-debugging-pipe",
            f"--user-data-dir={self.profile.name}", "about:blank",
        ]
        os.set_inheritable(to_read, True)
        os.set_inheritable(from_write, True)
        self.process = subprocess.Popen(
            [path, *flags], preexec_fn=hand_over, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self.out, self.into = from_read, to_write
        self.number, self.rest, self.events = 0, b"", []
        self.session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(f"{domain}.enable")
        self.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def message(self):
        while b"\0" not in self.rest:
            part = os.read(self.out, 1 << 16)
            if not part:
                sys.exit("the browser has gone away")
            self.rest += part
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def send(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.into, data):]
        while True:
            answer = self.message()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def until(self, method):
        while True:
            for at, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(at)
            self.events.append(self.message())

    def open(self, address, width, height, dark=False, scripts=True, media=""):
        phone = width < 600
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        # An empty page between, so that no state is left over.
        self.send("Page.navigate", url="about:blank")
        self.until("Page.loadEventFired")
        self.events.clear()
        self.send("Page.navigate", url=address)
        self.until("Page.loadEventFired")

    def do(self, script):
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return answer["result"].get("value")

    def complaints(self, address):
        """Console errors, uncaught exceptions, and requests for anything but the page."""
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append("exception: " + params["exceptionDetails"].get("text", ""))
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(f"console: {params['args']}")
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append("log: " + params["entry"]["text"])
            elif method == "Network.requestWillBeSent" and params["request"]["url"] != address:
                found.append("request: " + params["request"]["url"])
        return found

    def picture(self, path, box=None):
        clip = {"clip": {**box, "scale": 1}} if box else {}
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=box is not None, **clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.send("Browser.close")
        except (RuntimeError, SystemExit, OSError):
            pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        os.close(self.into)
        os.close(self.out)
        for _ in range(20):
            try:
                self.profile.cleanup()
                break
            except OSError:
                time.sleep(0.1)


# What reaches out of the window and does not lie in something that scrolls.
TOO_WIDE = """(() => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (part) => { for (let up = part; up; up = up.parentElement) {
    if (up !== document.body && up !== document.documentElement && /auto|scroll|hidden/.test(getComputedStyle(up).overflowX)) return true; } return false; };
  const out = [...document.querySelectorAll('body *')].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width > 0 && box.right > wide + 1 && !scrolls(part) && !part.classList.contains('skip');
  }).map((part) => part.tagName + '.' + part.className + ' ' + part.textContent.slice(0, 40));
  if (document.documentElement.scrollWidth > wide + 1) out.push('the page itself: ' + document.documentElement.scrollWidth);
  return out.slice(0, 5);
})()"""

SORTING = """(() => {
  const table = document.querySelector('#result table.sortable');
  const at = [...table.tHead.rows[0].cells].findIndex((head) => head.classList.contains('n'));
  const button = table.tHead.rows[0].cells[at].querySelector('button');
  const column = () => [...table.tBodies[0].rows].map((row) => Number.parseFloat(row.cells[at].textContent.replace(/[~,]/g, '')));
  const names = () => [...table.tBodies[0].rows].map((row) => row.textContent).sort().join();
  const before = names();
  button.click();
  const up = column(), said = button.parentElement.ariaSort;
  button.click();
  const down = column();
  const rises = (list) => list.every((value, i) => i === 0 || !(value < list[i - 1]));
  return { up, down, ok: rises(up) && rises([...down].reverse()) && said === 'ascending'
    && button.parentElement.ariaSort === 'descending' && names() === before };
})()"""

FILTERING = """(() => {
  const filter = document.querySelector('.filter');
  const shown = (kind, at) => [...document.querySelectorAll(`main [data-${kind}="${at}"], main svg [data-${kind === 'p' ? 'policy' : 'region'}="${at}"]`)]
    .filter((part) => getComputedStyle(part).display !== 'none').length;
  const results = {};
  for (const kind of ['p', 'r']) {
    const boxes = [...filter.querySelectorAll(`fieldset[data-kind="${kind}"] input`)];
    if (boxes.length < 2) { results[kind] = 'only one'; continue; }
    const [first, second] = [shown(kind, 0), shown(kind, 1)];
    boxes[0].click();
    const gone = shown(kind, 0) === 0 && first > 0 && shown(kind, 1) === second && filter.classList.contains('on');
    boxes[0].click();
    const back = shown(kind, 0) === first && !filter.classList.contains('on');
    const none = [...filter.querySelectorAll(`fieldset[data-kind="${kind}"] button`)].find((b) => b.textContent === 'none');
    none.click();
    const empty = shown(kind, 1) === 0;
    [...filter.querySelectorAll(`fieldset[data-kind="${kind}"] button`)].find((b) => b.textContent === 'all').click();
    results[kind] = gone && back && empty && shown(kind, 1) === second;
  }
  return { hidden: filter.hidden, choices: filter.querySelectorAll('fieldset').length, ...results };
})()"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path, help="write a picture of every section into this folder")
    parser.add_argument("--browser", help="the browser's program; the first of " + ", ".join(BROWSERS))
    args = parser.parse_args()
    found = args.browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        print("skipped: no Chromium or Chrome is installed (" + ", ".join(BROWSERS) + ")")
        return 0
    address = args.page.resolve().as_uri()
    if args.shots:
        args.shots.mkdir(parents=True, exist_ok=True)
    browser = Browser(found)
    failed = []

    def check(holds, what, seen=""):
        print(("ok      " if holds else "FAILED  ") + what + (f": {seen}" if seen and not holds else ""))
        if not holds:
            failed.append(what)

    try:
        for name, width, height in WINDOWS:
            for dark in (False, True):
                where = f"{name}{', dark' if dark else ''}"
                browser.open(address, width, height, dark)
                check(not browser.complaints(address), f"{where}: no error, no request", browser.complaints(address))
                browser.do("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")
                wide = browser.do(TOO_WIDE)
                check(not wide, f"{where}: nothing is wider than the window", wide)
                browser.do("document.querySelectorAll('main details').forEach((fold) => { fold.open = false; })")
                paper = browser.do("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
                check((sum(paper) < 200) == dark, f"{where}: the scheme applies", paper)
                if args.shots:
                    sections(browser, args.shots, f"{name}{'-dark' if dark else ''}", width)
        browser.open(address, 1280, 800)
        sorting = browser.do(SORTING)
        check(sorting["ok"], "sorting: up, down, every row kept", sorting)
        filtering = browser.do(FILTERING)
        good = filtering["hidden"] == (filtering["choices"] == 0) and all(filtering[kind] in (True, "only one") for kind in "pr")
        check(good, "filtering: rows, columns and lines go and come back", filtering)
        check(*hover(browser, "main svg [data-tip]"), seen="a drawing")
        check(*hover(browser, "thead [data-tip]"), seen="a head of a column")
        keyboard(browser, check)
        check(not browser.complaints(address), "no error after all of it", browser.complaints(address))
        browser.open(address, 794, 1123, media="print")
        check(browser.do("getComputedStyle(document.querySelector('.bar-top')).display") == "none", "print: no controls")
        wide = browser.do(TOO_WIDE)
        check(not wide, "print: nothing is wider than the paper", wide)
        if args.shots:
            browser.do("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")
            sections(browser, args.shots, "print", 794)
        pages = browser.send("Page.printToPDF", preferCSSPageSize=True)["data"]
        check(base64.b64decode(pages).startswith(b"%PDF"), "print: it prints")
        if args.shots:
            (args.shots / "print.pdf").write_bytes(base64.b64decode(pages))
        plain(browser, address, check, args.shots)
    finally:
        browser.close()
    print(f"{len(failed)} failed" if failed else "all hold")
    return 1 if failed else 0


def hover(browser, what):
    """Whether pointing at the first `what` that can be seen shows what it tells."""
    place = browser.do(f"""(() => {{
      const part = [...document.querySelectorAll({what!r})].find((part) => part.getBoundingClientRect().width > 1);
      if (!part) return null;
      part.scrollIntoView({{ block: 'center', behavior: 'instant' }});
      const box = part.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    }})()""")
    if place is None:
        return True, f"hover: nothing to point at by {what}"
    for event in ({"x": 1, "y": 1}, {"x": place[0], "y": place[1]}):
        browser.send("Input.dispatchMouseEvent", type="mouseMoved", **event)
    told = browser.do("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")
    return bool(told), f"hover: {what} tells {told!r}"


def keyboard(browser, check):
    """The head of a column is reached and pressed by keys."""
    browser.do("document.querySelector('#result th.n button').focus()")
    for kind in ("keyDown", "keyUp"):
        text = {"text": "\r"} if kind == "keyDown" else {}
        browser.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, **text)
    said = browser.do("document.querySelector('#result th.n').ariaSort")
    check(said in ("ascending", "descending"), "keyboard: Enter sorts", said)


def plain(browser, address, check, shots):
    """Without scripts: tables and sections are there, and what only a script can do is not."""
    browser.open(address, 1280, 800, scripts=False)
    # The protocol still reads what the page may not run.
    tree = browser.send("DOM.getDocument", depth=1)["root"]["nodeId"]

    def nodes(what):
        return browser.send("DOM.querySelectorAll", nodeId=tree, selector=what)["nodeIds"]

    def seen(node):
        try:
            return browser.send("DOM.getBoxModel", nodeId=node)["model"]["height"] > 0
        except RuntimeError:
            return False

    check(all(seen(node) for node in nodes("main section h2")), "without scripts: every section is there")
    check(bool(nodes("#result tbody tr")) and seen(nodes("#result table")[0]), "without scripts: tables can be read")
    check(not any(seen(node) for node in nodes(".filter")), "without scripts: no control that does nothing")
    check(not nodes("th button"), "without scripts: heads are text")
    if shots:
        browser.picture(shots / "no-script.png")


def sections(browser, folder, name, width):
    """A picture of the head and of every section, unfolded ones as they are."""
    boxes = browser.do("""[...document.querySelectorAll('header, main section')].map((part) => {
      const box = part.getBoundingClientRect();
      return [part.id || 'head', box.top + scrollY, box.height];
    })""")
    for section, top, height in boxes:
        pieces = max(1, -(-int(height) // 3000))
        for piece in range(pieces):
            start = top + piece * 3000
            part = min(3000, top + height - start)
            suffix = f"-{piece + 1}" if pieces > 1 else ""
            box = {"x": 0, "y": start, "width": width, "height": max(1, part)}
            browser.picture(folder / f"{name}-{section}{suffix}.png", box)


if __name__ == "__main__":
    sys.exit(main())
