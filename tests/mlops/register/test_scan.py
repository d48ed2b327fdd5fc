"""What must not be opened is refused and named; what real libraries write is let through."""

from __future__ import annotations

import bz2
import collections
import datetime
import gzip
import io
import lzma
import os
import pickle
import subprocess
import zipfile
import zlib

import numpy as np
import pytest

from twinhelm.core.errors import BadInput
from twinhelm.mlops.register.scan import scan


class Evil:
    """Calls something when it is unpickled."""

    def __init__(self, call, *args):
        self.call = (call, args)

    def __reduce__(self):
        return self.call


def evil(call=os.system, *args):
    return pickle.dumps(Evil(call, *(args or ("true",))))


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def array_file(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def refused(folder, **options):
    return " | ".join(scan(folder, **options).refused)


PLAIN = [
    [],
    {"a": (1, 2.5, None, True, b"x", "y", 10**40)},
    {1, 2},
    frozenset("ab"),
    collections.OrderedDict(a=1),
    collections.defaultdict(list, a=[1]),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    np.arange(6.0).reshape(2, 3),
    np.array(["a", None], object),
    np.array([(1, 2.0)], [("a", "i8"), ("b", "f8")]),
    np.float64(1.5),
    np.random.default_rng(1),
    np.random.RandomState(1),
    np.dtype("datetime64[ns]"),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_pass_in_every_protocol(model, value, protocol):
    assert refused(model({"model.pkl": pickle.dumps(value, protocol)})) == ""


def test_models_of_scikit_learn_pass(model):
    pytest.importorskip("sklearn")
    import joblib
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    made = [
        make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()),
        RandomForestClassifier(3),
        HistGradientBoostingClassifier(max_iter=2),
        KNeighborsClassifier(algorithm="kd_tree"),
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="roc_auc", cv=2),
        make_pipeline(
            ColumnTransformer([("one", OneHotEncoder(), [0])]), RandomForestClassifier(2)
        ),
    ]
    folder = model()
    for number, each in enumerate(made):
        each.fit(rows, labels)
        (folder / f"{number}.pkl").write_bytes(pickle.dumps(each))
        for way in (0, 3, ("bz2", 3), ("xz", 1), ("gzip", 3), ("lzma", 1)):
            joblib.dump(each, folder / f"{number}-{way if way == 0 else way[0] if way != 3 else 3}"
                        ".joblib", compress=way)  # fmt: skip
    assert refused(folder) == ""


CALLS = [
    (os.system, "os.system|posix.system"),
    (subprocess.Popen, "subprocess.Popen"),
    (eval, "builtins.eval"),
    (exec, "builtins.exec"),
    (getattr, "builtins.getattr"),
    (__import__, "builtins.__import__"),
    (open, "open"),
    (np.load, "numpy.load"),
    (pickle.loads, "_pickle.loads"),
]


@pytest.mark.parametrize(("call", "named"), CALLS, ids=lambda each: str(each)[:20])
@pytest.mark.parametrize("name", ["model.pkl", "weights.bin", "notes.txt", "data/vector"])
def test_a_pickle_that_calls_is_refused_whatever_it_is_called(model, call, named, name):
    said = refused(model({name: evil(call)}))
    assert any(each in said for each in named.split("|")), said
    assert name in said


@pytest.mark.parametrize("protocol", range(6))
def test_it_is_refused_in_every_protocol(model, protocol):
    folder = model({"x.bin": pickle.dumps(Evil(os.system, "true"), protocol)})
    assert "system" in refused(folder)


WAYS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "zlib in two streams": lambda data: zlib.compress(data[:9]) + zlib.compress(data[9:]),
    "gzip with a wrong sum": lambda data: gzip.compress(data)[:-8] + b"\0" * 8,
    "zip": lambda data: zipped(**{"deep/inside": data}),
    "zip in gzip": lambda data: gzip.compress(zipped(a=data)),
    "npz": lambda data: zipped(**{"a.npy": array_file(np.array([Evil(os.system, "true")]))}),
    "npy": lambda data: array_file(np.array([Evil(os.system, "true")])),
    "behind another pickle": lambda data: pickle.dumps([1]) + data,
    "cut off after the call": lambda data: data[:-1],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["x.bin", "x.joblib"])
def test_it_is_found_inside(model, way, name):
    assert "system" in refused(model({name: WAYS[way](evil())}))


RAW = {
    "name built at run time": b"\x80\x04\x8c\x02os\x8c\x00\x86R\x8c\x06system\x93.",
    "str called for the name": b"cbuiltins\nstr\n(S'os'\ntR\x8c\x06system\x93.",
    "by memo": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.",
    "popped over": b"\x80\x04\x8c\x02os\x8c\x01x0\x8c\x06system\x93.",
    "old name": b"c__builtin__\neval\n(S'1'\ntR.",
    "inst": b"(S'true'\nios\nsystem\n.",
    "dotted": b"\x80\x04\x8c\x0csklearn.base\x8c\x0awarnings.sys\x93.",
    "module": b"\x80\x04\x8c\x0csklearn.base\x8c\x02os\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02U\x01xQ.",
}


@pytest.mark.parametrize("how", RAW)
def test_roundabout_ways_are_refused(model, how):
    assert "model.pkl" in refused(model({"model.pkl": RAW[how]}))


def hidden(padding):
    """A joblib file whose array is, for a plain unpickler, a call."""
    joblib = pytest.importorskip("joblib")
    out = io.BytesIO()
    call = b"0cos\nsystem\n(S'true'\ntR."
    joblib.dump(np.frombuffer(call.ljust(padding), np.uint8), out)
    # Without alignment the bytes follow the wrapper at once.
    data = out.getvalue().replace(b"alignment_bytes\x94K\x10u", b"alignment_bytes\x94Nu")
    at = data.index(call)
    return data[: data.rindex(b"b", 0, at) + 1] + data[at:]


@pytest.mark.parametrize("name", ["model.joblib", "weights.bin"])
def test_a_joblib_file_that_joblib_cannot_read_may_still_be_a_pickle(model, name):
    cut = hidden(400)[:-360]  # the array is told to be longer than the file
    assert "os.system" in refused(model({name: cut}))


def test_what_joblib_steps_over_is_looked_at_too(model):
    assert "os.system" in refused(model({"model.joblib": hidden(40)}))


def test_code_behind_an_array_of_joblib_is_found(model):
    joblib = pytest.importorskip("joblib")
    out = io.BytesIO()
    joblib.dump([np.arange(100.0), Evil(os.system, "true")], out)
    assert "system" in refused(model({"model.joblib": out.getvalue()}))


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04", b"no pickle at all", b"\x80", b"\x80\x04]q\x00"]
)
def test_what_should_be_a_pickle_and_is_none_is_refused_unless_empty(model, data):
    assert ("model.pkl" in refused(model({"model.pkl": data}))) == bool(data)


@pytest.mark.parametrize(
    "text", ["class,x\n1,2\n", "cat\ndog\n", "tree\nversion=v4\n", "(i\n\n", "I1\n."]
)
def test_ordinary_texts_pass(model, text):
    assert refused(model({"vocabulary.txt": text, "code/at.py": text, "t.csv": text})) == ""


@pytest.mark.parametrize("name", ["lib.so", "run.sh", "code/__pycache__/x.pyc", "a.7z", "b.tar"])
def test_programs_and_closed_archives_are_refused_by_name(model, name):
    assert name in refused(model({name: b"anything"}))


@pytest.mark.parametrize(
    "head", [b"\x7fELF", b"MZ", b"#!/bin/sh\n", b"7z\xbc\xaf", b"\x04\x22\x4d\x18"]
)
def test_and_by_content(model, head):
    assert "weights.dat" in refused(model({"weights.dat": head + b"\0" * 20}))


def test_python_code_is_let_in_and_told_of(model):
    found = scan(model({"code/mine/model.py": "import os\n", "code/mine/__init__.py": ""}))
    assert found.refused == []
    assert "code/mine/model.py" in found.notes[0]


def test_a_pickle_may_name_what_comes_as_code(model):
    data = b"cmine.model\nThing\n."
    assert "mine.model.Thing" in refused(model({"model.pkl": data}))
    assert refused(model({"model.pkl": data, "code/mine/model.py": ""})) == ""


def test_code_cannot_pose_as_the_standard_library(model):
    assert "os.system" in refused(model({"model.pkl": b"cos\nsystem\n.", "code/os.py": ""}))


@pytest.mark.parametrize(
    "line",
    [
        "pickled_model: ../../other/model.pkl",
        "pickled_model: /etc/passwd",
        "data: ~/x",
        'data: "\\x2e\\x2e/x"',
        "loader_module: antigravity",
        "skops_trusted_types: [os.system]",
    ],
)
def test_mlmodel_may_not_lead_elsewhere(model, line):
    assert "MLmodel" in refused(model(mlmodel=f"flavors:\n  sklearn:\n    {line}\n"))


def test_where_an_artifact_came_from_is_no_path(model):
    held = "{artifacts: {x: {path: artifacts/x, uri: /data/ada/x}}}"
    assert refused(model(mlmodel=f"flavors:\n  python_function: {held}\n")) == ""


def test_models_from_code_pass(model):
    held = "{loader_module: mlflow.pyfunc.model, model_code_path: /data/ada/mod.py}"
    text = f"flavors:\n  python_function: {held}\n"
    assert refused(model({"mod.py": "import mlflow\n"}, mlmodel=text)) == ""


def test_a_zip_may_not_lead_outside(model):
    assert "../x" in refused(model({"a.zip": zipped(**{"../x": b"1"})}))


def test_what_unpacks_to_too_much_is_refused(model):
    folder = model({"a.gz": gzip.compress(b"\0" * 5_000_000)})
    assert "too many bytes" in refused(folder, max_unpacked_bytes=1_000_000)


def test_what_is_packed_too_deep_is_refused(model):
    data = b"x" * 40
    for _ in range(6):
        data = gzip.compress(data)
    assert "cannot be looked into" in refused(model({"a.gz": data}))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(BadInput):
        scan(tmp_path)
