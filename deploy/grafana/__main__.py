"""Write the dashboards anew: `python -m deploy.grafana`."""

from deploy.grafana.generate import write

write()
