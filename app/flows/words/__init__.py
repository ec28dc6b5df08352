"""The words of flows: what an author says in one line, and the verbs that it becomes.

A word is a class: its fields are the keys that an author writes, ``write`` says what becomes of them. A new word is a
class, and a line in ``steps``' table.
"""
