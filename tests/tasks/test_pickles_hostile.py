"""Pickles made to harm: one line, in little time and memory, and nothing of theirs is run."""

from __future__ import annotations

import pickle
import resource
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from neptune.errors import DatasetError
from neptune.tasks.referring.unpickle import read_pickle


def op(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


PICKLES = {
    "a memo of four thousand million": op(b"]", b"r\xff\xff\xff\xff", b"b"),
    "a memo by text": op(b"]", b"p4000000000\n", b"b"),
    "state on a function": op(b"c_codecs\nencode\n", b"}", b"U\x0c__defaults__", b"K\x01s", b"b"),
    "state on a type": op(b"cnumpy\ndtype\n", b"(I3\nS'<'\nNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"),
    "a call of a plain value": op(b"]", b")", b"R"),
    "arguments that are no tuple": op(b"cnumpy\ndtype\n", b"]", b"R"),
    "a type with fields": op(b"cnumpy\ndtype\n", b"]", b"\x85R"),
    "a type of objects": op(b"cnumpy\ndtype\nU\x02O8\x85R"),
    "a key that is a list of lists": op(b"}", b")" + b"\x85" * 200_000, b"K\x01s"),
    "a set of deep tuples": op(b"c__builtin__\nset\n](" + b")" + b"\x85" * 200_000 + b"e\x85R"),
    "itself": op(b"]q\x00h\x00a"),
    "a list in an instruction for dicts": op(b"]", b"K\x01K\x02s"),
    "a dict in an instruction for lists": op(b"}", b"K\x01a"),
    "a maker left over": op(b"c_codecs\nencode\n"),
    "a class": op(b"(cos\nsystem\no"),
    "an instance": op(b"(S'x'\nios\nsystem\n"),
    "a persistent id": op(b"Pkey\n"),
    "an extension": op(b"\x82\x01"),
    "a new object": op(b"c__builtin__\nset\n)\x81"),
    "a buffer": b"\x80\x05\x97.",
    "a bytearray of a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "bytes of a terabyte": b"\x80\x05\x8e" + struct.pack("<Q", 2**40) + b".",
    "a frame of a terabyte": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"]b.",
    "references without end": op(b"]q\x00" + b"".join(
        b"](" + (b"h" + bytes([k])) * 10 + b"eq" + bytes([k + 1]) for k in range(40))),
    "a number of a million digits": op(b"I" + b"9" * 1_000_000 + b"\n"),
    "deep": op(b")" + b"\x85" * 5_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", PICKLES)
def test_a_hostile_pickle_is_one_line_in_little_time_and_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "refs(unc).p"
    path.write_bytes(PICKLES[kind])
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(DatasetError) as caught:
        read_pickle(path)
    assert len(caught.value.one_line().splitlines()) == 1
    assert len(caught.value.one_line()) < 700
    assert time.process_time() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes
    # And what stands for a name is as it was.
    path.write_bytes(pickle.dumps([np.float32(0.5), {1}], protocol=2))
    assert read_pickle(path) == [0.5, {1}]
