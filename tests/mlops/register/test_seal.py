"""A sealed folder verifies, and any change to it is found and named."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from peers.programs import require
from twinhelm.core.errors import BadInput, Denied
from twinhelm.core.json import dumps, loads
from twinhelm.mlops.register.seal import Seal


@pytest.fixture
def seal(tmp_path):
    return Seal(tmp_path / "secrets" / "signing.pem")


def test_what_is_signed_verifies(seal, model):
    folder = model()
    sealed = seal.verify(folder, seal.sign(folder, "fraud/1"))
    assert set(sealed.files) == {"MLmodel", "conda.yaml", "model.pkl"}
    assert len(sealed.root) == 64
    assert sealed.signer == seal.signer


def test_the_key_is_made_once_and_is_its_owners_alone(seal, tmp_path):
    path = tmp_path / "secrets" / "signing.pem"
    assert seal.public == Seal(path).public
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "no key"])
def test_a_spoilt_key_is_told_of(tmp_path, model, text):
    (tmp_path / "key.pem").write_text(text)
    with pytest.raises(BadInput, match="P-256"):
        Seal(tmp_path / "key.pem").sign(model(), "fraud/1")


def test_equal_folders_have_one_root_wherever_they_lie(seal, model):
    one, other = model(), model()
    bundle = seal.sign(one, "fraud/1")
    assert seal.verify(other, bundle).root == seal.verify(one, bundle).root


def change(folder):
    (folder / "model.pkl").write_bytes(b"other")


def remove(folder):
    (folder / "conda.yaml").unlink()


def add(folder):
    (folder / "extra").write_text("x")


def rename(folder):
    (folder / "conda.yaml").rename(folder / "other.yaml")


def link(folder):
    (folder / "conda.yaml").unlink()
    (folder / "conda.yaml").symlink_to(folder / "MLmodel")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (change, "model.pkl is not as it was signed"),
        (remove, "conda.yaml is missing"),
        (add, "extra was never signed"),
        (rename, "conda.yaml is missing"),
        (link, "conda.yaml is a link"),
    ],
)
def test_tampering_is_found_and_named(seal, model, tamper, named):
    folder = model()
    bundle = seal.sign(folder, "fraud/1")
    tamper(folder)
    with pytest.raises(Denied, match=named):
        seal.verify(folder, bundle)


def test_another_key_is_not_believed(seal, model, tmp_path):
    folder = model()
    with pytest.raises(Denied, match="key"):
        seal.verify(folder, Seal(tmp_path / "other.pem").sign(folder, "fraud/1"))


def broken(bundle, how):
    held = loads(bundle)
    envelope = held["dsseEnvelope"]
    if how == "payload":
        said = loads(base64.b64decode(envelope["payload"]))
        said["predicate"]["resources"].pop()
        envelope["payload"] = base64.b64encode(dumps(said)).decode()
    elif how == "no signature":
        envelope["signatures"] = []
    elif how == "kind":
        held["mediaType"] = "text/plain"
    elif how == "base64":
        envelope["payload"] = "%"
    else:
        return b"[]" if how == "list" else b"{" * 100_000 if how == "deep" else b"no json"
    return dumps(held)


@pytest.mark.parametrize(
    "how", ["payload", "no signature", "kind", "base64", "list", "deep", "not json"]
)
def test_a_broken_signature_is_refused(seal, model, how):
    folder = model()
    with pytest.raises(Denied):
        seal.verify(folder, broken(seal.sign(folder, "fraud/1"), how))


def test_nothing_of_an_empty_folder_can_change(seal, tmp_path):
    (tmp_path / "empty").mkdir()
    bundle = seal.sign(tmp_path / "empty", "none/1")
    assert seal.verify(tmp_path / "empty", bundle).files == {}


# The real verifier, both ways. It asks for keys as files.


def model_signing(*args):
    done = subprocess.run(
        [str(require("model_signing")), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.peer("model_signing")
def test_model_signing_verifies_ours(seal, model, tmp_path):
    folder = model({"a.b": "1", "a/b": "1", "code/x.py": ""})
    (tmp_path / "model.sig").write_bytes(seal.sign(folder, "fraud/1"))
    (tmp_path / "public.pem").write_bytes(seal.public)
    check = ["verify", "key", folder, "--signature", tmp_path / "model.sig",
             "--public_key", tmp_path / "public.pem"]  # fmt: skip
    code, said = model_signing(*check)
    assert code == 0, said
    (folder / "model.pkl").write_bytes(b"other")
    code, said = model_signing(*check)
    assert code != 0
    assert "model.pkl" in said


@pytest.mark.peer("model_signing")
def test_we_verify_what_model_signing_signs(seal, model, tmp_path):
    folder, key = model({"a.b": "1", "a/b": "1"}), Path(tmp_path / "secrets" / "signing.pem")
    assert seal.signer
    code, said = model_signing("sign", "key", folder, "--signature", tmp_path / "model.sig",
                               "--private_key", key)  # fmt: skip
    assert code == 0, said
    theirs = seal.verify(folder, (tmp_path / "model.sig").read_bytes())
    assert theirs.root == seal.verify(folder, seal.sign(folder, "fraud/1")).root
    (folder / "extra").write_text("x")
    with pytest.raises(Denied, match="extra"):
        seal.verify(folder, (tmp_path / "model.sig").read_bytes())
