"""What the parts of the demo agree on."""

from __future__ import annotations

from typing import Final

#: Only colleagues in this group may see a dashboard. The provider's sample users ada and grace are in it, alan is not.
ALLOW: Final = "group:engineering"

SCOPES: Final = "openid profile email groups"

#: Paths that need no login: style sheet, pictures, and what tells run.py that the server is up.
PUBLIC: Final = ("/assets/*", "/healthz")
