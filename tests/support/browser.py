"""A real headless Chromium, where one is installed (Debian: chromium, chromium-driver)."""

import base64
import shutil
import time
from contextlib import contextmanager

import pytest


@contextmanager
def chromium(profile, width=1400, height=1000, dark=False, motion=False):
    """Start a browser that cannot reach a network; gives selenium's driver."""
    from selenium import webdriver  # noqa: PLC0415
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    for flag in f"{flags} disable-component-update disable-sync disable-dev-shm-usage".split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument(f"--window-size={width},{height}")
    options.add_argument("--proxy-server=127.0.0.1:9")  # nothing listens there: the page must not need it
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        seem(browser, width, height, dark, motion)
        yield browser
    finally:
        browser.quit()


def seem(browser, width=1400, height=1000, dark=False, motion=False):
    """Let a browser have another screen, and whoever sits before it another taste."""
    features = [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
        # A smooth scroll would outrun clicks.
        {"name": "prefers-reduced-motion", "value": "no-preference" if motion else "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def open_page(browser, path, seconds=10):
    """Open a file and wait until its scripts are done; gives the milliseconds that took."""
    started = time.perf_counter()
    browser.get(path.as_uri())
    while browser.execute_script("return document.body.dataset.ready") != "true":
        assert time.perf_counter() - started < seconds, browser.get_log("browser")
        time.sleep(0.01)
    return 1000 * (time.perf_counter() - started)


def texts(browser, selector):
    return [element.text for element in browser.find_elements("css selector", selector)]


def wait_until(browser, condition, seconds=8):
    late = time.monotonic() + seconds
    while not browser.execute_script(f"return {condition}"):
        assert time.monotonic() < late, condition
        time.sleep(0.02)


CATCH = """window.caught = [];
    const address = URL.createObjectURL, click = HTMLAnchorElement.prototype.click;
    URL.createObjectURL = (blob) => { window.blob = blob; return address(blob); };
    HTMLAnchorElement.prototype.click = function () {
        const reader = new FileReader(), name = this.download;
        reader.onload = () => window.caught.push([name, reader.result.split(',')[1]]);
        reader.readAsDataURL(window.blob);
    };"""


def caught(browser, group, ending):
    """Press a button that saves, and catch name and bytes before the browser puts them on disk: it is slow."""
    browser.execute_script(
        "window.caught.length = 0; arguments[0].click()", group.find_element("css selector", f"[data-save={ending}]")
    )
    wait_until(browser, "window.caught.length")
    name, text = browser.execute_script("return window.caught[0]")
    return name, base64.b64decode(text)
