"""Write the dashboards: `python -m deploy.grafana`."""

from deploy.grafana.generate import write

write()
