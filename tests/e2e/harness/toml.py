# SPDX-License-Identifier: ISC
"""Writes a nested dict as TOML 1.0: scalars and arrays first, then each table under its dotted, quoted name."""

import copy
import json
import re


def _key(name):
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, int):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)


def _table(tree, path, out):
    plain = {k: v for k, v in tree.items() if not isinstance(v, dict)}
    if path and (plain or not tree):
        out.append(f"\n[{'.'.join(_key(p) for p in path)}]")
    out.extend(f"{_key(k)} = {_value(v)}" for k, v in plain.items())
    for name, value in tree.items():
        if isinstance(value, dict):
            _table(value, path + [name], out)


def dumps(tree):
    out = []
    _table(tree, [], out)
    return "\n".join(out) + "\n"


def merged(base, changes):
    """`base` with `changes` laid over it, table by table; a value of None takes a key away."""
    tree = copy.deepcopy(base)
    for name, value in changes.items():
        if value is None:
            tree.pop(name, None)
        elif isinstance(value, dict) and isinstance(tree.get(name), dict):
            tree[name] = merged(tree[name], value)
        else:
            tree[name] = copy.deepcopy(value)
    return tree
