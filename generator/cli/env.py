"""`anywhere env`: what plain terraform needs in a rendered folder."""

from __future__ import annotations

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Print what plain terraform needs.

    Use it in a rendered folder: eval "$(anywhere env FILE)" && terraform plan.
    """
    import shlex

    from generator import terraform
    from generator.operations import cluster_secrets, lock_file, secrets_update, workspace
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    secrets = cluster_secrets.read(project, lock_file.known(project))
    if secrets.unmade:
        raise secrets_update.missing(project, "plain Terraform")
    values = cluster_secrets.values(secrets.documents)
    variables = {**workspace.environment(project), terraform.SECRETS: terraform.secrets_value(values)}
    for name, value in sorted(variables.items()):
        typer.echo(f"export {name}={shlex.quote(value)}")
    return 0
