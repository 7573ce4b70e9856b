"""`anywhere validate`: is the definition right?"""

from __future__ import annotations

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, File, Json, MaybeProvider


def run(file: File = DEFAULT_FILE, provider: MaybeProvider = None, as_json: Json = False) -> int:
    """Check a definition, offline; every problem at once."""
    import providers
    from generator import schema
    from generator.errors import InvalidFile

    try:
        definition = schema.load(file)
    except InvalidFile as error:
        if not as_json:
            raise
        pasteable.say(_report(error))
        return 1
    if provider:
        providers.load(provider).backend(definition)  # which is in its section: it must be there
    pasteable.say('{"problems": []}' if as_json else f"{file}: cluster {definition.name} is valid.")
    return 0


def _report(error: object) -> str:
    from dataclasses import asdict

    from generator.errors import InvalidFile

    assert isinstance(error, InvalidFile)
    return pasteable.document({"problems": [{"file": error.file, **asdict(p)} for p in error.problems]})
