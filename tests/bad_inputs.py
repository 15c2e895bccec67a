"""What nobody should send and everybody does: bodies, fields and ids that no endpoint can make anything of.

May import the standard library only.
"""

#: In every bad body; found in no answer.
CANARY = "kanarienvogel"

#: Bodies that are not strict JSON.
NOT_JSON = {
    "empty": b"",
    "trailing garbage": b'{"prompt": "kanarienvogel"} kanarienvogel',
    "byte order mark": b'\xef\xbb\xbf{"prompt": "kanarienvogel"}',
    "UTF-16": '{"prompt": "kanarienvogel"}'.encode("utf-16"),
    "invalid UTF-8": b'{"prompt": "kanarienvogel\xff"}',
    "surrogate in a value": b'{"prompt": "kanarienvogel\\ud800"}',
    "surrogate in a key": b'{"prompt": "x", "kanarienvogel\\ud800": 1}',
    "NUL": b'{"prompt": "kanarienvogel\\u0000"}',
    "NaN": b'{"prompt": "kanarienvogel", "cfg_scale": NaN}',
    "Infinity": b'{"prompt": "kanarienvogel", "cfg_scale": Infinity}',
    "1e999": b'{"prompt": "kanarienvogel", "cfg_scale": 1e999}',
    "4,000 digits": b'{"prompt": "kanarienvogel", "seed": ' + b"7" * 4000 + b"}",
    "40,000 deep": b'{"prompt": "kanarienvogel", "x": ' + b"[" * 40_000 + b"]" * 20_000,
    "duplicate keys": b'{"prompt": "kanarienvogel", "prompt": "x"}',
    "form": b"prompt=kanarienvogel",
}

#: JSON that is no request for a picture.
WRONG_SHAPE: dict[str, object] = {
    "null": None,
    "list": [],
    "text": "kanarienvogel",
    "number": 5,
    "nothing": {},
    "no prompt": {"negative_prompt": "kanarienvogel"},
    "null prompt": {"prompt": None},
    "empty prompt": {"prompt": ""},
    "blank prompt": {"prompt": " \n\t\u00a0"},
    "prompt too long": {"prompt": "kanarienvogel" + "x" * 10_000},
    "prompt is a number": {"prompt": 5},
    "prompt is a list": {"prompt": ["kanarienvogel"]},
    "prompt is an object": {"prompt": {"kanarienvogel": 1}},
    "misspelt key": {"prompt": "x", "negativ_prompt": "kanarienvogel"},
    "key that is a prompt": {"prompt": "x", "kanarienvogel on a roof": 1},
    "status smuggled in": {"prompt": "x", "status": "finished"},
    "owner smuggled in": {"prompt": "x", "owner": "kanarienvogel"},
    "options smuggled in": {"prompt": "x", "options": {"kanarienvogel": 1}},
    "constructor": {"prompt": "x", "__class__": "kanarienvogel", "__proto__": {}},
    "seed text": {"prompt": "x", "seed": "5"},
    "seed 1.5": {"prompt": "x", "seed": 1.5},
    "seed -2": {"prompt": "x", "seed": -2},
    "seed 2^32": {"prompt": "x", "seed": 2**32},
    "seed 2^32 - 1": {"prompt": "x", "seed": 2**32 - 1},
    "seed 10^60": {"prompt": "x", "seed": 10**60},
    "seed true": {"prompt": "x", "seed": True},
    "the last seed, twice": {"prompt": "x", "seed": 2**32 - 2, "count": 2},
    "unknown model": {"prompt": "x", "model": "kanarienvogel"},
    "two models": {"prompt": "x", "model": "kanarienvogel", "checkpoint": "kanarienvogel2"},
    "model with a path": {"prompt": "x", "model": "../../etc/kanarienvogel"},
    "count 0": {"prompt": "x", "count": 0},
    "count -1": {"prompt": "x", "count": -1},
    "count 1,000": {"prompt": "x", "count": 1000},
    "count 10^50": {"prompt": "x", "count": 10**50},
    "count text": {"prompt": "x", "count": "2"},
    "batch_size 0": {"prompt": "x", "batch_size": 0},
    "batch_size 1,000": {"prompt": "x", "batch_size": 1000, "count": 1},
    "batch_size text": {"prompt": "x", "batch_size": "kanarienvogel"},
    "5,000 unknown keys": {"prompt": "x", **{f"kanarienvogel{n}": 1 for n in range(2000)}},
}

#: Ids that are none, as they stand in a path.
IDS = [
    "x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 10_000, "0" * 32, "0" * 31, "0" * 33, "A" * 32, "%F0%9F%8C%8A", "..",
    "0" * 32 + "%0a", "%ff%fe", "kanarienvogel", "0" * 32 + "%2f", "'; DROP TABLE jobs; --", "{id}", "٣" * 32,
]  # fmt: skip
