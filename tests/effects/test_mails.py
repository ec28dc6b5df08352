"""Mails are sent once to a real SMTP server, wait while it cannot take them, and carry recordings."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from outside_servers import format_answer, run_live_effects, run_server
from smtp_servers import run_smtp_server

from callflows.effects.effect_outbox import EXPIRY_SECONDS
from callflows.effects.mail_sender import MailSender, describe_smtp_failure, read_smtp_server
from callflows.errors import SettingsError
from callflows.settings import Settings, load_settings
from callflows.telephony.ports import Effect
from waiting import run_bounded, wait_until_async

MAIL = {
    "to": ["office@example.com", "boss@example.com"],
    "subject": "Anruf für Zoë",
    "text": "Hallo!\nEin Anruf.",
    "attach": [],
}


def mail(key="call-1//acme/ended:/0/mail", kind="mail", **changes):
    return Effect(kind, key, {**MAIL, **changes})


class Waits:
    """Waits that are over at once; the clock goes on all the same."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)
        await asyncio.sleep(0)

    def clock(self):
        return 1_795_000_000.0 + sum(self.seconds)


def sender(address, **settings):
    made = Settings(_env_file=None, smtp_url=f"smtp://{address}", mail_from="Acme <phone@example.com>", **settings)
    return partial(MailSender, read_smtp_server(made), made.mail_from)


def send(address, *effects, **settings):
    """The results of these effects, and the waits between attempts."""

    async def one():
        waits, results = Waits(), []
        options = {"sleep": waits, "clock": waits.clock, "report_result": results.append}
        async with run_live_effects(make_mail_sender=sender(address, **settings), **options) as live:
            for effect in effects:
                live.queue_effect(effect)
            await wait_until_async(lambda: len(results) == len({effect.key for effect in effects}), "the results")
        return [(result.result, result.reason) for result in results], waits.seconds

    return run_bounded(one())


def test_a_mail_reaches_all_its_recipients_once_however_often_it_is_requested():
    with run_smtp_server() as (mailbox, address):
        results, _ = send(address, mail(), mail())
        (message,) = mailbox.mails
    assert results == [("sent", "")]
    assert mailbox.recipients == MAIL["to"]
    assert (message["from"], message["subject"]) == ("Acme <phone@example.com>", "Anruf für Zoë")
    assert message.get_content().splitlines() == ["Hallo!", "Ein Anruf."]
    assert message["auto-submitted"] == "auto-generated"


def test_a_server_that_is_busy_is_asked_again_with_the_same_message_id():
    with run_smtp_server() as (mailbox, address):
        mailbox.data_replies = ["451 greylisted, try again", "421 too busy"]
        results, waits = send(address, mail())
        assert (results, len(waits)) == ([("sent", "")], 2)
        first = mailbox.mails[0]["message-id"]
        send(address, mail(key="another call"))
        assert mailbox.mails[1]["message-id"] != first


def test_a_mail_that_is_refused_for_good_is_given_up_at_once():
    with run_smtp_server() as (mailbox, address):
        mailbox.data_replies = ["554 this looks like spam"]
        assert send(address, mail()) == ([("failed", "the mail server answers 554 this looks like spam")], [])
        mailbox.recipient_replies = dict.fromkeys(MAIL["to"], "550 nobody has this name")
        ((result, reason),), _ = send(address, mail())
        assert (result, reason) == ("failed", "the mail server refuses the recipients: 550 nobody has this name")


def test_a_recipient_that_is_refused_does_not_keep_the_mail_from_the_others():
    with run_smtp_server() as (mailbox, address):
        mailbox.recipient_replies = {"boss@example.com": "550 nobody has this name"}
        assert send(address, mail())[0] == [("sent", "")]
        assert mailbox.recipients == ["office@example.com"]


def test_a_server_that_is_gone_is_asked_until_the_mail_is_too_old():
    with run_smtp_server() as (_, address):
        pass
    ((result, reason),), waits = send(address, mail())
    assert result == "expired"
    assert "24 hours" in reason
    assert sum(waits) < EXPIRY_SECONDS["mail"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_login_is_used_and_a_wrong_password_can_be_put_right_while_the_mail_waits():
    with run_smtp_server(needs_login=True) as (mailbox, address):
        results, _ = send(f"phone@{address}", mail(), smtp_password="right")  # noqa: S106 - of the test server
        assert results == [("sent", "")]
        assert mailbox.users == ["phone"]
        ((result, reason),), waits = send(f"phone@{address}", mail(key="other"), smtp_password="wrong")  # noqa: S106 - as above
        assert (result, len(waits) > 5) == ("expired", True)
        assert "535" in reason
        right, wrong = (
            Settings(_env_file=None, smtp_url=f"smtp://phone@{address}", smtp_password=password, mail_from="a@example.com")
            for password in ("right", "wrong")
        )
        assert describe_smtp_failure(read_smtp_server(right)) == ""
        assert "535" in describe_smtp_failure(read_smtp_server(wrong))


def test_a_recording_is_attached_or_the_mail_says_why_it_is_not():
    async def serve(status):
        async with run_server(lambda _asked: format_answer(b"RIFF....WAVE", status=status)) as server:
            url = server.url("/voicemail.mp3")
            with run_smtp_server() as (mailbox, address):
                async with run_live_effects(make_mail_sender=sender(address)) as live:
                    live.queue_effect(mail(kind="voicemail", attach=[url]))
                    await wait_until_async(lambda: bool(mailbox.mails), "the mail")
                return mailbox.mails[0]

    message = run_bounded(serve(200))
    (attachment,) = message.iter_attachments()
    assert (attachment.get_content_type(), attachment.get_filename()) == ("audio/mpeg", "recording-1.mp3")
    assert attachment.get_content() == b"RIFF....WAVE"
    message = run_bounded(serve(403))
    assert [*message.iter_attachments()] == []
    assert message.get_content().splitlines()[-1] == "(Recording 1 could not be attached: status 403.)"


def test_without_a_mail_server_a_mail_fails_with_the_setting_that_is_missing():
    async def one():
        results = []
        async with run_live_effects(report_result=results.append) as live:
            live.queue_effect(mail())
            await wait_until_async(lambda: bool(results), "the result")
        return results[0].result, results[0].reason

    assert run_bounded(one()) == ("failed", "this server cannot send mails: CALLFLOWS_SMTP_URL is not set")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"smtp_url": "mail.example.com"}, "CALLFLOWS_SMTP_URL"),
        ({"smtp_url": "smtp://mail.example.com"}, "CALLFLOWS_MAIL_FROM"),
        ({"smtp_url": "smtp://mail.example.com", "mail_from": "Acme"}, "CALLFLOWS_MAIL_FROM"),
        ({"chat_tokens": "secret"}, "CALLFLOWS_CHAT_TOKENS"),
    ],
)
def test_settings_of_mails_are_checked_before_the_first_call(given, wrong):
    with pytest.raises(SettingsError, match=wrong):
        load_settings(**given)


def test_the_user_of_the_mail_server_is_the_sender_if_no_other_is_named():
    server = read_smtp_server(load_settings(smtp_url="smtps://phone@example.com:pw@mail.example.com"))
    assert server == ("mail.example.com", 465, True, "phone@example.com", "pw")
    assert load_settings(smtp_url="smtp://phone@example.com@mail.example.com:25").mail_from == "phone@example.com"
