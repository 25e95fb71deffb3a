"""Names: the 62 teammates with their shops, and what customers are called."""

import attrs

from omnichat_async.sandbox.data.mixing import mix

CUSTOMER_NAMES = (
    "Peter",
    "Mary",
    "陳大文",
    "王小明",
    "林怡君",
    "佐藤さくら",
    "김민준",
    "Zoë O'Neil",
    "Nguyễn Văn An",
    "🌸 Momo 🌸",
    "محمد",
    "Alan\tLi",
)

_TEAM_SIZE = 62
_FAMILY = ("Ken", "Kyle Li", "黃美玲", "Ada", "張志豪", "Mei", "Tom", "李淑芬")
_SHOPS = tuple((f"Shop {letter}", f"S-{n:03d}") for n, letter in enumerate("ABCDEFGH", 1))
_CODELESS = (20, 41)  # two teammates without an employee code
_NAMESAKES = {11: 10}  # 11 is called like 10, only the codes differ


@attrs.frozen
class Teammate:
    """One agent. `employee_code` is None for some; `shops` are (name, code), none for some."""

    name: str
    employee_code: str | None
    shops: tuple[tuple[str, str], ...]
    user_id: str
    phone: str
    email: str

    def works_at(self, location_code: str) -> bool:
        """Whether the agent belongs to this shop."""
        return any(code == location_code for _, code in self.shops)


def hire_team(key: int) -> tuple[Teammate, ...]:
    """The whole team, the same for the same key."""
    return tuple(_hire(key, n) for n in range(_TEAM_SIZE))


def _hire(key: int, n: int) -> Teammate:
    bits = mix(key + n)
    called = _NAMESAKES.get(n, n)
    first_shop = bits % len(_SHOPS)
    return Teammate(
        name=f"Sales {_FAMILY[called % len(_FAMILY)]} {called}",
        employee_code=None if n in _CODELESS else f"S{n + 1:04d}",
        shops=(_SHOPS * 2)[first_shop : first_shop + n % 3],
        user_id=f"{bits:016x}"[:8] + f"-5f4f-4119-919c-{n:012x}",
        phone=f"85392222{n:04d}",
        email=f"agent{n}@example.com",
    )
