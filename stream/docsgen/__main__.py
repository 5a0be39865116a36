"""Write all generated pages: ``python -m stream.docsgen``, or ``make generate``."""

from stream.docsgen.pages import PAGES

for path, render in PAGES.items():
    path.write_text(render(), encoding="utf-8")
