"""`check` compares what a prompt tells callers to press with the keys of its menu."""

import re

from flow_harness import compile_text, make_flow_text

from each_case import each_case

MENU = "- menu: {prompt: %r, keys: {1: start}, voice: {lang: %s}}\n- say: Bye."


def find_missing_keys(text: str, lang: str) -> list[str]:
    problems = compile_text(make_flow_text(MENU % (text, lang))).problems
    return [re.search("press (.)", one.message)[1] for one in problems if one.rule == "prompt-key"]


@each_case(
    ("lang", "text", "missing"),
    [
        ("en-US", "Press 1 for sales, 2 for support, or 3 for billing.", ["2", "3"]),
        ("en-US", "Press 1, 2 or 3.", ["2", "3"]),
        ("en-US", "Press #4 for sales, or press * to go back.", ["4", "*"]),
        ("en-GB", "For sales dial four. Hit the pound key when you are done.", ["4", "#"]),
        ("es-US", "Para ventas marque 1, para soporte marque el dos, o presione la tecla asterisco.", ["2", "*"]),
        ("fr-FR", "Tapez 1 pour les ventes, ou appuyez sur la touche 4 pour le support.", ["4"]),
        ("de-DE", "Drücken Sie die 1 oder 2. Drücken Sie die Rautetaste.", ["2", "#"]),
    ],
)
def test_a_key_that_a_prompt_names_and_the_menu_lacks_is_a_warning(lang, text, missing):
    assert find_missing_keys(text, lang) == missing


@each_case(
    ("lang", "text"),
    [
        ("en-US", "In an emergency hang up and dial 911. Press 1 for offices 2 to 5, open from 9 to 5 for walk-ins."),
        ("en-US", "Press one of the keys, or press one or more. Do not press 9, and press 1 to hold for 5 minutes."),
        ("en-US", "Press 1 to hear the 2 for 1 offer, or enter 4 digits. You may press 3 times."),
        ("es-US", "Oprima uno de los números. No oprima 9. Marque el 911 en una emergencia."),
        ("fr-FR", "Appuyez sur un bouton. En urgence composez le 15."),
        ("de-DE", "Im Notfall wählen Sie 112. Drücken Sie nicht die 9."),
        ("it-IT", "Press 9."),
    ],
)
def test_a_number_that_is_surely_no_key_is_no_warning(lang, text):
    assert find_missing_keys(text, lang) == []
