import pytest

from facebatch.neighbors.index import choose

GIB = 1 << 30


@pytest.mark.parametrize(
    ("n", "memory", "recall", "kind"),
    [
        (0, GIB, 0.95, "flat"),
        (100_000, GIB, 0.95, "flat"),
        (100_000, 1 << 20, 0.95, "ivfpq"),
        (200_000, GIB, 0.95, "ivf"),
        (200_000, GIB, 0.995, "hnsw"),
        (1_000_000, GIB, 0.995, "ivf"),
        (10_000_000, 8 * GIB, 0.95, "ivf"),
        (10_000_000, GIB, 0.95, "ivfpq"),
    ],
)
def test_kind_follows_from_size_memory_and_recall(n, memory, recall, kind):
    assert choose(n, 128, memory, recall).kind == kind


def test_half_precision_where_full_precision_does_not_fit():
    full, half = (choose(4_000_000, 128, memory) for memory in (3 * GIB, 2 * 10**9))
    assert (full.kind, full.half) == ("ivf", False)
    assert (half.kind, half.half) == ("ivf", True)
    assert half.bytes <= 2 * 10**9 < full.bytes


def test_every_plan_says_why():
    for kind in (None, "flat", "ivf", "hnsw", "ivfpq"):
        plan = choose(500_000, 128, GIB, kind=kind)
        assert plan.reasons
        assert plan.as_json()["reasons"] == list(plan.reasons)
        assert kind in (None, plan.kind)


def test_lists_grow_with_the_rows():
    lists = [choose(n, 128, 64 * GIB, kind="ivf").lists for n in (0, 1_000, 100_000, 1_000_000)]
    assert lists == [1, 4, 512, 4096]


def test_lists_stop_growing_where_training_them_would_take_longest():
    assert [choose(n, 128, 1 << 40).lists for n in (10**7, 10**8, 10**9)] == [32_768, *2 * [65_536]]


def test_codes_divide_the_dimension():
    assert [choose(10, d, GIB, kind="ivfpq").codes for d in (128, 512, 6, 7)] == [32, 128, 1, 1]


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"'tree' .* flat, ivf, hnsw, ivfpq"):
        choose(10, 128, GIB, kind="tree")
