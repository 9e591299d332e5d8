"""What the simulated coach can ask next, and what it says before it asks."""

from dataclasses import dataclass

__all__ = ["CLOSING", "MOVES", "OPENINGS", "VAGUE", "Move"]


@dataclass(frozen=True, slots=True)
class Move:
    """One thing worth finding out.

    `known_by` are words that show the founder has told it already; `framework`
    is taught when the talk has not named it yet.
    """

    name: str
    known_by: frozenset[str]
    framework: str | None
    promising: tuple[str, ...]
    risks: tuple[str, ...]
    steps: tuple[str, ...]
    questions: tuple[str, ...]
    replies: tuple[str, ...]


OPENINGS: tuple[str, ...] = (
    (
        "Hi, I'm VentureBot, your venture coach. We start from a frustration, yours or"
        " somebody else's, and work towards something people pay for. An everyday"
        " annoyance is enough.\n\n"
        "**When did something last make you think “there must be a better way”?**"
    ),
    (
        "Welcome! I'm VentureBot. Good ventures rarely begin with an idea; they begin"
        " with something that keeps going wrong, and we go on from there.\n\n"
        "**What went wrong for you this week that should not have?**"
    ),
    (
        "Hello, I'm VentureBot, a coach for first-time founders. You bring something"
        " that annoys you, I bring the questions. No idea needed yet.\n\n"
        "**What was the last thing that cost you more time than it deserved?**"
    ),
    (
        "I'm VentureBot, and I coach people from “this is annoying” to “people pay me"
        " for it”. Small frustrations count.\n\n"
        "**Which task did you last catch yourself grumbling about?**"
    ),
)

VAGUE = Move(
    name="vague",
    known_by=frozenset(),
    framework="Key and lock",
    promising=(
        "There may be something in it, and I would like to see it as you saw it.",
        "I hear that it bothers you, and that is where every venture starts.",
    ),
    risks=(
        (
            "As it stands it could mean ten different things, and we would build for"
            " none of them."
        ),
        "A problem described in general fits everybody and helps nobody.",
    ),
    steps=(
        "So let us take one real moment instead of the rule.",
        "One scene is worth more than a summary.",
    ),
    questions=(
        (
            "Can you show me the last time it happened: where were you, and what did"
            " you do?"
        ),
        "What exactly happened the last time, from the first minute to the last?",
    ),
    replies=(
        "It happened yesterday, let me describe it",
        "I have only seen it happen to others",
        "Give me an example of a good answer",
    ),
)

CLOSING = Move(
    name="closing",
    known_by=frozenset(),
    framework=None,
    promising=("You leave with something concrete, and that is what counts.",),
    risks=("What usually goes wrong now is that the next step stays in the chat.",),
    steps=("Write it down, with a day beside it.",),
    questions=("Which day will you do it?", "What will you have done by Friday?"),
    replies=("Tomorrow", "By Friday", "Remind me what the step was"),
)

MOVES: tuple[Move, ...] = (
    Move(
        name="last_time",
        known_by=frozenset({"yesterday", "morning", "last", "today", "week"}),
        framework="Key and lock",
        promising=(
            "There is a real annoyance in this, which is the right place to begin.",
            "You notice what others put up with, and that is where ventures start.",
        ),
        risks=(
            "The risk is that we fall for a solution before we know the problem.",
            "What I cannot see yet is what really happens, minute by minute.",
        ),
        steps=(
            "Before any idea, let us look at one occurrence closely.",
            "Let us slow down and watch it once.",
        ),
        questions=(
            "What happened the last time, step by step?",
            "When did it happen last, and what did you do about it?",
        ),
        replies=(
            "It happened this week, let me tell you",
            "It happened to a friend of mine",
            "I am not sure when exactly",
        ),
    ),
    Move(
        name="frequency",
        known_by=frozenset({"daily", "weekly", "every", "times", "often", "always"}),
        framework=None,
        promising=(
            "That is specific enough to check with somebody else.",
            "You describe it the way people describe things they have lived.",
        ),
        risks=(
            "A pain that comes once a year rarely carries a business.",
            "If it is rare, people forgive it and forget it.",
        ),
        steps=(
            "Count it for a week; a mark on paper will do.",
            "Look into your calendar or messages and count.",
        ),
        questions=(
            "How often did it happen in the last month?",
            "How many times did you run into it in the past four weeks?",
        ),
        replies=(
            "Almost every day",
            "About once a week",
            "Only a few times a year",
        ),
    ),
    Move(
        name="severity",
        known_by=frozenset({"hours", "hour", "cost", "costs", "minutes", "lost"}),
        framework=None,
        promising=(
            "Things that keep coming back are worth a look: habits get replaced.",
            "There is something here that a person could be glad to be rid of.",
        ),
        risks=(
            (
                "It may still be an itch and not a wound, and people do not pay for"
                " itches."
            ),
            "Frequent and harmless is the most common trap there is.",
        ),
        steps=(
            "Put a number on one occurrence: minutes, money or nerves.",
            "Work out what the last time cost, roughly.",
        ),
        questions=(
            "What did it cost you the last time, in minutes or in money?",
            "From 1 to 10, how much did it hurt, and why not two points less?",
        ),
        replies=(
            "It cost me more than an hour",
            "It is an 8, and I can say why",
            "Honestly, it is more of an itch",
        ),
    ),
    Move(
        name="who_else",
        known_by=frozenset(
            {"friends", "colleagues", "everyone", "parents", "students"}
        ),
        framework="Jobs to be Done",
        promising=(
            "There may be a reason in it for somebody to change something.",
            "You can say why it matters and not only that it does.",
        ),
        risks=(
            "You may be the only one who feels it this strongly.",
            "So far our evidence is one person, and that person is you.",
        ),
        steps=(
            "Think of one other person by name, not of a target group.",
            "Find the next person who has it; one is enough for today.",
        ),
        questions=(
            "Who else has it, and what were they trying to get done?",
            "Which person you know has the same trouble?",
        ),
        replies=(
            "A colleague of mine has it too",
            "My whole class complains about it",
            "I do not know anyone else yet",
        ),
    ),
    Move(
        name="workarounds",
        known_by=frozenset({"spreadsheet", "excel", "app", "whatsapp", "workaround"}),
        framework=None,
        promising=(
            "If others have it too, an anecdote turns into a pattern.",
            "It is easy to picture whom this is for, and that helps us.",
        ),
        risks=(
            "If nobody does anything about it today, nobody may want to tomorrow.",
            "The strongest competitor is usually a spreadsheet, or doing nothing.",
        ),
        steps=(
            "Ask that person to show you what they do now; watch their screen.",
            "Look for the clumsy thing people have built for themselves.",
        ),
        questions=(
            "What do people do about it today?",
            "Which workaround have you seen or built yourself?",
        ),
        replies=(
            "They use a spreadsheet",
            "They ask around in a group chat",
            "They do nothing and put up with it",
        ),
    ),
    Move(
        name="willingness_to_pay",
        known_by=frozenset(
            {"pay", "paid", "price", "subscription", "euros", "dollars"}
        ),
        framework="Unit economics",
        promising=(
            "Where people help themselves, they have voted with their time.",
            "You know more about their day than a market report does.",
        ),
        risks=(
            "Using something and paying for it are two different decisions.",
            "Free and clumsy beats paid and polished more often than we like.",
        ),
        steps=(
            "Find out what was last paid for, in money or in hours.",
            "Look for a bill, a subscription or an evening that was spent on it.",
        ),
        questions=(
            "Who has paid for a way out, and how much?",
            "What did it last cost somebody to get rid of it?",
        ),
        replies=(
            "Someone I know pays for a tool",
            "Nobody pays yet, they lose hours",
            "I would pay, but I am not sure about others",
        ),
    ),
    Move(
        name="interviews",
        known_by=frozenset({"interview", "interviewed", "asked", "talked"}),
        framework="Mom Test",
        promising=(
            "This is enough to walk up to a stranger with.",
            "You have something now that another person could contradict.",
        ),
        risks=(
            "All of it is still your view; customers may tell another story.",
            "It is tempting to look up market figures now, and too early.",
        ),
        steps=(
            "Talk to three people before you change anything.",
            "Have one conversation this week in which you pitch nothing.",
        ),
        questions=(
            "Who are the first three people you could ask this week?",
            "Whom can you talk to before the weekend?",
        ),
        replies=(
            "I have three names in mind",
            "Help me write the questions",
            "I find it hard to ask strangers",
        ),
    ),
    Move(
        name="idea",
        known_by=frozenset({"idea", "build", "solution", "prototype", "feature"}),
        framework=None,
        promising=(
            "The lock is becoming visible, so we can start to cut keys.",
            "People who know a pain well tend to have good first ideas.",
        ),
        risks=(
            "The first idea is usually an app, and often it need not be one.",
            "It is easy to solve the part that is fun and leave the part that hurts.",
        ),
        steps=(
            "Write three different answers, one of them without any software.",
            "Describe the outcome first and the product last.",
        ),
        questions=(
            "If it were solved tomorrow, what would be different at nine o'clock?",
            "What is the smallest thing that would have helped the last time?",
        ),
        replies=(
            "I have an idea already",
            "A service without an app could work",
            "Give me three directions",
        ),
    ),
    Move(
        name="riskiest_assumption",
        known_by=frozenset({"assumption", "assume", "risk", "risky"}),
        framework="Riskiest assumption test",
        promising=(
            "This is clear enough to be wrong quickly, and that is a strength.",
            "I like that one could explain it in a single sentence.",
        ),
        risks=(
            "Everything in it rests on something we believe and have not seen.",
            "If one belief is false, the rest of the plan is decoration.",
        ),
        steps=(
            "Name the belief first, then the cheapest way to see it fail.",
            "Rank what you believe by how much would break without it.",
        ),
        questions=(
            "What must be true for this to work that you have not seen yet?",
            "Which belief would end the whole thing if it were false?",
        ),
        replies=(
            "That people would switch",
            "That they would pay every month",
            "That I can reach them at all",
        ),
    ),
    Move(
        name="scope",
        known_by=frozenset({"mvp", "weeks", "prototype", "launch"}),
        framework="Lean Startup",
        promising=(
            "You look at it honestly, which most people avoid.",
            "It is getting plain what a first version has to prove.",
        ),
        risks=(
            "The danger is to build for three months what three days could tell.",
            "Every feature we add delays the moment we learn something.",
        ),
        steps=(
            "Cut until it hurts: one person, one situation, one result.",
            "Do it by hand for one person before you automate it for many.",
        ),
        questions=(
            (
                "If you had two weeks and no money, what would you put in front of one"
                " person?"
            ),
            "What could you offer by hand on Monday?",
        ),
        replies=(
            "A simple page with a form",
            "I would do it by hand for a friend",
            "I do not know what to leave out",
        ),
    ),
    Move(
        name="first_users",
        known_by=frozenset({"users", "customers", "waitlist", "channel"}),
        framework=None,
        promising=(
            "A beginning this small can start tomorrow.",
            "What can fail in two weeks can also teach you in two weeks.",
        ),
        risks=(
            "The best product nobody hears of teaches us nothing.",
            "Posting it somewhere is not a channel yet.",
        ),
        steps=(
            "Pick one place where these people already are.",
            "Write the one message you would send to the first of them.",
        ),
        questions=(
            "Where do these people already spend their time?",
            "How will the first five people hear of it?",
        ),
        replies=(
            "In a group chat I am part of",
            "At my university",
            "Help me write the message",
        ),
    ),
    Move(
        name="measure",
        known_by=frozenset({"metric", "measure", "signups", "retention"}),
        framework="Lean canvas",
        promising=(
            "The pieces begin to fit; now they have to meet reality.",
            "You are close to something one can simply try.",
        ),
        risks=(
            "Without a line drawn beforehand every result will look like success.",
            "Kind words are easily mistaken for demand.",
        ),
        steps=(
            "Write down a number and a date before you start.",
            "Decide today what would make you stop.",
        ),
        questions=(
            "What would you have to see in two weeks to go on?",
            "Which number, by which day, would convince you that you were wrong?",
        ),
        replies=(
            "Three people who come back",
            "One person who pays",
            "I need help choosing a number",
        ),
    ),
)
