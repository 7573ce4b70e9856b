"""What etcd's JSON gateway answers, from memory: keys, leases and members, as etcd 3.6 was seen to answer."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent import etcd
from agent.etcd import Etcd


class Refused(Exception):
    """An answer that is no success: the HTTP status, the code of gRPC, and the message."""


class Cluster:
    """Members by name. `down` are those that do not run, `busy` is for how many calls members may not change.

    `behind` are learners that have not caught up, `asked` every call that was answered: (member, path).
    """

    def __init__(self, *members):
        self.members, self.down, self.behind, self.busy, self.asked = [], set(), set(), 0, []
        self.keys, self.leases, self.clock = {}, {}, time.monotonic
        self._made, self._lock, self._revision = 100, threading.RLock(), 0
        for name in members:
            self.add(name)

    def add(self, name, peer="", *, learner=False):
        self._made += 1
        self.members.append(
            {"ID": str(self._made), "name": name, "peerURLs": [peer or etcd.peer_url(name)], "isLearner": learner}
        )

    def start(self, name):
        """A member that was added runs, and tells its name."""
        found = next(member for member in self.members if member["peerURLs"] == [etcd.peer_url(name)])
        found["name"] = name

    def voting(self):
        return sorted(member["name"] for member in self.members if not member["isLearner"])

    def majority(self):
        up = [name for name in self.voting() if name and name not in self.down]
        return 2 * len(up) > len(self.voting())

    def ready(self, name):
        return name in self.voting() and name not in self.down and self.majority()

    def answer(self, name, path, body):
        """The answer of one member that runs; Refused, or TimeoutError where there is no majority."""
        with self._lock:
            self.asked.append((name, path))
            mine = next((member for member in self.members if member["name"] == name), None)
            if mine is None or mine["isLearner"]:
                raise Refused(400, 9, "etcdserver: rpc not supported for learner")
            if not self.majority() and not (path == "/v3/cluster/member/list" and not body.get("linearizable")):
                raise TimeoutError("timed out")
            for lease in [lease for lease, (_, end) in self.leases.items() if end <= self.clock()]:
                self._end(lease)
            verb = path.removeprefix("/v3/").replace("/", "_")
            found = getattr(self, f"_{verb}", None)
            if found is None:
                raise Refused(404, 5, "Not Found")
            return {"header": {"cluster_id": "7619062553881380903"}, **found(body)}

    def _kv_range(self, body):
        first, end = (base64.b64decode(body[name]).decode() for name in ("key", "range_end"))
        found = [key for key in sorted(self.keys) if first <= key < end]
        return {"kvs": [self._pair(key) for key in found], "count": str(len(found))} if found else {}

    def _pair(self, key):
        value, lease = self.keys[key]
        return {"key": _encoded(key), "lease": lease or "0"} | ({"value": _encoded(value)} if value else {})

    def _kv_put(self, body):
        if not body.get("key"):
            raise Refused(400, 3, "etcdserver: key is not provided")
        lease = body.get("lease", "")
        if lease and lease not in self.leases:
            raise Refused(404, 5, "etcdserver: requested lease not found")
        self.keys[base64.b64decode(body["key"]).decode()] = base64.b64decode(body["value"]).decode(), lease
        return {}

    def _kv_deleterange(self, body):
        return {"deleted": "1"} if self.keys.pop(base64.b64decode(body["key"]).decode(), None) else {}

    def _kv_txn(self, body):
        (absent,) = body["compare"]
        assert (absent["target"], absent["create_revision"]) == ("CREATE", "0")
        if base64.b64decode(absent["key"]).decode() in self.keys:
            return {}
        for each in body["success"]:
            self._kv_put(each["request_put"])
        return {"succeeded": True}

    def _lease_grant(self, body):
        self._made += 1
        self.leases[str(self._made)] = int(body["TTL"]), self.clock() + int(body["TTL"])
        return {"ID": str(self._made), "TTL": body["TTL"]}

    def _lease_keepalive(self, body):
        if body["ID"] not in self.leases:
            return {"result": {"ID": body["ID"]}}
        seconds = self.leases[body["ID"]][0]
        self.leases[body["ID"]] = seconds, self.clock() + seconds
        return {"result": {"ID": body["ID"], "TTL": str(seconds)}}

    def _lease_revoke(self, body):
        if body["ID"] not in self.leases:
            raise Refused(404, 5, "etcdserver: requested lease not found")
        self._end(body["ID"])
        return {}

    def _end(self, lease):
        del self.leases[lease]
        self.keys = {key: held for key, held in self.keys.items() if held[1] != lease}

    def _cluster_member_list(self, body):
        listed = [{k: v for k, v in member.items() if v not in ("", False)} for member in self.members]
        return {"members": listed}

    def _cluster_member_add(self, body):
        self._settled()
        if any(member["isLearner"] for member in self.members):
            raise Refused(400, 9, "etcdserver: too many learner members in cluster")
        if any(member["peerURLs"] == body["peerURLs"] for member in self.members):
            raise Refused(400, 9, "etcdserver: Peer URLs already exists")
        self.add("", *body["peerURLs"], learner=body["isLearner"])
        return {}

    def _cluster_member_promote(self, body):
        found = self._member(body["ID"])
        if not found["isLearner"]:
            raise Refused(400, 9, "etcdserver: can only promote a learner member")
        if not found["name"] or found["name"] in self.behind | self.down:
            raise Refused(400, 9, "etcdserver: can only promote a learner member which is in sync with leader")
        found["isLearner"] = False
        return {}

    def _cluster_member_remove(self, body):
        self._settled()
        self.members.remove(self._member(body["ID"]))
        return {}

    def _settled(self):
        if self.busy:
            self.busy -= 1
            raise Refused(503, 14, "etcdserver: unhealthy cluster")

    def _member(self, ident):
        found = next((member for member in self.members if member["ID"] == ident), None)
        if found is None:
            raise Refused(404, 5, "etcdserver: member not found")
        return found

    def respond(self, name, method, path, body):
        """(status, text) of a member's answer over HTTP."""
        if (method, path) == ("GET", "/readyz"):
            return (200, "ok") if self.ready(name) else (503, "not ready")
        try:
            return 200, json.dumps(self.answer(name, path, json.loads(body)))
        except Refused as refused:
            status, code, message = refused.args
            return status, json.dumps({"code": code, "message": message})


class Client(Etcd):
    """The agent's client, to a cluster in this process: only the connection is another."""

    def __init__(self, cluster, *members, noted=None):
        super().__init__([etcd.host_of(member) for member in members], None)
        self._cluster, self._noted = cluster, noted

    def _connect(self, host):
        return _Connection(self._cluster, host.partition(".")[0], self._noted)


class _Connection:
    def __init__(self, cluster, name, noted):
        self._cluster, self._name, self._noted = cluster, name, noted

    def connect(self):
        if self._is_down():
            raise ConnectionRefusedError(111, "Connection refused")

    def request(self, method, path, body="", headers=None):
        if self._noted:
            self._noted(self._name, path)
        if self._is_down():
            raise ConnectionResetError(104, "Connection reset by peer")
        self.status, self._text = self._cluster.respond(self._name, method, path, body)

    def getresponse(self):
        return self

    def read(self):
        return self._text.encode()

    def close(self):
        pass

    def _is_down(self):
        return self._name in self._cluster.down or all(m["name"] != self._name for m in self._cluster.members)


def serve(cluster, name, address, tls):
    """Serve one member's answers on the client port of an address, over TLS; a server, whose `answers` may be set."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, text = server.answers or cluster.respond(name, self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _serve  # noqa: N815 (the names that http.server asks for)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        answers = None  # (status, text) of every answer, whatever is asked
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that trusts nothing here says so itself

    server = Server(address, Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def _encoded(text):
    return base64.b64encode(text.encode()).decode()
