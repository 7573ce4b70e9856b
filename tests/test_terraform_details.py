"""What a plan changes inside a resource: of entries that Terraform writes, and of its own plan."""

import pytest

from generator.terraform import Terraform
from generator.terraform_details import details


def change(before, after, actions=("update",), **more):
    return {"actions": list(actions), "before": before, "after": after, **more}


def test_attributes_that_change_are_said_with_their_values():
    before = {"instance_type": "t3.medium", "tags": {"a": "1"}, "disk": [{"size": 20, "kind": "gp3"}], "same": 1}
    after = {
        "instance_type": "t3.large",
        "tags": {"a": "1", "b": "2"},
        "disk": [{"size": 30, "kind": "gp3"}],
        "same": 1,
    }
    assert details(change(before, after)) == (
        "disk[0].size 20 -> 30",
        'instance_type "t3.medium" -> "t3.large"',
        'tags.b null -> "2"',
    )


def test_why_a_resource_is_replaced_comes_first_though_its_values_are_long_or_unknown():
    before = {"size": "a", "user_data": "x" * 100, "id": "i-1", "image": "old"}
    after = {"size": "b", "user_data": "y" * 100, "image": "new"}
    unknown = {"id": True}
    paths = [["user_data"], ["image"]]
    found = details(change(before, after, ("delete", "create"), after_unknown=unknown, replace_paths=paths))
    assert found == ('image "old" -> "new" forces a new one', "user_data forces a new one", 'size "a" -> "b"')


@pytest.mark.parametrize(
    "marks",
    [
        {"before_sensitive": {"password": True}},
        {"after_sensitive": {"password": True}},
        {"before_sensitive": True},
        {"after_sensitive": True},
    ],
)
def test_a_secret_is_not_said_nor_what_is_inside_one(marks):
    before, after = {"password": {"of": ["old"]}}, {"password": {"of": ["new"]}}
    assert details(change(before, after, **marks)) == ()
    assert details(change(before, after, **marks, replace_paths=[["password"]])) == ("password.of[0] forces a new one",)


@pytest.mark.parametrize(("before", "after", "action"), [(None, {"a": 1}, "create"), ({"a": 1}, None, "delete")])
def test_what_is_made_or_destroyed_has_no_details(before, after, action):
    assert details(change(before, after, (action,))) == ()


def test_of_many_attributes_some_are_said_and_the_rest_counted():
    found = details(change({f"a{n}": 1 for n in range(9)}, {f"a{n}": 2 for n in range(9)}))
    assert len(found) == 6 and found[-1] == "and 4 more"


class Silent:
    def note(self, line):
        pass


def test_details_of_a_real_plan(tmp_path):
    """As the terraform that is installed plans it: one updated, one replaced, one with a secret, one left alone."""
    text = """
variable "secrets" {
  type      = map(string)
  ephemeral = true
  default   = {}
}

resource "terraform_data" "updated" {
  input = "WORD"
}

resource "terraform_data" "replaced" {
  triggers_replace = { size = "WORD" }
}

resource "terraform_data" "secret" {
  input = sensitive("WORD")
}

resource "terraform_data" "same" {
}
"""
    file = tmp_path / "machines.tf"
    file.write_text(text.replace("WORD", "one"))
    terraform = Terraform(tmp_path, tmp_path / "cache", Silent())
    terraform.init()
    first = terraform.plan({})
    assert terraform.details(first) == {}
    terraform.apply(first, {})
    file.write_text(text.replace("WORD", "two"))
    found = terraform.details(terraform.plan({}))
    assert found["terraform_data.updated"] == ('input "one" -> "two"',)
    assert found["terraform_data.replaced"] == ('triggers_replace.size "one" -> "two" forces a new one',)
    assert found["terraform_data.secret"] == () and "terraform_data.same" not in {k for k, v in found.items() if v}
