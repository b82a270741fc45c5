"""`python -m toolkit.schemas`: write the schemas anew."""

from toolkit import schemas

schemas.write()
