"""Print the contract from the code into schemas/."""

import json
from pathlib import Path

from trajloom.contract import schemas

FOLDER = Path(__file__).parents[1] / "schemas"

if __name__ == "__main__":
    for name, content in schemas().items():
        (FOLDER / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        print(FOLDER / name)
