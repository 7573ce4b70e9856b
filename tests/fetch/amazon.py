"""What an EC2 instance sees of AWS: its metadata service, and S3 and Secrets Manager behind a check of signatures.

The services themselves are moto's, which looks at no signature.
"""

import datetime
import http.client
import json
import re
from dataclasses import dataclass, field

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.fetch.endpoint import Answer, Request

REGION = "eu-central-1"
BUCKET = "star-wars-documents"
HOSTS = (f"{BUCKET}.s3.{REGION}.amazonaws.com", f"secretsmanager.{REGION}.amazonaws.com")
CHINESE = tuple(f"{host}.cn" for host in HOSTS)
EDITION = re.compile(r"/(latest|\d{4}-\d\d-\d\d)/(?P<path>.*)")
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, *"
    r"SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})"
)


@dataclass
class Instance:
    """The metadata service of one instance (IMDSv2 alone)."""

    paths: dict[str, str]  # under an edition's meta-data/, or beside that
    user_data: str = ""
    tokens: set[str] = field(default_factory=set)

    def __call__(self, request: Request) -> Answer:
        if "x-forwarded-for" in request.headers:
            return Answer(403)
        if request.path == "/latest/api/token":
            return self._token(request)
        if request.headers.get("x-aws-ec2-metadata-token") not in self.tokens:
            return Answer(401)
        found = EDITION.fullmatch(request.path)
        text = self._text(found["path"]) if found else ""
        return Answer(200, text.encode()) if text else Answer(404, b"<html>no</html>")

    def _text(self, path: str) -> str:
        """What is at a path, or the names in a folder; "" where there is nothing."""
        if path == "user-data":
            return self.user_data
        path = path.removeprefix("meta-data/")
        folder = f"{path.rstrip('/')}/".removeprefix("/")
        inside = [key.removeprefix(folder).partition("/") for key in self.paths if key.startswith(folder)]
        return self.paths.get(path) or "\n".join(sorted({name + slash for name, slash, _ in inside}))

    def _token(self, request: Request) -> Answer:
        seconds = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if request.method != "PUT" or not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            return Answer(400 if request.method == "PUT" else 405)
        self.tokens.add(token := f"token{len(self.tokens)}==")
        return Answer(200, token.encode())


def role(credentials: Credentials, name: str = "star-wars-worker") -> dict[str, str]:
    """The metadata path of an instance profile."""
    document = {
        "Code": "Success",
        "LastUpdated": "2026-11-24T08:00:00Z",
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret_key,
        "Token": credentials.token,
        "Expiration": "2026-11-24T14:00:00Z",
    }
    return {f"iam/security-credentials/{name}": json.dumps(document, indent=2)}


@dataclass
class Services:
    """S3 and Secrets Manager of a region: requests whose signature holds go on to `backend` (host:port)."""

    credentials: Credentials
    backend: str
    ahead: datetime.timedelta = datetime.timedelta()  # AWS's clock against the machine's
    expired: bool = False

    def __call__(self, request: Request) -> Answer:
        refused = self._s3 if ".s3." in request.host else self._secrets
        if reason := self.reason(request):
            return refused(*reason)
        connection = http.client.HTTPConnection(self.backend)
        kept = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        connection.request(request.method, request.path, request.body, kept)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), {"ETag": tag} if (tag := answer.headers["ETag"]) else {})

    def reason(self, request: Request) -> tuple[str, str] | None:
        """Why the signature does not hold: (S3's or Secrets Manager's code, message)."""
        found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if not found:
            return "IncompleteSignature", "The request has no signature."
        key, day, region, service, signed, signature = found.groups()
        if key != self.credentials.access_key:
            return "InvalidAccessKeyId", "The key does not exist in our records."
        wanted = "s3" if ".s3." in request.host else "secretsmanager"
        if (region, service, day) != (REGION, wanted, request.headers["x-amz-date"][:8]):
            return "AuthorizationHeaderMalformed", f"The scope is {day}/{region}/{service}."
        unsigned = {name for name in request.headers if name == "host" or name.startswith("x-amz-")} - {
            *signed.split(";")
        }
        if unsigned:
            return "AccessDenied", f"There were headers present which were not signed: {sorted(unsigned)}"
        if service == "s3" and "x-amz-content-sha256" not in request.headers:
            return "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        if signature != self.signature(request, service, signed.split(";")):
            return "SignatureDoesNotMatch", "The request signature we calculated does not match."
        if request.headers.get("x-amz-security-token") != self.credentials.token:
            return "InvalidToken", "The provided token is malformed or otherwise invalid."
        return self._time(request)

    def _time(self, request: Request) -> tuple[str, str] | None:
        if self.expired:
            return "ExpiredToken", "The provided token has expired."
        stamp = request.headers["x-amz-date"]
        told = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        now = datetime.datetime.now(datetime.UTC) + self.ahead
        if abs(now - told) > datetime.timedelta(minutes=15):
            return "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        return None

    def signature(self, request: Request, service: str, signed: list[str]) -> str:
        """The signature that botocore gives to the same request."""
        scheme = S3SigV4Auth if service == "s3" else SigV4Auth
        auth = scheme(self.credentials, service, REGION)
        headers = {name: request.headers[name] for name in signed}
        again = AWSRequest(request.method, f"https://{request.host}{request.path}", headers, request.body)
        again.context["timestamp"] = request.headers["x-amz-date"]
        return auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)

    def _s3(self, code: str, message: str) -> Answer:
        text = '<?xml version="1.0" encoding="UTF-8"?>\n'
        text += f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>"
        return Answer(400 if code == "ExpiredToken" else 403, text.encode(), {"Content-Type": "application/xml"})

    def _secrets(self, code: str, message: str) -> Answer:
        names = {
            "ExpiredToken": "ExpiredTokenException",
            "SignatureDoesNotMatch": "InvalidSignatureException",
            "InvalidToken": "UnrecognizedClientException",
        }
        if code == "RequestTimeTooSkewed":
            code, message = "InvalidSignatureException", "Signature expired: 20261124T080000Z is now earlier than"
        body = json.dumps({"__type": names.get(code, code), "message": message})
        return Answer(400, body.encode(), {"Content-Type": "application/x-amz-json-1.1"})
