import unittest

import requests
import zenpy
from zenpy.lib.api_objects import CustomField, Ticket
from zenpy.lib.exception import APIException, RecordNotFoundException

from support import BINARIES, ROOT, Process, free_port, http, wait_until

HEADERS = {"authorization": "Bearer local"}


class Loopback(requests.adapters.HTTPAdapter):
    """Zenpy knows hosts of zendesk.com only: what is meant for one goes to the simulator."""

    def __init__(self, port):
        super().__init__()
        self.port = port

    def send(self, request, **options):
        sent = request.copy()
        sent.url = request.url.replace("https://simulated.zendesk.com", f"http://127.0.0.1:{self.port}")
        answer = super().send(sent, **options)
        answer.request, answer.url = request, request.url
        return answer


class ZendeskClientTests(unittest.TestCase):
    """An independent client library, unmodified, works against `bookingstatus simulator`."""

    def setUp(self):
        self.port = free_port()
        command = [BINARIES / "bookingstatus", "simulator", "--port", self.port, "--tickets", ROOT / "events" / "tickets.json"]
        self.simulator = Process(self, command).wait_for(self.port)
        self.client = self.zenpy(oauth_token="local")

    def zenpy(self, **credentials):
        client = zenpy.Zenpy(subdomain="simulated", disable_cache=True, **credentials)
        client.tickets.session.mount("https://simulated.zendesk.com", Loopback(self.port))
        return client

    def status(self, ticket):
        return next((field["value"] for field in self.client.tickets(id=ticket).custom_fields if field["id"] == 1002), None) or None

    def test_search_show_and_update(self):
        found = list(self.client.search(type="ticket", status_less_than="closed"))
        self.assertEqual(sorted(ticket.id for ticket in found), [1, 2, 3, 4, 5])
        self.assertEqual({ticket.id for ticket in self.client.tickets(ids=[1, 2, 99])}, {1, 2})
        with self.assertRaises(RecordNotFoundException):
            self.client.tickets(id=99)

        answer = self.client.tickets.update(Ticket(id=1, custom_fields=[CustomField(id=1002, value="booking_1_in_stay")]))
        self.assertEqual(answer.audit.events[0]["value"], "booking_1_in_stay")
        self.assertEqual(self.status(1), "booking_1_in_stay")
        self.assertEqual([audit.ticket_id for audit in self.client.tickets.audits(1)], [1])

    def test_pages_of_every_kind_are_followed(self):
        self.assertEqual(len(list(self.client.tickets(cursor_pagination=2))), 5)
        self.assertEqual(len(list(self.client.search_export(type="ticket", query="status<closed"))), 5)
        self.assertEqual([field.id for field in self.client.ticket_fields()], [1001, 1002, 1003])
        url = f"http://127.0.0.1:{self.port}/api/v2/search.json?query=type:ticket&per_page=3"
        _, first = http("GET", url, headers=HEADERS)
        _, second = http("GET", first["next_page"], headers=HEADERS)
        self.assertEqual((len(first["results"]), len(second["results"]), second["next_page"]), (3, 2, None))

    def test_many_are_updated_by_a_job(self):
        changes = [Ticket(id=ticket, custom_fields=[CustomField(id=1002, value="booking_2_booked")]) for ticket in (1, 2, 99)]
        job = self.client.tickets.update(changes)
        self.assertEqual(job.status, "queued")
        wait_until(lambda: self.client.job_status(id=job.id).status == "completed", 30, "the job is over")
        done = self.client.job_status(id=job.id)
        self.assertEqual([bool(result.get("success")) for result in map(self.as_dict, done.results)], [True, True, False])
        self.assertEqual((self.status(1), self.status(2)), ("booking_2_booked", "booking_2_booked"))

    @staticmethod
    def as_dict(result):
        return result if isinstance(result, dict) else result.to_dict()

    def test_a_safe_update_with_an_old_stamp_is_refused(self):
        stale = Ticket(id=1, custom_fields=[CustomField(id=1002, value="booking_2_booked")])
        stale.safe_update = True
        stale.updated_stamp = "2000-01-01T00:00:00Z"
        with self.assertRaises(APIException) as refused:
            self.client.tickets.update(stale)
        self.assertEqual(refused.exception.response.status_code, 409)
        self.assertIsNone(self.status(1))

    def test_a_view_shows_its_tickets_in_its_order(self):
        body = {
            "view": {
                "title": "Guests",
                "all": [
                    {"field": "status", "operator": "less_than", "value": "solved"},
                    {"field": "custom_fields_1002", "operator": "present", "value": None},
                ],
                "output": {"columns": ["1002"], "sort_by": "1002", "sort_order": "asc"},
            }
        }
        _, created = http("POST", f"http://127.0.0.1:{self.port}/api/v2/views.json", body, HEADERS)
        for ticket, tag in ((1, "booking_4_checked_out"), (3, "booking_1_in_stay")):
            self.client.tickets.update(Ticket(id=ticket, custom_fields=[CustomField(id=1002, value=tag)]))
        self.assertIn("Guests", [view.title for view in self.client.views()])
        self.assertEqual([ticket.id for ticket in self.client.views.tickets(created["view"]["id"])], [3, 1])

    def test_credentials_and_limits(self):
        self.assertEqual(self.zenpy(email="a@example.com", token="local").users.me().id, 900)
        with self.assertRaises(APIException):
            self.zenpy(email="a@example.com", token="wrong").users.me()
        minted = requests.post(
            f"http://127.0.0.1:{self.port}/oauth/tokens",
            json={"grant_type": "client_credentials", "client_id": "booking-status-sync", "client_secret": "local-secret"},
            timeout=10,
        ).json()
        self.assertEqual(self.zenpy(oauth_token=minted["access_token"]).users.me().id, 900)
        answer = requests.get(f"http://127.0.0.1:{self.port}/api/v2/tickets/1.json", headers=HEADERS, timeout=10)
        self.assertEqual(answer.headers["x-rate-limit"], "700")
        self.assertLess(int(answer.headers["ratelimit-remaining"]), 700)

    def test_what_it_does_not_know_is_no_endpoint_and_is_logged(self):
        status, answer = http("GET", f"http://127.0.0.1:{self.port}/api/v2/macros.json", headers=HEADERS)
        self.assertEqual((status, answer["error"]), (404, "InvalidEndpoint"))
        self.assertIn("GET /api/v2/macros.json", self.simulator.log)


if __name__ == "__main__":
    unittest.main()
