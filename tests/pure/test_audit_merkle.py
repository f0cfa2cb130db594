"""Merkle trees: the published vectors, and every proof of every small tree."""

import pytest

from audit import merkle
from kernel.invariant import InvariantBroken
from verify import tree

#: The leaves that certificate-transparency implementations share as test data, and their roots.
LEAVES = [
    merkle.leaf_hash(bytes.fromhex(text))
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
MANY = [merkle.leaf_hash(bytes([n])) for n in range(33)]


@pytest.mark.parametrize("size", ROOTS)
def test_roots_are_the_published_ones_by_both_implementations(size):
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    assert tree.root([leaf.hex() for leaf in LEAVES[:size]]) == ROOTS[size]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([]).hex() == empty


@pytest.mark.parametrize("size", range(1, 34))
def test_both_implementations_agree_and_every_leaf_is_shown_to_be_included(size):
    leaves = MANY[:size]
    head = merkle.root(leaves)
    assert tree.root([leaf.hex() for leaf in leaves]) == head.hex()
    whole = merkle.levels(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion_proof(index, leaves)
        assert merkle.path(index, whole) == proof
        assert merkle.includes(leaf, index, size, proof, head)
        assert not merkle.includes(merkle.leaf_hash(b"other"), index, size, proof, head)
        assert not merkle.includes(leaf, index, size, [*proof, head], head)
        if size > 1:
            assert not merkle.includes(leaf, (index + 1) % size, size, proof, head)
            assert not merkle.includes(leaf, index, size, proof[:-1], head)


def test_an_index_outside_the_tree_is_not_included():
    assert not merkle.includes(MANY[0], 1, 1, [], MANY[0])
    with pytest.raises(InvariantBroken):
        merkle.inclusion_proof(3, MANY[:3])


@pytest.mark.parametrize("size", range(1, 34))
def test_every_longer_tree_is_shown_to_continue_every_shorter_one(size):
    leaves = MANY[:size]
    for old in range(1, size + 1):
        before, now = (old, merkle.root(leaves[:old])), (size, merkle.root(leaves))
        proof = merkle.consistency_proof(old, leaves)
        assert merkle.extends(before, now, proof)
        forged = [merkle.leaf_hash(b"forged"), *leaves[1:old]]
        assert not merkle.extends((old, merkle.root(forged)), now, proof)
        assert not merkle.extends(before, (size, merkle.root(forged)), proof)


def test_a_tree_does_not_continue_a_longer_one():
    assert not merkle.extends((3, merkle.root(MANY[:3])), (2, merkle.root(MANY[:2])), [])
    assert not merkle.extends((2, merkle.root(MANY[:2])), (3, merkle.root(MANY[:3])), [])


def test_a_leaf_cannot_pass_for_a_node():
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
