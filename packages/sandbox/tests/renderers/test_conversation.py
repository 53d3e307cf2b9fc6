"""What a chat message asks for."""

from __future__ import annotations

from rivya_sandbox.renderers.conversation import SHAPE_INSTRUCTION, repeated, understood

ASKED = f'A lamp\n\n{SHAPE_INSTRUCTION}{{"line":"string"}}'
AGAIN = "That answer could not be used: line is missing."


def test_a_message_is_its_words_and_the_shape_of_the_answer() -> None:
    asked = understood(ASKED, [("user", "An earlier one"), ("assistant", "Yes.")])
    assert (asked.text, asked.shape) == ("A lamp", {"line": "string"})
    assert asked.earlier == ("An earlier one",)


def test_a_request_to_repeat_is_the_message_that_it_repeats() -> None:
    history = [("user", "Before"), ("user", ASKED), ("assistant", "No."), ("user", AGAIN)]
    asked = understood(AGAIN, history)
    assert (asked.text, asked.shape, asked.earlier) == ("A lamp", {"line": "string"}, ("Before",))
    assert repeated(AGAIN, history) == ASKED


def test_a_request_to_repeat_without_a_message_before_stands_for_itself() -> None:
    assert understood(AGAIN, []).text == AGAIN
    assert repeated(AGAIN, []) == AGAIN


def test_a_broken_or_endless_shape_is_none() -> None:
    for shape in ("{oops", "[1]", "[" * 100_000):
        message = f"A lamp\n\n{SHAPE_INSTRUCTION}{shape}"
        assert understood(message, []).shape is None
