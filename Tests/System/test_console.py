import os
import time
import unittest

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from support import Dev, needs, wait_until

IN_HOUSE = "dcc5423e-09ab-4ff1-8e0d-c0fb299215e0"
LEFT = "7d0c9a53-0f5e-4f6e-9f43-0a1b8a3f2c77"
SOON = "5b9c2f64-83f7-4a53-9c3d-6f0d2a7e4411"


@needs("chromium")
@needs("chromedriver")
class ConsoleTests(unittest.TestCase):
    """The console in a real browser."""

    def setUp(self):
        self.dev = Dev(self, "--attempts", "3")
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
            options.add_argument(argument)
        self.browser = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        self.addCleanup(self.browser.quit)
        self.browser.get(self.dev.console + "/")
        self.wait(lambda: self.order() == [1, 4, 5, 3, 2], "the example's tickets are sorted")

    def wait(self, holds, what):
        # The page replaces what changes: an element may be gone by the time that it is looked at.
        def settled():
            try:
                return holds()
            except Exception as error:  # noqa: BLE001
                if "stale" in str(error).lower():
                    return False
                raise

        wait_until(settled, 30, what)

    def order(self):
        """The tickets as the page lists them, from the top."""
        rows = self.browser.execute_script(
            "return [...document.querySelectorAll('#tickets tr')].map((row) => [row.dataset.key, "
            "row.querySelector('select').value, row.getBoundingClientRect().top])"
        )
        tops = [top for _, _, top in rows]
        return [int(key) for key, _, _ in rows] if tops == sorted(tops) else None

    def shown(self, ticket):
        return self.browser.execute_script(f"return document.querySelector('#tickets tr[data-key=\"{ticket}\"] select').value")

    def click(self, booking, action):
        self.wait(
            lambda: self.browser.execute_script(
                "const button = document.querySelector(`#bookings tr[data-key='${arguments[0]}'] [data-action='${arguments[1]}']`); "
                "button?.click(); return button !== null",
                booking,
                action,
            ),
            f"{booking} can become {action}",
        )

    def switch(self, name):
        self.browser.find_element(By.NAME, name).click()
        self.wait(lambda: self.dev.state()["faults"][name] == self.browser.find_element(By.NAME, name).is_selected(), f"{name} is switched")

    def newest_event(self, booking):
        return next(event for event in self.dev.state()["events"] if event["changes"][0]["booking"] == booking)

    def test_a_stay_moves_the_tickets(self):
        self.click(IN_HOUSE, "InStay")
        self.wait(lambda: self.shown(4) == self.shown(5) == "InStay", "both tickets show it")
        self.wait(lambda: self.order() == [1, 4, 5, 3, 2], "the rows are in order")
        self.click(LEFT, "CheckedOut")
        self.wait(lambda: self.order() == [4, 5, 3, 1, 2], "who has left goes down")
        plot = self.browser.find_element(By.ID, "latency").text
        self.assertRegex(plot, r"^\d+ changes written: p50 \d+ ms")
        if "SCREENSHOT" in os.environ:
            time.sleep(3)  # until nothing moves any more
            self.browser.save_screenshot(os.environ["SCREENSHOT"])

    def test_what_a_person_sets_by_hand_stays(self):
        Select(self.browser.find_element(By.CSS_SELECTOR, "#tickets tr[data-key='3'] select")).select_by_value("CheckedOut")
        self.wait(lambda: self.order() == [1, 4, 5, 3, 2] and self.dev.shown()[3] == "CheckedOut", "the account has it")
        self.click(SOON, "Booked")
        self.wait(lambda: self.newest_event(SOON)["outcome"] == "unexpected_status", "the event is skipped")
        self.assertEqual(self.shown(3), "CheckedOut")

    def test_duplicates_and_reordering_change_nothing(self):
        self.switch("duplicates")
        self.switch("reordering")
        for status in ("Booked", "InStay", "CheckedOut"):
            self.click(SOON, status)

        def events():
            return [event for event in self.dev.state()["events"] if event["changes"][0]["booking"] == SOON]

        self.wait(lambda: len(events()) == 1 + 2 * 3 and all(event["state"] == "done" for event in events()), "all came")
        self.wait(lambda: self.shown(3) == "CheckedOut", "the ticket shows the newest")
        self.wait(lambda: self.order() == [1, 4, 5, 3, 2], "the rows are in order")
        self.assertEqual(sum(event["copy"] for event in events()), 3)

    def test_an_outage_ends_in_dead_letters_that_can_be_replayed(self):
        self.switch("outage")
        self.click(IN_HOUSE, "InStay")
        self.wait(lambda: self.browser.find_elements(By.CSS_SELECTOR, "#dead-letters li"), "it is given up after three attempts")
        self.assertEqual(self.newest_event(IN_HOUSE)["state"], "dead")
        self.assertEqual((self.shown(4), self.newest_event(IN_HOUSE)["ms"]), ("Booked", None))
        self.switch("outage")
        self.browser.find_element(By.CSS_SELECTOR, "#dead-letters button").click()
        self.wait(lambda: self.shown(4) == self.shown(5) == "InStay", "the replayed event brings it")
        self.wait(lambda: not self.browser.find_elements(By.CSS_SELECTOR, "#dead-letters li"), "no dead letter is left")

    def test_new_bookings_and_tickets(self):
        form = self.browser.find_element(By.ID, "new-booking")
        form.find_element(By.NAME, "id").send_keys("B-1", Keys.ENTER)
        self.wait(lambda: self.browser.find_elements(By.CSS_SELECTOR, "#bookings tr[data-key='B-1']"), "the booking is there")
        form = self.browser.find_element(By.ID, "new-ticket")
        form.find_element(By.NAME, "booking").send_keys("B-1", Keys.ENTER)
        self.wait(lambda: self.order() == [1, 4, 5, 3, 2, 6], "an unset ticket comes last")
        self.click("B-1", "Booked")
        self.wait(lambda: self.shown(6) == "Booked", "the next change fills it")
        self.click("B-1", "delete")
        self.wait(lambda: self.shown(6) == "", "and a deleted booking empties it")

    def test_an_event_shows_its_record_and_its_envelope(self):
        self.browser.find_element(By.CSS_SELECTOR, "#filter input").send_keys(SOON, Keys.TAB)
        self.wait(lambda: len(self.browser.find_elements(By.CSS_SELECTOR, "#events > li")) == 1, "the others are filtered out")
        self.browser.find_element(By.CSS_SELECTOR, "#events summary").click()
        self.wait(lambda: len(self.browser.find_elements(By.CSS_SELECTOR, "#events pre")) == 2, "both are read")
        record, envelope = (shown.text for shown in self.browser.find_elements(By.CSS_SELECTOR, "#events pre"))
        self.assertIn('"tableName": "Bookings"', record)
        self.assertIn('"messageId"', envelope)
        steps = self.browser.find_element(By.CSS_SELECTOR, "#events .steps").text
        for step in ("committed", "published", "delivery 1", "ticket #3: added", "ticket #3 shows Tentative", "answered 204"):
            self.assertIn(step, steps)

    def test_the_checkout_hour_shares_calls(self):
        button = self.browser.find_element(By.ID, "checkout-hour")
        self.wait(lambda: button.text == "Check 200 guests in at once", "nobody is in")
        button.click()
        self.wait(lambda: button.text == "Check 200 guests out at once", "all are in")
        self.wait(lambda: self.dev.state()["ticketCount"] == 205, "each has a ticket")

        def used(name):
            meter = self.browser.find_element(By.ID, f"usage-{name}")
            return float(meter.get_attribute("value")), float(meter.get_attribute("max"))

        self.wait(lambda: used("requests")[0] > 0 and used("updates")[0] > 0, "the gauge shows what is used")
        self.assertEqual([used(name)[1] for name in ("requests", "updates", "jobs")], [700, 100, 30])
        # Two hundred updates are more than a minute's budget has places for: jobs do them.
        wait_until(lambda: self.dev.state()["usage"]["jobs"][0] > 0, 90, "a job is seen")
        wait_until(lambda: self.dev.state()["ticketCounts"].get("InStay", 0) >= 200, 180, "the tickets show it")

        # What looks alike is folded, and the panel stays in view.
        def rows(name):
            return self.browser.find_elements(By.CSS_SELECTOR, f"#{name} tr")

        self.wait(lambda: len(rows("tickets")) < 60 and len(rows("bookings")) < 60, "rows are folded")
        count = self.dev.state()["ticketCounts"]["InStay"]
        fold = self.browser.find_element(By.CSS_SELECTOR, "#tickets .fold button")
        self.wait(lambda: fold.text == f"● {count - 25} more tickets", "the fold says how many")
        self.assertIn(f"● InStay {count}", self.browser.find_element(By.ID, "ticket-counts").text)
        fold.click()
        self.wait(lambda: len(rows("tickets")) > 190, "they unfold")
        for width in (1280, 390):
            self.browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 400}
            )
            for row in (0, 90):
                self.browser.execute_script("arguments[0].scrollIntoView()", rows("tickets")[row])
                seen = "const box = document.querySelector('#panel').getBoundingClientRect(); return [box.top, innerHeight - box.top]"
                top, below = self.browser.execute_script(seen)
                self.assertTrue(-1 <= top and below > 20, f"the panel is in view at {width}, row {row}: {top}, {below}")

    def test_what_has_the_focus_keeps_it(self):
        select = self.browser.find_element(By.CSS_SELECTOR, "#tickets tr[data-key='3'] select")
        self.browser.execute_script("arguments[0].focus(); arguments[0].marked = true", select)
        self.click(SOON, "Booked")
        self.wait(lambda: self.shown(3) == "Booked", "the ticket shows it")
        self.click(SOON, "InStay")
        self.wait(lambda: self.shown(3) == "InStay" and self.order() == [1, 3, 4, 5, 2], "the row has moved")
        self.assertTrue(self.browser.execute_script("return document.activeElement.marked"), "it is the same element, in another place")

    def test_an_event_is_seen_on_its_way(self):
        self.switch("outage")
        self.click(IN_HOUSE, "InStay")
        at = "return [...document.querySelectorAll('#way li')].map((place) => place.dataset.count)"
        self.wait(lambda: any(self.browser.execute_script(at)[2:4]), "it waits in Pub/Sub, or is with the function")
        self.wait(lambda: any(self.dev.state()["places"][2:4]), "the state counts it")
        self.switch("outage")
        self.wait(lambda: self.shown(4) == "InStay" or self.browser.find_elements(By.CSS_SELECTOR, "#dead-letters li"), "it ends")

    def test_a_new_ticket_shows_its_status_at_once_and_is_seen_on_its_way_from_zendesk(self):
        self.browser.execute_script(
            "window.starts = []; const start = (dot) => dot.getAnimations()[0].effect.getKeyframes()[0].transform; "
            "new MutationObserver((changes) => changes.forEach(({ addedNodes }) => starts.push(...[...addedNodes].map(start))))"
            ".observe(document.getElementById('road'), { childList: true })"
        )
        form = self.browser.find_element(By.ID, "new-ticket")
        form.find_element(By.NAME, "booking").send_keys(IN_HOUSE, Keys.ENTER)
        self.wait(lambda: 6 in (self.order() or []) and self.shown(6) == "Booked", "the ticket shows its booking's status")

        def outcomes():
            return [event["outcome"] for event in self.dev.state()["events"] if event["ticket"] == 6]

        wait_until(lambda: outcomes() == ["added"], 10, "its own message did it, and no sweep")
        self.wait(lambda: "new ticket #6" in self.browser.find_element(By.ID, "events").text, "the list names it")
        zendesk = self.browser.execute_script(
            "const [box, road] = [document.querySelector('#way li:last-child'), document.getElementById('road')]"
            ".map((one) => one.getBoundingClientRect()); return box.left + box.width / 2 - road.left"
        )
        starts = [float(start.removeprefix("translate(").split("px")[0]) for start in self.browser.execute_script("return starts")]
        self.assertTrue(starts and abs(starts[0] - zendesk) < 1, (starts, zendesk))

    def test_keyboard_phone_and_darkness(self):
        button = self.browser.find_element(By.CSS_SELECTOR, f"#bookings tr[data-key='{SOON}'] [data-action='Booked']")
        self.browser.execute_script("arguments[0].focus()", button)
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        self.wait(lambda: self.shown(3) == "Booked", "Enter pressed the button")
        focused = "return document.activeElement.closest('tr')?.dataset.key"
        self.assertEqual(self.browser.execute_script(focused), SOON, "the row has the focus still")
        light = self.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        self.assertNotEqual(self.browser.execute_script("return getComputedStyle(document.body).backgroundColor"), light)
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        )
        self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth"), 390)
        errors = [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE" and "favicon" not in entry["message"]]
        self.assertEqual(errors, [])


if __name__ == "__main__":
    unittest.main()
