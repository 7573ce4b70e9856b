"""`anywhere secrets`: who may open a cluster's secrets, and making or renewing them without an apply."""

from __future__ import annotations

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName

app = typer.Typer(help="Make, renew or re-encrypt a cluster's secrets.", rich_markup_mode=None)


@app.command("recrypt")
@pasteable.hints
def recrypt(file: File = DEFAULT_FILE) -> int:
    """Re-encrypt the secrets to the current recipients only.

    Those are spec.access.age_recipients and ANYWHERE_AGE_RECIPIENTS; your own key is added where the definition lists
    none.
    """
    from generator import store
    from generator.operations import cluster_secrets
    from generator.operations.project import open_project
    from generator.sections import LOCAL

    project = open_project(file, LOCAL, None)  # any will do: the recipients are the same on each
    kept = cluster_secrets.recrypt(project)
    pasteable.say(f"{store.path_beside(project.definition.path)} can be opened by:")
    for recipient in kept.recipients:
        pasteable.say(f"  {recipient}")
    pasteable.say("Whoever had access before may have kept a copy of the keys.", err=True)
    return 0


@app.command("update")
@pasteable.hints
def update(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Create missing secrets, and renew those that expire soon.

    `anywhere apply` does so by itself; this is for saved plans and plain Terraform.
    """
    from generator.cli.phases import show
    from generator.operations import secrets_update
    from generator.operations.project import open_project

    changed = secrets_update.run(open_project(file, provider, None), show())
    pasteable.say(
        "Updated. Commit the lock and the secrets." if changed else "Nothing was missing, and nothing is old."
    )
    return 0


@app.command("key")
@pasteable.hints
def key() -> int:
    """Print the public half of your age key, which is made on first use."""
    from generator import agekey

    for recipient in agekey.public(agekey.load_or_make()):
        pasteable.say(recipient)
    return 0
