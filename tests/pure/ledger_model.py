"""What try_post must do, in the plainest way: one item after the other over a dict of balances."""

from dataclasses import dataclass

from ledger.postings import PostCode


@dataclass(frozen=True)
class Item:
    """``amount`` from ``debit`` to ``credit``; accounts by name, ``permit`` by name or none."""

    debit: str
    credit: str
    amount: int
    group: int | None = None
    permit: str | None = None


class Ledger:
    """Balances with floor zero. ``permits`` says how much each permit of the call still allows."""

    def __init__(self, posted: dict[str, int]) -> None:
        self.posted = dict(posted)

    def try_post(self, items: list[Item], permits: dict[str, int] | None = None) -> list[PostCode]:
        room = dict(permits or {})
        codes: list[PostCode | None] = [self._form(item, room) for item in items]
        for group in self._groups(items):
            if any(codes[i] for i in group):
                for i in group:
                    codes[i] = codes[i] or PostCode.GROUP_FAILED
                continue
            before = (dict(self.posted), dict(room))
            for i in group:
                codes[i] = self._apply(items[i], room)
                if codes[i] is not PostCode.POSTED:
                    self.posted, room = before
                    for j in group:
                        codes[j] = codes[i] if j == i else PostCode.GROUP_FAILED
                    break
        return [code for code in codes if code is not None]

    def _form(self, item: Item, room: dict[str, int]) -> PostCode | None:
        if item.amount <= 0:
            return PostCode.NOT_POSITIVE
        if item.debit not in self.posted or item.credit not in self.posted:
            return PostCode.UNKNOWN_ACCOUNT
        if item.permit is not None and item.permit not in room:
            return PostCode.PERMIT_INVALID
        return None

    def _apply(self, item: Item, room: dict[str, int]) -> PostCode:
        if item.permit is not None and room[item.permit] < item.amount:
            return PostCode.PERMIT_EXCEEDED
        if self.posted[item.debit] < item.amount:
            return PostCode.BELOW_FLOOR
        self.posted[item.debit] -= item.amount
        self.posted[item.credit] += item.amount
        if item.permit is not None:
            room[item.permit] -= item.amount
        return PostCode.POSTED

    @staticmethod
    def _groups(items: list[Item]) -> list[list[int]]:
        """Units in the order of their first items; an item without a group is its own unit."""
        units: dict[object, list[int]] = {}
        for i, item in enumerate(items):
            units.setdefault(("alone", i) if item.group is None else item.group, []).append(i)
        return list(units.values())
