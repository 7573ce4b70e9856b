"""`anywhere images`: what a cluster is made of."""

from __future__ import annotations

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, AllowDowngrade, File, Json, ProviderName

app = typer.Typer(help="List, lock or get what a cluster is made of.", rich_markup_mode=None)


@app.command("list")
@pasteable.hints
def list_(file: File = DEFAULT_FILE, as_json: Json = False) -> int:
    """List exactly the images that a cluster needs, as its lock says."""
    from dataclasses import asdict

    from generator import lock, schema
    from generator.cli.tables import columns
    from generator.operations import lock_file

    definition = schema.load(file)
    locked = lock.read(lock.path_beside(definition.path))
    lock_file.check(locked, definition)
    registry = definition.registry
    images = [(arch, i) for arch in definition.architectures for i in locked.images[arch].values()]
    if as_json:
        listed = [
            {"arch": arch, **asdict(i), "mirror": registry.mirrored(i.ref) if registry else None} for arch, i in images
        ]
        pasteable.say(pasteable.document({"images": listed}))
    else:
        rows = [(i.name, arch, i.ref, i.id, f"{i.size / 2**20:.1f} MiB", i.source) for arch, i in images]
        pasteable.say(columns(("NAME", "ARCH", "REF", "ID", "ARCHIVE", "SOURCE"), rows))
    return 0


@app.command("lock")
@pasteable.hints
def lock(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, allow_downgrade: AllowDowngrade = False
) -> int:
    """Create or refresh the lock beside a definition; print what moved."""
    from generator import lock as locks
    from generator import lock_changes
    from generator.cli.phases import show
    from generator.operations import lock_file
    from generator.operations.project import open_project
    from generator.operations.resolution import Making

    project, phases = open_project(file, provider, None), show()
    before = lock_file.known(project)
    after = lock_file.refresh(project, Making(project, phases), phases, allow_downgrade=allow_downgrade)
    for line in lock_changes.describe(before, after):
        pasteable.say(line)
    if after == before:
        pasteable.say("Nothing moved.")
        return 0
    path = locks.path_beside(project.definition.path)
    lock_file.check_unchanged(project, before)
    locks.write(path, after)
    pasteable.say(f"Wrote {path}.")
    return 0


@app.command("pull")
@pasteable.hints
def pull(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Get every image of the lock into the cache: from the folder, a registry, a release, or built."""
    from generator.cli.phases import show
    from generator.operations import artifacts, lock_file
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    artifacts.fetch(project, lock_file.resolve_nothing(project, "only what is in it can be fetched"), show())
    return 0
