"""Incoming text messages: the first matching rule decides, and the same text has the same result."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from flow_harness import APOLOGY, SIGNER, compile_text, compile_valid_flow

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.decisions import describe_decisions
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.messages.carrier_keywords import detect_carrier_keyword, extend_carrier_words
from callflows.flows.messages.message_rules import CarrierReplies
from callflows.flows.messages.message_words import split_message_words
from callflows.flows.messages.phone_reactions import is_reaction
from callflows.flows.messages.text_message import TextMessage, parse_text_message
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.message_entity import MessageEntity
from each_case import each_case

OPTIONS = CompilerOptions(SIGNER, APOLOGY)
HEAD = "numbers: [+12015550123]\ntimezone: America/New_York\nnodes: {start: [{say: Hello.}]}\n"
DAY = datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
SENTENCES = CarrierReplies("Stopped.", "Started.", "Help.")


def text_of(text, at=DAY, from_="+12015550999", **given):
    return TextMessage(given.pop("uuid", "m-1"), from_, "12015550123", text, at, **given)


def decided(rules, text="hello", *, more="", opted_out=False, **given):
    """What rules want for a text: the decision, and the turn with its trail."""
    flow = compile_valid_flow(
        f"{HEAD}{more}messages:\n" + "\n".join(f"  {line}" for line in rules.strip("\n").splitlines()) + "\n"
    )
    message = text_of(text, **given)
    turn = message.make_turn()
    turn.zone, turn.resolve = flow.zone, flow.resolve
    while True:
        try:
            return flow.message_rules.decide_effects(message, turn, SENTENCES, opted_out=opted_out), turn
        except NeedsResult as pending:
            turn.results.append(pending.job.run())
            turn.begin()


def wants(*args, **given):
    """The effects that rules want, as kind and what is said."""
    found, _ = decided(*args, **given)
    payloads = [(one.effect.kind, one.effect.payload) for one in found.requested_effects]
    return [(payload["to"], payload["text"]) if kind == "sms" else payload for kind, payload in payloads]


ME = "+12015550999"
RULES = """
- keyword: [hours, Öffnungszeiten]
  reply: We open at nine.
- keyword: agent
  when: message.words | length > 5
  reply: Shorter, please.
- keyword: agent
  forward: [+12015550188, "+1 201 555 0189"]
- when: '"refund" in message.words'
  reply: Refunds take a week, {{ caller.national }}.
- reply: Thank you.
"""


# Which rule


@each_case(
    ("text", "said"),
    [
        ("hours", "We open at nine."),
        ("HOURS?", "We open at nine."),
        ("  hours, please", "We open at nine."),
        ("«hours»", "We open at nine."),
        ("\uff28\uff2f\uff35\uff32\uff33", "We open at nine."),
        ("ho\u200burs", "We open at nine."),
        ("offnungszeiten", "We open at nine."),
        ("ÖFFNUNGSZEITEN!", "We open at nine."),
        ("my hours", "Thank you."),
        ("hour", "Thank you."),
        ("I want a refund.", "Refunds take a week, (201) 555-0999."),
        ("agent one two three four five", "Shorter, please."),
        ("", "Thank you."),
        ("🙂", "Thank you."),
        ("\u2764\ufe0f", "Thank you."),
        ("\u2764\ufe0f hours", "We open at nine."),
        ("hours\u2764\ufe0f\u200d\U0001f525", "We open at nine."),
        ("ho\u20ddurs \U0001f44d\U0001f3fd", "We open at nine."),
    ],
)
def test_the_first_rule_that_a_text_meets_acts(text, said):
    assert wants(RULES, text) == [(ME, said)]


def test_a_text_is_sent_on_with_its_sender_to_every_number():
    assert wants(RULES, "Agent!") == [("+12015550188", f"{ME}: Agent!"), ("+12015550189", f"{ME}: Agent!")]


def test_a_text_is_sent_on_to_the_numbers_of_a_group():
    team = "groups: {team: {to: [+12015550188, ann@acme.sip.opentact.org, +12015550189]}}\n"
    assert [to for to, _ in wants("- forward: team", more=team)] == ["+12015550188", "+12015550189"]


def test_a_number_that_is_worked_out_is_written_to_only_where_the_dial_policy_allows_it():
    rules = "- forward: '{{ message.words[0] }}'"
    found, _ = decided(rules, "12015550188")
    assert [(one.effect.payload["to"], one.refusal) for one in found.requested_effects] == [("+12015550188", "")]
    for text, why in (("18765550188", "JM"), ("19005550188", "premium"), ("nobody", "no number"), ("", "no number")):
        (one,) = decided(rules, text)[0].requested_effects
        assert why in one.refusal, text


def test_hours_lists_and_variables_are_seen_at_the_moment_of_the_text():
    more = "hours: {office: {mon-fri: 09:00-17:00}}\nvariables: {name: Acme}\n"
    rules = "- when: hours.office.open\n  reply: '{{ variables.name }} is open at {{ now.time }}.'\n- reply: Closed."
    assert wants(rules, more=more) == [(ME, "Acme is open at 10:00.")]
    assert wants(rules, more=more, at=NIGHT) == [(ME, "Closed.")]


def test_nothing_that_somebody_writes_becomes_a_template_or_an_expression():
    text = "{{ caller.number }} {% if x %}'\"</Say>"
    assert wants("- reply: 'You said: {{ message.text }}'", text) == [(ME, f"You said: {text}")]


def test_a_rare_form_of_a_text_is_worked_out_apart_and_the_rules_are_begun_again():
    found, turn = decided(
        "- when: '\"x\" in message.words'\n  reply: No.\n- reply: '{{ message.text | title }}'", "oh dear"
    )
    assert [one.effect.payload["text"] for one in found.requested_effects] == ["Oh Dear"]
    assert [entry["outcome"] for entry in describe_decisions(turn)] == [False, True]


def test_a_webhook_tells_of_the_text():
    rules = "- notify: {url: 'https://a.example/{{ message.keyword }}', payload: {by: '{{ caller.region }}', n: 2}}"
    (payload,) = wants(rules, "Hé llo")
    assert payload["url"] == "https://a.example/he"
    assert payload["body"]["message"] == {"id": "m-1", "from": ME, "to": "+12015550123", "text": "Hé llo"}
    assert payload["body"]["data"] == {"by": "US", "n": 2}
    assert (payload["body"]["type"], payload["body"]["flow"]) == ("message", "acme")


def test_a_plain_value_of_notify_is_its_url():
    assert wants("- notify: https://a.example/x")[0]["url"] == "https://a.example/x"


def test_one_rule_may_do_several_things_and_another_nothing():
    rules = "- keyword: a\n  reply: R.\n  forward: +12015550188\n  notify: https://a.example/x\n- ignore: true"
    assert len(wants(rules, "a")) == 3
    found, _ = decided(rules, "b")
    assert (found.rule_index, found.requested_effects) == (1, ())


def test_a_text_that_is_too_long_is_cut_and_an_empty_one_is_not_sent():
    ((_, cut),) = wants("- forward: +12015550188", "x" * 2000)
    assert len(cut) == 918
    assert cut.endswith("x…")
    found, _ = decided("- reply: '{{ message.words[3] }}'", "a b")
    assert [one.refusal for one in found.requested_effects] == ["the text is empty"]


# The same again


def test_keys_are_the_same_for_the_same_text_and_differ_by_rule_target_and_text():
    rules = "- keyword: a\n  reply: R.\n  forward: [+12015550188, +12015550189]\n  notify: https://a.example/x\n- reply: S."
    keys = [[one.effect.key for one in decided(rules, "a", uuid=uuid)[0].requested_effects] for uuid in ("u", "u", "v")]
    assert keys[0] == keys[1]
    assert len({*keys[0], *keys[2]}) == 8
    assert keys[0][0] == "u/acme/messages/0/reply"


def test_a_text_without_a_uuid_is_told_from_others_by_what_it_says_within_a_minute():
    first, again, later, other = (
        text_of(text, at=DAY + after, uuid="").id for text, after in (("a", 0), ("a", 59), ("a", 60), ("b", 0))
    )
    assert first == again
    assert len({first, later, other}) == 3


def test_the_trail_says_which_rules_were_tried_and_on_what_they_looked():
    _, turn = decided(RULES, "Refund my refund!")
    trail = describe_decisions(turn)
    json.dumps(trail)
    assert [(entry["node"], entry["step"], entry["rule"], entry["outcome"]) for entry in trail] == [
        ("messages:", 0, "keyword hours, offnungszeiten", False),
        ("messages:", 1, "keyword agent and when message.words | length > 5", False),
        ("messages:", 2, "keyword agent", False),
        ("messages:", 3, 'when "refund" in message.words', True),
    ]
    assert trail[0]["values"] == {"message.keyword": "refund"}
    assert trail[3]["values"] == {"message.words": '["refund", "my", "refund"]'}


# STOP, START and HELP


@each_case(
    "text",
    [
        "STOP", "stop", "Stop.", " sToP!! ", "“Stop”", "(stop)", "S.T.O.P.", "\uff33\uff34\uff2f\uff30", "st\u200bop",
        "STOP 🛑", "#stop", "stóp", "STOPALL", "stop all", "Unsubscribe", "cancel", "End.", "QUIT", "revoke", "optout",
        "opt-out", "Opt out", "Stop Stop", "Please stop", "stop texting me", "Stop sending messages to this number, thanks",
        "cancel please", "STOP\nNOW",
        "STOP \u2764\ufe0f", "STOP\u2764\ufe0f", "\U0001f6d1\ufe0fstop", "STOP \U0001f44d\U0001f3fd",
        "STOP \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "STOP \u2139\ufe0f", "STOP\u2122", "s\u20ddt\u20ddo\u20ddp\u20dd", "STOP\u3164", "STOP\u200d",
        "\u24c8\u24c9\u24c4\u24c5", "STOP \U0001f1fa\U0001f1f8",
        "STOP\U000e0100", "please opt out", "opt me out", "S T O P", "No more texts!",
        "Please don't text me again", "do not contact me", "Take me off your list please",
        "remove my number from this list",
        "Opt me out, please", "please opt this number out",
        "opt out please, thank you",
        "I want to opt out", "I'd like to unsubscribe", "unsubscribe me from your list", "stop the texts",
        "please stop the messages now",
        "thanks, stop", "just stop", "pls stop txting me", "stop daily texts", "Wrong number. Stop!", "stop, wrong number",
        "I no longer wish to receive your texts",
        "Can you please stop texting me?", "I want to stop receiving these messages", "cancel texts please",
        "quit texting me", "end these messages", "stop at once", "Hi, please stop!", "STOP por favor",
        "Stop.\n\nSent from my phone", "stop\nSent from my iPhone", "STOP. Sent from my Galaxy", "STOP Sent from my iPhone",
        "Stop\n\nJohn Smith", "STOP\n-- \nAnn Miller\nAcme Inc.", "Unsubscribe\n- Ann",
        "Stop\n\nVon meinem iPhone gesendet",
        "Stop!\n\nEnvoy\u00e9 de mon iPhone", "stop\r\n\r\nGet Outlook for Android",
        "Leave me alone!", "I'd like to be removed from your list", "Removed please", "Yes, stop",
        "Please stop\n> On Monday we wrote:\n> Sale!",
        "could you please stop", "I'm opting out", "un subscribe", "I revoke my consent", "revoke consent to texts",
        "delete my number", "stop - John", "Stop \u2014 Mary Ann Lee", "STOP Thanks, Ann", "Stop, regards, J. Smith",
        "Lose my number!", "STOP\n\nBest regards,\nJohn", "Stop.\nKind regards\nAnn Miller, Acme",
        "\U0001f182\U0001f183\U0001f17e\U0001f17f", "\U0001f162\U0001f163\U0001f15e\U0001f15f", "Re: STOP", "Reply STOP",
        "I said STOP!", "STOP!!! I mean it", "just stop already", "STOP NOW OR I WILL SUE", "stop or i'll report you",
        "stop bothering me", "Stop with the texts", "enough, stop", "Not interested. STOP", "No thank you, stop",
        "stop promo texts", "wrong person. stop", "stop reminders",
    ],
)  # fmt: skip
def test_a_text_says_stop(text):
    assert detect_carrier_keyword(text, opted_out=False) == detect_carrier_keyword(text, opted_out=True) == "stop"


@each_case(
    "text",
    [
        "Stop by tomorrow", "don't stop", "Don\u2019t stop", "nonstop", "stopp", "cancel my appointment", "the end",
        "end of May", "I quit smoking", "can you stop the water?", "", "!!", "options",
        "stop it and call my wife at once please now", "stop this bill from going out", "STOP 12345", "STOP 1\ufe0f\u20e3",
        "stop by", "please stop by", "Text me from the stop", "I'm at this stop", "thank you, the end",
        "cancel my subscription", "I no longer want the texts about my order 5 read aloud", "wrong number of stops",
        "just stop by", "can you stop", "end of the messages", "cancel the phone", "opt out of the plan",
        "Stop\n\nI have a question about my bill",
        "stop\nby tomorrow", "Sent from my phone", "\u2764\ufe0f", "please don't opt out", "never stop texting me",
        "Liked \u201cReply STOP to end\u201d", "Stop\nthe delivery, it was sent by mistake", "you end",
        "could you stop", "stop or I will miss the bus", "delete my number 4 order", "lose my number plate", "no stop",
        "not stop", "Cancel - Tuesday", "STOP - see you at five", "Stop the car - Ann",
        "I revoke my offer", "stop subscription", "cancel my reminder", "best regards",
    ],
)  # fmt: skip
def test_a_text_that_has_the_word_and_means_something_else_is_no_stop(text):
    assert detect_carrier_keyword(text, opted_out=False) is None


@each_case(
    "text",
    [
        "Stop\nJohn", "STOP\n\nJohn Smith\nAcme Inc\n(201) 555-0100", "Stop, John", "stop and unsubscribe",
        "unsubscribe or stop", "no more text messages", "can u stop texting me", "I don't want these texts",
        "I do not want to receive texts", "I am opting out", "I revoke my consent to receive texts",
        "do not call or text me", "stop fucking texting me", "stop damn it", "STOP who is this",
        "no longer interested, please stop texting", "you have the wrong number please stop texting", "Stop. Texting. Me.",
        "No, stop", "NO!! STOP", "STOP - JOHN SMITH", "STOP\n- John", "Stop. Ann", "Stop\nThanks\njohn",
        "STOP!\nAnn Lee, Acme Inc.", "Stop\nDr. Ann Lee",
        "STOP\nAnn Lee\nOwner, Acme Plumbing\n123 Main St, Springfield, NJ 07001\nann@acme.com",
        "stop or unsubscribe please", "unsubscribe, cancel", "cancel and stop", "end or quit", "stop / cancel",
        "no more sms", "no more of these texts", "no more calls or texts", "No more spam please",
        "Could you guys stop messaging me", "would you please stop sending me messages",
        "will you stop sending texts to this number", "I would like you to stop texting me",
        "I need you to stop texting this number", "I don't wish to get any more messages from you",
        "we do not want your texts", "I don't want to receive any more text messages", "I do not want to be texted",
        "I don't want to hear from you", "i no longer want texts", "I'd like to opt out of these messages",
        "how do i unsubscribe?", "how do I opt out of these texts?", "How do I stop these messages", "I opt out",
        "please unsubscribe this number", "I withdraw consent to be contacted",
        "I hereby revoke my consent to texts and calls", "revoke my permission to text me", "Consent revoked",
        "don't ever contact me again", "Never text or call this number again", "do not send me any more texts", "dont text",
        "don't send texts to this number", "quit fucking messaging me", "STOP ffs", "stop you idiots",
        "STOP for the love of god", "for the last time, STOP", "I already told you to stop texting me",
        "I asked you to stop", "who is this? stop", "who are you, stop texting", "new phone, who dis. stop",
        "Wrong person, stop messaging me", "This is not John. Stop", "i dont know you stop texting me",
        "I sold my house, please stop texting me", "I already bought one. Stop texting me.",
        "please stop texting me about my car warranty", "stop txting 201-555-0100", "stop all text messages",
        "stop all calls and texts", "stop calling me", "Stop contacting us", "stop this crap",
        "I never signed up for this, stop", "unsub", "please remove me from your contact list", "take me off this list now",
        "get me off your list", "my number removed please", "put me on your do not call list",
        "You need to stop texting me", "stop texting me or I'll report you to the FCC", "i will report you. stop",
        "These texts need to stop", "Make it stop please", "cease and desist", "good morning, please stop", "STOP\nJOHN",
        "Stop texting me\nJohn Smith", "Unsubscribe\nMary-Ann O'Neil", "stop, please. Thank you. Ann", "stop to end",
        "text STOP", "Text STOP to end", "STOP to stop", "just stop texting", "I want off this list", "Stop texts.",
        "STOP!!!", "stop.", "Stop please", "stop it", "STOP IT NOW", "stop this now", "STOP ALL TEXTS",
        "stop all messages please", "Please stop all communication", "stop communicating with me",
        "Please stop these text messages", "stop sending me stuff", "stop sending me these messages immediately",
        "stop with these messages", "stop contacting me at this number", "stop texting my phone",
        "Stop texting me, please!", "please stop. stop texting me", "do not text this number", "Do not text me again.",
        "do not message me anymore", "do not ever text me", "dont send me messages", "Don't message me ever again",
        "no texts please", "no text messages please", "Please no more texts", "no more messages from you",
        "No more messages, thank you", "I want no more texts", "i want these texts to stop", "I don't want any texts",
        "I don't want any more texts", "I don't want to get texts from you anymore", "I don't want your messages",
        "we don't want these messages", "I do not wish to be contacted", "I don't want to be contacted anymore",
        "i do not consent to receiving texts", "I do not consent to these messages", "I am revoking my consent",
        "I revoke consent", "revoke my consent to receive text messages from your company",
        "I withdraw my consent to receive messages", "I would like to unsubscribe",
        "I want to unsubscribe from these texts", "please unsubscribe me from this list", "unsubscribe from all",
        "Unsubscribe now", "can you unsubscribe me", "Can you take me off your list?",
        "can you please remove me from your list", "could you stop sending me texts please", "remove my number",
        "Remove me", "remove me please", "please remove this number from your database",
        "delete my number from your system", "take my number off your list", "I'd like my number removed",
        "opt me out of texts", "Please opt me out", "I'm opting out of your messages", "opt-out please",
        "I choose to opt out", "STOP wrong number", "wrong number!! stop texting",
        "You've got the wrong person, please stop", "Sorry, wrong number. Please stop texting me.",
        "not interested please stop texting me", "No longer interested. Stop.", "I'm not interested, take me off your list",
        "no thanks. stop", "No thank you. Please remove me from your list.", "who dis? stop",
        "Who are you? Stop texting me!", "stop harassing me", "stop spamming me", "stop bugging me you creep",
        "QUIT TEXTING ME", "quit it with the texts", "please cease texting me", "end text messages", "end all texts",
        "cancel text messages", "cancel all messages", "cancel sms alerts", "cancel and unsubscribe",
        "stop, unsubscribe, cancel", "STOP/UNSUBSCRIBE", "stop & unsubscribe", "STOP STOP STOP STOP",
        "stop stop stop texting me", "stop. please. stop.", "fucking stop", "stop the fucking texts",
        "for fuck's sake stop", "shut up and stop texting me", "STOP goddammit", "stop, damn you", "Stop\nJohn Smith",
        "Stop.\n\nJohn", "STOP\nJohn Smith\n201-555-0100", "Stop\n\nThanks,\nJohn",
        "STOP\n\nAnn Lee | Acme Inc | (201) 555-0100", "Please stop texting me\n- Ann", "Stop texting me. Ann Lee",
        "Unsubscribe me please, John Smith", "stop -john", "Stop ~ Ann", "STOP (John)",
        "Hi, this is Ann. Please stop texting me.", "My name is John Smith. Stop texting me.", "Ann here. Stop please",
        "STOP\nSent from my iPhone\nAnn", "I've asked you to stop texting me", "I told you to stop texting me!!",
        "Why do you keep texting me? Stop", "Why are you texting me? Stop!", "how did you get my number? stop",
        "Stop or I'll block you", "I'm reporting you. Stop", "I will report this as spam. Stop texting me.",
        "I'm on the do not call list. Stop calling me", "he died last year, stop texting",
        "I don't live there anymore, stop texting me", "This isn't John, stop texting me",
        "John no longer has this number. Stop texting.", "this is no longer John's number. stop texting",
        "Cancel\nJohn Smith", "CANCEL\n\nAnn Lee\nAcme Inc", "Cancel, thanks, Ann", "STOP\U0001f92c",
        "\U0001f6d1 stop texting me \U0001f6d1", "\xa1STOP!", "Stop\u2026", "stop....", "stop,", "- STOP", "*STOP*",
        "'stop'", "`STOP`", "STOP texts!", "STOP SMS", "stop mms", "no more sms please",
        "Please don't call or text me again", "do not call, text or email me", "don't call me", "never call me again",
        "Do not contact me in any way", "stop any and all messages", "Please stop messaging this number, it is not John",
        "Stop texting me this isn't John",
        "Pls stop txt", "stop texts now pls", "Stop with all the messages", "Stop the spam", "Stop your spam texts",
        "stop these spam texts", "stop the automated messages", "Please stop the marketing texts",
        "Stop all future messages", "stop sending me promotional messages", "please quit messaging me",
        "Quit sending me these texts", "can you please quit texting me", "Would you kindly stop texting me",
        "kindly unsubscribe", "kindly stop", "plz unsub me", "Please discontinue all messages", "Please cancel these texts",
        "cancel your texts", "cancel these messages please", "End these texts", "I want to end these texts",
        "I'd like to stop receiving texts from you", "I would like to stop getting these messages",
        "how can i stop receiving these texts?", "how do I stop getting these texts", "please tell me how to unsubscribe",
        "How to opt out", "can I opt out?", "May I unsubscribe please", "Let me unsubscribe", "I'm unsubscribing",
        "i unsubscribe", "I'd rather not get these texts", "I'd prefer not to receive texts", "I prefer not to be texted",
        "We are not interested, please remove us from your list", "Not interested, please stop.", "No interest, stop",
        "Nope. stop", "Nah stop texting", "NO MORE TEXTS!!!", "no more messaging", "no more texting me",
        "No more of this please stop", "do not want texts", "don't want these texts", "dont want any more messages",
        "Do not want to receive messages", "don't wish to receive these", "no longer wish to receive texts",
        "No longer want these messages", "I don't want to receive these anymore", "i dont want you texting me",
        "I don't want you to text me anymore", "I never want to hear from you again",
        "I did not consent to these texts. Stop", "i didn't sign up for this stop",
        "I have asked you several times to stop texting me", "I've told you before, stop texting me", "STOP means STOP",
        "do you understand stop", "stop stop stop!!!! leave me alone", "Stop, leave me alone", "Please leave me alone",
        "LEAVE ME ALONE", "get lost and stop texting", "fuck you stop texting me", "Fuck off and stop texting me",
        "stop texting me asshole", "STOP BITCH", "stop you piece of shit", "dumbass stop texting me",
        "for god's sake stop texting me", "STOP ALREADY", "stop it now!!", "Stop it please", "Please stop this",
        "please stop doing this", "stop messaging", "stop msg", "stop msgs", "stop txts", "stop message", "stop contacting",
        "stop ringing me", "stop all contact", "no further contact please", "do not contact", "Do not contact me ever",
        "never contact me", "never text again", "dont you dare text me again",
        "don't send any more messages to this number", "do not send messages", "don't send texts",
        "Do not send me texts again", "take me off this text list", "take me off the list please", "please take me off",
        "remove me from list", "Remove from list", "Please remove from your list", "remove from your texting list",
        "delete me from your list", "erase my number from your database", "Lose this number", "please lose my number",
        "Revoke consent", "revoke all consent", "I hereby revoke consent to receive text messages",
        "I am withdrawing my consent", "I withdraw consent", "consent withdrawn", "Opt-out", "opting out",
        "I'm opting out, thanks", "opt me out now", "OPT OUT OF ALL", "opt out all", "opt out texts", "unsubscribe all",
        "Unsubscribe me now please", "Unsubscribe from this", "UNSUBSCRIBE PLEASE", "unsubscribed", "Stop / unsubscribe",
        "Stop or Quit", "STOP, END, CANCEL, UNSUBSCRIBE, QUIT", "cancel stop", "end stop quit", "quit or cancel",
        "END / QUIT", "Stop. -J", "Stop -J. Smith", "STOP\nJ. Smith", "STOP, Mr. Smith", "Stop\nMary", "stop\nMARY",
        "STOP\nMary Smith\nRealtor", "STOP\nJos\xe9 Garc\xeda", "Stop\nO'Brien", "STOP\nBill Smith", "Stop,\nJohn",
        "Stop.\nRegards,\nJohn Smith\nCEO", "Stop\n\u2014\nJohn", "STOP\n\njohn@acme.com", "Stop\n201-555-0100",
        "STOP - 201-555-0100", "Quit\n\nJohn Smith", "Please stop\n\nJohn Smith", "Stop texting\n\nJohn",
        "End\nThank you\nJohn", "wrong # stop", "Wrong #, please stop texting me", "this is the wrong number, stop",
        "U have the wrong number stop", "I think you have the wrong number. Please stop texting me.",
        "you have the wrong person, remove me", "Wrong number, take me off your list", "Wrong number! Do not text again",
        "you got the wrong number dont text me", "I am not John, stop texting me", "I'm not John. Stop", "Not John. Stop",
        "John doesn't live here. Stop texting", "This number does not belong to John. Stop texting me",
        "John is dead. Stop texting", "My mother passed away. Please stop texting this number.", "I sold the house. stop",
        "already voted, stop", "I voted. STOP", "I already have insurance. Please stop texting me",
        "I don't own a house. Stop", "I am a renter, stop texting me", "Please stop texting me, I am not interested",
        "stop texting me i am not interested", "stop i'm not interested", "stop im not interested in your product",
        "STOP I DONT KNOW YOU", "stop i don't know who this is", "stop who are u", "Stop whoever this is",
        "stop this is harassment", "Stop texting me this is harassment", "this is spam, stop", "STOP SPAM", "SPAM STOP",
        "scam! stop", "reported. stop", "stop or I will call the police", "stop or else",
        "stop texting me or i'm calling the cops", "you are blocked. stop texting", "STOP!!!!!! \U0001f621\U0001f621",
        "stop \U0001f64f", "stop :(", "stop lol", "lol stop", "omg stop texting me", "ok stop", "Okay, stop texting me",
        "yes stop texting me", "hi please unsubscribe me", "Hello, I would like to unsubscribe. Thank you",
        "Hi there, can you please take me off your list? Thanks!", "Hey can you stop texting me thanks",
        "good morning. please stop texting me. thank you.", "Sir, stop texting me", "Stop texting me bro", "stop bro",
        "stop man", "dude stop", "dude stop texting me",
    ],
)  # fmt: skip
def test_a_text_whose_only_purpose_is_no_more_messages_says_stop(text):
    assert detect_carrier_keyword(text, opted_out=False) == detect_carrier_keyword(text, opted_out=True) == "stop"


@each_case(
    "text",
    [
        "Can you text me? I need to cancel", "I would like to cancel. Please text me your number",
        "Please text me to cancel", "Cancel - Haircut", "Cancel - Order", "Cancel - Tuesday", "stop this bill from going",
        "STOP 12345", "stop by tomorrow at 9", "cancel my 3pm", "please stop by", "don't stop", "when do you stop serving",
        "can you stop the leak", "stop at the corner", "cancel the order and text me", "I want to end my lease",
        "quit smoking program?", "I'm not well. Stop", "Can you stop? Text me", "Text me when you stop",
        "I need to cancel, message me",
        "can you message us to cancel", "text me if you want to end", "Cancel\nHaircut", "Cancel\n\nHaircut Tuesday",
        "Cancel, Delivery", "Stop - Delivery", "Stop\nPayment", "Cancel - John", "Stop, I need help",
        "Stop please, I have a question", "stop - the delivery", "please stop the shipment and text me",
        "Stop texting John", "Stop the messages on my answering machine from being deleted",
        "can I get texts when you stop by", "I want to cancel", "I'd like to cancel please", "I need to stop by",
        "Don't text me now", "don't text me, call me", "do not text me until Monday", "Don't call me back",
        "I don't want this", "I don't want the blue one", "don't send it", "don't send the message yet",
        "cancel that message", "cancel the message", "I'd like to end this message with a thank you",
        "do not contact my wife", "no texts came", "no messages for me?", "no more appointments", "no more onions",
        "you have the wrong number for my order", "who is this", "wrong number", "not interested", "no longer interested",
        "I am no longer interested in the car", "opt out of the plan", "how do I cancel", "how can I stop by", "end of day",
        "Yes cancel", "ok cancel", "no stop", "stop and call me", "stop, call me", "Stop what you are doing",
        "please stop my service", "stop my mail", "remove the stump", "remove me from the appointment", "take me off hold",
        "take me off the schedule", "quit my membership", "I revoke my offer", "revoke my consent to the surgery",
        "I never got the text", "I don't get your texts", "I didn't get the message", "we need more texts",
        "help me stop the water", "Stop here", "Please stop, right here", "Start at nine", "stop texting me at work",
        "stop texting while driving", "Don't stop texting me", "please don't stop the messages", "who do I text to cancel",
        "text us to stop the order", "Do I text STOP to cancel my order?", "send me a text to cancel",
        "get me a quote and stop", "leave me a message", "can you send me a message", "I need to cancel", "cancel my order",
        "Cancel order", "cancel appointment please", "please cancel my appointment and text me back",
        "Can I cancel by text?", "can I text you to cancel", "I'd like to cancel; message me the details",
        "text me the cancel link", "message me if you need to cancel", "can you text us when you end", "please text us",
        "text me please", "send me a message", "Please send me a text when you stop by", "stop in tomorrow", "I'll stop by",
        "Can I stop by", "Can you stop by at 3", "stop the presses", "stop the car", "stop drilling",
        "Please stop the repair", "stop work", "stop payment on check 55", "please stop payment", "stop delivery",
        "stop the service", "stop my subscription", "stop our newspaper", "end my contract", "cancel my membership",
        "cancel it", "cancel that", "cancel them", "cancel all", "quit my job", "the bus stop", "bus stop", "last stop",
        "non stop", "pit stop", "full stop", "stop sign", "stop loss", "door stop", "Cancel - John Smith",
        "Cancel - Oil change", "Cancel: haircut", "Cancel (haircut)", "Cancel, Tuesday", "Cancel, order",
        "Cancel. Order 55", "Cancel\nOrder", "Cancel\nTuesday 3pm", "Cancel\n- Haircut", "Stop - Tuesday",
        "Stop\nThe delivery", "Stop\nDelivery tomorrow", "STOP\nTHE DELIVERY", "Stop. I have a question",
        "Stop! I already fixed it", "Stop, you forgot my bag", "stop, we are closed", "stop texting and driving campaign",
        "stop texting my kids about pizza and call", "Don't text, call", "Don't text me, email me", "don't call, text",
        "don't call me, text me", "don't call text me", "Do not call before nine", "don't text me until I am home",
        "do not contact the landlord", "don't message Ann", "never mind", "never got your text", "no text yet",
        "no messages yet", "no more questions", "no more bread please", "I want more texts", "I want texts",
        "I want to receive texts", "I do want messages", "I don't want to stop", "I don't want to unsubscribe",
        "please do not unsubscribe me", "don't remove me", "do not opt me out", "don't take me off the list",
        "is this the number to text to stop", "Does STOP end my order?", "what does stop mean", "Why stop?",
        "Did you stop?", "should I stop", "when will you stop by", "when can you stop", "are you going to stop",
        "do I reply STOP?", "I will unsubscribe if you are late", "I might unsubscribe", "did I unsubscribe?",
        "How do I subscribe", "remove the tree", "remove my order", "delete my account",
        "take me off the waiting list for Tuesday", "put me on the list", "add me to your list",
        "wrong number, I meant the other office", "Who is this?", "I am not interested in the red one",
        "leave me alone with the menu for a minute", "leave us a message", "quit smoking", "smoking cessation: quit",
        "the end is near", "revoke my license", "I revoke my bid", "withdraw my offer", "my consent form is attached",
        "I consent to texts", "I agree to receive messages", "You need to stop the leak", "you must stop",
        "I told you to stop the dog", "I said stop by", "I asked you to cancel my order",
        "can you stop please the water is rising", "Could you stop at the store", "Unsubscribe link does not work",
        "how much is a stop", "How do I cancel?", "how do i cancel my texts plan with verizon", "stopwatch", "stopped",
        "stopping by", "stops", "ends at 5", "Ending soon?", "Cancelled", "canceled", "quitting time", "cancel 3pm",
        "end 5", "quit 2", "STOP 2 pm", "unsubscribe 5 users", "stop at 5", "Stop now and turn left",
        "please stop now at the corner", "text John to stop", "I texted stop", "I sent STOP by mistake",
        "I didn't mean to stop", "undo stop", "no, don't stop", "stop? no", "why did my texts stop", "my texts stopped",
        "your texts stopped coming", "the messages end early", "message ends", "I can't get texts when driving, stop by",
        "re: your message, end date?", "emergency stop", "stop motion", "stop emailing me the menu and text it",
        "stop texting me at night", "stop texting me while I'm at work", "only text me", "just text me", "text only",
        "call me", "please call",
        "Can you please text me, I want to end", "text me or call me to cancel please",
        "Please message us to end the rental", "I need to quit, text me", "sms me to cancel", "can I get a text to cancel",
        "get me to stop", "I want to get your texts", "I want you to text me", "Would you text me please",
        "can you text me", "Do you text?", "do you send texts?", "send me texts", "I like your texts",
        "I need the messages", "Could I get a message when you end", "will you message me", "when do I get my texts",
        "stop me if you heard this", "please stop me", "Stop asking me questions", "stop playing", "stop working on it",
        "stop the subscription", "stop the autopay", "stop my order", "stop order", "stop the order 5", "stop shipping",
        "stop mowing my lawn", "stop service", "stop services", "please stop coming", "stop coming to my house",
        "Please stop the service at 5 Main St", "I'd like to stop service", "I want to stop my plan",
        "please stop charging me", "stop charging my card", "stop billing me", "stop payments", "can you stop my mail",
        "Can you please stop the water", "could you please stop by tomorrow", "Can you please stop at 5",
        "could you please stop on the way", "would you stop over", "please stop over", "Please stop in", "stop over",
        "stop in", "stop off", "stop there", "stop here please", "stop right there", "stop at the light", "next stop",
        "the stop", "my stop", "at the stop", "One stop shop", "truck stop", "whistle stop", "don't stop now",
        "dont you stop", "never stop", "won't stop", "It won't stop", "the bleeding won't stop", "it does not stop",
        "can't stop", "I can't stop", "how do I stop it", "how do I stop the leak", "how to stop a leak", "did it stop",
        "has it stopped", "cancel my text", "cancel the text I sent", "Cancel my last message", "ignore my message",
        "delete my message", "delete my texts", "delete the message", "erase my messages please", "remove my message",
        "Remove my review", "remove my tooth", "remove us from the waitlist", "remove it", "remove", "removed it", "Delete",
        "take it off", "take me off Tuesday", "take me off the schedule please", "Take me to the list",
        "get me off at the next stop", "put me on your list", "put me down for 5", "end it", "the end.", "end time?",
        "Weekend", "week end", "at the end", "in the end", "by end of day", "End my call", "quit it", "I quit", "I quit!",
        "he quit", "I want to quit smoking", "How do I quit smoking", "Revoke access", "revoke his access",
        "revoke my authorization for payment", "I withdraw my application", "withdraw 50", "cancel consent form", "opt",
        "opt in", "Opt me in", "I opt for Tuesday", "opt out of paperless billing", "opt out of the warranty",
        "opt out of my lease", "how do I unsubscribe from your magazine", "unsubscribe my wife", "No", "no thanks",
        "No thank you", "not today", "Not interested", "I'm not interested", "No longer interested in the apartment",
        "no longer need the appointment", "I no longer need the appointment", "I no longer want the sofa",
        "I don't want the appointment", "I don't want it", "I don't want to cancel", "I don't want to stop",
        "I do not want to receive the package", "I do not want to get up", "I don't want to be late",
        "I don't want to be contacted by phone only text", "I don't want calls, text me", "I don't want a text, call me",
        "No calls, text only", "no calls please, just text", "no calls please", "no more calls, text me",
        "don't call. Text me.", "Do not call, I prefer text", "do not call me at work", "don't call me at 5",
        "don't call my work", "don't call the police", "don't text and drive", "don't text the code", "don't text him",
        "don't send him texts", "don't send me the bill", "don't send the invoice", "don't send anyone",
        "Do not send it yet", "don't contact my employer", "do not contact references", "don't forget me", "don't bother",
        "don't bother me with details, fix it", "do not disturb sign", "Never text and drive", "leave me alone time",
        "leave me a voicemail", "wrong size", "wrong order", "wrong number of items",
        "You have the wrong number on my invoice", "who is the doctor", "who is this for", "How did you get there",
        "This is John", "This is John. I need to cancel my appointment", "Ann here, cancel my 3pm", "John Smith, cancel",
        "cancel for John", "Cancel for today", "Cancel today", "cancel tomorrow", "Cancel - John 3pm", "Cancel: John Smith",
        "Cancel. John", "Cancel\nJohn 3pm", "Cancel\nMassage", "Cancel\nReservation for 2", "Cancel\nPlease call me",
        "cancel\nthanks\ncall me", "Stop\nCall me", "STOP\nCALL ME", "STOP, CALL ME", "STOP. CALL ME.", "Stop, wait",
        "Stop\nWait", "Stop. Wait. Call me", "Stop, thief", "Stop - Main St", "Stop - Elm Street", "stop - elm street",
        "Stop: Delivery", "Stop (delivery)", "STOP - PAYMENT", "Stop, Payment", "Stop, Ann is here", "Stop, Ann needs help",
        "Stop\nAnn is here", "stop the texts from reaching Bob instead of me", "please stop sending the wrong items",
        "stop sending the package", "stop sending boxes", "stop sending people here", "stop sending Ann",
        "Stop sending invoices", "stop calling him that", "stop calling it a bill", "stop bothering John",
        "Stop the calls to extension 5", "stop the alarm", "stop the reminders at 8 and send at 9",
        "Please stop the reminders after Friday", "stop texting me here, use my other number",
        "Stop texting me and call me", "stop texting me, email instead", "Stop texting and call",
        "stop texting me at this number, text 201-555-0100", "stop texting me the menu",
    ],
)  # fmt: skip
def test_a_text_with_business_of_its_own_is_no_stop(text):
    assert detect_carrier_keyword(text, opted_out=False) is None


@each_case(
    ("text", "keyword"),
    [
        ("Help\nJohn Smith", "help"), ("HELP\n\nJohn\nAcme Inc\n(201) 555-0100", "help"), ("Help - Ann", "help"),
        ("Info\n\nAnn Lee", "help"), ("Start.\nJohn", "start"), ("START\n\nJohn Smith", "start"), ("Unstop, Ann", "start"),
        ("start or unstop", "start"), ("Help - Order", None), ("Help\nMy order is late", None), ("Info - Roofing", None),
        ("Start\nTuesday", None), ("Start - Delivery", None), ("Help, call me", None), ("Text me again to start", None),
        ("Yes - Haircut", None), ("yes please", None), ("Help John move", None),
    ],
)  # fmt: skip
def test_help_and_start_may_be_signed(text, keyword):
    assert detect_carrier_keyword(text, opted_out=True) == keyword


QUOTED_BY_A_PHONE = [
    "\U0001f44d to \u201c{}\u201d", "\U0001f44e to \u201cReply {} to unsubscribe.\u201d", "Liked \u201c{}\u201d",
    "Liked \u2018{}\u2019", 'Loved "{}"', "Reacted \U0001f44d to \u201c{}\u201d",
    "Removed \U0001f44d from \u201c{}\u201d",
    "Reacted to \u201c{}\u201d with \U0001f44d", "\U0001f44d \u00e0 \u00ab {} \u00bb", "\U0001f44d a \u201c{}\u201d",
    "\U0001f44d auf \u201e{}\u201c", "\u2764\ufe0f op \u201c{}\u201d", "\U0001f44d em \u201c{}\u201d",
    "\U0001f44d naar \u2018{}\u2019",
    "Hat mit \U0001f44d auf \u201e{}\u201c reagiert", "Gef\u00e4llt \u201e{}\u201c", "Te gust\u00f3 \u201c{}\u201d",
    "Mi piace \u201c{}\u201d",
    "\u200a\u200b\U0001f44d\u200b to \u201c\u200a{}\u200a\u201d\u200a",
]  # fmt: skip


@each_case("reaction", QUOTED_BY_A_PHONE)
def test_a_reaction_to_a_message_with_a_keyword_is_no_keyword(reaction):
    for keyword in ("STOP", "START", "HELP", "Please stop texting me"):
        text = reaction.format(keyword)
        assert is_reaction(text)
        assert detect_carrier_keyword(text, opted_out=True) is None


@each_case(
    "report",
    [
        "Ann liked \u201cSTOP\u201d",
        "\u201eSTOP\u201c gef\u00e4llt",
        "Liked \u201cReply STOP to end",
        "\U0001f44d to \u201cSTOP",
        "Liked your message: STOP",
    ],
)
def test_a_report_of_a_reaction_in_unknown_words_is_no_stop(report):
    assert detect_carrier_keyword(report, opted_out=False) is None


def test_start_and_help_are_said_alone_and_yes_only_by_who_is_opted_out():
    texts = ("Start", "UNSTOP!", "yes", "Help?", "info", "help me")
    assert [detect_carrier_keyword(text, opted_out=False) for text in texts] == [
        "start", "start", None, "help", "help", None,
    ]  # fmt: skip
    assert detect_carrier_keyword("Yes!", opted_out=True) == "start"
    assert detect_carrier_keyword("please START", opted_out=True) == "start"
    assert detect_carrier_keyword("Help \u2139\ufe0f\n\nSent from my iPhone", opted_out=True) == "help"
    assert detect_carrier_keyword("Start texting me again please", opted_out=True) == "start"
    assert detect_carrier_keyword("start by nine", opted_out=True) is None
    assert detect_carrier_keyword("start the car again", opted_out=True) is None


def test_polite_help_after_a_stop_is_answered_and_is_a_text_like_any_other_before():
    for text in ("help please", "Please help!", "help me", "HELP, thank you", "info pls"):
        assert detect_carrier_keyword(text, opted_out=True) == "help", text
        assert detect_carrier_keyword(text, opted_out=False) is None, text
    for text in ("please", "me", "help with my order", "no help", "stop, please help"):
        assert detect_carrier_keyword(text, opted_out=True) != "help", text


def test_words_of_other_languages_are_taken_from_the_settings():
    words = extend_carrier_words(["ARR\u00caT", "keine SMS mehr"], ["Ja bitte"], ["hilfe", "..."])
    said = {"arret": "stop", "Arr\u00eat svp!": "stop", "Keine SMS mehr.": "stop", "ja bitte": "start", "Hilfe": "help"}
    assert {text: detect_carrier_keyword(text, opted_out=False, carrier_words=words) for text in said} == said
    assert [detect_carrier_keyword(text, opted_out=False) for text in said] == [None] * 5
    for text in ("arr\u00eat de bus", "keine SMS", "", "hilfe, es brennt"):
        assert detect_carrier_keyword(text, opted_out=False, carrier_words=words) is None, text


@each_case(
    "text",
    [
        "Liked \u201cSee you\u201d", "Loved \u201cSee you\u201d", "Disliked \u201cNo\u201d", "Laughed at \u201cHa\u201d",
        "Emphasized \u201cNow\u201d",
        "Emphasised \u201cNow\u201d", 'Questioned "Now"', "Removed a like from \u201cSee you\u201d",
        "Removed an exclamation from \u201cA\nB\u201d",
        "Removed a heart from an image", "Reacted \U0001f602 to \u201cSee you\u201d",
        "Reacted \U0001f468\u200d\U0001f469\u200d\U0001f467 to an image",
        "Removed \U0001f602 from \u201cHi\u201d", "Liked an image", "Loved a movie", "Liked an audio message",
        "Laughed at a photo",
        "\u200a\u200b\U0001f44d\u200b to \u201c\u200aSee you\u200a\u201d\u200a", "\u2764\ufe0f to \u201cHi\u201d",
        "Reacted with a sticker to \u201cHi\u201d",
        "A aim\u00e9 \u00ab See you \u00bb", "Gef\u00e4llt \u201eSee you\u201c", "Le gust\u00f3 \u201cSee you\u201d",
        "Gostou de \u201cSee you\u201d", "Curtiu \u201cSee you\u201d", "Me gusta \u201cSee you\u201d",
        "Reacted to \u201cSee you\u201d with \U0001f44d\U0001f3fd",
        "Reageerde met \U0001f44d op \u201cHi\u201d", "Reagiu com \U0001f44d a \u201cHi\u201d", "Gillade \u201dHi\u201d",
        "Polubi\u0142(a) \u201eHi\u201d", "ha reagito con \u2764\ufe0f a \u201cHi\u201d",
        "Liked 2 images", "Liked \u201cWe said \u201csorry\u201d\u201d ",
    ],
)  # fmt: skip
def test_a_tapback_is_a_reaction(text):
    assert is_reaction(text)


@each_case(
    "text",
    [
        "I liked \u201cHamlet\u201d", "Liked it a lot", "liked", "Loved your service, thanks", "\u201cSee you\u201d",
        "Liked \u201cHamlet\u201d, when is the next?", "\U0001f44d", "Loved a movie yesterday", "",
        "Removed the old tyres from \u201cmy\u201d car", "See \U0001f44d in \u201cmy\u201d shop",
    ],
)  # fmt: skip
def test_a_text_of_a_person_is_no_reaction(text):
    assert not is_reaction(text)


def test_reading_a_hostile_text_takes_no_time():
    for text in (
        "A" * 5000,
        "STOP\n\n" + "Aa " * 1600,
        "STOP\n\n" + "A." * 2400,
        " " * 5000,
        "\n" * 5000,
        "removed " * 600,
        "liked \u201c" * 600,
        "- " * 2500,
        "stop texting me " * 13,
        "Stop. Aa, " * 40,
        "no more texts or " * 10,
        "i am in or i you it to the " * 5,
    ):
        began = time.process_time()
        detect_carrier_keyword(text, opted_out=False)
        is_reaction(text)
        assert time.process_time() - began < 0.2, text[:20]


def test_without_a_rule_the_product_answers_and_with_one_the_rule_says_the_text():
    assert [wants("- reply: Else.", text) for text in ("stop", "start", "help")] == [
        [(ME, "Stopped.")], [(ME, "Started.")], [(ME, "Help.")],
    ]  # fmt: skip
    rules = "- keyword: [stop, quit]\n  reply: Bye.\n- keyword: start\n  reply: Hi.\n- keyword: help\n  reply: Call us.\n"
    rules += "- reply: E."
    assert [wants(rules, text) for text in ("Unsubscribe", "QUIT", "unstop", "info", "Help!")] == [
        [(ME, "Bye.")], [(ME, "Bye.")], [(ME, "Hi.")], [(ME, "Call us.")], [(ME, "Call us.")],
    ]  # fmt: skip


def test_a_rule_with_the_very_word_comes_before_one_with_another_for_the_same():
    rules = "- keyword: help\n  reply: Help us.\n- keyword: info\n  reply: We are Acme.\n- ignore: true"
    assert wants(rules, "info") == [(ME, "We are Acme.")]
    assert wants("- keyword: info\n  reply: We are Acme.\n- ignore: true", "help") == [(ME, "Help.")]


def test_a_rule_for_stop_does_the_rest_too_and_its_text_is_the_confirmation():
    rules = "- keyword: stop\n  forward: +12015550188\n  notify: https://a.example/x\n- ignore: true"
    found, _ = decided(rules, "STOP")
    assert [(one.effect.kind, one.effect.reaches_opted_out) for one in found.requested_effects] == [
        ("sms", True), ("sms", False), ("notify", False),
    ]  # fmt: skip
    assert found.requested_effects[0].effect.payload["text"] == "Stopped."
    silent, _ = decided("- keyword: stop\n  ignore: true\n- reply: E.", "STOP")
    assert (silent.carrier_keyword, silent.requested_effects) == ("stop", ())


def test_a_text_that_only_begins_with_stop_does_not_get_its_confirmation():
    rules = "- keyword: stop\n  reply: You get no more messages.\n- reply: Else."
    assert wants(rules, "stop by tomorrow") == [(ME, "Else.")]
    assert wants("- keyword: help\n  reply: We come.\n- ignore: true", "help me") == [(ME, "We come.")]


# Reading


def test_a_message_is_read_as_opentact_tells_of_it():
    entity = {"type": "smsi", "uuid": "u", "from": "12015550999", "to": 12015550123, "message": "Hi", "state": "success"}
    read = parse_text_message(MessageEntity({**entity, "automated": True}), DAY)
    assert (read.sender, read.number, read.text, read.automated) == (ME, "+12015550123", "Hi", True)
    least = parse_text_message(
        MessageEntity({"state": "created", "from": "72345", "to": "12015550123", "message": None}), DAY
    )
    assert (least.type, least.state, least.sender, least.text, least.automated) == ("smsi", "created", "72345", "", False)


def test_a_word_that_no_message_has_is_a_doubt_wherever_it_is_asked_for():
    for asked in ('message.words[0] == "Hours"', '"Hours" in message.words', 'message.keyword == "Hours"'):
        rule = f"messages:\n  - when: '{asked}'\n    reply: We open at nine.\n  - reply: Thank you.\n"
        assert rules_of(rule) == ["comparison"], asked
        assert rules_of(rule.replace("Hours", "hours")) == [], asked


def test_words_are_bounded_and_written_alike():
    assert split_message_words("What's an e-mail? Ça va… naïve/ÄÖ") == ["whats", "an", "email", "ca", "va", "naive", "ao"]
    assert split_message_words("हिन्दी नमस्ते") == ["हिन्दी", "नमस्ते"]
    assert len(split_message_words("a " * 100_000)) == 500


# What is wrong


def rules_of(text):
    return compile_text(HEAD + text).rules


def test_a_list_of_rules_that_says_all_is_right():
    assert rules_of("messages:\n  - keyword: a\n    reply: A.\n  - ignore: true\n") == []
    assert rules_of("messages:\n") == []


def test_a_keyword_may_stand_twice_where_the_first_has_a_condition():
    rules = "messages:\n  - keyword: a\n    when: now.hour < 9\n    reply: A.\n  - keyword: [a, b]\n    reply: B.\n"
    assert rules_of(rules + "  - ignore: true\n") == []
    assert rules_of(rules + "  - keyword: B\n    reply: C.\n  - ignore: true\n") == ["keyword-twice"]


@each_case(
    ("rule", "rules"),
    [
        ("keyword: []", ["message-keyword"]),
        ("when:", ["expression"]),
        ("when: ''", ["expression"]),
        ("keyword: [hours, HOURS!]", ["keyword-twice"]),
    ],
)
def test_a_rule_whose_keyword_or_condition_was_left_out_is_an_error_and_not_for_all_texts(rule, rules):
    made = compile_text(f"{HEAD}messages:\n  - {rule}\n    reply: A.\n  - reply: B.\n")
    assert (made.flow, made.rules) == (None, rules)
    assert "above" not in made.problems[0].message


@each_case(
    "rule",
    [
        "{reply: 'Hi {name}'}",
        "{reply: 'Hi ${caller_name}'}",
        "{reply: 'Hi {{{name}}}'}",
        "{reply: 'Hi {{ caller.name'}",
        "{reply: 'Hi [Name], %s'}",
        "{reply: '{% if %}Hi{% endif %}'}",
        "{when: '', reply: Hi.}",
        "{when: 'message.text contains x', reply: Hi.}",
        "{when: 'caller.number == \"anonymous\"', reply: Hi.}",
    ],
)
def test_the_fix_of_a_text_about_a_message_names_nothing_that_only_calls_have(rule):
    problems = compile_text(f"{HEAD}messages:\n  - {rule}\n  - reply: B.\n").problems
    assert problems
    assert not any(name in problem.fix for problem in problems for name in ("caller.name", "caller.anonymous"))


@each_case("text", ["{{ message }}", "Hi {{ message }}.", "{{ message | upper }}"])
def test_a_message_as_a_whole_is_no_text(text):
    (problem,) = compile_text(f"{HEAD}messages:\n  - reply: '{text}'\n").problems
    assert (problem.message, problem.fix) == ("message itself is no text", "name one of its fields: keyword, text, words")


def test_a_rule_for_stop_may_stand_after_the_last():
    assert rules_of("messages:\n  - reply: E.\n  - keyword: stop\n    reply: Bye.\n") == []


def test_what_only_calls_have_is_not_there_for_a_text():
    for name in ("call.id", "digits", "caller.name", "caller.calls_today", "account"):
        assert rules_of(f"messages:\n  - when: {name}\n    reply: A.\n  - ignore: true\n") == ["expression"], name


def test_an_author_who_writes_a_step_is_told_the_word_for_it():
    problems = compile_text(HEAD + "messages:\n  - sms: Hello.\n").problems
    assert "did you mean 'reply'?" in [problem.fix for problem in problems]
    for step, word in (("say: Hello.", "reply"), ("dial: +12015550188", "forward"), ("hangup", "ignore")):
        fixes = [one.fix for one in compile_text(f"{HEAD}messages:\n  - {{{step}}}\n").problems]
        assert f"did you mean {word!r}?" in fixes, step


def test_a_text_of_a_step_is_as_long_as_a_message_may_be():
    long = "x" * 919
    text = "numbers: [+12015550123]\nnodes: {start: [{sms: %s}, {say: Hello.}]}\n"
    assert compile_text(text % long).rules == ["message-text"]
    assert compile_text(text % long[:918]).rules == []


def test_hours_and_lists_that_only_texts_ask_for_are_used():
    hours = "hours: {office: {mon-fri: 09:00-17:00}}\nvariables: {name: Acme}\n"
    rules = "messages:\n  - when: hours.office.open\n    reply: '{{ variables.name }}'\n  - ignore: true\n"
    assert rules_of(hours + rules) == []


def test_a_template_may_stand_beside_rules(tmp_path):
    (tmp_path / "acme.xml.j2").write_text("<Response><Say>Hello.</Say></Response>")
    (tmp_path / "acme.yaml").write_text("numbers: [+12015550123]\ntemplate: acme.xml.j2\nmessages:\n  - reply: A.\n")
    loaded = load_flow_folder(tmp_path, OPTIONS)
    assert loaded.problems == ()
    assert len(loaded.book.flows["acme"].message_rules.rules) == 1


def test_a_broken_flow_has_no_rules(tmp_path):
    (tmp_path / "acme.yaml").write_text(HEAD + "messages:\n  - reply: A.\n    x: y\n")
    flow = load_flow_folder(tmp_path, OPTIONS).book.flows["acme"]
    assert (bool(flow.problems), flow.message_rules, flow.ended_calls) == (True, None, None)
