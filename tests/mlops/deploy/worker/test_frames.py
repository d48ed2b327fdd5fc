from __future__ import annotations

from twinhelm.mlops.deploy.worker.frames import Frame, Inbox, pack

FRAMES = [
    Frame(1, 0, "id", b"body"),
    Frame(2, 200, "", b"", 3, 1, 1),
    Frame(3, 1, "ä", b"x" * 5000),
]


def test_frames_come_out_as_they_went_in_however_they_are_cut():
    whole = b"".join(pack(each) for each in FRAMES)
    for size in (1, 7, 23, 24, 4096, len(whole)):
        inbox, found = Inbox(), []
        for at in range(0, len(whole), size):
            found += inbox.feed(whole[at : at + size])
        assert found == FRAMES


def test_a_reader_may_use_its_room_again_once_it_took_the_bodies():
    whole = b"".join(pack(each) for each in FRAMES) * 2
    room, inbox, found = memoryview(bytearray(100)), Inbox(), []
    for at in range(0, len(whole), len(room)):
        part = whole[at : at + len(room)]
        room[: len(part)] = part
        found += [each._replace(body=bytes(each.body)) for each in inbox.feed(room[: len(part)])]
    assert found == FRAMES * 2
