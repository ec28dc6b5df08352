"""The grammar of texts that ask for no more messages.

A text is a series of phrases. It means STOP if one phrase asks for no more messages, and all others have no purpose of
their own: a greeting, an insult, "wrong number". A phrase that the grammar does not know is the sender's business.

Every word of a pattern is followed by a space.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.messages.message_words import MAX_MESSAGE_CHARACTERS, make_word_set, split_message_words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


_MAX_GRAMMAR_WORDS: Final = 40
"""Longer texts have a purpose beside STOP."""
_MAX_PHRASE_WORDS: Final = 20


def _one_of(alternatives: str) -> str:
    """Return a pattern for words or phrases, separated by bars, each with the space after it."""
    return f"(?:(?:{alternatives}) )"


# Spelling

_SPELLINGS: Final = (
    # Several words or spellings of the same thing, and the form that the grammar knows.
    ("do not|don t|do nt|donot|dnt", "dont"),
    ("i am|i m", "im"),
    ("i would|i d", "id"),
    ("i will|i ll", "ill"),
    ("i have|i ve", "ive"),
    ("you have|you ve|u have|u ve", "youve"),
    ("you are|you re|u r|u are", "youre"),
    ("did not|didn t", "didnt"),
    ("wanna", "want to"),
    ("u", "you"),
    ("ur", "your"),
    ("r", "are"),
    ("n", "and"),
    ("un subscribe|unsubcribe|unsuscribe|unsubscibe|unsubsribe|unsub|unsubscribing", "unsubscribe"),
    ("any more", "anymore"),
    ("tex|txt|msg|text message|text msg|txt msg|txt message|sms message|text alert", "text"),
    ("txts|msgs|smses|text messages|text msgs|txt msgs|txt messages|sms messages|text alerts", "texts"),
    ("txting|texing|textin|sms ing|smsing|text messaging", "texting"),
    ("msging|messagin", "messaging"),
    ("callin", "calling"),
    ("sendin", "sending"),
)
_SPELLING_PATTERNS: Final = tuple(
    (re.compile(f"(?<![^ ])(?:{'|'.join(sorted(forms.split('|'), key=len, reverse=True))})(?![^ ])"), form)
    for forms, form in _SPELLINGS
)
_SPLIT_OPT_OUT: Final = re.compile(
    "(?<![^ ])opt(?:ing)?((?: (?:me|us|this|my|that|number|phone|please))*) out(?![^ ])|(?<![^ ])opt(?:ing)?out(?![^ ])"
)
"""Matches ``opt out`` and ``opt me out``."""
_REQUEST_WORDS: Final = make_word_set("please pls plz plse bitte svp")
_EMPTY_WORDS: Final = _REQUEST_WORDS | make_word_set(
    "kindly just really literally simply por favor fucking fuckin fkn effing freaking freakin frickin friggin bloody damn"
    " damned goddamn goddamned"
)
"""Words without a meaning of their own, wherever they stand."""

# Objects

_NUMBER: Final = "(?:(?:this|my|our|that) )(?:phone number|cell phone|number|phone|cell|cellphone|mobile|line)"
_ME: Final = _one_of(f"me|us|{_NUMBER}|(?:1 )?[2-9][0-9][0-9] [0-9]{{3}} [0-9]{{4}}|1?[2-9][0-9]{{9}}")
_KIND: Final = _one_of(
    "any and all|all|any|future|the|these|this|those|that|your|my|more|anymore|further|such|other|all of|any of|more of"
    "|stupid|annoying|unwanted|unsolicited|daily|weekly|monthly|constant|automated|automatic|promotional|promo"
    "|marketing|spam|political|campaign|random"
)
_TEXTS: Final = "texts|messages|sms|mms|communications?"
_A_TEXT: Final = "text|message"
_NEWS: Final = (
    "alerts?|notifications?|reminders?|updates|promos?|promotions?|spam|ads|marketing|junk|solicitations|(?:phone "
    "|robo ?)?calls|texting|messaging"
)
_EMAILS: Final = "emails|e mails"
_AND: Final = _one_of("and|or|nor")


def _list_of(nouns: str, more: str = "") -> str:
    """Return a pattern for nouns with their adjectives; ``more`` are nouns that may only follow another."""
    following = f"{nouns}|{more}" if more else nouns
    return f"(?:{_KIND}*{_one_of(nouns)}(?:{_AND}?{_KIND}*{_one_of(following)})*)"


_SOME_TEXTS: Final = _list_of(_TEXTS, f"{_NEWS}|{_EMAILS}")
_ANY_NEWS: Final = _list_of(f"{_TEXTS}|{_A_TEXT}|{_NEWS}", _EMAILS)
_JUNK: Final = "crap|shit|bs|bullshit|nonsense|garbage|junk|harassment|madness|spam|stuff"
_ALL_OF_IT: Final = _one_of(
    "all(?: of)? (?:it|this|that|these)|it all|doing (?:this|that|it)|this|that|these|those|all|anything|everything"
    "|things"
    f"|(?:all )?(?:this |the |that |your |such )?(?:{_JUNK})"
)
_LIST_NAME: Final = (
    f"(?:{_KIND}|{_one_of('mailing|text|texting|sms|message|contact|contacts|calling|call|phone|distribution|email')})*"
    f"{_one_of('lists?|database|system|records|contacts|thread|group')}"
)
_OFF_LIST: Final = f"(?:{_one_of('from|off|off of|of|on')}{_LIST_NAME})"
_WHERE: Final = (
    f"(?:{_one_of('to|on|at|from|for')}{_ME}|{_OFF_LIST}"
    f"|{_one_of('(?:from|by) (?:you|you guys|you people|(?:your|this) (?:company|business)|here|now on)')}"
    f"|{_one_of('in any way|by any means|(?:by|via) (?:text|sms|phone|message)')})"
)
_WHEREVER: Final = f"{_WHERE}{{0,2}}"

# Verbs

_GERUND: Final = _one_of(
    "texting|messaging|sending|contacting|communicating with|calling|phoning|ringing|bothering|harassing|annoying"
    "|spamming|bugging|pestering|writing"
)
_GERUNDS: Final = f"(?:(?:emailing {_AND})?{_GERUND}(?:{_AND}?(?:{_GERUND}|emailing ))*(?:(?:it )?with )?)"
_WRITE: Final = "text|message|contact|sms|mms|bother|spam|harass|texting|messaging"
_CALL: Final = "call|phone|ring|write|email"
_WRITES: Final = f"(?:(?:{_one_of(_CALL)}{_AND})*{_one_of(_WRITE)}(?:{_AND}{_one_of(f'{_WRITE}|{_CALL}')})*)"
_WRITES_OR_CALLS: Final = f"(?:{_one_of(f'{_WRITE}|{_CALL}')}{{2,4}}{_AND}{_one_of(f'{_WRITE}|{_CALL}')})"
"""``call, text or email``. ``Don't call, text me`` asks for a text."""
_RECEIVE: Final = _one_of("receive|receiving|get|getting|be getting|be receiving|be sent|have|see|hear|read")
_CLEAR_VERB: Final = _one_of("stop|cease|discontinue|halt")
_ANY_VERB: Final = _one_of("stop|cease|discontinue|halt|quit|end|cancel")
_NEVER: Final = f"(?:{_one_of('dont|never')}(?!bother (?!me |us ))(?:you )?{_one_of('ever|even|dare')}?)"
_DONT: Final = _one_of(
    "(?:i|we) (?:dont|no longer|never|do no longer)|dont|no longer|im no longer|id rather not|i would rather not"
)

# Requests

_WISH: Final = (
    "(?:"
    + _one_of(
        "(?:i|we)(?: would| must| hereby| do| have|d)? (?:want|like|wish|need|request|ask|demand|choose|have|asked|told"
        "|prefer|require|would like|said|insist)"
    )
    + "|"
    + _one_of("(?:id|wed) (?:like|prefer|rather|want)|ive(?: already)? (?:asked|told|said)")
    + "|"
    + _one_of(
        "im (?:asking|requesting|trying|telling|begging|going|choosing|demanding)|im|i|i hereby|we are|let me|help me"
    )
    + "|"
    + _one_of("(?:can|may|could) (?:i|we)|(?:can|could|would|will|wont|cant) you(?: guys| people)?(?: at least)?")
    + "|"
    + _one_of(
        "you(?: guys| people| all)? (?:need|must|better|should|had better)|youve(?: got)?|how (?:do|can|could) (?:i|we)"
    )
    + "|"
    + _one_of("how|tell me how|show me how|allow me|time|this is a request|this is a demand")
    + ")(?:(?:that )?you )?(?:guys |people )?(?:[^ ]+ times )?(?:to )?(?:be able to )?"
)
_STOPPING: Final = (
    "(?:"
    f"{_ANY_VERB}(?:(?:it )?with )?{_GERUNDS}{_ME}?(?:{_ANY_NEWS}|{_ALL_OF_IT})?{_WHEREVER}"
    f"|{_ANY_VERB}{_one_of('receiving|getting')}(?:{_ANY_NEWS}|{_ALL_OF_IT})?{_WHEREVER}"
    f"|{_CLEAR_VERB}(?:(?:it )?with )?{_ANY_NEWS}{_WHEREVER}"
    f"|{_ANY_VERB}(?:(?:it )?with )?(?:{_SOME_TEXTS}|{_one_of(_A_TEXT)}){_WHEREVER}"
    f"|{_KIND}+{_one_of(_TEXTS)}{_one_of('must|need to|have to|should|to|has to|needs to')}{_CLEAR_VERB}"
    ")"
)
"""``stop texting me``, ``stop these messages``, ``cancel texts``. ``cancel the message`` is a message of the sender."""
_UNSUBSCRIBE: Final = (
    f"(?:{_one_of('unsubscribe|optout|stopall')}{_ME}?"
    f"(?:{_one_of('from|of|to|for')}?(?:{_ANY_NEWS}|{_ALL_OF_IT}|{_one_of('you|this (?:service|number)')})|{_OFF_LIST})?"
    f"{_WHEREVER})"
)
_REMOVAL: Final = (
    f"(?:{_one_of('remove|delete|erase')}"
    f"(?:{_ME}|{_one_of('(?:my|our) (?:contact )?(?:info|information|details|data|name)')}{_OFF_LIST}){_WHEREVER}"
    f"|{_one_of('remove|delete')}{_OFF_LIST}"
    f"|{_one_of('(?:lose|forget) (?:this|my) (?:phone |cell )?number')}{_WHEREVER}"
    f"|{_one_of('take|get')}{_ME}off (?:of )?{_LIST_NAME}?"
    f"|off (?:of )?{_LIST_NAME}"
    f"|{_one_of('put|add|place')}{_ME}{_one_of('on|to|in')}{_one_of('your|the|a')}?"
    f"{_one_of('(?:dont|no) (?:call|text|contact)')}{_one_of('list|registry')}"
    f"|(?:{_ME})?(?:to be )?{_one_of('removed|taken off|unsubscribed|opted out')}(?:{_WHERE}|{_LIST_NAME})?"
    ")"
)
_NO_MORE: Final = f"(?:{_one_of('no (?:more|further|additional)(?: of)?')}(?:{_ANY_NEWS}|{_GERUNDS}{_ME}?){_WHEREVER})"
_NEVER_WRITE: Final = f"{_NEVER}(?:{_WRITES}(?:{_one_of('to')}?{_ME})?|{_one_of('call|write')}(?:to )?{_ME}){_WHERE}?"
_NEVER_SEND: Final = (
    f"{_NEVER}(?:{_WRITES_OR_CALLS}{_ME}?"
    f"|send (?:{_ME}(?:{_ANY_NEWS}|{_one_of('anything')})|{_ME}?{_one_of('any|another|a')}?{_SOME_TEXTS}"
    f"|{_ME}{_one_of('any|another|a')}{_one_of(_A_TEXT)}){_WHEREVER})"
)
_UNWANTED: Final = f"(?:{_list_of(f'{_TEXTS}|{_A_TEXT}', f'{_NEWS}|{_EMAILS}')}|{_KIND}+{_one_of(_NEWS)})"
_NO_WISH: Final = (
    f"(?:{_DONT}(?:{_one_of('want|wish|need|like|care|desire|consent|agree|accept|authorize')}"
    f"(?:{_one_of('to|for')}?{_RECEIVE}?{_UNWANTED}{_WHEREVER}"
    f"|{_one_of('to|for')}?{_RECEIVE}{_ALL_OF_IT}{_WHEREVER}"
    f"|to hear from (?:you|you guys|you people|your company|this company) "
    f"|to be {_one_of('texted|messaged|contacted|called|bothered|spammed')}(?:{_AND}{_one_of('texted|messaged|called')})?"
    f"{_WHEREVER}|to be {_OFF_LIST}"
    f"|you (?:to )?(?:{_WRITES}|{_GERUNDS}){_ME}"
    f"|{_WRITES}{_ME}))"
    f"|{_one_of('(?:i|id|we|wed) (?:would )?(?:rather|prefer) not')}(?:to )?(?:{_RECEIVE}{_UNWANTED}"
    f"|be {_one_of('texted|contacted')})"
    f"{_WHEREVER})"
)
_CONSENT: Final = _one_of("consent|permission|authori[sz]ation")
_REVOCATION: Final = (
    f"(?:{_one_of('i|im|we|we are|id like to|i want to|i wish to|i hereby|im hereby|i do hereby|i do|hereby')}?"
    f"{_one_of('revoke|revoking|withdraw|withdrawing|rescind|rescinding|retract|cancel|remove')}"
    f"{_one_of('my|our|all|any|prior|previous|express|written|the')}*(?:consent |(?:{_CONSENT})"
    f"(?:{_one_of('to|for|of')}(?:(?:you )?(?:to )?(?:{_RECEIVE}?{_ANY_NEWS}|(?:be )?"
    f"{_one_of('texted|messaged|contacted|called')}|{_WRITES}{_ME}?|{_GERUNDS}{_ME}?)){_WHEREVER}))"
    f"|{_one_of('my')}?consent {_one_of('is|has been|was')}?{_one_of('revoked|withdrawn')})"
)
_STOP_WRITE: Final = f"(?:{_WISH})?{_CLEAR_VERB}{_one_of(f'{_WRITE}|call')}{_ME}{_WHEREVER}"
"""``stop text me`` without a mark: ``Stop, text me`` asks for a message."""
_OTHER_REQUESTS: Final = _one_of(
    "leave (?:me|us) alone|cease and desist|make (?:it|this) stop|this must stop|stop all contact|no (?:more"
    "|further) contact"
)
_FULL_REQUEST: Final = (
    f"(?:{_WISH})?(?:{_STOPPING}|{_UNSUBSCRIBE}|{_NO_MORE}|{_REVOCATION}|{_REMOVAL})"
    f"|{_NEVER_SEND}|{_NO_WISH}|{_OTHER_REQUESTS}"
)
"""Requests that name what is to end, so that a reason may stand beside them."""

_WEAK_WORD: Final = _one_of("cancel|end|quit|revoke")
"""Words that also end orders and appointments: alone they mean STOP, and beside a greeting they do not."""
_STOP_WORD: Final = _one_of("stop|stopall|unsubscribe|optout|cancel|end|quit|revoke")
_BARE_STOP: Final = (
    f"(?:{_one_of('(?:im|i|ive)(?: already)? (?:said|told|asked)(?: you)?(?: to)?')}?"
    f"{_one_of('reply(?: with)?|text(?: back)?|send|re|message|texts|messages|sms')}?"
    f"{_one_of('stop|stopall|unsubscribe|optout|unsubscribed')}"
    f"(?:{_ALL_OF_IT}|it )?(?:{_AND}?(?:to )?{_STOP_WORD})*"
    f"|{_one_of('reply(?: with)?|text|texts|send text')}{_WEAK_WORD}"
    f"|{_WEAK_WORD}(?:{_AND}?{_STOP_WORD})*{_AND}?{_one_of('stop|stopall|unsubscribe|optout')})"
)
_POLITE_REQUEST: Final = (
    f"{_one_of('(?:can|could|would|will) you')}stop {_one_of('it|this|that')}?|{_one_of('no')}{_SOME_TEXTS}"
)
"""Requests if a word such as ``please`` stands in the text: ``can you stop`` alone may be meant for a driver."""
_WEAK_STOP: Final = f"{_WEAK_WORD}(?:{_AND}?{_WEAK_WORD})*"

# Phrases beside a request

_POLITE: Final = _one_of(
    "thanks|thank you|thanks you|thank|thx|ty|tks|many thanks|thanks in advance|thank you very much|thanks so much|now"
    "|right now|immediately|at once|asap|danke|merci|gracias|no thanks|no thank you|not interested|im not interested"
    "|i said|i repeat|i mean|i mean it|(?:(?:it )?with )?(?:best|kind|warm) (?:regards|wishes)|regards|sincerely|cheers"
    "|mit freundlichen grussen|viele grusse|cordialement|saludos"
)
_INSULT: Final = (
    "idiots?|morons?|assholes?|jerks?|bitch|bitches|bastards?|scammers?|spammers?|losers?|creeps?|crooks|dumbass"
    "|fuckers?|motherfuckers?|fools?|pigs|people|guys|piece of shit|man|bro|dude|buddy|lady|mister"
)
_YOU_HAVE: Final = "youve(?: got)?|you got|this is|its|it is|thats|i think youve|you guys have|i think you guys have"
_STRANGER: Final = (
    f"(?:(?:{_YOU_HAVE}) )?(?:the |a )?wrong (?:number|person|phone number|guy)"
    "|new phone|new number|who (?:is|are|dis|the hell is)(?: this| you)?|whos this|who this|who dis"
    "|i ?dont know (?:who )?(?:you|this|who you are|who this is|you people)|i ?dont know who (?:this is|you are|youre)"
    "|(?:where|how) did you get (?:my|this) number|(?:this is )?not me|why (?:are|do"
    "|did) you (?:guys )?(?:keep )?(?:texting|messaging|contacting|calling|text|message|call) me|i didnt (?:sign up|ask"
    "|subscribe|opt in|agree|consent)(?: for| to)?(?: this| these| any of this| it| (?:these|your|any) texts)?"
    "|i never (?:signed up|asked|subscribed|opted in|agreed)(?: for| to)?(?: this| these| any of this| it| (?:these"
    "|your|any) texts)?"
)
_NO_INTEREST: Final = (
    "(?:(?:im|we are|i am) )?(?:no longer|not|never) interested(?: in (?:this|it|that|your (?:product|products|service"
    "|services|offer|offers)))?(?: (?:anymore|any longer|at all))?|no interest|ive no interest|i dont care|dont care"
)
_COMPLAINT: Final = (
    "enough(?: is enough)?|no more(?: of this)?|stop means|whoever this is|do you understand|(?:this is |its "
    "|thats )?(?:spam|scam|a scam|harassment|ridiculous|annoying|illegal|bullshit|unwanted)|(?:youre"
    "|you are) (?:harassing|spamming|bothering|annoying) (?:me|us)|for the (?:last|third|second|final|100th) time"
    "|(?:last|final) warning|ive(?: already)? (?:asked|told you|said this)(?: before| already)?|how many times|or else"
    "|go away|fuck off|fuck you|piss off|screw you|get lost|go to hell|shut up|(?:god )?damn ?it|goddammit|dammit|ffs"
    "|jesus|jesus christ|christ|for (?:fucks|gods|christs|heavens|petes) sake|for the love of god|wtf|the (?:fuck|hell)"
    "|what the hell"
    f"|hell|fuck|shit|crap|omg|lol|ugh|smh|(?:you |all of you )?(?:{_INSULT})|you (?:stupid |dumb )(?:{_INSULT})"
    "|(?:texting|messaging|calling|contacting|sending|bothering) (?:me|us)"
)
_GREETING: Final = (
    "hi|hello|hey|hey there|hi there|hello there|yo|good (?:morning|afternoon|evening|day)|dear sirs?|sirs?|maam|madam"
    "|folks|to whom it may concern|ok|okay|kk|nah|nope|yes|yeah|yep|sorry|re|reply|fwd|already|forever|again|anymore"
    "|ever again|ever|for good|from now on|at all|completely|permanently|altogether|any longer|in the future|right away"
    "|period|bye|goodbye|this instant|right this (?:instant|second|minute)|effective immediately|with immediate effect"
    "|have a (?:nice|good) day|and|or|but|so|then|also|because|since|cuz"
)
_AUTHORITY: Final = (
    "you|this|it|to|the|a|fcc|ftc|as|for|spam|harassment|number|numbers|your|and|or|police|authorities|attorney general"
    "|attorney|lawyer|lawyers|my|carrier|company|business|with|legal|action|complaint|cops|bbb|everyone|all|ass|against"
)
_THREAT: Final = (
    "(?:or )?(?:(?:im|we are|you are|youre)(?: going to)?|i|we|ill|well|ive|id|youll|we will|you will) (?:be )?(?:sue"
    "|sued|suing|report|reporting|reported|block|blocking|blocked|complain|complaining|file|filing|take|taking"
    f"|call(?:ing)? the (?:police|cops|fcc|ftc)|call my (?:lawyer|attorney)|get my lawyer"
    f"|hear from my lawyer)(?: (?:{_AUTHORITY}))*"
    "|(?:reported|blocked)(?: (?:as )?(?:spam|this number|number))?|or (?:i|we|ill|well|im) (?:[^ ]+ ){0,4}(?:sue"
    "|report|block|complain|lawyer|police|fcc|legal)(?: [^ ]+){0,8}"
)
_FILLER: Final = _one_of(f"{_STRANGER}|{_NO_INTEREST}|{_COMPLAINT}|{_GREETING}|{_THREAT}")
_NO: Final = _one_of("no")
"""``No, stop``, and neither ``no stop`` nor ``Stop? No``."""
_NO_NAME: Final = (
    "(?!(?:[^ ]+ing|right|fair|good|ok|okay|correct|true|what|the|an?|my|your|wrong|urgent|important|it|how|where|when"
    "|why|so|very)"
    " )"
)
_SENDER: Final = _one_of(
    f"(?:this is|this isnt|my name is)(?: not| no longer)? {_NO_NAME}[^ ]+(?: [^ ]+)?"
    "|(?:im )?not (?!ready |sure |done |home |able |well |finished |available |there |happy |now |yet |today |me |free "
    "|late |in |at )"
    f"{_NO_NAME}[^ ]+"
    "|(?!stop|right|over|out|up|down|come|be|im|its|not|get|back|am|are)[^ ]+ here|[^ ]+(?: [^ ]+)? (?:no longer has"
    "|no longer uses|doesnt have) this (?:number|phone)|well|hmm|you"
)
"""Who writes, or does not, between marks."""
_NOT_THE_SENDER: Final = f"{_one_of('this isnt|its not|it is not|it isnt|this is not')}(?:[^ 0-9]+ ){{1,2}}"
_REASON: Final = (
    "(?:"
    + _one_of(
        "(?:i|we|ive|weve|he|she|they|my (?:mother|father|husband|wife|mom|dad))(?: have| has)? (?:already|sold|bought"
        "|found|moved|dont (?:own|have|need|live|work|vote|know)|never|didnt|no longer|changed|died|passed|voted"
        "|passed away|has died)"
    )
    + "(?:[^ 0-9]+ ){0,6}"
    + "|"
    + _one_of(
        "(?:[^ ]+|this number) (?:doesnt|does not|is dead|is no longer)|im (?:not|a|on the (?:national )?(?:no|dont) call)"
    )
    + "(?:[^ 0-9]+ ){0,6}"
    + ")"
)
"""Reasons that somebody gives for a request, between punctuation marks."""
_TOPIC: Final = f"{_one_of('about|regarding|concerning')}(?:[^ 0-9]+ ){{1,4}}"
"""What the unwanted messages are about, at the end of a sentence."""
_OLD_OWNER: Final = (
    f"{_one_of('(?:(?:i|we|ive)(?: have)? )?(?:already )?(?:sold|voted|moved|dont own|dont live)')}(?:[^ 0-9]+ ){{0,5}}"
)
"""Reasons that may stand beside the word alone."""
_FOR_NOW: Final = f"{_NEVER}(?:{_WRITES}|{_one_of('call|send')})(?:{_ME})?(?:right )?(?:now|today|yet|back) "
"""Matches a wish for a moment only, as in ``don't text me now, I am driving``."""


class _PhraseKind(NamedTuple):
    """A kind of phrase.

    A phrase that ``starts_apart`` or ``ends_apart`` needs a mark there; one that ``is_unbroken`` has no mark inside.
    One that ``is_never_last`` is followed by another.
    """

    pattern: str
    starts_apart: bool = False
    ends_apart: bool = False
    is_unbroken: bool = False
    is_never_last: bool = False


_FULL: Final = _PhraseKind(_FULL_REQUEST)
_UNBROKEN: Final = _PhraseKind(f"{_STOP_WRITE}|{_NEVER_WRITE}", is_unbroken=True)
_BARE: Final = _PhraseKind(_BARE_STOP)
_WEAK: Final = _PhraseKind(_WEAK_STOP)
_THANKS: Final = _PhraseKind(_POLITE)
_BESIDE: Final = _PhraseKind(_FILLER)
_FROM_WHOM: Final = _PhraseKind(_SENDER, starts_apart=True, ends_apart=True)
_FIRST_NO: Final = _PhraseKind(_NO, starts_apart=True, ends_apart=True, is_never_last=True)
_BECAUSE: Final = _PhraseKind(_REASON, starts_apart=True, ends_apart=True)
_LONG_GONE: Final = _PhraseKind(_OLD_OWNER, starts_apart=True, ends_apart=True)
_ABOUT: Final = _PhraseKind(f"{_TOPIC}|{_NOT_THE_SENDER}", ends_apart=True)
_WITH_PLEASE: Final = _PhraseKind(_POLITE_REQUEST)


class _SentenceWords(NamedTuple):
    """The words of a text, and the positions of marks: ``hard`` of those that end a sentence, ``soft`` of all."""

    words: list[str]
    soft: frozenset[int]
    hard: frozenset[int]
    has_request_word: bool


_HARD_MARK: Final = "[!?;\n\uff01\uff1f\u3002\u2026]|[.](?!\\w)|(?<=\\w\\w)[.]"
_WRONG_NUMBER: Final = re.compile("(?i)\\bwrong ?#")
_MARKS: Final = re.compile(
    f'({_HARD_MARK})|[,:()/\uff0c"\u201c\u201d]|\\s[-\u2013\u2014~]+|[\u2013\u2014]|(?<!-)-++(?=\\s)'
)


def means_stop(text: str, stop_words: Collection[str] = ()) -> bool:
    """Return True if a text asks for no more messages.

    ``stop_words`` are words and phrases of other languages for STOP, as ``split_message_words`` returns them.
    """
    read = _read_sentences(text[:MAX_MESSAGE_CHARACTERS], stop_words)
    if not 0 < len(read.words) <= _MAX_GRAMMAR_WORDS or _is_for_now(read.words):
        return False
    requests = [_FULL, _UNBROKEN, _BARE, *([_WITH_PLEASE] if read.has_request_word else [])]
    beside = [_WEAK, _THANKS, _BESIDE, _FROM_WHOM, _FIRST_NO, _LONG_GONE]
    return (
        _consists_of(read, requests, beside)
        or _consists_of(read, [_FULL, _UNBROKEN], [_BARE, *beside, _BECAUSE, _ABOUT])
        or _consists_of(read, [_WEAK], [_THANKS])
    )


@functools.cache
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    # The patterns are long, and compiled when the first text arrives: most starts of the program have no need of them.
    return re.compile(pattern)


def _is_for_now(words: Sequence[str]) -> bool:
    return _compile_pattern(_FOR_NOW).search("".join(f"{word} " for word in words)) is not None


def _read_sentences(text: str, stop_words: Collection[str]) -> _SentenceWords:
    """Return the words of a text in the spelling of the grammar, without empty words."""
    words: list[str] = []
    soft, hard = {0}, {0}
    has_request_word = False
    parts = _MARKS.split(_WRONG_NUMBER.sub("wrong number", "\n".join(text.splitlines())))
    # The pattern has one group: every second part is the mark of a sentence's end, or None for another mark.
    for part, mark in zip(parts[::2], [*parts[1::2], "\n"], strict=True):
        split = split_message_words(part)
        has_request_word = has_request_word or not _REQUEST_WORDS.isdisjoint(split)
        words += _spell_for_grammar(split, stop_words)
        soft.add(len(words))
        if mark:
            hard.add(len(words))
    if hard.issuperset(range(len(words) + 1)):  # "Stop. Texting. Me." is one sentence
        hard = {0, len(words)}
    return _SentenceWords(words, frozenset(soft), frozenset(hard), has_request_word)


def _spell_for_grammar(words: Sequence[str], stop_words: Collection[str]) -> list[str]:
    joined = " ".join(words)
    for phrase in stop_words:
        joined = re.sub(f"(?<![^ ]){re.escape(phrase)}(?![^ ])", "unsubscribe", joined)
    joined = " ".join(word for word in joined.split() if word not in _EMPTY_WORDS)
    for pattern, form in _SPELLING_PATTERNS:
        joined = pattern.sub(form, joined)
    return _SPLIT_OPT_OUT.sub(lambda found: f"optout{found[1] or ''}", joined).split()


def _consists_of(read: _SentenceWords, requests: Sequence[_PhraseKind], others: Sequence[_PhraseKind]) -> bool:
    """Return True if a text is a series of phrases of these kinds, with one of ``requests`` at least."""
    end = len(read.words)
    reached = {(0, False)}
    for start in range(end):
        for has_request in (False, True):
            if (start, has_request) not in reached:
                continue
            for stop in _list_phrase_ends(read, start, requests):
                reached.add((stop, True))
            for stop in _list_phrase_ends(read, start, others):
                reached.add((stop, has_request))
    return (end, True) in reached


def _list_phrase_ends(read: _SentenceWords, start: int, kinds: Sequence[_PhraseKind]) -> list[int]:
    """Return the positions at which a phrase that begins at ``start`` may end, within its sentence."""
    ends = []
    phrase = ""
    is_broken = False
    for position, word in enumerate(read.words[start : start + _MAX_PHRASE_WORDS], start + 1):
        phrase += f"{word} "
        if any(
            _compile_pattern(kind.pattern).fullmatch(phrase)
            and (not kind.starts_apart or start in read.soft)
            and (not kind.ends_apart or position in read.soft)
            and not (kind.is_unbroken and is_broken)
            and not (kind.is_never_last and position == len(read.words))
            for kind in kinds
        ):
            ends.append(position)
        if position in read.hard:
            break
        is_broken = is_broken or position in read.soft
    return ends
