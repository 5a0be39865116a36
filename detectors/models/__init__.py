"""Models behind one interface (`detectors.models.base.Model`), chosen by name.

Adding one: a file with a class, one line in `_MODELS`, one in
`detectors.policy.settings.ModelName`; the contract suite in
``tests/detectors/models/test_models.py`` then runs over it.
"""

from importlib import import_module
from typing import Final, cast

from detectors.models.base import Arrival, Model, Score
from detectors.policy.settings import ModelName

__all__ = ["MODEL_NAMES", "Arrival", "Model", "Score", "model_class"]

_MODELS: Final[dict[ModelName, str]] = {
    "cusum_bank": "detectors.models.cusum_bank:CusumBank",
    "gaussian": "detectors.models.gaussian:GaussianBuckets",
    "half_space_trees": "detectors.models.half_space_trees:HalfSpaceBuckets",
}
MODEL_NAMES: Final = tuple(_MODELS)


def model_class(name: ModelName) -> type[Model]:
    """The class called *name*; imported only when asked for: river takes a second to import."""
    module, attribute = _MODELS[name].split(":")
    return cast("type[Model]", getattr(import_module(module), attribute))
