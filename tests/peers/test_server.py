"""The server fixture: the real command, its tokens, a crash and an orderly end."""

from __future__ import annotations

import httpx

from twinhelm.core.roles import Role


def test_a_server_crashes_comes_back_and_ends_in_order(twinhelm_server):
    server = twinhelm_server
    tokens = f"{server.url}/api/twinhelm/v1/tokens"
    assert httpx.get(tokens, trust_env=False).status_code == 401
    assert (
        httpx.get(tokens, headers=server.headers(Role.VIEWER), trust_env=False).status_code == 403
    )
    assert httpx.get(tokens, headers=server.headers(), trust_env=False).status_code == 200

    server.kill9()
    server.start()
    names = {token["name"] for token in httpx.get(tokens, headers=server.headers()).json()}
    assert names >= {"test-ADMIN", "test-VIEWER"}

    assert server.stop() == 0, server.log
