"""Cloud Logging, as the tests play it.

Source: its documentation, "Logging query language".
"""

import json
import re

SEVERITIES = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]


class Filter:
    """As much of the language as our filters and gcloud use: AND, OR, NOT, parentheses, and
    comparisons with = =~ >= > and :*.
    """

    TOKEN = re.compile(r'\s*(\(|\)|AND\b|OR\b|NOT\b|([\w.]+)(>=|=~|=|>|:)("(?:[^"\\]|\\.)*"|[\w.*]+))')

    def __init__(self, text):
        self.tokens, position = [], 0
        while position < len(text.rstrip()):
            match = self.TOKEN.match(text, position)
            assert match, text[position:]
            self.tokens.append(match.groups())
            position = match.end()

    def matches(self, entry):
        rest = list(self.tokens)

        # OR binds closer than AND.
        def all_of():
            value = any_of()
            while rest and rest[0][0] == "AND":
                rest.pop(0)
                value = any_of() and value
            return value

        def any_of():
            value = one()
            while rest and rest[0][0] == "OR":
                rest.pop(0)
                value = one() or value
            return value

        def one():
            token, path, operator, literal = rest.pop(0)
            if token == "NOT":
                return not one()
            if token == "(":
                value = all_of()
                assert rest.pop(0)[0] == ")"
                return value
            return self.compare(entry, path, operator, literal)

        value = all_of()
        assert not rest, rest
        return value

    @staticmethod
    def compare(entry, path, operator, literal):
        value = entry
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if operator == ":":
            assert literal == "*"
            return value is not None
        if path == "severity":
            order, wanted = SEVERITIES.index(value), SEVERITIES.index(literal)
            return order == wanted if operator == "=" else order >= wanted
        if operator == "=~":
            return isinstance(value, str) and re.search(json.loads(literal), value) is not None
        if literal.startswith('"'):
            # Times, as RFC 3339 in UTC, are ordered as their texts are.
            assert operator == "=" or path == "timestamp", (path, operator)
            return value == json.loads(literal) if operator == "=" else value.rstrip("Z") >= json.loads(literal).rstrip("Z")
        # A number is compared with numbers alone.
        number = float(literal)
        return isinstance(value, (int, float)) and {"=": value == number, ">": value > number, ">=": value >= number}[operator]


def log_entries(log, job=False):
    """Lines of our log as Cloud Logging keeps them.

    Sources: Cloud Logging's documentation, "Structured logging"; Cloud Run's, "Log and view logs".
    """
    kind, label, name = ("job", "job_name", "booking-status-sweep") if job else ("revision", "service_name", "booking-status-function")
    entries = []
    for line in log.splitlines():
        payload = json.loads(line)
        entry = {
            "severity": payload.pop("severity"),
            "timestamp": payload.pop("time"),
            "trace": payload.pop("logging.googleapis.com/trace", None),
            "resource": {"type": f"cloud_run_{kind}", "labels": {label: name, "location": "europe-west1"}},
        }
        payload = {key: value for key, value in payload.items() if not key.startswith("logging.googleapis.com/")}
        entries.append({key: value for key, value in entry.items() if value is not None} | {"jsonPayload": payload})
    return entries
