"""Text in YAML. For an emoji JSON has a pair of escapes, which YAML does not know: to it they are no character."""


def quoted(text: str) -> str:
    """`text` in YAML's double quotes, in ASCII alone."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(plain)}"'
