"""What tools keep in the site's cache."""

import asyncio
import uuid
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command

from tests.services import redis_url as redis_url  # the name is the fixture
from tools.cache import DjangoCache
from tools.conf import site_cache


class Away(BaseCache):
    """A cache whose server is gone."""

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        raise ConnectionError

    def set(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> None:
        raise ConnectionError


def memory(**params: Any) -> LocMemCache:
    made = LocMemCache("tools-test", params)
    made.clear()
    return made


def test_what_was_kept_comes_back():
    cache = DjangoCache(memory(), 60)

    cache.set("weather " + "x" * 1000 + "\n", {"a": [1, None, "ä"]})

    assert cache.get("weather " + "x" * 1000 + "\n") == {"a": [1, None, "ä"]}
    assert cache.get("other") is None


def test_values_are_kept_for_as_long_as_the_site_says_unless_the_tool_says_otherwise():
    kept = memory()
    DjangoCache(kept, 0).set("gone", 1)
    DjangoCache(kept, 0).set("here", 1, seconds=60)

    assert DjangoCache(kept, 0).get("gone") is None
    assert DjangoCache(kept, 0).get("here") == 1


def test_a_cache_that_is_away_has_forgotten_everything(caplog: pytest.LogCaptureFixture):
    cache = DjangoCache(Away({}), 60)

    cache.set("a", 1)

    assert cache.get("a") is None
    assert "ConnectionError" in caplog.text


def test_what_is_no_json_or_too_large_is_not_kept():
    cache = DjangoCache(memory(), 60)

    cache.set("odd", object())
    cache.set("large", "x" * 1_000_001)

    assert (cache.get("odd"), cache.get("large")) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_a_cache_in_the_database_may_be_asked_from_an_async_tool(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "tools_test_cache"}
    }
    call_command("createcachetable", verbosity=0)
    cache = DjangoCache(DatabaseCache("tools_test_cache", {}), 60)

    async def as_a_tool() -> Any:
        cache.set("a", [1])
        return cache.get("a")

    assert asyncio.run(as_a_tool()) == [1]


def test_it_works_over_redis(redis_url: str):
    kept = RedisCache(redis_url, {"KEY_PREFIX": f"test-{uuid.uuid4().hex}", "OPTIONS": {"socket_timeout": 5}})
    cache = DjangoCache(kept, 60)

    cache.set("a", {"b": [1]})

    assert cache.get("a") == {"b": [1]}
    assert cache.get("b") is None


def test_a_redis_that_is_away_is_a_cache_that_has_forgotten():
    cache = DjangoCache(RedisCache("redis://127.0.0.1:1/0", {"OPTIONS": {"socket_connect_timeout": 1}}), 60)

    cache.set("a", 1)

    assert cache.get("a") is None


def test_the_sites_cache_keeps_for_as_long_as_the_setting_says(settings):
    settings.TOOLS_CACHE_SECONDS = 0
    site_cache().set("a", 1)

    assert site_cache().get("a") is None
