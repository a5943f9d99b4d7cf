import base64
import datetime
import os
import subprocess
import tempfile
import time
import unittest

from deployment import set_up_emulator, settings_file
from support import (
    BINARIES,
    FUNCTION,
    Process,
    Shared,
    free_port,
    function_environment,
    http,
    needs,
    pubsub_emulator,
    sample,
    simulator,
    ticket_status,
    wait_until,
)

TOPIC = "projects/local-project/topics/bookings-table-status"


@needs("gcloud")
class ReplayTests(unittest.TestCase):
    """The real function, fed by Google's Pub/Sub emulator through the subscription that deploy.sh
    makes.
    """

    @classmethod
    def setUpClass(cls):
        cls.pubsub = pubsub_emulator(Shared(cls))

    def setUp(self):
        self.zendesk, self.port = free_port(), free_port()
        set_up_emulator(self.pubsub, f"http://127.0.0.1:{self.port}/{TOPIC}", quick=True)

    def function(self, **more):
        environment = function_environment(self.zendesk, PORT=str(self.port), REORDER_WINDOW_SECONDS="0", **more)
        return Process(self, [BINARIES / "booking-status-function"], environment).wait_for(self.port)

    def publish(self, name):
        status, answer = http("POST", f"http://{self.pubsub}/v1/{TOPIC}:publish", {"messages": [{"data": sample(name)}]})
        self.assertEqual(status, 200, answer)
        return answer["messageIds"][0]

    def replay(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                ["sh", FUNCTION / "replay.sh", *arguments, settings_file(folder)],
                capture_output=True,
                text=True,
                timeout=60,
                env={"PATH": os.environ["PATH"], "PUBSUB_EMULATOR_HOST": self.pubsub},
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def dead_letters(self):
        """The ids of those that wait in the dead-letter subscription, as far as one pull brings
        them; looking gives them back.
        """
        subscription = f"http://{self.pubsub}/v1/projects/local-project/subscriptions/bookings-table-status-dead-letter-keep"
        _, pulled = http("POST", f"{subscription}:pull", {"maxMessages": 100, "returnImmediately": True})
        received = pulled.get("receivedMessages", [])
        if received:
            http("POST", f"{subscription}:modifyAckDeadline", {"ackIds": [one["ackId"] for one in received], "ackDeadlineSeconds": 0})
        return {one["message"]["messageId"] for one in received}

    def test_dead_letters_are_delivered_again_once_the_cause_is_mended(self):
        simulator(self, self.zendesk)
        broken = self.function(ZENDESK_CLIENT_SECRET="wrong")
        self.publish("1-inserted.google.json")
        self.publish("2-booked.google.json")
        dead = set()

        def are_dead():
            # Pulled twenty times a second, the emulator gives nothing.
            time.sleep(1)
            dead.update(self.dead_letters())
            return len(dead) == 2

        wait_until(are_dead, 120, "both events are dead letters")
        self.assertIn("check the OAuth client's id and secret", broken.log)
        self.assertIsNone(ticket_status(self.zendesk))
        self.assertEqual(broken.end(), 0)

        self.function()
        self.assertIn("2 messages published again", self.replay("dead-letters"))
        wait_until(lambda: ticket_status(self.zendesk) == "booking_2_booked", 30, "the ticket is right")
        self.assertEqual(self.dead_letters(), set())
        self.assertIn("0 messages published again", self.replay("dead-letters"))

    def test_everything_since_a_time_is_delivered_again_and_changes_nothing_that_is_right(self):
        start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
        first = simulator(self, self.zendesk)
        function = self.function()
        self.publish("1-inserted.google.json")
        self.publish("2-booked.google.json")
        wait_until(lambda: ticket_status(self.zendesk) == "booking_2_booked", 30, "the ticket is right")
        # The booking has two tickets.
        wait_until(lambda: function.log.count('"booking status"') >= 4, 30, "both changes are done")

        # Another account, which has heard of nothing: as after a restored backup, or a field that
        # was emptied by mistake.
        first.end()
        simulator(self, self.zendesk)
        self.assertIsNone(ticket_status(self.zendesk))
        seen = function.log.count('"booking status"')
        self.replay("since", start.strftime("%Y-%m-%dT%H:%M:%SZ"))
        wait_until(lambda: ticket_status(self.zendesk) == "booking_2_booked", 30, "the ticket is right again")
        wait_until(lambda: function.log.count('"booking status"') >= seen + 4, 30, "both events have their lines")

        # A second time everything is there already.
        written = function.log.count('"outcome":"added"') + function.log.count('"outcome":"updated"')
        seen = function.log.count('"booking status"')
        self.replay("since", start.strftime("%Y-%m-%dT%H:%M:%SZ"))
        wait_until(lambda: function.log.count('"booking status"') >= seen + 4, 30, "both events came again")
        self.assertEqual(function.log.count('"outcome":"added"') + function.log.count('"outcome":"updated"'), written)

    def test_what_was_published_can_count_as_done(self):
        done = self.publish("1-inserted.google.json")
        time.sleep(1)
        self.replay("until-now")
        simulator(self, self.zendesk)
        function = self.function()
        later = self.publish("6-three-bookings.google.json")
        wait_until(lambda: '"booking status"' in function.log, 30, "the later event comes")
        self.assertIn(f'"message_id":"{later}"', function.log)
        self.assertNotIn(f'"message_id":"{done}"', function.log)


if __name__ == "__main__":
    unittest.main()
