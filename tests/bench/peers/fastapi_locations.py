"""The least that a service for fixes needs, with FastAPI and asyncpg: local time is UTC to it.

`FIX_STATEMENT` is the statement that stores a fix, with the parameters of `store` in their order;
`DATABASE_DSN` tells where the database is, and `CONNECTIONS` how many each worker has to it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel, Field

STATEMENT = os.environ["FIX_STATEMENT"]
CONNECTIONS = int(os.environ["CONNECTIONS"])  # of each worker


class Fix(BaseModel):
    timestamp: datetime
    lat: float = Field(ge=-90, le=90)
    long: float = Field(ge=-180, le=180)
    accuracy: float = Field(ge=0)
    speed: float = Field(ge=0)
    user_id: str = Field(min_length=1, max_length=255)


@asynccontextmanager
async def connect(app: FastAPI) -> AsyncIterator[None]:
    dsn = os.environ["DATABASE_DSN"]
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=connect)


@app.get("/healthz")
async def show_alive() -> dict[str, str]:
    return {"status": "alive"}


@app.put("/location")
async def store(fix: Fix) -> dict[str, str]:
    at = fix.timestamp.replace(tzinfo=UTC)
    values = (fix.user_id, at, False, at, None, False, fix.long, fix.lat, fix.accuracy, fix.speed)
    count = await app.state.pool.fetchval(STATEMENT, *values)
    return {"status": "stored" if count else "duplicate"}
