/** Every word the page says, in German. */
import { plural } from "./plural";
import type { Texts } from "./texts";

export const de: Texts = {
  product: "VentureBot",
  tagline: "Vom Ärgernis zum Unternehmen",
  skipToComposer: "Direkt zum Schreibfeld",
  navigation: "Gespräche",
  openNavigation: "Gespräche anzeigen",
  closeNavigation: "Gespräche ausblenden",
  close: "Schließen",
  cancel: "Abbrechen",
  language: "Sprache",
  notKept:
    "Dieser Browser speichert für diese Seite nichts. Was du schreibst, bleibt nur, solange dieser Tab offen ist.",
  theme: {
    label: (current) => `Farben: ${current}. Ändern`,
    system: "wie im System",
    light: "hell",
    dark: "dunkel",
  },
  connection: {
    live: "Verbunden",
    connecting: "Verbindung wird aufgebaut …",
    restarting: "Der Dienst startet neu. Die Verbindung kommt gleich zurück …",
    refused: "Der Dienst lehnt diese Seite ab. Neu laden hilft vielleicht.",
    offline: "Keine Verbindung. Was du schreibst, bleibt erhalten und wird später gesendet.",
    too_many_tabs: "VentureBot ist in zu vielen Tabs offen. Schließ ein paar davon.",
    retryNow: "Jetzt versuchen",
  },
  home: {
    eyebrow: "Dein Coach fürs Gründen",
    headline: "Was steht dir immer wieder im Weg?",
    lead:
      "Jede gute Gründung beginnt mit etwas, das jemanden ärgert. " +
      "Erzähl mir von einer Sache, und wir finden gemeinsam heraus, ob es sich lohnt, sie zu lösen.",
    examplesTitle: "Zum Beispiel",
    examples: [
      {
        title: "Reste, die ich bezahlt habe",
        text: "Jede Woche werfe ich Essen weg, das ich mit guten Vorsätzen gekauft habe, und weiß nie, was ich aus dem Rest kochen soll.",
      },
      {
        title: "Unbezahlten Rechnungen hinterherlaufen",
        text: "Als Freiberufler erinnere ich jeden Monat stundenlang Kunden an Rechnungen, die seit Wochen offen sind.",
      },
      {
        title: "Leute zum Lernen finden",
        text: "Ich pendle zur Uni und finde nie jemanden aus meinem Kurs, der dann Zeit zum Lernen hat, wenn ich sie habe.",
      },
      {
        title: "Formulare für die Eltern",
        text: "Ich fülle für meinen Vater immer wieder dieselben Formulare für Ärzte und Versicherungen aus und vergesse jedes Mal etwas.",
      },
    ],
    coachFirst: "Noch unsicher? Lass den Coach anfangen",
    continueWith: "Weiter mit",
  },
  sessions: {
    new: "Neues Gespräch",
    untitled: "Neues Gespräch",
    search: "Gespräche durchsuchen",
    clearSearch: "Suche leeren",
    list: "Deine Gespräche",
    current: "Aktuell",
    archive: "Archiv",
    showArchive: "Archivierte Gespräche",
    backToList: "Zurück zu den Gesprächen",
    loadMore: "Ältere Gespräche anzeigen",
    loading: "Gespräche werden geladen …",
    none: "Noch keine Gespräche. Das erste beginnt mit etwas, das dich ärgert.",
    noMatch: (query) => `Zu „${query}“ wurde nichts gefunden.`,
    found: (count) =>
      plural("de", count, { one: "Ein Treffer", other: `${count} Treffer` }),
    searching: "Wird gesucht …",
    inMessages: "In den Nachrichten",
    loadMoreHits: "Mehr Treffer anzeigen",
    noArchived: "Das Archiv ist leer.",
    failed: "Die Liste konnte nicht geladen werden.",
    actions: (title) => `Aktionen für ${title}`,
    pin: "Oben anheften",
    unpin: "Nicht mehr anheften",
    pinned: "Angeheftet",
    rename: "Umbenennen",
    renameLabel: "Titel",
    archiveAction: "Archivieren",
    unarchiveAction: "Aus dem Archiv holen",
    deleteAction: "Löschen …",
    delete: "Löschen",
    deleteTitle: "Dieses Gespräch löschen?",
    deleteText: (title) =>
      `„${title}“ und alle Nachrichten darin werden endgültig gelöscht. Das lässt sich nicht rückgängig machen.`,
    deleted: "Gespräch gelöscht",
    today: "Heute",
    yesterday: "Gestern",
    thisWeek: "Letzte 7 Tage",
    older: "Älter",
  },
  chat: {
    timeline: "Gespräch mit VentureBot",
    you: "Du",
    coachSays: (time) => `VentureBot, ${time}`,
    youSaid: (time) => `Du, ${time}`,
    loading: "Das Gespräch wird geöffnet …",
    loadingOlder: "Weitere Nachrichten werden geladen …",
    olderFailed: "Frühere Nachrichten konnten nicht geladen werden.",
    newerFailed: "Spätere Nachrichten konnten nicht geladen werden.",
    backToLatest: "Zurück zum Neuesten",
    beginning: "Hier hat es angefangen.",
    gone: "Dieses Gespräch gibt es hier nicht",
    goneText: "Es wurde gelöscht oder gehört jemand anderem.",
    backHome: "Von vorn beginnen",
    jump: "Zum Neuesten",
    export: "Exportieren",
    exportMarkdown: "Als Markdown",
    exportJson: "Als JSON",
    print: "Drucken",
    printing: "Alle Nachrichten werden für den Druck geholt …",
    printFailed: "Nicht alle Nachrichten ließen sich für den Druck holen. Versuch es noch einmal.",
    printedOn: (moment) => `Gedruckt am ${moment}`,
    branchedFrom: "Abgezweigt von",
    untitledSource: "einem früheren Gespräch",
    leftOut: (count) =>
      plural("de", count, {
        one: "ohne dessen erste Nachricht",
        other: `ohne dessen erste ${count} Nachrichten`,
      }),
    suggestions: "Vorgeschlagene Antworten",
    earlierAttempts: (count) =>
      plural("de", count, { one: "Ein früherer Versuch", other: `${count} frühere Versuche` }),
  },
  message: {
    sending: "Wird gesendet …",
    waitingForConnection: "Wird gesendet, sobald die Verbindung zurück ist",
    notSent: "Nicht gesendet",
    noReply: (reason) => `Keine Antwort: ${reason}`,
    retry: "Noch einmal",
    discard: "Zurück ins Schreibfeld",
    edit: "Ändern und neu fragen",
    editLabel: "Deine geänderte Nachricht",
    editHint:
      "Die geänderte Nachricht öffnet ein neues Gespräch, das bis hierher übernommen wird. Dieses bleibt, wie es ist.",
    editSend: "In neuem Gespräch senden",
    queued: (position) =>
      position === 1
        ? "Wartet auf die Antwort darüber, ist als Nächstes dran"
        : `Wartet, an Stelle ${position}`,
    copy: "Nachricht kopieren",
    copied: "Kopiert",
    copyFailed: "Der Browser hat das Kopieren nicht erlaubt",
    helpful: "Hilfreich",
    notHelpful: "Nicht hilfreich",
    status: {
      cancelled: "Du hast diese Antwort angehalten.",
      interrupted: "Diese Antwort wurde unterbrochen. Was ankam, bleibt.",
      failed: "Diese Antwort ist abgebrochen. Was ankam, bleibt.",
      superseded: "Durch einen neuen Versuch ersetzt.",
    },
    steps: (count, duration) =>
      plural("de", count, { one: duration, other: `${count} Schritte · ${duration}` }),
  },
  run: {
    thinking: "VentureBot denkt nach",
    queued: (position) =>
      position === 1
        ? "Gerade werden viele Leute beraten. Du bist als Nächstes dran."
        : `Gerade werden viele Leute beraten. Du bist an Stelle ${position}.`,
    writing: "Schreibt",
    stop: "Anhalten",
    stopping: "Hält an …",
    retry: "Noch einmal",
    retryIn: (seconds) => `Noch einmal (in ${seconds} s)`,
    stopped: "Angehalten.",
    stoppedText: "Du kannst weiterschreiben oder den Coach noch einmal antworten lassen.",
  },
  announce: {
    started: "VentureBot antwortet",
    finished: "VentureBot hat geantwortet",
    failed: "Die Antwort ist fehlgeschlagen",
    cancelled: "Die Antwort wurde angehalten",
  },
  composer: {
    label: "Nachricht",
    form: "Dem Coach schreiben",
    placeholder: "Schreib deinem Coach …",
    homePlaceholder: "Immer wieder passiert mir …",
    send: "Senden",
    hint: "Enter sendet · Umschalt+Enter beginnt eine neue Zeile",
    left: (count) =>
      plural("de", count, { one: "Noch ein Zeichen", other: `Noch ${inGerman(count)} Zeichen` }),
    tooLong: (count) =>
      `${inGerman(count)} Zeichen zu viel. Kürze ein wenig oder sende es in zwei Teilen.`,
  },
  link: {
    open: "Auf anderem Gerät öffnen",
    title: "Auf einem anderen Gerät öffnen",
    text: "Scanne den Code mit dem anderen Gerät oder öffne dort den Link. Es zeigt dann deine Gespräche, so wie dieses hier.",
    warning: "Wer den Link öffnet, kann alle deine Gespräche lesen und ändern. Er gilt einmal.",
    qr: "QR-Code des Links",
    address: "Link",
    copy: "Link kopieren",
    making: "Der Link wird erstellt …",
    failed: "Es konnte kein Link erstellt werden.",
    expiresIn: (time) => `Noch ${time} gültig`,
    expired: "Dieser Link ist abgelaufen.",
    again: "Neuen Link erstellen",
    redeemTitle: "Deine Gespräche hier öffnen?",
    redeemText: "Dieses Gerät zeigt dann die Gespräche des Geräts, von dem der Link kommt.",
    ownStayBehind: (count) =>
      plural("de", count, {
        one: "Ein Gespräch, das auf diesem Gerät begonnen wurde, bleibt zurück: Dieser Browser zeigt es dann nicht mehr.",
        other: `${count} Gespräche, die auf diesem Gerät begonnen wurden, bleiben zurück: Dieser Browser zeigt sie dann nicht mehr.`,
      }),
    ownStayBehindMany:
      "Die Gespräche, die auf diesem Gerät begonnen wurden, bleiben zurück: Dieser Browser zeigt sie dann nicht mehr.",
    redeem: "Hier öffnen",
    redeeming: "Wird geöffnet …",
    keepOwn: "Jetzt nicht",
    brokenTitle: "Dieser Link funktioniert nicht",
    brokenText:
      "Er wurde schon benutzt, ist älter als zehn Minuten oder unvollständig kopiert. Erstelle auf dem anderen Gerät einen neuen: „Auf anderem Gerät öffnen“, unter der Liste der Gespräche.",
    unreachable:
      "Der Dienst war nicht zu erreichen. Der Link ist nicht verbraucht: Versuch es noch einmal.",
    welcome: "Deine Gespräche sind da.",
  },
  errors: {
    title: "Das hat nicht geklappt",
    byCode: {
      crew_unknown: [
        "Der Coach ist nicht eingerichtet",
        "Wer diesen Dienst betreibt, muss nach den Crews sehen.",
      ],
      draining: [
        "Der Dienst startet neu",
        "Er ist gleich zurück. Versuch es dann noch einmal.",
      ],
      events_dropped: [
        "Der Coach wurde unterbrochen",
        "Ein Teil der Antwort ging unterwegs verloren. Was du geschrieben hast, ist noch da: Versuch es noch einmal.",
      ],
      input_refused: [
        "Diese Nachricht wurde nicht weitergegeben",
        "Sie liest sich wie ein Befehl an das Programm des Coachs. Sag es mit anderen Worten.",
      ],
      instance_mismatch: [
        "Der Coach wurde unterbrochen",
        "Der Dienst startete neu, bevor er antworten konnte. Versuch es noch einmal.",
      ],
      link_invalid: [
        "Dieser Link funktioniert nicht",
        "Er wurde schon benutzt oder ist zu alt. Erstelle auf dem anderen Gerät einen neuen.",
      ],
      llm_bad_output: [
        "Das Modell hat Unsinn geantwortet",
        "Die Antwort war nicht zu gebrauchen. Versuch es noch einmal.",
      ],
      llm_context_exceeded: [
        "Dieses Gespräch ist zu lang geworden",
        "Das Modell kann es nicht mehr ganz lesen. Beginne ein neues und erzähl ihm das Wesentliche.",
      ],
      llm_rate_limited: [
        "Das Modell ist ausgelastet",
        "Es nimmt im Moment keine Anfragen mehr an. Warte kurz und versuch es dann noch einmal.",
      ],
      llm_timeout: [
        "Das Modell hat zu lange gebraucht",
        "Es hat nicht rechtzeitig geantwortet. Ein neuer Versuch hilft meistens.",
      ],
      llm_unauthorized: [
        "Der Coach erreicht sein Modell nicht",
        "Der Schlüssel für das Sprachmodell wurde abgelehnt. Wer diesen Dienst betreibt, muss ihn korrigieren.",
      ],
      llm_unavailable: [
        "Das Modell ist nicht verfügbar",
        "Vielleicht ist es gleich zurück. Versuch es noch einmal.",
      ],
      message_not_ratable: [
        "Das lässt sich noch nicht bewerten",
        "Das geht nur bei Antworten des Coachs, die zu Ende sind.",
      ],
      message_unknown: [
        "Diese Nachricht gibt es hier nicht",
        "Vielleicht wurde das Gespräch in einem anderen Tab gelöscht.",
      ],
      no_founder: [
        "Der Dienst kennt diesen Browser nicht",
        "Lade die Seite neu. Was du hier geschrieben hast, bleibt erhalten.",
      ],
      not_ready: ["Der Coach startet gerade", "Er ist gleich so weit. Versuch es dann noch einmal."],
      orchestrator_unavailable: [
        "Der Coach ist nicht erreichbar",
        "Vielleicht startet er neu. Deine Nachricht bleibt erhalten: Versuch es gleich noch einmal.",
      ],
      origin_refused: [
        "Der Dienst lehnt diese Adresse ab",
        "Öffne die Seite unter der Adresse, die du bekommen hast, oder frag, wer den Dienst betreibt.",
      ],
      output_blocked: [
        "Diese Antwort wurde zurückgehalten",
        "Sie verstieß gegen die Sicherheitsregeln des Coachs. Frag einmal anders.",
      ],
      output_invalid: [
        "Das Modell hat in der falschen Form geantwortet",
        "Die Antwort war nicht zu gebrauchen. Ein neuer Versuch hilft meist.",
      ],
      output_limit: [
        "Diese Antwort wurde zu lang",
        "Sie endet da, wo sie steht. Frag nach dem Teil, den du brauchst.",
      ],
      overloaded: [
        "Der Coach ist voll ausgelastet",
        "Gerade werden zu viele Leute beraten. Versuch es in einer Minute noch einmal.",
      ],
      payload_too_large: ["Das ist zu lang", "Kürze ein wenig oder sende es in zwei Teilen."],
      queue_full: [
        "Lass den Coach erst aufholen",
        "Es warten schon genug Nachrichten. Sende diese, wenn eine Antwort da ist.",
      ],
      rate_limited: [
        "Etwas langsamer",
        "Du hast in kurzer Zeit viel angefragt. Warte einen Moment und versuch es dann noch einmal.",
      ],
      run_failed: [
        "Da ist etwas schiefgegangen",
        "Der Coach kam nicht zum Ende. Was du geschrieben hast, ist noch da: Versuch es noch einmal.",
      ],
      run_interrupted: [
        "Der Coach wurde unterbrochen",
        "Die Antwort ließ sich nicht zu Ende bringen. Was du geschrieben hast, ist noch da: Versuch es noch einmal.",
      ],
      run_lost: [
        "Der Coach wurde unterbrochen",
        "Der Dienst startete mitten in der Antwort neu. Was du geschrieben hast, ist noch da: Versuch es noch einmal.",
      ],
      run_not_retryable: [
        "Das lässt sich nicht wiederholen",
        "Das geht nur bei der letzten Antwort eines Gesprächs. Schreib stattdessen eine neue Nachricht.",
      ],
      run_timeout: [
        "Der Coach hat zu lange gebraucht",
        "Er ist nicht rechtzeitig fertig geworden. Ein neuer Versuch hilft meistens.",
      ],
      run_unknown: [
        "Diese Antwort gibt es hier nicht",
        "Vielleicht wurde das Gespräch in einem anderen Tab gelöscht.",
      ],
      session_busy: [
        "Der Coach antwortet noch",
        "Sende das, wenn die Antwort da ist, oder halte sie vorher an.",
      ],
      session_unknown: [
        "Dieses Gespräch gibt es hier nicht",
        "Vielleicht wurde es in einem anderen Tab gelöscht.",
      ],
      step_timeout: [
        "Der Coach hat zu lange gebraucht",
        "Einer seiner Schritte wurde nicht rechtzeitig fertig. Ein neuer Versuch hilft meistens.",
      ],
      store_unavailable: [
        "Im Moment lässt sich nichts speichern",
        "Es wurde nicht angenommen, damit es nicht verloren gehen kann. Versuch es gleich noch einmal.",
      ],
      tool_limit: [
        "Der Coach hat sich im Kreis gedreht",
        "Er hat zu oft nachgeschlagen. Frag etwas genauer.",
      ],
      unreachable: [
        "Der Dienst war nicht zu erreichen",
        "Was du geschrieben hast, ist noch da. Versuch es gleich noch einmal.",
      ],
    },
    retryable: "Was du geschrieben hast, ist noch da. Versuch es noch einmal.",
    final: "Noch einmal dasselbe hilft nicht. Du kannst mit einer anderen Nachricht weitermachen.",
    crashTitle: "Die Seite ist gestolpert",
    crashText: "Dein Gespräch ist sicher. Neu laden bringt es zurück.",
    reload: "Neu laden",
  },
  markdown: {
    table: "Tabelle",
    code: "Code",
    copyCode: "Code kopieren",
    task: "Aufgabe",
  },
};

function inGerman(count: number): string {
  return count.toLocaleString("de");
}
