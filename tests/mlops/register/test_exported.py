"""What a house exported is believed by its public key alone, and only whole."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import pytest

from mlops.deploy import models
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, Unavailable
from twinhelm.mlops.register.exported import KIND, RECORD, Exported, read, write
from twinhelm.mlops.register.seal import PREDICATE, Seal, Verifier
from twinhelm.mlops.types import Approval, ApprovalState, Product, ProductVersion, Stage

SPEC = {
    "product": {"name": "fraud", "use_case": "u", "decides": "d", "owner": "o", "tier": "low"},
    "rollout": {"memory_mb": 300},
}


@pytest.fixture
def verifier(exporting_house):
    return Verifier(exporting_house.key)


@pytest.fixture
def folder(exporting_house, tmp_path):
    return exporting_house.export(models.odd(tmp_path / "m"), spec=SPEC)


def test_what_was_written_is_read(folder, verifier):
    found = read(folder, verifier)
    assert (found.version.ref, found.version.stage, found.made_by) == ("fraud/3", "live", "ann")
    assert found.spec.rollout.memory_mb == 300
    assert found.approval is None
    assert not list(folder.parent.glob("*~"))


def test_who_let_it_in_travels_along_and_a_product_without_a_file_has_none(
    exporting_house, folder, verifier
):
    known = read(folder, verifier)
    agreed = Approval("fraud/3/1", "fraud", "3", "ada", 5, 1, ApprovalState.APPROVED)
    bare = Product("fraud", "d", "o", "low")
    target = folder.with_name("again")
    write(Exported(bare, known.version, agreed, 9, "ann"), folder, target, exporting_house.seal)
    found = read(target, verifier)
    assert (found.approval, found.spec, found.made_ms) == (agreed, None, 9)


def rewrite(path, content):
    path.chmod(0o600)
    path.write_bytes(content)


def other_files(folder, house):
    rewrite(folder / "model" / "model.pkl", b"other")


def one_more_file(folder, house):
    (folder / "model" / "more.py").write_text("")


def one_file_less(folder, house):
    (folder / "model" / "model.pkl").unlink()


def another_version_signed_by_the_house(folder, house):
    other = house.export(models.odd(folder.with_name("m2"), times=2.0), version="4")
    for name in ("model.sig", RECORD):
        rewrite(folder / name, (other / name).read_bytes())


def a_record_about_other_files(folder, house):
    other = house.export(models.odd(folder.with_name("m2"), times=2.0), version="4")
    rewrite(folder / RECORD, (other / RECORD).read_bytes())


def a_record_that_names_another_digest(folder, house):
    said = Exported(
        Product("fraud", "d", "o", "low"), ProductVersion("fraud", "9", Stage.LIVE, 1, "m"),
        None, 2, "ann",
    )  # fmt: skip
    root, _ = Verifier(house.key).attested((folder / "model.sig").read_bytes(), PREDICATE)
    rewrite(folder / RECORD, house.seal.attest("fraud/9", root, KIND, asdict(said)))


def the_signature_in_place_of_the_record(folder, house):
    rewrite(folder / RECORD, (folder / "model.sig").read_bytes())


def the_record_in_place_of_the_signature(folder, house):
    rewrite(folder / "model.sig", (folder / RECORD).read_bytes())


def a_record_of_another_key(folder, house):
    seal = Seal(folder.parent / "other.pem")
    root, said = Verifier(house.key).attested((folder / RECORD).read_bytes(), KIND)
    rewrite(folder / RECORD, seal.attest("fraud/3", root, KIND, said))


@pytest.mark.parametrize(
    "change",
    [
        other_files,
        one_more_file,
        one_file_less,
        another_version_signed_by_the_house,
        a_record_about_other_files,
        a_record_that_names_another_digest,
        the_signature_in_place_of_the_record,
        the_record_in_place_of_the_signature,
        a_record_of_another_key,
    ],
    ids=lambda each: each.__name__,
)
def test_what_was_changed_is_not_believed(change, folder, exporting_house, verifier):
    read(folder, verifier)
    change(folder, exporting_house)
    with pytest.raises(Denied):
        read(folder, verifier)


@pytest.mark.parametrize("name", ["model.sig", RECORD])
def test_what_lacks_a_signature_is_no_export(folder, verifier, name):
    (folder / name).unlink()
    with pytest.raises(NotFound, match="no exported version"):
        read(folder, verifier)


def test_what_is_there_is_not_written_over(exporting_house, folder, verifier):
    found = read(folder, verifier)
    with pytest.raises(Conflict, match="there already"):
        write(found, folder, folder, exporting_house.seal)


def test_half_an_export_is_none(exporting_house, folder, verifier, monkeypatch):
    found, target = read(folder, verifier), folder.with_name("half")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(Unavailable, match="No space left"):
        write(found, folder, target, exporting_house.seal)
    assert not list(folder.parent.glob("half*"))


@pytest.mark.parametrize("text", [b"", b"no key", None])
def test_a_key_that_is_none_is_told(folder, tmp_path, text):
    key = tmp_path / "key.pem"
    if text is not None:
        key.write_bytes(text)
    with pytest.raises(BadInput, match=r"key\.pem holds no public P-256 key"):
        read(folder, Verifier(key))


def test_the_private_key_does_not_pass_for_the_public_one(folder, exporting_house):
    with pytest.raises(BadInput, match="no public P-256 key"):
        read(folder, Verifier(exporting_house.folder / "signing.pem"))
