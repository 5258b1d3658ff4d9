"""The files in schemas/ say what the code does."""

import json
from pathlib import Path

import pytest

from trajloom.contract import schemas
from trajloom.field_docs import field_docs
from trajloom.schema import Column, Header
from trajloom.task import Subtask

FOLDER = Path(__file__).parents[1] / "schemas"


def test_schemas_folder_is_what_the_code_prints():
    printed = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert printed == schemas(), "run `make schemas`"


@pytest.mark.parametrize("cls", [Column, Header, Subtask])
def test_every_field_of_the_contract_says_what_it_means(cls):
    properties = set(cls.__dataclass_fields__)
    assert properties == set(field_docs(cls))
