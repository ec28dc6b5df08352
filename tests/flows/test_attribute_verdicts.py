"""``check`` says the same of an attribute in a flow file, a document and a template: generated from the table of verbs."""

from __future__ import annotations

import pytest
from flow_harness import APOLOGY, SIGNER, compile_text

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.check_runner import check_document_file
from callflows.language.dialects import NO_EXTENSIONS
from callflows.language.plausible_durations import PLAUSIBLE_ATTRIBUTE_DURATIONS
from callflows.language.verb_table import Evidence
from callflows.language.verbs import ELEMENT_SPECS

OPTIONS = {dialect: CompilerOptions(SIGNER, APOLOGY, dialect) for dialect in ("reference", "classic")}
VALUES = {
    "boolean": ("true", "maybe"),
    "integer": ("1", "one"),
    "count": ("1", "0", "one"),
    "url": ("https://example.com/a.mp3", "https://example.com/a.ogg", "ftp://example.com/a.mp3", "example"),
    "key": ("1", "12", "x"),
    "stop key": ("1", "12", "x"),
    "language": ("en-US", "english please"),
    "frequencies": ("440,480", "loud"),
    "dB": ("-3", "3"),
    "states": ("NY,CA", "ny"),
    "county": ("KINGS", "kings"),
    "days": ("mon,tue", "monday"),
    "window": ("09:00:00-17:00:00", "9-17"),
    "method": ("GET", "FETCH"),
    "asking method": ("POST", "PATCH"),
    "leg": ("aleg", "cleg"),
    "voice type": ("WaveNet", "wave"),
    "gender": ("MALE", "man"),
}
"""Values of each kind, the first is right. Kinds that take any text have no verdict to compare."""
NEEDED = {
    "Callback": ("<Callback url='https://example.com/next'{}/>", "url: https://example.com/next"),
    "Curl": ("<Curl url='https://example.com/next'{}/>", "url: https://example.com/next"),
    "Dial": ("<Dial{}><To>+12015550188</To></Dial>", "to: +12015550188"),
    "Play": ("<Play url='https://example.com/b.mp3'{}/>", "url: https://example.com/b.mp3"),
    "Say": ("<Say text='Hello.'{}/>", "text: Hello."),
    "Gather": ("<Gather{}><DTMF value='5'><Say>Five.</Say></DTMF></Gather>", "dtmf: {5: [say: Five.]}"),
    "Record": ("<Record{}><Say>Hello.</Say></Record>", "do: [say: Hello.]"),
    "Geo": ("<Geo{}><Say>Hello.</Say></Geo>", "do: [say: Hello.]"),
    "Schedule": ("<Schedule{}><Say>Hello.</Say></Schedule>", "do: [say: Hello.]"),
}
"""What an element needs besides the attribute, in XML and in a flow file."""
OTHER_WORDS = {"Error", "Default", "DTMF", "To", "Meta", "Response", "Call"}
"""Elements that a flow file writes in another way than as a step with attributes."""


def list_values(element, attribute):
    """The values of an attribute in XML and in a flow file, which writes a time with its unit."""
    plausible = PLAUSIBLE_ATTRIBUTE_DURATIONS.get((element, attribute.name))
    if attribute.kind.name == "ms":
        numbers = [1, plausible.usual, plausible.longest + 1, 0] if plausible else [1000]
        return [*((str(number), f"{number}ms") for number in numbers), ("soon", "soon"), ("-5", "-5ms")]
    return [(value, value) for value in VALUES.get(attribute.kind.name, ())]


CASES = [
    pytest.param(element, attribute, xml, text, id=f"{element}-{attribute.name}-{xml}")
    for element, spec in ELEMENT_SPECS.items()
    if element not in OTHER_WORDS
    for attribute in spec.attributes.values()
    for xml, text in list_values(element, attribute)
    if (element, attribute.name) != ("Dial", "record")  # true or false in a flow file
]


def summarize(problems):
    """The verdict: an error, or the rules with their severities."""
    if any(problem.severity == "error" for problem in problems):
        return "error"
    rules = ("duration-doubtful", "audio-url", "dtmf-branch", "undocumented")
    return sorted({(problem.severity, problem.rule) for problem in problems if problem.rule in rules})


def judge_flow_file(step, value_line, needed, dialect):
    keys = ", ".join(filter(None, [value_line, needed]))
    steps = f"[say: Hello., {step}: {{{keys}}}]"
    made = compile_text(f"numbers: +12015550123\nnodes: {{start: {steps}}}\n", dialect)
    return summarize([*made.problems, *(made.flow.notes if made.flow is not None else ())])


def judge_document(xml, folder):
    file = folder / "document.xml"
    file.write_text(f"<Response>{xml}</Response>", encoding="utf-8")
    return summarize(check_document_file(file, NO_EXTENSIONS))


def judge_template(xml, folder, dialect):
    (folder / "acme.xml.j2").write_text(f"<Response>{{{{ '' }}}}{xml}</Response>", encoding="utf-8")
    text = b"numbers: +12015550123\ntemplate: acme.xml.j2\n"
    made = compile_flow("acme", text, str(folder / "acme.yaml"), OPTIONS[dialect])
    flow = made.flow or made.broken_flow
    return summarize([*made.problems, *(flow.notes if flow is not None else ())])


@pytest.mark.parametrize(("element", "attribute", "xml", "text"), CASES)
def test_an_attribute_has_one_verdict_in_a_flow_file_a_document_and_a_template(element, attribute, xml, text, tmp_path):
    dialect = next(iter(attribute.spellings))
    whole, needed = NEEDED.get(element, (f"<{element}{{}}/>", ""))
    if f"{attribute.name}:" in needed:  # the attribute is needed anyway
        needed, document = "", f"<{element} {attribute.name}='{xml}'/>"
    else:
        document = whole.format(f' {attribute.spellings[dialect]}="{xml}"')
    step = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in element).removeprefix("_")
    in_flow = judge_flow_file(step, f'{attribute.name}: "{text}"', needed, dialect)
    in_document, in_template = judge_document(document, tmp_path), judge_template(document, tmp_path, dialect)
    assert in_flow == in_document == in_template


def test_the_verdicts_are_not_all_the_same():
    assert len(CASES) > 100
    assert {spec.evidence for spec in ELEMENT_SPECS.values()} >= {Evidence.DOCUMENTED, Evidence.NAMED}
