"""A real headless Chromium, where one is installed (Debian: chromium, chromium-driver)."""

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
        yield browser
    finally:
        browser.quit()


def open_page(browser, path, seconds=10):
    """Open a file and wait until its scripts are done; gives the milliseconds that took."""
    started = time.perf_counter()
    browser.get(path.as_uri())
    while browser.execute_script("return document.body.dataset.ready") != "true":
        assert time.perf_counter() - started < seconds, browser.get_log("browser")
        time.sleep(0.01)
    return 1000 * (time.perf_counter() - started)
