"""The machines, checks and certificates of a cluster as text for a person, and as JSON for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from generator.cli import check_view, pasteable
from generator.cli.tables import columns
from generator.status import Expiry, Row

if TYPE_CHECKING:
    from generator.operations.expiry import Expiries, TokenEnd
    from generator.store import Rotation
    from providers import Check

HEAD = ("MACHINE", "ROLE", "STATE", "STAGE", "READY", "VERSION", "ADDRESS", "NOTE")
SOON_DAYS, SOON_DAYS_CA = 30, 365  # an authority is in every kubeconfig, which takes longer to bring to people
RENEWED_DAYS = 9  # what is left of a kubelet's 90 days when it has asked for the next certificate at the latest
RENEWED_HOURS = 6  # a master renews the bootstrap token when 12 hours are left
SHOWN = 5  # kubelets


def text(rows: tuple[Row, ...], checks: tuple[Check, ...], ends: Expiries, under_way: Rotation | None) -> str:
    """For a person: the machines, what works, a rotation, then the certificates that expire soon, else the first."""
    from generator.pki import rotation

    lines = [table(rows), *([check_view.text(checks)] if checks else [])]
    if under_way:
        lines.append(rotation.remark(under_way))
    return "\n".join([*lines, *_certificates(ends.certificates), *_kubelets(ends.kubelets), *_token(ends.token)])


def _certificates(certificates: tuple[Expiry, ...]) -> list[str]:
    """Those in the store that expire soon, else the first: `apply` renews them."""
    ending = [c for c in certificates if c.days < (SOON_DAYS_CA if c.certificate.endswith(" CA") else SOON_DAYS)]
    if certificates and not ending:
        return [_first("Certificates", certificates)]
    return [f"Certificate {c.certificate} {_end(c.days)}: run `anywhere apply`." for c in ending]


def _kubelets(certificates: tuple[Expiry, ...]) -> list[str]:
    """The same of kubelets, which renew theirs themselves."""
    ending = [c for c in certificates if c.days < SOON_DAYS]
    if certificates and not ending:
        return [_first("Certificates of kubelets", certificates)]
    lines = [f"Certificate {c.certificate} {_end(c.days)}: {_renewal(c)}" for c in ending[:SHOWN]]
    if more := ending[SHOWN:]:
        lines.append(f"Certificates of kubelets: {len(more)} more expire in the next {SOON_DAYS} days.")
    return lines


def _renewal(certificate: Expiry) -> str:
    if certificate.days >= RENEWED_DAYS:
        return f"its kubelet renews it before {RENEWED_DAYS} days are left."
    machine = certificate.certificate.rpartition(" of ")[2]
    return f"`anywhere ssh {machine} -- sudo docker logs --tail 50 kubelet` says why it is not renewed."


def _token(token: TokenEnd | None) -> list[str]:
    """The bootstrap token, which masters renew again and again."""
    if token is None:
        return []
    if token.at is None or token.hours < 0:
        return ["There is no valid bootstrap token, so no machine can join: `anywhere doctor` says what is wrong."]
    if token.hours < RENEWED_HOURS:
        return [f"The bootstrap token expires in {token.hours} h, and no master renews it: `anywhere doctor` says why."]
    return [f"The bootstrap token expires in {token.hours} h; masters renew it twice a day."]


def _first(what: str, certificates: tuple[Expiry, ...]) -> str:
    first = certificates[0]
    return f"{what}: the first to expire is {first.certificate}, in {first.days} days."


def table(rows: tuple[Row, ...]) -> str:
    """The machines as aligned columns."""
    return columns(HEAD, [_cells(row) for row in rows])


def document(rows: tuple[Row, ...], checks: tuple[Check, ...], ends: Expiries, under_way: Rotation | None) -> str:
    """For a program, as JSON."""
    reached = under_way and under_way.rolled_out
    return pasteable.document(
        {
            "machines": [{**asdict(row), "healthy": row.healthy} for row in rows],
            "checks": [asdict(check) for check in checks],
            "certificates": [{**asdict(c), "at": c.at.isoformat()} for c in (*ends.certificates, *ends.kubelets)],
            "bootstrap_token": ends.token and {"at": ends.token.at and ends.token.at.isoformat()},
            "rotation": under_way
            and {
                "subject": under_way.subject,
                "phase": under_way.phase,
                "rolled_out": reached and reached.isoformat(),
            },
        }
    )


def _end(days: int) -> str:
    return f"expires in {days} days" if days >= 0 else f"expired {-days} days ago"


def _cells(row: Row) -> tuple[str, ...]:
    state = "running" if row.running else "stopped" if row.presence == "present" else row.presence
    ready = {True: "yes", False: "no", None: "-"}[row.ready]
    return row.machine, row.role, state, row.stage or "-", ready, row.version or "-", row.address or "-", row.note
