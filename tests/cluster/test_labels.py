import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.synthetic import partition

from facebatch.cluster.labels import canonical, own_labels

labels = hnp.arrays(np.int32, st.integers(0, 30), elements=st.integers(-1, 8))


def test_clusters_are_numbered_by_their_first_row():
    assert canonical(np.array([7, -1, 3, 7, 5, 3])).tolist() == [0, -1, 1, 0, -1, 1]


@given(labels, st.randoms(use_true_random=False))
def test_equal_partitions_have_equal_canonical_labels(some, random):
    renamed = list(range(9))
    random.shuffle(renamed)
    other = np.array([renamed[label] if label >= 0 else -1 for label in some], np.int32)
    np.testing.assert_array_equal(canonical(some), canonical(other))
    assert partition(canonical(some)) == partition(some)


@given(labels)
def test_own_labels_keep_the_partition_and_label_every_face(some):
    result = own_labels(some)
    assert partition(result) == partition(some)
    assert sorted(set(result.tolist())) == list(range(len(partition(some))))
