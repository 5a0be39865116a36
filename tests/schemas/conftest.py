"""The option that rewrites golden cases: ``pytest tests/schemas --generate``; review the diff."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--generate",
        action="store_true",
        help="write the output.json of every golden case in tests/schemas/golden anew",
    )


@pytest.fixture
def generate(request: pytest.FixtureRequest) -> bool:
    """Whether golden cases are to be rewritten; the option is unknown to a run from further up."""
    return bool(request.config.getoption("--generate", default=False))
