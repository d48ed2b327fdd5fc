"""A real server tells real receivers, killed again and again: each message once, in order.

A webhook that checks signatures, a mail server, and a real Alertmanager where one is installed.
"""

from __future__ import annotations

import time

import httpx

from peers.plans import everything
from peers.plans import hook as hook_channel
from peers.plans import mail as mail_channel
from peers.receivers import Endpoint, MailServer
from twinhelm.aiops.notify.channels.webhook import sign

SECRET = "whsec_" + "c2VjcmV0" * 4
ALERTMANAGER = '[[channels]]\nname = "am"\nkind = "alertmanager"\nurl = "{url}"\ngather_s = 0'
COUNT = 6


def signed(taken):
    name, stamp = taken.headers["webhook-id"], taken.headers["webhook-timestamp"]
    assert taken.headers["webhook-signature"] == sign(SECRET, name, stamp, taken.body)


def wait(ask, patience_s=120):
    deadline = time.monotonic() + patience_s
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def alert(number, **more):
    labels = {"alertname": f"Down{number}", "severity": "critical", "service": f"s{number}"}
    return {"labels": labels, "annotations": {"summary": f"trouble {number}"}, **more}


def post(server, *alerts):
    answer = httpx.post(
        f"{server.url}/api/v2/alerts", json=list(alerts), trust_env=False, timeout=60
    )
    assert answer.status_code == 200, answer.text


def plan(data, hook, mail, more="", to=()):
    data.mkdir()
    mailed = mail_channel(mail.port, 'to = ["ops@example.org"]\nmost = 1000\n')
    text = f"{hook_channel(hook.url + '/in')}{mailed}{more}\n"
    (data / "notify.toml").write_text(text + everything("channel:hook", "channel:mail", *to))


def test_killed_between_deliveries_everybody_hears_all_of_it_once_and_in_order(
    start_twinhelm, tmp_path
):
    data = tmp_path / "data"
    with Endpoint(signed) as hook, MailServer() as mail:
        plan(data, hook, mail)
        server = start_twinhelm("--no-host", env={"TWINHELM_SECRET_HOOK": SECRET}, data=data)
        for number in range(COUNT):
            post(server, alert(number))
            # the kill falls wherever it falls: before hearing, while sending, after
            wait(lambda number=number: incidents(server) > number)
            server.kill9()
            server.start()
        hook.wait(lambda taken: len({one.headers["webhook-id"] for one in taken}) == COUNT)
        wait(lambda: len({one["Message-ID"] for one in mail.messages}) == COUNT)
        once = {one.headers["webhook-id"]: one.said["data"]["title"] for one in hook.taken}
        assert [title[-1] for title in once.values()] == [str(each) for each in range(COUNT)]
        mails = {one["Message-ID"]: one["Subject"] for one in mail.messages}
        assert [subject[-1] for subject in mails.values()] == [str(each) for each in range(COUNT)]
        assert not hook.wrong

        def settled():
            url = f"{server.url}/api/twinhelm/v1/notices"
            rows = httpx.get(url, trust_env=False, timeout=60).json()
            return len(rows) == 2 * COUNT and {row["state"] for row in rows} == {"sent"}

        wait(settled)
        verified = f"{server.url}/api/twinhelm/v1/journal/verification"
        assert httpx.get(verified, trust_env=False, timeout=60).json()["ok"]


def incidents(server):
    found = httpx.get(f"{server.url}/api/twinhelm/v1/incidents", trust_env=False, timeout=60).json()
    return len(found["incidents"])


def test_a_real_alertmanager_hears_that_it_began_and_that_it_is_over(
    start_twinhelm, alertmanager, tmp_path
):
    peer = alertmanager("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with Endpoint(signed) as hook, MailServer() as mail:
        data = tmp_path / "data"
        plan(data, hook, mail, ALERTMANAGER.format(url=peer.url), ("channel:am",))
        server = start_twinhelm("--no-host", env={"TWINHELM_SECRET_HOOK": SECRET}, data=data)
        post(server, alert(1))

        def active():
            found = httpx.get(f"{peer.url}/api/v2/alerts", trust_env=False, timeout=60).json()
            return [one for one in found if "twinhelm_thread" in one["labels"]]

        (known,) = wait(active)
        assert known["annotations"]["summary"] == "Down1: trouble 1"
        assert known["status"]["state"] == "active"
        token = server.headers()
        path = f"{server.url}/api/twinhelm/v1/incidents/1/resolve"
        answer = httpx.post(
            path, json={"note": "mended"}, headers=token, trust_env=False, timeout=60
        )
        assert answer.status_code == 200
        wait(lambda: not active())
