"""Where the values of secrets are opened."""

from __future__ import annotations

import ast

from tests.architecture.source_tree import modules

MAY_OPEN = {"provisioner/model/secret.py", "provisioner/reconcile/secret_delivery.py"}
"""For a login, a digest, what hides values, and what brings them to a node."""


def test_a_secret_is_opened_in_two_modules() -> None:
    """Nobody else asks a secret for its value."""
    opens = {
        module.path
        for module in modules("provisioner")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    }
    assert opens == MAY_OPEN


def test_no_value_of_the_model_holds_a_secret_but_its_login() -> None:
    """What travels between rooms, is shown or is kept cannot hold one: a type that says so stands nowhere."""
    holding = {
        (module.path, node.name)
        for module in modules("provisioner")
        for node in module.classes()
        for field in node.body
        if isinstance(field, ast.AnnAssign)
        and "Secret" in {each.id for each in ast.walk(field.annotation) if isinstance(each, ast.Name)}
    }
    assert holding == {("provisioner/model/secret.py", "Login")}
