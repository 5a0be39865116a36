"""Providers on this machine, as strict as their documentation; a violation fails the test.

Limits come from the providers' documentation, which each provider names, and not from our sinks.
"""

from tests.support.providers.alertmanager import Alertmanager
from tests.support.providers.base import HOST, Fault, Provider
from tests.support.providers.custom_json import Json
from tests.support.providers.folder import Folder
from tests.support.providers.jira import Jira
from tests.support.providers.mail import Mail
from tests.support.providers.pagerduty import PagerDuty
from tests.support.providers.slack import Slack
from tests.support.providers.teams import Teams
from tests.support.providers.webhook import Webhook

__all__ = [
    "HOST", "Alertmanager", "Fault", "Folder", "Jira", "Json", "Mail", "PagerDuty", "Provider",
    "Slack", "Teams", "Webhook",
]  # fmt: skip
