"""What the page calls the things a founder uses, in each of its languages."""

from dataclasses import dataclass

__all__ = ["ENGLISH", "GERMAN", "Words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The names by which things are found on the page, for a browser's locale."""

    locale: str
    message: str
    send: str
    stop: str
    retry: str
    edit: str
    changed_message: str
    jump: str
    back_to_latest: str
    export: str
    show_sessions: str
    actions_for: str
    rename: str
    title: str
    archive: str
    archived_sessions: str
    delete_from_menu: str
    delete: str
    open_elsewhere: str
    open_here: str
    not_here: str


ENGLISH = Words(
    locale="en-US",
    message="Message",
    send="Send",
    stop="Stop",
    retry="Retry",
    edit="Edit and ask again",
    changed_message="Your message, changed",
    jump="Jump to latest",
    back_to_latest="Back to latest",
    export="Export",
    show_sessions="Show sessions",
    actions_for="Actions for",
    rename="Rename",
    title="Title",
    archive="Archive",
    archived_sessions="Archived sessions",
    delete_from_menu="Delete…",
    delete="Delete",
    open_elsewhere="Open on another device",
    open_here="Open them here",
    not_here="This session is not here",
)

GERMAN = Words(
    locale="de-DE",
    message="Nachricht",
    send="Senden",
    stop="Anhalten",
    retry="Noch einmal",
    edit="Ändern und neu fragen",
    changed_message="Deine geänderte Nachricht",
    jump="Zum Neuesten",
    back_to_latest="Zurück zum Neuesten",
    export="Exportieren",
    show_sessions="Gespräche anzeigen",
    actions_for="Aktionen für",
    rename="Umbenennen",
    title="Titel",
    archive="Archivieren",
    archived_sessions="Archivierte Gespräche",
    delete_from_menu="Löschen …",
    delete="Löschen",
    open_elsewhere="Auf anderem Gerät öffnen",
    open_here="Hier öffnen",
    not_here="Dieses Gespräch gibt es hier nicht",
)
