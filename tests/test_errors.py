from generator.errors import InvalidFile, Problem, UserError


def test_a_user_error_says_what_and_what_to_do():
    error = UserError("The disk is full.", "Make room.")
    assert (str(error), error.hint) == ("The disk is full.", "Make room.")


def test_problems_come_in_the_order_of_their_lines():
    error = InvalidFile(
        "a.yaml", [Problem("spec.b", 3, "is wrong"), Problem("spec.a", 1, "is missing", "such as a: 1")]
    )
    assert error.message == "a.yaml:1: spec.a: is missing (such as a: 1)\na.yaml:3: spec.b: is wrong"
    assert isinstance(error, UserError)
    assert "a.yaml" in error.hint


def test_of_very_many_problems_the_first_are_shown_and_the_rest_counted():
    error = InvalidFile("a.yaml", [Problem("spec", line, "is wrong") for line in range(1, 1001)])
    lines = error.message.splitlines()
    assert len(lines) == 51 and lines[-1] == "a.yaml: and 950 more" and len(error.problems) == 1000
