"""What a command answered."""

import json


def as_json(answer: tuple[int, str, str]):
    code, output, errors = answer
    assert code == 0, errors
    assert errors == ""
    return json.loads(output)
