"""What posting and holding must do, in the plainest way: dicts, and one rule after the other."""

from dataclasses import dataclass, field

#: debit, credit, amount
Move = tuple[str, str, int]


@dataclass
class HoldLedger:
    """Accounts by name; those that begin with "bank" have no floor; from a bank or a
    player to a player there is no route. A correction takes from a player for the pot what it has
    paid that player and not taken yet; all have a stake in it.

    Every act answers with one word. ``holds`` keeps a move and how it stands: open, due (its time
    is over), or its end; for a captured one also how much.
    """

    posted: dict[str, int]
    closed: set[str] = field(default_factory=set)
    keys: dict[str, tuple[object, object]] = field(default_factory=dict)
    holds: dict[str, tuple[Move, str, int | None]] = field(default_factory=dict)
    owing: dict[str, int] = field(default_factory=dict)

    def held(self, account: str) -> int:
        moves = [move for move, state, _ in self.holds.values() if state in {"open", "due"}]
        return sum(amount for debit, _, amount in moves if debit == account)

    def judge(self, move: Move) -> str:
        debit, credit, amount = move
        if amount <= 0:
            return "not_positive"
        if debit == credit:
            return "same_account"
        if {debit, credit} & self.closed:
            return "account_closed"
        is_closed = credit[:6] == "player" and debit[:4] in {"play", "bank"}
        return "route_not_allowed" if is_closed else "posted"

    def judge_all(self, moves: list[Move]) -> list[str]:
        """Each by itself, and what the pot may take back in the order of the moves."""
        codes, left = [], dict(self.owing)
        for move in moves:
            code = self.judge(move)
            if code == "posted" and move[0].startswith("player") and move[1] == "pot":
                if move[2] > left.get(move[0], 0):
                    code = "not_of_round"
                else:
                    left[move[0]] -= move[2]
            codes.append(code)
        return codes

    def fits(self, move: Move) -> str:
        debit, _, amount = move
        room = self.posted[debit] - self.held(debit)
        return "posted" if debit.startswith("bank") or room >= amount else "below_floor"

    def _apply(self, move: Move) -> str:
        if (code := self.fits(move)) == "posted":
            self.posted[move[0]] -= move[2]
            self.posted[move[1]] += move[2]
            for player, sign in ((move[1], 1), (move[0], -1)):
                if "pot" in move and player.startswith("player"):
                    self.owing[player] = self.owing.get(player, 0) + sign * move[2]
        return code

    def post(self, key: str, moves: list[Move], *, partial: bool) -> object:
        """One word for all, or with ``partial`` a list of one for each."""
        if key in self.keys:
            asked, answer = self.keys[key]
            return answer if asked == (moves, partial) else "key_conflict"
        before = dict(self.posted), dict(self.owing)
        codes = self.judge_all(moves)
        if not partial and (bad := [code for code in codes if code != "posted"]):
            return bad[0]
        for i, move in enumerate(moves):
            codes[i] = self._apply(move) if codes[i] == "posted" else codes[i]
            if codes[i] != "posted" and not partial:
                self.posted, self.owing = before
                return codes[i]
        self.keys[key] = ((moves, partial), codes if partial else "replayed")
        return codes if partial else "done"

    def hold(self, id_: str, move: Move, state: str) -> str:
        if id_ in self.holds:
            return "replayed" if self.holds[id_][0] == move else "key_conflict"
        (code,) = self.judge_all([move])
        code = self.fits(move) if code == "posted" else code
        if code == "posted":
            self.holds[id_] = (move, state, None)
        return "done" if code == "posted" else code

    def capture(self, id_: str, asked: int | None) -> str:
        move, state, taken = self.holds[id_]
        amount = move[2] if asked is None else asked
        if state != "open":
            return "replayed" if taken == amount else self._stale(state)
        if amount > move[2]:
            return "capture_above_hold"
        (code,) = self.judge_all([(*move[:2], amount)])
        if code != "posted":
            return code
        self.holds[id_] = (move, "captured", amount)
        self._apply((*move[:2], amount))
        return "done"

    def void(self, id_: str) -> str:
        move, state, _ = self.holds[id_]
        if state == "open":
            self.holds[id_] = (move, "voided", None)
            return "done"
        return "replayed" if state == "voided" else self._stale(state)

    @staticmethod
    def _stale(state: str) -> str:
        return "stale_hold expired" if state == "due" else f"stale_hold {state}"

    def expire(self) -> int:
        due = [id_ for id_, (_, state, _) in self.holds.items() if state == "due"]
        self.holds |= {id_: (self.holds[id_][0], "expired", None) for id_ in due}
        return len(due)

    def close(self, account: str) -> str:
        if self.posted[account] or self.held(account):
            return "account_not_empty"
        self.closed.add(account)
        return "done"
