/** Every word the page says, in one place. */
export const en = {
  product: "VentureBot",
  tagline: "From a frustration to a venture",
  skipToComposer: "Skip to the message box",
  navigation: "Sessions",
  openNavigation: "Show sessions",
  closeNavigation: "Hide sessions",
  close: "Close",
  cancel: "Cancel",
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
    noMatch: (query: string) => `No session has “${query}” in its title.`,
    noArchived: "Nothing is archived.",
    failed: "The list could not be loaded.",
    actions: (title: string) => `Actions for ${title}`,
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
    loadingOlder: "Loading earlier messages…",
    olderFailed: "Earlier messages could not be loaded.",
    beginning: "This is where it began.",
    gone: "This session is not here",
    goneText: "It was deleted, or it belongs to somebody else.",
    backHome: "Start from the beginning",
    jump: "Jump to latest",
    export: "Export",
    exportMarkdown: "As Markdown",
    exportJson: "As JSON",
    suggestions: "Suggested replies",
    earlierAttempts: (count: number) =>
      count === 1 ? "An earlier attempt" : `${count} earlier attempts`,
  },
  message: {
    sending: "Sending…",
    waitingForConnection: "Will be sent when the connection returns",
    notSent: "Not sent",
    noReply: (reason: string) => `No reply: ${reason}`,
    retry: "Retry",
    discard: "Put back into the message box",
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
      count === 1 ? duration : `${count} steps · ${duration}`,
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
    left: (count: number) => `${count.toLocaleString("en")} characters left`,
    tooLong: (count: number) =>
      `${count.toLocaleString("en")} characters too many. Shorten it a little or send it in two parts.`,
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
      not_ready: ["The coach is starting", "It is ready in a moment. Try again then."],
      orchestrator_unavailable: [
        "The coach is not available",
        "It may be restarting. Your message is kept: try again in a moment.",
      ],
      output_blocked: [
        "This reply was withheld",
        "It broke the coach's safety rules. Try asking in another way.",
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
    } as Record<string, readonly [title: string, advice: string]>,
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
