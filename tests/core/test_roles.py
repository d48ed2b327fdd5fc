"""The matrix of roles and rights."""

from __future__ import annotations

import pytest

from twinhelm.core.roles import ANONYMOUS, GRANTS, Identity, Right, Role, allows

OTHERS = [role for role in Role if role is not Role.ADMIN]


def holder(*roles: Role) -> Identity:
    return Identity("ada", frozenset(roles), "token")


def test_every_role_has_its_row():
    assert set(GRANTS) == set(Role)


@pytest.mark.parametrize("role", Role)
def test_whoever_has_a_role_may_read(role):
    assert allows(holder(role), Right.READ)


@pytest.mark.parametrize("right", Right)
def test_an_admin_holds_every_right(right):
    assert allows(holder(Role.ADMIN), right)


@pytest.mark.parametrize("right", Right)
def test_nobody_holds_no_right(right):
    assert not allows(ANONYMOUS, right)


@pytest.mark.parametrize("role", OTHERS)
def test_only_an_admin_administers(role):
    assert not allows(holder(role), Right.ADMIN)


def test_who_builds_does_not_approve():
    assert not any({Right.BUILD, Right.APPROVE} <= GRANTS[role] for role in OTHERS)


def test_roles_add_up():
    both = holder(Role.OPERATOR, Role.APPROVER)
    assert allows(both, Right.OPERATE)
    assert allows(both, Right.APPROVE)
    assert not allows(both, Right.BUILD)
