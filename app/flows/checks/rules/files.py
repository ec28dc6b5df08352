"""Rules on files: how they are written, and what each says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.checks.rules.rule import CheckRule

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_RULES: Final[Mapping[str, CheckRule]] = {
    "comment-in-text": CheckRule(
        "YAML takes what follows a space and # for a comment: callers hear half a sentence.",
        'Quote the text: say: "Dial #1 now".',
    ),
    "defect": CheckRule(
        "The file made callflows itself fail: the flow is not served, its callers hear the apology.",
        "Report it, with the file; taking out what was changed last is a way round.",
    ),
    "document": CheckRule(
        "An XML document is not one that Opentact reads: the caller would hear an error, or nothing.",
        "Mend the place that is named; callflows verbs NAME shows what an element takes.",
    ),
    "expression": CheckRule(
        "A condition or a value is not an expression, or names what there is not: it could not be decided.",
        'Write it without braces and with names that exist: when: caller.region == "US" and not hours.office.open.',
    ),
    "extension": CheckRule(
        "extensions.yaml declares an element or a kind that there is not: the attribute would be refused in every flow.",
        "Declare it as Dial: {callerId: text}; callflows verbs lists the elements.",
    ),
    "file-name": CheckRule(
        "A file's name is its flow's name, and this one cannot stand in a URL.",
        "Rename it with letters, digits, - and _: front-desk.yaml.",
    ),
    "key-lost": CheckRule(
        "A # at the beginning of a line is a comment to YAML: the choice is not there, and the key does nothing.",
        "Write hash: keys: {hash: menu}.",
    ),
    "key-twice": CheckRule(
        "A key is given twice; YAML would take the second in silence, and the first is lost.",
        "Take one of the two out, or rename it; star and * are one key, as are hash and #.",
    ),
    "missing-key": CheckRule(
        "Something that is needed is not there: the flow could not answer.",
        "Add the key that is named; a flow needs nodes: {start: [{say: Hello.}]}.",
    ),
    "name-twice": CheckRule(
        "Two files have one name, as acme.yaml and acme.yml: only the first is served.",
        "Rename one of the two.",
    ),
    "no-file": CheckRule(
        "There is nothing to check here, or nothing that can be: a mistake in the path would pass for a check.",
        "Name flow files (.yaml, .py), documents (.xml), or a folder of them.",
    ),
    "no-folder": CheckRule(
        "The folder of the flow files is not there: no call could be answered.",
        "Set CALLFLOWS_FLOWS or --flows to the folder.",
    ),
    "override": CheckRule(
        "A line of overrides.yaml names a flow, hours, a state or a time that there is not: the exception would not hold.",
        "Write - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}.",
    ),
    "python": CheckRule(
        "A flow that is a Python program does not run, or makes no flow: its callers hear the apology.",
        'Run the file with python; it must make one flow of its own name: acme = flow("acme", numbers=[…]).',
    ),
    "shape": CheckRule(
        "Something has another shape than what stands here: a list where a mapping is needed, a text where steps are.",
        "Begin each step with - and indent what belongs to it: - menu:, and below it prompt: and keys:.",
    ),
    "template": CheckRule(
        "A text with braces cannot be read, or names what there is not: it could not be spoken.",
        "Use names that exist: {{ caller.name }}, {{ hours.office.next_opening | spoken }}.",
    ),
    "template-file": CheckRule(
        "The XML template of a flow cannot be read: the flow could not answer.",
        "Name a file beside the flow file: template: acme.xml.j2.",
    ),
    "test-name": CheckRule(
        "Two scenarios have one name: when one of them fails, nobody knows which.",
        "Name each by what it shows: - name: on Sundays it says when it opens.",
    ),
    "test-number": CheckRule(
        "A flow answers the rest of all numbers, and a scenario does not say which is rung: there is no call to rehearse.",
        "Say it in the scenario: to: +12015550123.",
    ),
    "test-script": CheckRule(
        "What a scenario has its caller or callees do is nothing that they can do: the scenario is not run.",
        'Write keys: "1,2#" (a comma waits), or [1, {wait: 20s}, hangup]; callee: answer, busy or no-answer.',
    ),
    "test-supposed": CheckRule(
        "A scenario supposes a dialect in which the flow cannot be written: `callflows test` says so, there is no call.",
        "Mend what the message says of the flow, or take the dialect out of the scenario.",
    ),
    "test-text": CheckRule(
        "A scenario of a text message has or expects what only calls have, or the other way round: it shows nothing.",
        "Take the text out where a call is meant, or what is of calls where a text is.",
    ),
    "test-time": CheckRule(
        "The flow asks what time it is, and a scenario does not say when it rings: it tests a Wednesday at ten only.",
        "Say it: at: 2026-11-23 10:00, on the clock of the file.",
    ),
    "text": CheckRule(
        "A text holds a character that no XML document may hold: Opentact would refuse the whole document.",
        "Take the character out; it is often pasted from a web page or an old program.",
    ),
    "undocumented": CheckRule(
        "A document uses what no page of Opentact's reference describes: it may not do what you expect.",
        "Try it with a real call, or use what callflows verbs marks as documented.",
    ),
    "unknown-key": CheckRule(
        "A key is misspelt, or does not belong here: what it says would be passed over.",
        "Use one of the keys that the message names: greeting, not greting.",
    ),
    "unreadable": CheckRule(
        "A file is there and cannot be read: the flow could not be loaded.",
        "Let the server's user read it: chmod a+r acme.yaml.",
    ),
    "unused": CheckRule(
        "A group, a list, hours or a variable is named and never used: what it is for does not happen.",
        "Use it, as dial: sales, caller in lists.spam, hours.office.open, {{ variables.name }}; or take it out.",
    ),
    "value": CheckRule(
        "A value is none of those that may stand here, as a duration without its unit.",
        "Write what the message asks for: timeout: 25s, not 25.",
    ),
    "yaml": CheckRule(
        "The file is not YAML, or YAML would read it in another way than it looks.",
        'Indent with spaces; quote texts that begin with {{ or hold ": ": say: "Please note: we are closed.".',
    ),
}
