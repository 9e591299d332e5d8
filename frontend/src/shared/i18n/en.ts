/** Every word the page says, in English; the other catalogues have its shape. */
import { plural } from "./plural";

export const en = {
  product: "VentureBot",
  tagline: "From a frustration to a venture",
  skipToComposer: "Skip to the message box",
  navigation: "Sessions",
  openNavigation: "Show sessions",
  closeNavigation: "Hide sessions",
  close: "Close",
  cancel: "Cancel",
  language: "Language",
  notKept:
    "This browser keeps nothing for this page. What you write stays only as long as this tab is open.",
  theme: {
    label: (current: string) => `Colours: ${current}. Change`,
    system: "as the system",
    light: "light",
    dark: "dark",
  },
  connection: {
    live: "Connected",
    connecting: "Connecting…",
    restarting: "The service is restarting. Reconnecting…",
    refused: "The service refuses this page. Reloading may help.",
    offline: "No connection. What you write is kept and sent when it returns.",
    too_many_tabs: "VentureBot is open in too many tabs. Close some of them.",
    retryNow: "Try now",
  },
  home: {
    eyebrow: "Your venture coach",
    headline: "What keeps getting in your way?",
    lead:
      "Every good venture begins with something that annoys somebody. " +
      "Tell me one thing that does, and we will find out together whether it is worth solving.",
    examplesTitle: "For instance",
    examples: [
      {
        title: "Leftovers I paid for",
        text: "Every week I throw away food I bought with good intentions, and I never know what to cook with what is left.",
      },
      {
        title: "Chasing unpaid invoices",
        text: "As a freelancer I spend hours each month reminding clients to pay invoices that are weeks late.",
      },
      {
        title: "Finding people to study with",
        text: "I commute to university and never find people from my course who are free to study when I am.",
      },
      {
        title: "Forms for an ageing parent",
        text: "I fill in the same medical and insurance forms for my father again and again, and always miss something.",
      },
    ],
    coachFirst: "Not sure yet? Let the coach ask first",
    continueWith: "Continue",
  },
  sessions: {
    new: "New session",
    untitled: "New session",
    search: "Search sessions",
    clearSearch: "Clear the search",
    list: "Your sessions",
    current: "Current",
    archive: "Archive",
    showArchive: "Archived sessions",
    backToList: "Back to sessions",
    loadMore: "Show older sessions",
    loading: "Loading sessions…",
    none: "No sessions yet. Your first one is a frustration away.",
    noMatch: (query: string) => `Nothing was found for “${query}”.`,
    found: (count: number) =>
      plural("en", count, { one: "One result", other: `${count} results` }),
    searching: "Searching…",
    inMessages: "In what was said",
    loadMoreHits: "Show more results",
    noArchived: "Nothing is archived.",
    failed: "The list could not be loaded.",
    actions: (title: string) => `Actions for ${title}`,
    pin: "Pin to the top",
    unpin: "Unpin",
    pinned: "Pinned",
    rename: "Rename",
    renameLabel: "Title",
    archiveAction: "Archive",
    unarchiveAction: "Take out of the archive",
    deleteAction: "Delete…",
    delete: "Delete",
    deleteTitle: "Delete this session?",
    deleteText: (title: string) =>
      `“${title}” and all its messages will be gone for good. This cannot be undone.`,
    deleted: "Session deleted",
    today: "Today",
    yesterday: "Yesterday",
    thisWeek: "Previous 7 days",
    older: "Older",
  },
  chat: {
    timeline: "Talk with VentureBot",
    you: "You",
    coachSays: (time: string) => `VentureBot, ${time}`,
    youSaid: (time: string) => `You, ${time}`,
    loading: "Opening the session…",
    loadingOlder: "Loading more messages…",
    olderFailed: "Earlier messages could not be loaded.",
    newerFailed: "Later messages could not be loaded.",
    backToLatest: "Back to latest",
    beginning: "This is where it began.",
    gone: "This session is not here",
    goneText: "It was deleted, or it belongs to somebody else.",
    backHome: "Start from the beginning",
    jump: "Jump to latest",
    export: "Export",
    exportMarkdown: "As Markdown",
    exportJson: "As JSON",
    print: "Print",
    printing: "Collecting all messages for printing…",
    printFailed: "Not all messages could be collected for printing. Try again.",
    printedOn: (moment: string) => `Printed ${moment}`,
    branchedFrom: "Branched from",
    untitledSource: "an earlier session",
    leftOut: (count: number) =>
      plural("en", count, {
        one: "its first message was left out",
        other: `its first ${count} messages were left out`,
      }),
    suggestions: "Suggested replies",
    earlierAttempts: (count: number) =>
      plural("en", count, { one: "An earlier attempt", other: `${count} earlier attempts` }),
  },
  message: {
    sending: "Sending…",
    waitingForConnection: "Will be sent when the connection returns",
    notSent: "Not sent",
    noReply: (reason: string) => `No reply: ${reason}`,
    retry: "Retry",
    discard: "Put back into the message box",
    edit: "Edit and ask again",
    editLabel: "Your message, changed",
    editHint: "Your changed message opens a new session with the talk up to here. This one stays.",
    editSend: "Send in a new session",
    queued: (position: number) =>
      position === 1 ? "Waiting for the reply above, next in turn" : `Waiting, number ${position} in turn`,
    copy: "Copy message",
    copied: "Copied",
    copyFailed: "The browser did not allow copying",
    helpful: "Helpful",
    notHelpful: "Not helpful",
    status: {
      cancelled: "You stopped this reply.",
      interrupted: "This reply was interrupted. What arrived is kept.",
      failed: "This reply broke off. What arrived is kept.",
      superseded: "Replaced by a new attempt.",
    },
    steps: (count: number, duration: string) =>
      plural("en", count, { one: duration, other: `${count} steps · ${duration}` }),
  },
  run: {
    thinking: "VentureBot is thinking",
    queued: (position: number) =>
      position === 1
        ? "Many founders are being coached right now. You are next."
        : `Many founders are being coached right now. You are number ${position} in line.`,
    writing: "Writing",
    stop: "Stop",
    stopping: "Stopping…",
    retry: "Retry",
    retryIn: (seconds: number) => `Retry (in ${seconds} s)`,
    stopped: "Stopped.",
    stoppedText: "You can go on writing, or have the coach try again.",
  },
  announce: {
    started: "VentureBot is answering",
    finished: "VentureBot has answered",
    failed: "The reply failed",
    cancelled: "The reply was stopped",
  },
  composer: {
    label: "Message",
    form: "Write to the coach",
    placeholder: "Write to your coach…",
    homePlaceholder: "I keep running into…",
    send: "Send",
    hint: "Enter sends · Shift+Enter starts a new line",
    left: (count: number) => `${inEnglish(count)} characters left`,
    tooLong: (count: number) =>
      `${inEnglish(count)} characters too many. Shorten it a little or send it in two parts.`,
  },
  link: {
    open: "Open on another device",
    title: "Open on another device",
    text: "Scan this with the other device, or open the link there. It then shows your sessions, as this one does.",
    warning: "Whoever opens it can read and change all your sessions. It works once.",
    qr: "QR code of the link",
    address: "Link",
    copy: "Copy link",
    making: "Making a link…",
    failed: "No link could be made.",
    expiresIn: (time: string) => `Valid for ${time}`,
    expired: "This link is no longer valid.",
    again: "Make a new link",
    redeemTitle: "Open your sessions here?",
    redeemText: "This device will show the sessions of the device the link comes from.",
    ownStayBehind: (count: number) =>
      plural("en", count, {
        one: "A session begun on this device stays behind: this browser will no longer show it.",
        other: `${count} sessions begun on this device stay behind: this browser will no longer show them.`,
      }),
    ownStayBehindMany:
      "The sessions begun on this device stay behind: this browser will no longer show them.",
    redeem: "Open them here",
    redeeming: "Opening…",
    keepOwn: "Not now",
    brokenTitle: "This link does not work",
    brokenText:
      "It was used already, is older than ten minutes, or was not copied whole. Make a new one on the other device: “Open on another device”, below the list of sessions.",
    unreachable: "The service could not be reached. The link is not used up: try again.",
    welcome: "Your sessions are here.",
  },
  errors: {
    title: "That did not work",
    byCode: {
      crew_unknown: [
        "The coach is not set up",
        "Whoever runs this service has to look at its crews.",
      ],
      draining: ["The service is restarting", "It is back in a moment. Try again then."],
      events_dropped: [
        "The coach was interrupted",
        "Part of its answer was lost on the way. Nothing you wrote is lost: try again.",
      ],
      input_refused: [
        "This message was not passed on",
        "It reads like an order to the coach's program. Say it in other words.",
      ],
      instance_mismatch: [
        "The coach was interrupted",
        "The service restarted before it could answer. Try again.",
      ],
      llm_bad_output: [
        "The model answered nonsense",
        "Its answer could not be used. Try again.",
      ],
      llm_context_exceeded: [
        "This conversation has become too long",
        "The model cannot read all of it. Start a new session and tell it the essence.",
      ],
      llm_rate_limited: [
        "The model is busy",
        "It takes no more requests for the moment. Wait a little and try again.",
      ],
      llm_timeout: [
        "The model took too long",
        "It did not answer in time. Trying again usually helps.",
      ],
      llm_unauthorized: [
        "The coach cannot reach its model",
        "The key for the language model was refused. Whoever runs this service has to correct it.",
      ],
      llm_unavailable: [
        "The model is not available",
        "It may be back in a moment. Try again.",
      ],
      link_invalid: [
        "This link does not work",
        "It was used already or is too old. Make a new one on the other device.",
      ],
      message_not_ratable: [
        "This cannot be rated yet",
        "Only replies of the coach that have ended can be.",
      ],
      message_unknown: [
        "This message is not here",
        "Its session may have been deleted in another tab.",
      ],
      no_founder: [
        "The service does not know this browser",
        "Reload the page. What you wrote here is kept.",
      ],
      origin_refused: [
        "The service refuses this address",
        "Open the page at the address you were given, or ask whoever runs the service.",
      ],
      payload_too_large: [
        "This is too long",
        "Shorten it a little, or send it in two parts.",
      ],
      not_ready: ["The coach is starting", "It is ready in a moment. Try again then."],
      orchestrator_unavailable: [
        "The coach is not available",
        "It may be restarting. Your message is kept: try again in a moment.",
      ],
      output_blocked: [
        "This reply was withheld",
        "It broke the coach's safety rules. Try asking in another way.",
      ],
      output_invalid: [
        "The model answered in the wrong form",
        "Its answer could not be used. Trying again usually helps.",
      ],
      output_limit: [
        "This reply became too long",
        "It was ended where it stands. Ask for the part you need.",
      ],
      overloaded: [
        "The coach is at its limit",
        "Too many founders are being coached right now. Try again in a minute.",
      ],
      queue_full: [
        "Let the coach catch up",
        "Enough messages are waiting. Send this one when a reply has arrived.",
      ],
      rate_limited: [
        "A little slower",
        "You have asked for a lot in a short time. Wait a moment and try again.",
      ],
      run_failed: [
        "Something went wrong",
        "The coach could not finish. Nothing you wrote is lost: try again.",
      ],
      run_interrupted: [
        "The coach was interrupted",
        "Its answer could not be brought to an end. Nothing you wrote is lost: try again.",
      ],
      run_lost: [
        "The coach was interrupted",
        "The service restarted while it was answering. Nothing you wrote is lost: try again.",
      ],
      run_unknown: [
        "This reply is not here",
        "Its session may have been deleted in another tab.",
      ],
      run_not_retryable: [
        "This cannot be tried again",
        "Only the last reply of a session can. Write a new message instead.",
      ],
      run_timeout: [
        "The coach took too long",
        "It did not finish in time. Trying again usually helps.",
      ],
      session_busy: [
        "The coach is still answering",
        "Send this when the reply has arrived, or stop the reply first.",
      ],
      session_unknown: ["This session is not here", "It may have been deleted in another tab."],
      step_timeout: [
        "The coach took too long",
        "One of its steps did not finish in time. Trying again usually helps.",
      ],
      store_unavailable: [
        "Nothing can be saved right now",
        "It was not taken, so that it cannot be lost. Try again in a moment.",
      ],
      tool_limit: [
        "The coach went round in circles",
        "It looked things up too often. Try asking more precisely.",
      ],
      unreachable: [
        "The service could not be reached",
        "Nothing you wrote is lost. Try again in a moment.",
      ],
    },
    retryable: "Nothing you wrote is lost. Try again.",
    final: "Trying the same again will not help. You can go on with another message.",
    crashTitle: "The page stumbled",
    crashText: "Your conversation is safe. Reloading brings it back.",
    reload: "Reload",
  },
  markdown: {
    table: "Table",
    code: "Code",
    copyCode: "Copy code",
    task: "Task",
  },
} as const;

function inEnglish(count: number): string {
  return count.toLocaleString("en");
}
