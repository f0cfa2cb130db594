"""Merkle trees of RFC 6962 §2.1 (carried over by RFC 9162 §2.1): pure hashing, no state.

Leaves are hashed with a 0x00 byte before them and nodes with 0x01, so that neither can pass for the
other. A tree of n leaves splits at the largest power of two below n; a lone right node is promoted
unchanged. Functions take leaf *hashes*, so that large rows need not be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kernel.invariant import ensure

HASH_BYTES = 32


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 of 0x00 and the row's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree head of these leaf hashes; of no leaves, the hash of nothing (RFC 6962 §2.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The audit path of leaf ``index`` (from 0), nearest sibling first (RFC 6962 §2.1.1)."""
    ensure(0 <= index < len(leaves), "the leaf is in the tree", index=index, size=len(leaves))
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion_proof(index - k, leaves[k:]), root(leaves[:k])]


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The whole tree, level by level from the leaves: for the paths of many leaves.

    Neighbours are paired, and a lone last node is promoted unchanged.
    """
    found = [list(leaves)]
    while len(found[-1]) > 1:
        level = found[-1]
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        found.append(paired + level[len(paired) * 2 :])
    return found


def path(index: int, tree: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The audit path of leaf ``index`` in :func:`levels`, as :func:`inclusion_proof` gives it."""
    ensure(0 <= index < len(tree[0]), "the leaf is in the tree", index=index, size=len(tree[0]))
    beside = (((index >> depth) ^ 1, level) for depth, level in enumerate(tree[:-1]))
    return [level[other] for other, level in beside if other < len(level)]


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Whether ``proof`` shows that ``leaf`` is number ``index`` of the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and result == head


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """What shows that the first ``old_size`` leaves are still the same ones (RFC 6962 §2.1.2)."""
    ensure(0 < old_size <= len(leaves), "the old tree is a part of the new one", old=old_size)
    return _subproof(old_size, leaves, known=True)


def extends(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether the tree ``new`` (size, head) continues ``old`` (RFC 9162 §2.1.4.2)."""
    (old_size, old_head), (new_size, new_head) = old, new
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_head == new_head
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_head)
    if not path:
        return False
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            from_new = node_hash(from_new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and from_old == old_head and from_new == new_head


def _subproof(old_size: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if known else [root(leaves)]
    k = _split(len(leaves))
    if old_size <= k:
        return [*_subproof(old_size, leaves[:k], known=known), root(leaves[k:])]
    return [*_subproof(old_size - k, leaves[k:], known=False), root(leaves[:k])]


def _split(size: int) -> int:
    """The largest power of two below ``size`` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)
