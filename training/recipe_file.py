"""A recipe written as the TOML file that ``Recipe.read`` reads."""

import json
from pathlib import Path
from typing import Any

from service.files import atomic_write
from training.config import Recipe


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe: what differs from the defaults, and its name, seed and note.

    Raises:
        ValueError: The recipe starts from another one, which has a file of its own.
    """
    if recipe.start is not None:
        raise ValueError(f"Cannot write a recipe that starts from another. Received: {recipe.name}")
    default = Recipe(name="").model_dump()
    fields = {"name": recipe.name, "seed": recipe.seed}
    if recipe.note:
        fields["note"] = recipe.note
    sections: dict[str, dict[str, Any]] = {}
    for field, value in recipe.model_dump().items():
        if isinstance(value, dict):
            sections[field] = {k: v for k, v in value.items() if v != default[field][k]}
        elif field not in fields and value != default[field]:
            fields[field] = value
    blocks = [_lines(fields)]
    blocks += [f"[{name}]\n{_lines(changed)}" for name, changed in sections.items() if changed]
    with atomic_write(path) as temporary:
        temporary.write_text("\n\n".join(blocks) + "\n")


def _lines(fields: dict[str, Any]) -> str:
    # Strings, numbers, booleans and arrays of numbers are written alike in JSON and in TOML.
    return "\n".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()
    )
