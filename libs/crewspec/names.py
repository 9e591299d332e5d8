"""What references mean: documents of a namespace, those at home without one."""

__all__ = ["key_of", "namespace_of", "resolve"]


def key_of(name: str, namespace: str, home: str) -> str:
    """Name a document uniquely: `name` at home, `namespace/name` elsewhere.

    The empty namespace is home; files of a laptop know no other.
    """
    return name if namespace in {"", home} else f"{namespace}/{name}"


def namespace_of(key: str) -> str:
    """Return the namespace a key or a reference names; empty when it names none."""
    return key.rpartition("/")[0]


def resolve(reference: str, namespace: str, home: str) -> str:
    """Return the key of what a document of a namespace means by a reference.

    A bare name is in the document's own namespace; `other/name` is elsewhere.
    """
    named, _, name = reference.rpartition("/")
    return key_of(name, named or namespace, home)
