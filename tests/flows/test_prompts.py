"""Prompts of texts, sounds and pauses: what a document has of them, in each place where a prompt may stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from flow_harness import APOLOGY, SIGNER, Conversation, answer_as_xml, make_flow_text, make_turn

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.compiler.fragments import PlaceMark
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.flow_library import FlowLibrary
from sound_makers import make_mp3, make_wav, put_sound

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.flows.flow_compilation import FlowCompilation

OPTIONS = CompilerOptions(SIGNER, APOLOGY)
MEDIA = "https://flows.localhost/media"
RECORDS = (
    '<Tone hz="1000" don="500" loop="1" leg="aleg" tag="beep"/>'
    '<Record tag="voicemail"><Pause length="120000" dtmf_stop="#"/></Record>'
)
OTHER = "  other: [say: Other.]\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    put_sound(tmp_path, "welcome.wav")
    put_sound(tmp_path, "es/hola amigo.mp3", make_mp3())
    return tmp_path


def compile_in(folder: Path, text: str, dialect: str = "reference") -> FlowCompilation:
    options = CompilerOptions(SIGNER, APOLOGY, dialect)  # type: ignore[arg-type]
    return compile_flow("acme", text.encode(), str(folder / "acme.yaml"), options)


def xml_in(folder: Path, steps: str, dialect: str = "reference", more: str = "") -> str:
    made = compile_in(folder, make_flow_text(steps, more) + OTHER, dialect)
    assert made.flow is not None, made.problems
    return answer_as_xml(made.flow).removeprefix("<Answer/>")


@pytest.mark.parametrize(
    ("steps", "starts"),
    [
        ("- play: welcome.wav", f"<Play>{MEDIA}/welcome.wav</Play>"),
        ("- play: es/hola amigo.mp3", f"<Play>{MEDIA}/es/hola%20amigo.mp3</Play>"),
        ("- play: {sound: welcome.wav, loop: 2}", f'<Play loop="2">{MEDIA}/welcome.wav</Play>'),
        ("- say: [Hello., play: welcome.wav]", f"<Say>Hello.</Say><Play>{MEDIA}/welcome.wav</Play>"),
        (
            "- say: [{say: {text: Hola., lang: es-US}}, {pause: 500ms}, Hello.]",
            '<Say lang="es-US">Hola.</Say><Pause length="500"/><Say>Hello.</Say>',
        ),
        (
            "- play: {sound: welcome.wav, text: 'Hello {{ caller.number }}.'}",
            f"<Play>{MEDIA}/welcome.wav<Error><Say>Hello +12015550999.</Say></Error></Play>",
        ),
        (
            "- play: {sound: welcome.wav, text: Welcome., error: [say: Hi.]}",
            f"<Play>{MEDIA}/welcome.wav<Error><Say>Hi.</Say></Error></Play>",
        ),
        (
            "- play: {url: 'https://a.example/a.mp3', text: Welcome.}",
            "<Play>https://a.example/a.mp3<Error><Say>Welcome.</Say></Error></Play>",
        ),
        (
            "- voicemail: {greeting: {play: welcome.wav}, thanks: [say: Thanks., play: welcome.wav], voice: {lang: es}}",
            f'<Play>{MEDIA}/welcome.wav</Play>{RECORDS}<Say lang="es">Thanks.</Say><Play>{MEDIA}/welcome.wav</Play>',
        ),
    ],
)
def test_a_sound_is_played_by_its_name_from_the_public_url(folder, steps, starts):
    assert xml_in(folder, steps).startswith(starts)


def test_a_prompt_of_a_menu_has_parts_for_each_attempt(folder):
    menu = (
        "- menu:\n    prompt:\n      - [play: welcome.wav, {when: caller.anonymous, say: Hidden.}, Press 1.]\n"
        "      - Press 1, please.\n    no_input: {play: welcome.wav}\n    no_match: [say: Wrong., pause: 1s]\n"
        "    keys: {1: other}\n    attempts: 2\n    otherwise: other"
    )
    play = f"<Play>{MEDIA}/welcome.wav</Play>"
    gather = (
        '<Gather dtmf_length="1"><DTMF value="1"><Say>Other.</Say><Hangup/></DTMF>'
        f'<Default><Say>Wrong.</Say><Pause length="1000"/></Default><Error>{play}</Error></Gather>'
    )
    after = "<Say>Other.</Say><Hangup/>"
    assert xml_in(folder, menu) == f"{play}<Say>Press 1.</Say>{gather}<Say>Press 1, please.</Say>{gather}{after}"
    classic = xml_in(folder, menu, "classic")
    assert classic.startswith(
        f'<Gather numDigits="1" attempts="1" finishOnKey="#">{play}<Say>Press 1.</Say><Switch><Case dtmf="1">'
    )
    assert classic.count("<Gather") == 2


def test_parts_without_brackets_are_one_prompt_and_texts_are_one_for_each_attempt(folder):
    ask = "- menu: {prompt: %s, keys: {1: other}, attempts: 2, otherwise: other}"
    parts = xml_in(folder, ask % "[play: welcome.wav, say: Press 1.]")
    assert (
        re.findall(r"</?(Play|Say|Gather)\b", parts.replace("<Say>Other.</Say>", ""))
        == ["Play"] * 2 + ["Say"] * 2 + ["Gather"] * 2 + ["Play"] * 2 + ["Say"] * 2 + ["Gather"] * 2
    )
    texts = xml_in(folder, ask % "[Press 1., Again.]")
    assert texts.index("Press 1.") < texts.index("<Gather") < texts.index("Again.")


@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_a_collect_asks_and_complains_with_sounds(folder, dialect):
    steps = (
        "- collect: {into: pin, digits: 4, match: '1[0-9]*', prompt: [[play: welcome.wav, say: Your PIN.], Again.],"
        " no_input: [play: welcome.wav], no_match: [say: Wrong., play: welcome.wav], otherwise: other}\n- say: Thanks."
    )
    made = compile_in(folder, make_flow_text(steps) + OTHER, dialect)
    assert made.flow is not None
    call = Conversation(made.flow, dialect)
    assert f"<Play>{MEDIA}/welcome.wav</Play><Say>Your PIN.</Say>" in call.xml
    assert f"<Error><Play>{MEDIA}/welcome.wav</Play></Error>" in call.xml
    call.press_keys("12")
    assert f"<Say>Wrong.</Say><Play>{MEDIA}/welcome.wav</Play>" in call.xml
    assert "<Say>Again.</Say>" in call.xml
    assert "Thanks." in call.press_keys("1234").spoken_texts


# Sounds that cannot be played


@pytest.mark.parametrize(
    ("steps", "instead"),
    [
        ("- play: {sound: gone.wav, text: Welcome.}", "<Say>Welcome.</Say>"),
        ("- play: gone.wav", "<Say>We are sorry.</Say><Hangup/>"),
        ("- play: {sound: gone.wav, error: [say: Hi.]}", "<Say>Hi.</Say>"),
        ("- play: gone.wav\n- say: Hello.", "<Say>Hello.</Say>"),
        ("- say: [play: gone.wav, say: Hello.]", "<Say>Hello.</Say>"),
        ("- say: [play: gone.wav]", "<Say>We are sorry.</Say><Hangup/>"),
        ("- menu: {prompt: [play: gone.wav, say: Press 1.], keys: {1: other}, otherwise: other}", "<Say>Press 1.</Say><G"),
        ("- menu: {prompt: [play: gone.wav], keys: {1: other}, otherwise: other}", "<Say>We are sorry.</Say><Hangup/><G"),
        ("- voicemail: {greeting: [play: gone.wav]}", "<Tone"),
    ],
)
def test_a_missing_sound_is_told_and_callers_hear_its_text_or_the_fallback(folder, steps, instead):
    made = compile_in(folder, make_flow_text(steps) + OTHER)
    assert [problem.rule for problem in made.problems if problem.rule != "unreachable-node"] == ["sound-missing"]
    assert made.flow is not None
    assert answer_as_xml(made.flow).removeprefix("<Answer/>").startswith(instead)


def test_a_folder_is_followed_as_sounds_come_and_go(tmp_path):
    (tmp_path / "acme.yaml").write_text(make_flow_text("- play: {sound: welcome.wav, text: Welcome.}"))
    library = FlowLibrary(tmp_path, OPTIONS, settle_seconds=0)

    def answer() -> tuple[str, list[str]]:
        loaded = library.refresh()
        document = loaded.book.flows["acme"].answer("start", make_turn())
        return document.decode(), [problem.rule for problem in loaded.problems]

    def hears(document: str) -> str:
        return "sound" if "<Play>" in document else "text"

    document, rules = answer()
    assert (hears(document), rules) == ("text", ["sound-missing"])
    file = put_sound(tmp_path, "welcome.wav")
    document, rules = answer()
    assert (hears(document), rules) == ("sound", [])
    file.write_bytes(b"no sound")
    document, rules = answer()
    assert (hears(document), rules) == ("text", ["sound-format"])
    file.write_bytes(make_wav(1))
    assert answer()[1] == []
    file.unlink()
    document, rules = answer()
    assert (hears(document), rules) == ("text", ["sound-missing"])


def test_a_flow_without_sounds_has_constant_texts_as_before(folder):
    made = compile_in(folder, make_flow_text("- say: Hello.\n- play: https://a.example/a.mp3"))
    assert made.flow is not None
    assert made.dependencies == ()
    fragments = [*made.flow.fragments_by_node["start"].values()]
    texts = [[fragment for fragment in entry if not isinstance(fragment, PlaceMark)] for entry in fragments]
    assert all(isinstance(text, str) for entry in texts for text in entry[1:])
