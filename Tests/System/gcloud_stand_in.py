#!/usr/bin/env python3
"""Stands in for `gcloud`: records each call, remembers what was created, and does Pub/Sub's part on the emulator.

STAND_IN names a folder: `calls` gets one JSON array a line, `things` holds what there is.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

folder = pathlib.Path(os.environ["STAND_IN"])
things_file = folder / "things"
things = set(json.loads(things_file.read_text())) if things_file.exists() else set()
words = [word for word in sys.argv[1:] if not word.startswith("--")]
flags = dict(word[2:].split("=", 1) if "=" in word else (word[2:], "") for word in sys.argv[1:] if word.startswith("--"))

with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\n")

if words[:2] == ["projects", "describe"]:
    print("123456789")
    sys.exit()
if words[:3] == ["run", "services", "replace"]:
    (folder / "service.yaml").write_text(pathlib.Path(words[3]).read_text())
if words[:3] == ["run", "jobs", "replace"]:
    (folder / "sweep-job.yaml").write_text(pathlib.Path(words[3]).read_text())
if words[:3] == ["secrets", "versions", "add"]:
    (folder / "secret").write_text(pathlib.Path(flags["data-file"]).read_text())


def emulator(method, path, body):
    base = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not base:
        return
    url = f"http://{base}/v1/projects/{flags['project']}/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"}, method=method)
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        sys.exit(f"the emulator refuses {path}: {error.read().decode()}")


verb = next((position for position, word in enumerate(words) if word in ("describe", "create")), None)
if verb is not None:
    name = words[-1] if words[0] == "scheduler" else words[verb + 1]
    thing = " ".join(words[:verb] + [name.split("@")[0]])
    if words[verb] == "describe":
        sys.exit(0 if thing in things else 1)
    if thing in things:
        sys.exit(f"{thing} is there already")
    things.add(thing)
    things_file.write_text(json.dumps(sorted(things)))

project = flags.get("project")
if words[:3] == ["pubsub", "topics", "create"]:
    emulator("PUT", f"topics/{words[3]}", {})
elif words[:2] == ["pubsub", "subscriptions"] and words[2] == "create":
    seconds = lambda name: flags[name] if flags[name].endswith("s") else flags[name] + "s"  # noqa: E731
    body = {"topic": f"projects/{project}/topics/{flags['topic']}", "ackDeadlineSeconds": int(flags["ack-deadline"])}
    if "push-endpoint" in flags:
        # The emulator delivers over plain HTTP to this machine, and sends no token.
        body["pushConfig"] = {"pushEndpoint": os.environ.get("PUSH_ENDPOINT", flags["push-endpoint"])}
        body["retryPolicy"] = {"minimumBackoff": seconds("min-retry-delay"), "maximumBackoff": seconds("max-retry-delay")}
        if "dead-letter-topic" in flags:
            body["deadLetterPolicy"] = {"deadLetterTopic": flags["dead-letter-topic"], "maxDeliveryAttempts": int(flags["max-delivery-attempts"])}
        # Hours become seconds here; the shape of the policy stays.
        if "QUICK" in os.environ and "dead-letter-topic" in flags:
            body["retryPolicy"] = {"minimumBackoff": "0.1s", "maximumBackoff": "0.2s"}
            body["deadLetterPolicy"]["maxDeliveryAttempts"] = 5
            body["retainAckedMessages"] = True
    emulator("PUT", f"subscriptions/{words[3]}", body)
