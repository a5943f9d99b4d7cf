"""A small Google Cloud on loopback for the real gcloud: records each request, and remembers what
was created.

It is gcloud's HTTP proxy, so that it sees every host name as gcloud makes it (some begin with the
region), and nothing outside is contacted.
"""

import base64
import collections
import hashlib
import json
import pathlib
import re
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloud_logging import Filter
from support import http

APIS = (
    "artifactregistry",
    "cloudbuild",
    "cloudresourcemanager",
    "cloudscheduler",
    "compute",
    "dataflow",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "run",
    "secretmanager",
    "serviceusage",
    "spanner",
    "storage",
)
PROJECT_NUMBER = "123456789"

Request = collections.namedtuple("Request", "method host path query body")


class GoogleCloud:
    """`environment` is what gcloud needs; `requests` are those since `take_requests` was called."""

    def __init__(self, test, pubsub=None):
        """With `pubsub`, HOST:PORT of Google's emulator, messages are published there, and
        subscriptions changed.
        """
        self.pubsub = pubsub
        # The URL of Google's emulator, to ask it what a database has.
        self.spanner = None
        # Called for what Cloud Logging has: a list of entries. None: nobody may read it.
        self.logged = self.log_of_a_function
        self.things, self.policies, self.requests, self.uploads, self.pushed, self.asked_metrics = {}, {}, [], [], [], {}
        # How many revisions there have been, and those that are never ready.
        self.revisions, self.broken = 0, set()
        # Grants to be refused as if their account were too new to be known.
        self.refusals = 0
        # How often an API is refused as if it had just been enabled.
        self.api_refusals = 0
        # How often an alert is refused because its metric is too new to be known.
        self.metric_refusals = 2
        # The database, as its information schema tells of it; no tables: no rights on it.
        self.columns = {"Bookings": ["ID", "Status"]}
        self.watched, self.watched_columns, self.stream_options = ["Bookings"], ["Status"], {"retention_period": "7d"}
        self.roles = ["booking_status_reader", "booking_status_pipeline"]
        # What Cloud Monitoring has: the newest value of a metric, and the titles of open alerts.
        self.points, self.open_alerts = {}, []
        self.lock = threading.RLock()
        folder = tempfile.TemporaryDirectory(prefix="google-cloud-")
        test.addCleanup(folder.cleanup)
        token = pathlib.Path(folder.name) / "token"
        token.write_text("local-token")
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"cloud": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)
        self.environment = {
            "CLOUDSDK_CONFIG": folder.name,
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            # curl's.
            "http_proxy": f"http://127.0.0.1:{server.server_address[1]}",
            "no_proxy": "127.0.0.1",
            "CLOUDSDK_PROXY_TYPE": "http",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(server.server_address[1]),
            **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.googleapis.com/" for api in APIS},
        }

    def take_requests(self):
        """What was asked for since the last time."""
        with self.lock:
            requests, self.requests = self.requests, []
            return requests

    def answer(self, request):
        """Status and JSON."""
        with self.lock:
            self.requests.append(request)
            api = request.host.split(".")[0].split("-")[-1]
            resource, _, verb = request.path.partition(":") if ":" in request.path.rsplit("/", 1)[-1] else (request.path, "", "")
            # Source: Service Usage's error for an API that is not (yet) enabled.
            if self.api_refusals > 0 and request.method in ("POST", "PUT") and api == "pubsub":
                self.api_refusals -= 1
                reason = "Cloud Pub/Sub API has not been used in project 123456789 before or it is disabled."
                return 403, error(403, "PERMISSION_DENIED", reason)
            if verb == "getIamPolicy":
                return 200, self.policies.get(resource, {"etag": "BwY="})
            if self.pubsub and (verb == "publish" or "/subscriptions/" in resource):
                return http(request.method, f"http://{self.pubsub}{request.path}", request.body if request.method != "GET" else None)
            if verb == "setIamPolicy" and self.refusals > 0:
                self.refusals -= 1
                return 400, error(400, "INVALID_ARGUMENT", "Service account does not exist.")
            if verb == "setIamPolicy":
                self.policies[resource] = request.body["policy"]
                return 200, request.body["policy"]
            play = getattr(self, f"play_{api}", None)
            answer = play(request, resource, verb) if play else None
            return answer or self.rest(request, api)

    # What most resources have in common

    def rest(self, request, api):
        method, path, body = request.method, request.path, request.body
        if method == "GET":
            if path in self.things:
                return 200, self.things[path]
            return 404, error(404, "NOT_FOUND", f"{path} was not found")
        if method == "DELETE":
            return (200, {}) if self.things.pop(path, None) else (404, error(404, "NOT_FOUND", f"{path} was not found"))
        if method == "PATCH":
            if path not in self.things:
                return 404, error(404, "NOT_FOUND", f"{path} was not found")
            self.things[path] = {**self.things[path], **(body.get("topic") or body.get("subscription") or body)}
            return 200, self.things[path]
        name = path if method == "PUT" else f"{path}/{self.new_name(request, api)}"
        if method == "POST" and name in self.things:
            return 409, error(409, "ALREADY_EXISTS", f"{name} is there already")
        self.things[name] = {"name": re.sub(r"^/v\d+(beta\d*)?/", "", name), **body}
        return 200, self.things[name]

    def new_name(self, request, api):
        given = (
            request.query.get("secretId")
            or request.query.get("repositoryId")
            or request.body.get("metadata", {}).get("name")
            or request.body.get("name")
        )
        return given.rsplit("/", 1)[-1] if given else f"{len(self.things) + 1}"

    # What is particular to some

    def play_logging(self, request, resource, verb):
        if resource != "/v2/entries":
            return None
        if self.logged is None:
            return 403, error(403, "PERMISSION_DENIED", "Permission 'logging.logEntries.list' denied")
        wanted = Filter(request.body["filter"])
        found = sorted((entry for entry in self.logged() if wanted.matches(entry)), key=lambda entry: entry["timestamp"], reverse=True)
        return 200, {
            "entries": [
                {"logName": "projects/local-project/logs/run", "insertId": hashlib.md5(json.dumps(entry).encode()).hexdigest(), **entry}
                for entry in found[: request.body["pageSize"]]
            ]
        }

    def play_cloudscheduler(self, request, resource, verb):
        if verb in ("pause", "resume"):
            # Source: Cloud Scheduler's reference, projects.locations.jobs.resume: only a paused job
            # can be resumed.
            if verb == "resume" and self.things[resource].get("state") != "PAUSED":
                return 400, error(400, "FAILED_PRECONDITION", "Job.state is not PAUSED")
            self.things[resource]["state"] = "PAUSED" if verb == "pause" else "ENABLED"
            return 200, self.things[resource]
        return None

    def play_pubsub(self, request, resource, verb):
        if verb == "publish":
            of_topic = [
                thing for thing in self.things.values() if isinstance(thing, dict) and thing.get("topic") == resource.removeprefix("/v1/")
            ]
            endpoints = [subscription.get("pushConfig", {}).get("pushEndpoint") for subscription in of_topic]
            services = [re.match(rf"https://(.*)-{PROJECT_NUMBER}\.", endpoint)[1] for endpoint in endpoints if endpoint]
            if services:
                self.pushed += [(rfc3339(), message["data"], services) for message in request.body["messages"]]
            return 200, {"messageIds": ["1"]}
        return None

    def log_of_a_function(self):
        """What is logged where all that is published while something pushes comes, and no ticket
        names its bookings.

        test_smoke.py holds it against the function's own log.
        """
        for moment, data, services in self.pushed:
            booking = json.loads(json.loads(base64.b64decode(data))["mods"][0]["keysJson"])["ID"]
            trace = "projects/local-project/traces/" + hashlib.md5(booking.encode()).hexdigest()
            line = {"message": "booking status", "booking": booking, "outcome": "no_ticket"}
            for service in services:
                yield from push_log(service, 204, trace, line, moment=moment)

    def play_cloudresourcemanager(self, request, resource, verb):
        project = resource.rsplit("/", 1)[-1]
        return 200, {"projectId": project, "projectNumber": PROJECT_NUMBER, "lifecycleState": "ACTIVE", "name": project}

    def play_serviceusage(self, request, resource, verb):
        if verb == "generateServiceIdentity":
            agent = f"service-{PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
            return 200, {"name": "operations/identity", "done": True, "response": {"email": agent, "uniqueId": "1"}}
        return 200, {"name": "operations/acf.p2-1", "done": True, "response": {}}

    def play_iam(self, request, resource, verb):
        if request.method == "POST" and resource.endswith("/serviceAccounts"):
            project = resource.split("/")[-2]
            email = f"{request.body['accountId']}@{project}.iam.gserviceaccount.com"
            account = {"name": f"projects/{project}/serviceAccounts/{email}", "email": email, "uniqueId": "1", "projectId": project}
            self.things[f"/v1/projects/-/serviceAccounts/{email}"] = account
            return 200, account
        return None

    def play_secretmanager(self, request, resource, verb):
        if verb == "addVersion":
            versions = self.things.setdefault(f"{resource}/versions", [])
            versions.append(request.body["payload"]["data"])
            return 200, {"name": f"{resource[4:]}/versions/{len(versions)}", "state": "ENABLED", "clientSpecifiedPayloadChecksum": True}
        if "/versions/" in resource:
            secret, _, number = resource.rpartition("/versions/")
            versions = self.things.get(f"{secret}/versions", [])
            index = len(versions) if number == "latest" else int(number) if number.isdigit() else 0
            if not 0 < index <= len(versions):
                return 404, error(404, "NOT_FOUND", "there is no such version")
            name = f"{secret[4:]}/versions/{index}"
            return 200, {"name": name, "payload": {"data": versions[index - 1]}} if verb == "access" else {"name": name, "state": "ENABLED"}
        return None

    def play_artifactregistry(self, request, resource, verb):
        if request.method == "POST":
            name = f"{resource}/{request.query['repositoryId']}"
            self.things[name] = {"name": name[4:], "format": request.body["format"]}
            return 200, {"name": f"{resource[4:].rsplit('/', 1)[0]}/operations/1", "done": True, "response": self.things[name]}
        return None

    def play_storage(self, request, resource, verb):
        if resource.startswith("/upload/") and request.method == "POST":
            # Two parts: what it is, and the file.
            boundary = request.body.split(b"\n", 1)[0]
            about, data = (part.split(b"\n\n", 1)[1].removesuffix(b"\n") for part in request.body.split(boundary)[1:3])
            self.uploads.append(data)
            name, md5 = request.query.get("name") or json.loads(about)["name"], base64.b64encode(hashlib.md5(data).digest()).decode()
            return 200, {"name": name, "bucket": resource.split("/")[-2], "generation": "1", "size": str(len(data)), "md5Hash": md5}
        if resource.endswith("/o"):
            return 200, {"items": []}
        if "/o/" in resource:
            return 404, error(404, "NOT_FOUND", "there is no such object")
        if resource.endswith("/iam"):
            if request.method == "PUT":
                self.policies[resource] = request.body
            return 200, self.policies.get(resource, {"bindings": []})
        if request.method == "POST" and resource.endswith("/b"):
            self.things[f"{resource}/{request.body['name']}"] = request.body
            return 200, request.body
        name = request.query.get("prefix", resource.split("/")[-1])
        # Every project has the bucket of Cloud Build, where something was built.
        if "-booking-status-pipeline-" in name and f"/storage/v1/b/{name}" not in self.things:
            return 404, error(404, "NOT_FOUND", "there is no such bucket")
        bucket = {"id": name, "name": name, "projectNumber": PROJECT_NUMBER}
        return 200, {"items": [bucket]} if resource.endswith("/b") else bucket

    def play_cloudbuild(self, request, resource, verb):
        if request.method == "GET":
            return 200, self.things[resource]
        build = {
            **request.body,
            "id": "1",
            "projectId": resource.split("/")[3],
            "name": f"{resource[4:]}/1",
            "status": "SUCCESS",
            "createTime": "2026-11-24T00:00:00Z",
            "finishTime": "2026-11-24T00:10:00Z",
        }
        self.things[f"{resource}/1"] = build
        for image in build["images"]:
            for variable, value in build.get("substitutions", {}).items():
                image = image.replace(f"${variable}", value)
            _, project, repository, image = image.split("/")
            name, tag = image.split(":")
            package = f"projects/{project}/locations/europe-west1/repositories/{repository}/packages/{name}"
            version = f"{package}/versions/sha256:{'0' * 64}"
            self.things[f"/v1/{package}/tags/{tag}"] = {"name": f"{package}/tags/{tag}", "version": version}
            self.things[f"/v1/{version}"] = {"name": version}
        return 200, {"name": "operations/build/1", "metadata": {"build": build}}

    def play_spanner(self, request, resource, verb):
        if request.method == "POST" and resource.endswith("/databases"):
            name = re.search("`(.*)`", request.body["createStatement"])[1]
            self.things[f"{resource}/{name}"] = database = {"name": f"{resource[4:]}/{name}", "state": "READY"}
            operation = {"name": f"{database['name']}/operations/1", "done": True, "response": database}
            self.things[f"/v1/{operation['name']}"] = operation
            return 200, operation
        if resource.endswith("/databaseRoles"):
            return 200, {"databaseRoles": [{"name": f"{resource[4:]}/{role}"} for role in self.roles]}
        if self.spanner and "/sessions" in resource:
            return http(request.method, f"{self.spanner}{request.path}", request.body if request.method == "POST" else None)
        # REST reference, sessions.create and sessions.executeSql.
        if request.method == "POST" and resource.endswith("/sessions"):
            if not self.columns:
                return 403, error(403, "PERMISSION_DENIED", "no rights on the database")
            self.things[f"{resource}/s-1"] = session = {"name": f"{resource[4:]}/s-1"}
            return 200, session
        if verb == "executeSql":
            fields = [{"name": name, "type": {"code": "STRING"}} for name in ("kind", "name", "value")]
            return 200, {"metadata": {"rowType": {"fields": fields}}, "rows": self.information_schema(request.body["sql"])}
        return None

    def information_schema(self, sql):
        """The rows of deploy.sh's one query. test_spanner.py asks Google's emulator the same."""
        schema, table = re.search(r"table_schema = '(\w*)' AND table_name = '(\w+)'", sql).groups()
        name = f"{schema}.{table}" if schema else table
        rows = [["column", column, ""] for column in self.columns.get(name, [])]
        if "'BookingsTableStatusStream'" in sql and self.watched:
            rows.append(["stream", "BookingsTableStatusStream", "false"])
            rows += [["table", watched, "false"] for watched in self.watched]
            rows += [["watched", column, ""] for column in self.watched_columns if name in self.watched]
            rows += [["option", option, value] for option, value in self.stream_options.items()]
        return rows

    def play_compute(self, request, resource, verb):
        # It has no operations that gcloud could wait for.
        return (403, error(403, "PERMISSION_DENIED", "no networks here")) if request.method != "GET" else None

    def play_dataflow(self, request, resource, verb):
        if resource.endswith("/jobs"):
            return 200, {"jobs": [job for path, job in self.things.items() if path.startswith(f"{resource}/")]}
        if resource.endswith("/flexTemplates") and verb == "launch":
            parameter = request.body["launchParameter"]
            job = {
                "id": "job-1",
                "name": parameter["jobName"],
                "currentState": "JOB_STATE_RUNNING",
                "type": "JOB_TYPE_STREAMING",
                "createTime": "2026-11-24T00:00:00Z",
                "currentStateTime": "2026-11-24T00:00:00Z",
                "location": "europe-west1",
            }
            self.things[f"{resource.removesuffix('flexTemplates')}jobs/job-1"] = job
            return 200, {"job": job}
        return None

    def play_monitoring(self, request, resource, verb):
        kind = resource.rsplit("/", 1)[-1]
        if kind == "timeSeries":
            metric = re.search(r'metric.type="([^"]*)"', request.query["filter"])[1]
            if metric not in self.points:
                return 200, {}
            return 200, {"timeSeries": [{"points": [{"value": {"int64Value": str(self.points[metric])}}]}]}
        if kind == "alerts":
            return 200, {"alerts": [{"state": "OPEN", "policy": {"displayName": title}} for title in self.open_alerts]}
        if kind in ("alertPolicies", "dashboards") and request.method == "GET":
            return 200, {kind: [thing for path, thing in self.things.items() if path.startswith(f"{resource}/")]}
        if "/alertPolicies" not in resource and kind != "dashboards":
            return None
        # Sources: hashicorp/terraform-provider-google#11102, GoogleCloudPlatform/cloud-foundation-fabric#3739.
        new = re.search(r"logging\.googleapis\.com/user/[\w-]+", str(request.body))
        if "/alertPolicies" in resource and new:
            asked = self.asked_metrics[request.body["displayName"]] = self.asked_metrics.get(request.body["displayName"], 0) + 1
            if asked <= self.metric_refusals:
                reason = (
                    f'Cannot find metric that matches type = "{new[0]}". If a metric was created recently, it could take up to 10 '
                    "minutes to become available. Please try again soon."
                )
                return 404, error(404, "NOT_FOUND", reason)
        body = request.body
        if request.method == "PATCH" and kind != "dashboards" and "/alertPolicies/" in resource:
            # REST reference, alertPolicies.patch: without a mask the policy is replaced, and is on;
            # a condition without a name is a new one.
            fields = request.query["updateMask"].split(",") if "updateMask" in request.query else list(body)
            former = self.things[resource] if "updateMask" in request.query else {"name": self.things[resource]["name"], "enabled": True}
            body = {**former, **{field: body[field] for field in fields}}
        elif request.method == "POST":
            resource = f"{resource}/{len(self.things)}"
            body = {"enabled": True, **body, "name": re.sub(r"^/v\d+/", "", resource), "etag": "e1"}
        else:
            return None
        for number, condition in enumerate(body.get("conditions", [])):
            condition.setdefault("name", f"{body['name']}/conditions/{len(self.requests)}{number}")
        self.things[resource] = body
        return 200, body

    def play_run(self, request, resource, verb):
        if resource.endswith("/locations"):
            return 200, {"locations": [{"locationId": "europe-west1", "name": "projects/p/locations/europe-west1"}]}
        if verb == "run":
            name = f"{resource.rsplit('/', 1)[-1]}-1"
            path = f"{resource.rsplit('/', 2)[0]}/executions/{name}"
            self.things[path] = {
                "apiVersion": "run.googleapis.com/v1",
                "kind": "Execution",
                "metadata": {"name": name, "namespace": "local-project", "generation": 1},
                "spec": {"taskCount": 1},
                "status": {
                    "observedGeneration": 1,
                    "succeededCount": 1,
                    "startTime": "2026-11-24T00:00:00Z",
                    "completionTime": "2026-11-24T00:09:00Z",
                    "conditions": [{"type": kind, "status": "True"} for kind in ("Completed", "ResourcesAvailable", "Started")],
                },
            }
            return 200, self.things[path]
        if request.method in ("POST", "PUT") and request.body.get("kind") in ("Service", "Job"):
            body, name = request.body, request.body["metadata"]["name"]
            path = resource if request.method == "PUT" else f"{resource}/{name}"
            former = self.things.get(path, {})
            generation = former.get("metadata", {}).get("generation", 0) + 1
            ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")]
            status = {"observedGeneration": generation, "conditions": ready}
            if body["kind"] == "Service":
                status |= self.serve(path.rsplit("/", 2)[0], name, body, former)
            self.things[path] = {
                **body,
                "metadata": {**body["metadata"], "generation": generation, "resourceVersion": f"v{generation}"},
                "status": status,
            }
            return 200, self.things[path]
        if request.method == "GET" and resource.endswith("/revisions"):
            found = [thing for path, thing in self.things.items() if path.startswith(f"{resource}/")]
            return 200, {"apiVersion": "serving.knative.dev/v1", "kind": "RevisionList", "metadata": {}, "items": found}
        if request.method == "GET" and resource.endswith("/executions"):
            found = [thing for path, thing in self.things.items() if path.startswith(f"{resource}/")]
            return 200, {"apiVersion": "run.googleapis.com/v1", "kind": "ExecutionList", "metadata": {}, "items": found}
        return None

    def serve(self, namespace, name, body, former):
        """The status of a service: a changed template makes a revision, and the traffic goes where
        the specification says.

        Source: Cloud Run's documentation, "Rollbacks, gradual rollouts, and traffic migration".
        """
        latest = former.get("status", {}).get("latestCreatedRevisionName")
        if body["spec"]["template"] != former.get("spec", {}).get("template"):
            self.revisions += 1
            latest = f"{name}-{self.revisions:05}"
            template = body["spec"]["template"]
            self.things[f"{namespace}/revisions/{latest}"] = {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Revision",
                "metadata": {
                    **template.get("metadata", {}),
                    "name": latest,
                    "namespace": "local-project",
                    "creationTimestamp": f"2026-11-24T00:{self.revisions:02}:00Z",
                    "labels": {**template.get("metadata", {}).get("labels", {}), "serving.knative.dev/service": name},
                },
                "spec": template["spec"],
                "status": {"conditions": [{"type": "Ready", "status": "False" if latest in self.broken else "True"}]},
            }
        traffic = [
            {**target, "revisionName": latest if target.get("latestRevision") else target["revisionName"]}
            for target in body["spec"].get("traffic") or [{"percent": 100, "latestRevision": True}]
        ]
        return {
            "url": f"https://{name}-{PROJECT_NUMBER}.europe-west1.run.app",
            "latestReadyRevisionName": latest,
            "latestCreatedRevisionName": latest,
            "traffic": traffic,
        }


def rfc3339():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def push_log(service, status, trace=None, line=None, topic="bookings-table-status", moment=None):
    """The log of one push: of the request, and of the function that answers it.

    Source: Cloud Run's documentation, "Log and view logs"; the severities are those of real entries.
    """
    entry = {
        "severity": "INFO" if status < 400 else "WARNING" if status < 500 else "ERROR",
        "timestamp": moment or rfc3339(),
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": service, "location": "europe-west1"}},
        **({"trace": trace} if trace else {}),
    }
    request = {
        "requestMethod": "POST",
        "requestUrl": f"https://{service}-{PROJECT_NUMBER}.europe-west1.run.app/projects/local-project/topics/{topic}",
        "status": status,
    }
    return [{**entry, "httpRequest": request}] + ([{**entry, "jsonPayload": line}] if line else [])


def error(code, status, message):
    return {"error": {"code": code, "status": status, "message": message}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud = None

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def handle_request(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.read_body()
        try:
            value = json.loads(body or b"{}")
        except ValueError:
            value = body
        query = dict(urllib.parse.parse_qsl(url.query))
        query.pop("alt", None)
        status, answer = self.cloud.answer(Request(self.command, url.netloc, url.path, query, value))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request
