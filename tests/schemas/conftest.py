"""The option that rewrites the golden cases: ``pytest tests/schemas --generate``, then review."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--generate",
        action="store_true",
        help="write the output.json of every golden case in tests/schemas/golden anew",
    )


@pytest.fixture
def generate(request: pytest.FixtureRequest) -> bool:
    """Return whether to rewrite golden cases; False if the run started above this folder."""
    return bool(request.config.getoption("--generate", default=False))
