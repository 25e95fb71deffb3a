"""The rate limit: counts only, on a clock set by hand."""

from collections.abc import Iterable

from omnichat_async.sandbox.limiter import Limiter, SlidingWindow

from .support import START_MS, Answer, Client, small, visit


def _admitted(limiter: Limiter, moments: Iterable[float]) -> int:
    return sum(limiter.admit(moment) for moment in moments)


def test_the_41st_of_any_second_is_refused() -> None:
    limiter = Limiter(40, penalise=False)
    assert _admitted(limiter, [10.0] * 20 + [10.9] * 20) == 40
    assert not limiter.admit(10.999)
    assert _admitted(limiter, [11.0] * 30) == 20  # the first 20 have just left the second
    assert _admitted(limiter, [11.899] * 5) == 0
    assert _admitted(limiter, [11.9] * 30) == 20


def test_refused_requests_cost_nothing_unless_penalised() -> None:
    hammering = [10 + n / 1000 for n in range(3000)]  # 1000 requests a second for 3 seconds
    assert _admitted(Limiter(40, penalise=False), hammering) == 120
    assert _admitted(Limiter(40, penalise=True), hammering) == 40


def test_no_limit() -> None:
    assert _admitted(Limiter(None, penalise=True), [1.0] * 1000) == 1000


def test_the_fullest_second_slides() -> None:
    window = SlidingWindow()
    for moment in (0.0, 0.75, 1.0, 1.5, 1.7, 1.75, 5.0):
        window.add(moment)
    assert window.fullest == 4  # 0.75 to 1.7, and 1.0 to 1.75
    assert window.held(5.99) == 1


def test_over_http() -> None:
    now = [100.0]
    sandbox = small(limit=3, monotonic_s=lambda: now[0])

    async def steps(client: Client) -> list[Answer]:
        query = {"taggedAfter": START_MS, "taggedBefore": START_MS + 1}
        answers = [await client.get("/tagging-logs/records", **query) for _ in range(4)]
        now[0] += 1
        return [*answers, await client.get("/tagging-logs/records", **query)]

    answers = visit(sandbox, steps)
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 200]
    assert answers[3].headers["Retry-After"] == "1"
    assert answers[3].json == {"message": "Too Many Requests"}
    stats = sandbox.stats()
    assert (stats.requests, stats.accepted, stats.refused) == (5, 4, 1)
    assert (stats.worst_second, stats.worst_accepted_second) == (4, 3)
    assert (stats.first_at, stats.last_at) == (100.0, 101.0)
    assert stats.by_route == {"GET /tagging-logs/records": 5}
    sandbox.reset_stats()
    assert sandbox.stats().requests == 0
