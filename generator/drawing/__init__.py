"""Pictures of a cluster: `diagram` says what is in one, and `svg`, `mermaid` and `dot` write it down."""
