"""Models behind one interface (`detectors.models.base.Model`), chosen by name.

To add one, write the module ``detectors/models/NAME.py`` with a class whose `name` is NAME, and add
NAME to `detectors.policy.settings.ModelName`. The contract suite in
``tests/detectors/models/test_models.py`` then runs over it.
"""

from functools import cache
from importlib import import_module
from typing import Final, get_args

from detectors.models.base import Arrival, Model, Score
from detectors.policy.settings import ModelName

__all__ = ["MODEL_NAMES", "Arrival", "Model", "Score", "model_class"]

MODEL_NAMES: Final[tuple[ModelName, ...]] = get_args(ModelName)


@cache
def model_class(name: ModelName) -> type[Model]:
    """Return the class of a model.

    The module is imported on first use, because river takes a second to import.

    Raises:
        LookupError: The module has no model class with that name.

    Example:
        >>> model_class("cusum_bank").__name__
        'CusumBank'
    """
    module = import_module(f"{__name__}.{name}")
    for candidate in vars(module).values():
        if (
            isinstance(candidate, type)
            and issubclass(candidate, Model)
            and candidate.__dict__.get("name") == name
        ):
            return candidate
    raise LookupError(f"{module.__name__} has no Model subclass with name = {name!r}")
