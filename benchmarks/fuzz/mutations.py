"""Damage to inputs, drawn from a generator: values of JSON, TOML, SQLite and safetensors, and plain bytes.

Structure-aware changes get past the parsers, to what reads the values; flipped and missing bytes try the parsers.
"""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

DEEP = 5_000  # levels of nesting: past the interpreter's recursion limit
RAW = "@raw@"  # around what is to stand in a text without its quotes

# What readers have stumbled on. Strings between two RAW are written as they are: no library writes such text.
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63),
    10**400,
    -(10**400),
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    f"{RAW}1e999{RAW}",
    f"{RAW}{'9' * 5000}{RAW}",
    f"{RAW}{'[' * DEEP}{']' * DEEP}{RAW}",
    "",
    "x",
    "7",
    "nan",
    "walker2d",
    "\x1b]0;owned\x07\x1b[31m",
    "[/x]",
    "[bold red]:smile:",
    "$\\frac{$",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "\ud800",
    "\x00",
    "../../../etc/passwd",
    "/dev/zero",
    "a" * 5000,
    [],
    [1, 2],
    [None],
    ["x", -1],
    {},
    {"x": 1},
    {"kinds": 3},
)


def flip(data: bytes, rng: random.Random) -> bytes:
    """Change, cut, double or insert some bytes."""
    if not data:
        return bytes(rng.randrange(256) for _ in range(8))
    kind, place = rng.randrange(5), rng.randrange(len(data))
    if kind == 0:
        changed = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 1:
        return data[:place]
    if kind == 2:
        return data[:place] + bytes(rng.randrange(256) for _ in range(rng.randint(1, 16))) + data[place:]
    end = min(place + rng.randint(1, 200), len(data))
    return data[:place] + data[end:] if kind == 3 else data[:end] + data[place:end] + data[end:]


def value(rng: random.Random) -> Any:
    """Draw a value that a reader may not expect."""
    return rng.choice(NASTY)


def change(tree: Any, rng: random.Random) -> Any:
    """Replace, drop or add one thing somewhere in nested tables and lists."""
    places = list(_places(tree, ()))
    path = rng.choice(places)
    return _changed(tree, path, rng)


def _places(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _changed(tree: Any, path: tuple[Any, ...], rng: random.Random) -> Any:
    if len(path) > 1:
        copy = tree.copy()
        copy[path[0]] = _changed(tree[path[0]], path[1:], rng)
        return copy
    if not path:
        return value(rng)
    copy, key, kind = tree.copy(), path[0], rng.randrange(4)
    if kind == 0:
        del copy[key]
    elif kind == 1 and isinstance(copy, dict):
        copy[str(rng.choice(("x", "\x1b[31m", "[/x]", "", "a" * 5000, "__class__")))] = value(rng)
    elif kind == 1:
        copy.insert(key, value(rng))
    else:
        copy[key] = value(rng)
    return copy


def to_json(tree: Any) -> bytes:
    """Write JSON, with what was to stand in it unquoted."""
    return _unquoted(json.dumps(tree)).encode("utf-8", "surrogatepass")


def to_toml(tree: Any) -> bytes:
    """Write tables as TOML: values on one line, as JSON has them, which is TOML too but for null and odd floats."""
    lines: list[str] = []
    _toml(tree if isinstance(tree, dict) else {"value": tree}, (), lines)
    return _unquoted("\n".join(lines)).encode("utf-8", "surrogatepass")


def _toml(table: dict[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    if path:
        lines.append(f"[{'.'.join(json.dumps(key) for key in path)}]")
    tables = {key: each for key, each in table.items() if isinstance(each, dict)}
    for key, each in table.items():
        if key not in tables:
            lines.append(f"{json.dumps(key)} = {json.dumps(each).replace('NaN', 'nan').replace('Infinity', 'inf')}")
    for key, each in tables.items():
        _toml(each, (*path, key), lines)


def _unquoted(text: str) -> str:
    return text.replace(f'"{RAW}', "").replace(f'{RAW}"', "")


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Change a JSON file's values, now and then more than one."""
    tree = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = change(tree, rng)
    return to_json(tree)


def change_lines(data: bytes, rng: random.Random) -> bytes:
    """Change a row of a file of JSON lines, or cut it within one."""
    lines = data.splitlines()
    place = rng.randrange(len(lines))
    if rng.randrange(3) == 0:
        return b"\n".join([*lines[:place], lines[place][: rng.randrange(len(lines[place]) + 1)]])
    lines[place] = change_json(lines[place], rng)
    return b"\n".join([*lines, b""])


def change_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Change the header of a safetensors file, such as a tensor's type, or its numbers."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    kind = rng.randrange(4)
    if kind == 0:
        return retyped(data, rng.choice(("BF16", "F16", "F64", "F8_E4M3", "F8_E5M2", "I8", "BOOL", "U64", "F32")))
    if kind == 1:
        header = change(header, rng)
    elif kind == 2:
        odd = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38)))
        body = odd * (len(body) // 4)
    else:
        length = rng.choice((0, 1, length + 1, 2**40, 2**64 - 1))
        return struct.pack("<Q", length) + data[8:]
    text = to_json(header)
    return struct.pack("<Q", len(text)) + text + body


def retyped(data: bytes, kind: str) -> bytes:
    """Give a safetensors file of float32 another type, its bytes cut to fit: whole, and only its type is odd."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    size, end = {"F64": 8, "U64": 8, "F32": 4, "BF16": 2, "F16": 2}.get(kind, 1), 0
    for entry in header.values():
        entry["dtype"] = kind
        entry["data_offsets"] = [place // 4 * size for place in entry["data_offsets"]]
        end = max(end, entry["data_offsets"][1])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + (body + body)[:end]


def change_database(path: Path, rng: random.Random) -> None:
    """Change values of some rows, their types included where the tables are not strict, or drop rows or a table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(rng.choice((1, 1, 2, 4))):
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            _change_table(connection, rng.choice(tables), rng)
        connection.commit()


def _change_table(connection: sqlite3.Connection, table: str, rng: random.Random) -> None:
    columns = [(name, kind) for _, name, kind, *_ in connection.execute(f'PRAGMA table_info("{table}")')]
    action = rng.randrange(8)
    if action == 0:
        connection.create_function("chance", 0, lambda: rng.randrange(2))
        connection.execute(f'DELETE FROM "{table}" WHERE chance()')
        return
    if action == 1:
        connection.execute(f'DROP TABLE "{table}"')
        tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()
        if tables == (0,):
            connection.execute("CREATE TABLE nothing (x)")
        return
    if not columns:
        return
    name, kind = rng.choice(columns)
    new = _stored(kind, name, rng)
    some = "WHERE abs(random()) % 2" if rng.randrange(2) else ""
    try:
        connection.execute(f'UPDATE "{table}" SET "{name}" = ? {some}', (new,))
    except (sqlite3.Error, OverflowError, UnicodeEncodeError):
        connection.execute(f'DELETE FROM "{table}"')  # the table will not have it: let it be empty


def _stored(kind: str, name: str, rng: random.Random) -> Any:
    """Draw what a column of a strict table takes."""
    if kind == "INTEGER":
        return rng.choice((None, -1, 0, 1, 2, 99, 2**31, 2**63 - 1, -(2**63)))
    if kind == "REAL":
        return rng.choice((None, 0.0, -1.0, 1e308, float("inf"), -float("inf"), float("nan")))
    if kind == "BLOB":
        return rng.choice((None, b"", b"x", b"\0" * 8, b"\xff" * 22432, b"\0" * 10**6))
    if name in ("genome", "value"):
        return to_json(value(rng) if rng.randrange(2) else {"roughness": value(rng), "x": 1}).decode("utf-8", "replace")
    return rng.choice(
        (None, "", "x", "\x1b]0;owned\x07", "[/x]", "<img src=x onerror=alert(1)>", "a" * 5000, "walker2d")
    )


Mutation = Callable[[bytes, random.Random], bytes]
