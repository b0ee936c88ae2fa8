"""FastAPI: one line, and the user as a dependency. ``/docs`` and ``/openapi.json`` are behind the login like everything else."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from oidc_middleware.asgi import OIDCMiddleware, User

app = FastAPI(title="Reports")
app.add_middleware(OIDCMiddleware, scopes="openid profile email groups")


def current_user(request: Request) -> User:
    return request.user  # type: ignore[no-any-return]  # Starlette types it as Any


def administrator(user: Annotated[User, Depends(current_user)]) -> User:
    if "admins" not in user.groups:
        raise HTTPException(403, "administrators only")
    return user


@app.get("/")
def me(user: Annotated[User, Depends(current_user)]) -> dict[str, str | None]:
    return {"name": user.display_name, "email": user.email}


@app.get("/admin")
def admin(user: Annotated[User, Depends(administrator)]) -> dict[str, list[str]]:
    return {"groups": list(user.groups)}


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
