"""Who else may log in: JWT authenticators, in the words of AuthenticationConfiguration (apiserver.config.k8s.io/v1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from generator.decode import Strict, wrong
from generator.dns_names import API_SERVICE
from generator.schema import fields
from generator.source import shown

RESERVED = ("system:", "anywhere:", "anywhere-")  # what no token may be: Kubernetes and anywhere themselves
LIMIT = 64  # authenticators, as the API server has it
_OWN_ISSUER = f"https://{API_SERVICE}"
_EXTRA_KEY = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+/[a-z0-9._~!$&'()*+,;=:@%/-]+"
_CEL = "A CEL expression over"


def _url(example: str) -> Callable[[str], str]:
    """A validator of the https URLs that the API server takes."""

    def check(value: str) -> str:
        hint = f"such as {example}"
        try:
            parts = urlsplit(value)
        except ValueError:
            raise wrong(f"{shown(value)} is not a URL", hint) from None
        if parts.scheme != "https" or not parts.hostname or re.search(r"[\s\x00-\x1f]", value):
            raise wrong(f"{shown(value)} is not an https URL", hint)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise wrong("has a login, a query or a fragment, which an issuer has not", hint)
        return value

    return check


def _issuer_url(value: str) -> str:
    if value == _OWN_ISSUER:
        raise wrong(f"{value} is the cluster itself, which issues the tokens of service accounts", "name another one")
    return value


def _extra_key(value: str) -> str:
    domain = value.partition("/")[0]
    if any(domain == kept or domain.endswith(f".{kept}") for kept in ("kubernetes.io", "k8s.io")):
        raise wrong(f"{shown(value)} is a key that Kubernetes keeps to itself", "take a domain of your own")
    return value


def _check_distinct(what: str, words: Iterable[str]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise wrong(f"has the {what} {shown(word)} twice", "remove one of the two")
        seen.add(word)


def _audiences(given: tuple[str, ...]) -> tuple[str, ...]:
    _check_distinct("audience", given)
    return given


_WORD = r"[A-Za-z0-9._~:/?#@!&*+,;=%-]"  # as in URLs, which many claims and audiences are
Audience = Annotated[str, AfterValidator(fields.formed(_WORD + "{1,255}", "my-cluster, without blanks"))]
Claim = Annotated[str, AfterValidator(fields.formed(_WORD + "{1,255}", "sub, without blanks"))]
Prefix = Annotated[str, AfterValidator(fields.formed(_WORD + "{0,255}", "oidc:, without blanks"))]
Line = Annotated[str, AfterValidator(fields.formed(r"[^\x00-\x1f\x7f]{0,255}", "one line"))]
Text = Annotated[str, Field(min_length=1)]


class Issuer(Strict):
    """Who issues the tokens, and for whom."""

    url: Annotated[str, AfterValidator(_url("https://login.example.com")), AfterValidator(_issuer_url)] = Field(
        description="The issuer, as tokens name it in `iss`; its keys are found from there.",
        examples=["https://login.example.com"],
    )
    discoveryURL: (
        Annotated[str, AfterValidator(_url("https://oidc.example.com/.well-known/openid-configuration"))] | None
    ) = Field(default=None, description="Where its discovery document is, if not below its URL.")
    certificateAuthority: Text | None = Field(
        default=None,
        description="Who vouches for it, if not an authority that Debian knows: PEM, or a file beside the definition.",
        examples=["login-ca.pem"],
    )
    audiences: Annotated[fields.Items[Audience], Field(min_length=1), AfterValidator(_audiences)] = Field(
        description="Whom a token must be for, by its `aud`.", examples=[["my-cluster"]]
    )
    audienceMatchPolicy: Literal["MatchAny"] | None = Field(
        default=None, description="With several audiences: MatchAny, one of them is enough."
    )

    @model_validator(mode="after")
    def _policy(self) -> Self:
        if len(self.audiences) > 1 and not self.audienceMatchPolicy:
            raise wrong("has several audiences", "say audienceMatchPolicy: MatchAny, one of them is enough")
        if self.discoveryURL and self.discoveryURL.rstrip("/") == self.url.rstrip("/"):
            raise wrong("has its url as its discoveryURL", "leave discoveryURL out")
        return self


class Mapped(Strict):
    """A claim with a prefix, or an expression."""

    claim: Claim | None = Field(default=None, description="The claim to take.", examples=["sub"])
    prefix: Prefix | None = Field(
        default=None, description='What is put before it; "" for nothing.', examples=["oidc:"]
    )
    expression: Text | None = Field(default=None, description=f"{_CEL} `claims`, instead of a claim.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.claim is None) == (self.expression is None):
            raise wrong("takes a claim or an expression, one of the two", 'such as {claim: sub, prefix: "oidc:"}')
        if self.claim is not None and self.prefix is None:
            raise wrong("has no prefix", 'such as prefix: "oidc:", which keeps tokens and certificates apart, or ""')
        if self.prefix and self.prefix.startswith(RESERVED):
            raise wrong(
                f"has the prefix {shown(self.prefix)}, which is kept for parts of the cluster", 'such as "oidc:"'
            )
        if self.expression is not None and self.prefix is not None:
            raise wrong("has a prefix beside an expression", "put it into the expression: \"'oidc:' + claims.sub\"")
        return self


class Uid(Strict):
    """A claim, or an expression."""

    claim: Claim | None = Field(default=None, description="The claim to take.", examples=["sub"])
    expression: Text | None = Field(default=None, description=f"{_CEL} `claims`, instead of a claim.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.claim is None) == (self.expression is None):
            raise wrong("takes a claim or an expression, one of the two", "such as {claim: sub}")
        return self


class Extra(Strict):
    """One more attribute, for authorizers and the audit log."""

    key: Annotated[str, AfterValidator(fields.formed(_EXTRA_KEY, "example.com/tenant")), AfterValidator(_extra_key)] = (
        Field(description="Its name, lower-case, in a domain of yours.", examples=["example.com/tenant"])
    )
    valueExpression: Text = Field(description=f"{_CEL} `claims`.", examples=["claims.tenant"])


class ClaimMappings(Strict):
    """What a user of the cluster is, out of a token's claims."""

    username: Mapped = Field(examples=['{claim: sub, prefix: "oidc:"}'])
    groups: Mapped | None = None
    uid: Uid | None = None
    extra: fields.Items[Extra] = Field(default=(), description="Further attributes.")


class ClaimRule(Strict):
    """What must hold of a token's claims: a claim with a value, or an expression."""

    claim: Claim | None = Field(default=None, description="A claim that must be there.", examples=["hd"])
    requiredValue: Line | None = Field(default=None, description="The value that it must have.")
    expression: Text | None = Field(default=None, description=f"{_CEL} `claims`, instead of a claim.")
    message: Line | None = Field(default=None, description="What is said where the expression is false.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.claim is None) == (self.expression is None):
            raise wrong(
                "takes a claim or an expression, one of the two", "such as {claim: hd, requiredValue: example.com}"
            )
        if self.claim is not None and self.message is not None:
            raise wrong("has a message, which only an expression has", "remove it")
        if self.expression is not None and self.requiredValue is not None:
            raise wrong("has a requiredValue, which only a claim has", "put it into the expression")
        return self


class UserRule(Strict):
    """What must hold of the user."""

    expression: Text = Field(description=f"{_CEL} `user`.", examples=["user.username.endsWith('@example.com')"])
    message: Line | None = Field(default=None, description="What is said where it is false.")


class Authenticator(Strict):
    """One issuer of tokens, and what becomes of them."""

    issuer: Issuer = Field(examples=["{url: https://login.example.com, audiences: [my-cluster]}"])
    claimMappings: ClaimMappings = Field(examples=['{username: {claim: sub, prefix: "oidc:"}}'])
    claimValidationRules: fields.Items[ClaimRule] = Field(default=(), description="What must hold of its tokens.")
    userValidationRules: fields.Items[UserRule] = Field(default=(), description="What must hold of its users.")

    @model_validator(mode="after")
    def _verified_email(self) -> Self:
        """As the API server has it, which would not start: an address counts only where the issuer vouches for it."""
        mappings = self.claimMappings
        rules = [rule.expression or "" for rule in self.claimValidationRules]
        said = [mappings.username.expression or "", *rules, *(extra.valueExpression for extra in mappings.extra)]
        if re.search(r"claims\.\??email\b", said[0]) and not any("email_verified" in text for text in said):
            raise wrong(
                "takes claims.email for the name, and no expression asks for claims.email_verified",
                'such as claimValidationRules: [{expression: "claims.?email_verified.orValue(true) == true"}]',
            )
        _check_distinct("expression", filter(None, rules))
        _check_distinct("expression", (rule.expression for rule in self.userValidationRules))
        return self


def _several(authenticators: tuple[Authenticator, ...]) -> tuple[Authenticator, ...]:
    _check_distinct("issuer", (authenticator.issuer.url for authenticator in authenticators))
    _check_distinct("discoveryURL", filter(None, (a.issuer.discoveryURL for a in authenticators)))
    if len(authenticators) > LIMIT:
        raise wrong(f"has {len(authenticators)} issuers, and {LIMIT} are the most", "remove some")
    return authenticators


Authentication = Annotated[fields.Items[Authenticator], AfterValidator(_several)]
